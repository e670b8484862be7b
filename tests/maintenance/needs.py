"""Which files of a ledger each version needs to be loaded, worked out apart from what is tested."""

from pathlib import Path

from ledger import Ledger
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import PackFile
from ledger.history.tree.layout import pointer_page
from tests.kit.ledgers import store_of
from tests.maintenance.varied import every_version, str_of

EVERYONE = ("config.toml", "history.git/HEAD", "history.git/config", "store/store.json")


def files_needed(ledger: Ledger) -> dict[str, set[Path]]:
    """The files that each version needs, by its label; more than it needs where that is hard to tell."""
    held = _objects_by_file(ledger)
    everyone = {ledger.path / name for name in EVERYONE} | _refs(ledger)
    needed: dict[str, set[Path]] = {}
    for version in every_version(ledger):
        ids = _git_objects(ledger, version.claim.path, pointer_page(version.claim.name, version.version))
        of_history = {path for path, objects in held.items() if ids & objects}
        needed[str_of(version)] = everyone | of_history | _stored(ledger, version.content)
    return needed


def _refs(ledger: Ledger) -> set[Path]:
    return {ledger.git_dir / "refs" / "heads" / "main", ledger.git_dir / "packed-refs"}


def _objects_by_file(ledger: Ledger) -> dict[Path, set[str]]:
    held: dict[Path, set[str]] = {}
    folder = ledger.git_dir / "objects"
    for path in folder.glob("??/*"):
        held[path] = {path.parent.name + path.name}
    for path in (folder / "pack").glob("*.pack"):
        names = {name.hex() for name in PackFile(str(path.with_suffix(""))).names()}
        held[path] = held[path.with_suffix(".idx")] = names
    return held


def _git_objects(ledger: Ledger, *paths: tuple[str, ...]) -> set[str]:
    objects = Objects(ledger.git_dir)
    commit = objects.commit(ledger.revision)  # type: ignore[arg-type]
    ids: set[str] = {commit.id, commit.tree, objects.tree(commit.tree)["ledger.json"].id}
    for path in paths:
        tree = commit.tree
        for segment in path:
            entry = objects.tree(tree).get(segment)
            if entry is None:
                break
            ids.add(entry.id)
            tree = entry.id
        else:
            ids |= {entry.id for entry in objects.tree(tree).values()}
    return ids


def _stored(ledger: Ledger, content: object) -> set[Path]:
    from ledger.blobs import needs_of
    from ledger.records import Content

    assert isinstance(content, Content)
    store = store_of(ledger)
    found = {store / key for key in needs_of(ledger.store, content).stretches}
    if content.linked is not None:
        found |= {path for path in (store / content.linked).rglob("*") if path.is_file()}
    return found
