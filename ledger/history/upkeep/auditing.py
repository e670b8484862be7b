"""The files of the history, read again whole and compared with each other.

Owns what must hold of the Git repository itself, whatever its records say: every pack, index
and loose file is what Git wrote; every ref names a commit that is there; every commit adds to
its first parent, and what it adds is there; nothing that was published has been taken back.
What `git fsck` finds is found here. Works file by file and commit by commit, so that a part
can be checked at a time and little is in memory. Changes nothing.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ledger.disk import mode_of, names_in, read_file, storage_errors
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.history.folds.replacing import MULTI_PACK_INDEX
from ledger.history.git.entries import PackDamage
from ledger.history.git.forms import Commit, is_object_id
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import PackFile
from ledger.history.git.refs import PACKED_REFS
from ledger.history.git.repository import GRAFTS, HEAD, PACKS, SHALLOW
from ledger.history.git.revisions import commit_behind
from ledger.history.git.settings import OTHER_KIND, REQUIRED_SETTINGS, other_kind, read_settings
from ledger.history.git.soundness import (
    GitFault,
    check_folder,
    check_index,
    check_loose,
    check_pack,
    check_trailer,
    unreadable,
)
from ledger.history.git.tips import offered_tips, read_tips
from ledger.history.history import History
from ledger.history.tree.comparing import compare_commits
from ledger.history.tree.layout import LEDGER_FILE
from ledger.history.tree.trees import CommittedTree
from ledger.history.upkeep.ref_auditing import check_refs
from ledger.history.writing.commits import TOGETHER
from ledger.ids import CommitId
from ledger.system_errors import raise_if_inconclusive

_GITS_OWN = "refs/remotes/", "refs/notes/"
_ARRIVING = (b"fetch-pack ", b"receive-pack ")
"""How the ``.keep`` begins that Git puts beside a pack until a ref names what came in the pack."""


def git_files(history: History) -> Iterator[str]:
    """Every file or folder of the repository that `check_git_file` knows, relative to it."""
    yield from ("HEAD", "config", SHALLOW, GRAFTS, "refs", PACKED_REFS, "logs")
    objects = history.objects.directory
    yield from (f"objects/{name}" for name in names_in(objects) if len(name) == len("ab"))
    yield PACKS
    packs = names_in(objects / "pack")
    stems = dict.fromkeys(name.rsplit(".", 1)[0] for name in packs if name.endswith((".pack", ".idx")))
    common = (MULTI_PACK_INDEX, f"{MULTI_PACK_INDEX}.d")
    yield from (f"{PACKS}/{name}" for name in (*stems, *(name for name in packs if name in common)))
    yield from (f"objects/info/{name}" for name in names_in(objects / "info") if name.startswith("commit-graph"))


def check_indexes(history: History) -> Iterator[GitFault]:
    """A fault for each pack whose index is not what it should be.

    To be called before any object is read, since reading makes a lost index again.
    """
    for base in _packs(history):
        fault = check_index(base, f"{PACKS}/{base.name}")
        if fault is not None:
            yield fault


def without_index(history: History) -> frozenset[str]:
    """The names of the packs that have no index now, so that no reader finds what they hold; call it before reading."""
    return frozenset(base.name for base in _packs(history) if not mode_of(f"{base}.idx", follow=False))


def check_missed(history: History, before: frozenset[str]) -> Iterator[GitFault]:
    """A fault for each index that was missing, and that reading has made again since because it needed it.

    ``before`` are the packs that `without_index` gave before anything was read.
    """
    if history.objects.packs.has_restored:
        for stem in sorted(before):
            if mode_of(history.objects.pack_directory / f"{stem}.idx", follow=False):
                where = f"{PACKS}/{stem}.idx"
                yield GitFault(where, "missing", f"{history.git_dir / where} was missing; it has been made again")


def check_git_file(history: History, name: str) -> Iterator[GitFault]:
    """What is wrong with a file, the loose files of a folder, or a pack and what belongs to it."""
    path = history.git_dir / name
    try:
        with storage_errors(path, "read"):
            yield from _check_file(history, path, name)
    except StorageError as error:
        raise_if_inconclusive(error)
        if not isinstance(error.__cause__, FileNotFoundError):  # else folded, or packed by Git, at this moment
            yield GitFault(name, "corrupt", str(error))


def all_commits(history: History) -> Iterator[CommitId]:
    """The id of every commit of this history that can be found, also of those that cannot be read.

    What plain Git has fetched is left out: the next sync judges it. So are Git's notes, which are no records.
    """
    found = read_tips(history.git_dir).accepted
    return _reached(history, (id for ref, id in found.items() if not ref.startswith(_GITS_OWN)))


def check_commit(history: History, id: CommitId) -> GitFault | None:
    """What is wrong with a commit: it is not there, takes something away, or what it adds is not there."""
    objects = history.objects
    where = f"commit {id}"
    try:
        commit = objects.commit(id)
        difference = compare_commits(objects, next(iter(commit.parents), None), id)
        if difference.breach is not None:
            verb, file = difference.breach
            return GitFault(where, "corrupt", f"{where} {verb} {file}; a history only grows")
        tree = CommittedTree(objects, commit.tree)
        for path in difference.added:
            tree.read(path)  # raises where it cannot be read
    except (IntegrityError, FormatError, StorageError) as error:
        return unreadable(where, error)
    return None


def check_nothing_taken_back(history: History) -> Iterator[GitFault]:
    """A fault for each commit that was built on, and so was published once, and that no ref reaches any more.

    Commits that a writer left when it died or lost a race do not count: nothing builds on them but commits that were to
    be published together with them. Nor do those of a fetch or push that died, which were published elsewhere, or Git's
    notes and whatever else was fetched from other branches, which belong to no ledger.
    """
    on_disk = set(_commits_on_disk(history.objects))
    tips = read_tips(history.git_dir)
    # Only commits that are here: looking for others would make indexes of packs that dead writers left.
    offered = on_disk.intersection(offered_tips(history.git_dir))
    # Followed after the disk was listed, so that a commit that comes in between does not count as lost.
    reached = set(_reached(history, (*tips.commits.values(), *offered)))
    if tips.unread:
        return  # nobody can tell what the unread refs reach
    lost = {id: commit for id in on_disk - reached if (commit := _commit_of_a_ledger(history.objects, id)) is not None}
    built_on = {
        parent for commit in lost.values() if f"\n{TOGETHER}: " not in commit.message for parent in commit.parents
    }
    for id in sorted(built_on & lost.keys()):
        subject = lost[id].message.split("\n", 1)[0]
        message = f"commit {id} ({subject}) was published once, and no ref of {history.git_dir} reaches it any more"
        yield GitFault(f"commit {id}", "corrupt", message)


def _packs(history: History) -> Iterator[Path]:
    folder = history.objects.pack_directory
    yield from (folder / name.removesuffix(".pack") for name in names_in(folder) if name.endswith(".pack"))


def _check_file(history: History, path: Path, name: str) -> Iterator[GitFault]:
    """The faults of one file of the repository, each kind of file by its own check."""
    if name in ("HEAD", "config"):
        yield from _check_small(path, name)
    elif name == SHALLOW:
        if mode_of(path, follow=False):
            yield GitFault(
                name, "corrupt", f"{path} cuts the history off for Git, which could remove what is behind it"
            )
    elif name == GRAFTS:
        if mode_of(path, follow=False):
            yield GitFault(name, "corrupt", f"{path} has Git show commits with other parents than they have")
    elif name in ("refs", PACKED_REFS, "logs"):
        yield from check_refs(history, name)
    elif name == PACKS:
        yield from filter(None, [check_folder(path, name, of="packs")])
    elif name.startswith(f"{PACKS}/pack-"):
        yield from check_pack(path, name)
    elif len(name) == len("objects/ab"):
        yield from check_loose(path, name)
    else:
        yield from check_trailer(path, name)


def _reached(history: History, tips: Iterable[CommitId]) -> Iterator[CommitId]:
    """Every commit that some refs lead to, each once, as far as commits can be read."""
    waiting = sorted(set(_commits_behind(history, set(tips))))
    seen = set(waiting)
    while waiting:
        id = waiting.pop()
        yield id
        try:
            parents = history.objects.commit(id).parents
        except (IntegrityError, StorageError) as error:
            raise_if_inconclusive(error)
            continue  # `check_commit` says what is wrong with it
        for parent in parents:
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)


def _commits_behind(history: History, named: Iterable[CommitId]) -> Iterator[CommitId]:
    """The commits that refs lead to, some through tags; for what cannot be read, the id of that."""
    for id in named:
        try:
            commit = commit_behind(history.objects, id)
        except (IntegrityError, StorageError) as error:
            raise_if_inconclusive(error)
            commit = CommitId(str(error.facts.get("digest", id)))  # `check_commit` says what is wrong with it
        if commit is not None:
            yield commit


def _commit_of_a_ledger(objects: Objects, id: CommitId) -> Commit | None:
    """A commit in whose tree a ledger lies; ``None`` for another one, and for what cannot be read as one."""
    try:
        commit = objects.commit(id)
        return commit if LEDGER_FILE[0] in objects.tree(commit.tree) else None
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        return None  # `check_git_file` says so, where it is damaged


def _check_small(path: Path, name: str) -> Iterator[GitFault]:
    """The faults of ``HEAD`` or of the settings, by which Git knows a repository, and which kind of one it is."""
    try:
        data = read_file(path)
    except FileNotFoundError:
        yield GitFault(name, "missing", f"{path} is missing")
        return
    if name == "HEAD":
        if data != HEAD:
            yield GitFault(name, "corrupt", f"{path} holds {data[:60]!r}, expected {HEAD!r}")
        return
    try:
        found = read_settings(data)
    except ValueError as error:
        yield GitFault(name, "corrupt", f"{path}: {error}")
        return
    for key, values in REQUIRED_SETTINGS.items():
        if found.get(key) not in values:
            yield GitFault(name, "corrupt", f"{path} has {key} = {found.get(key)}, expected {values[0]}")
    if (setting := other_kind(found)) is not None:
        yield GitFault(name, "corrupt", f"{path} sets {setting!r}, {OTHER_KIND}")


def _commits_on_disk(objects: Objects) -> Iterator[CommitId]:
    """The id of every object that may be a commit, in loose files and in packs that have arrived."""
    for name in names_in(objects.directory):
        if len(name) == len("ab"):
            try:
                files = names_in(objects.directory / name)
            except StorageError as error:
                raise_if_inconclusive(error)
                continue  # `check_git_file` says so
            yield from (CommitId(name + file) for file in files if is_object_id(name + file))
    for file in names_in(objects.pack_directory):
        if file.endswith(".idx") and not _is_arriving(objects.pack_directory / file.replace(".idx", ".keep")):
            pack = PackFile(str(objects.pack_directory / file.removesuffix(".idx")))
            try:
                yield from (CommitId(name.hex()) for name in pack.names() if pack.may_be_commit(name))
            except (PackDamage, OSError) as error:
                raise_if_inconclusive(error, path=f"{pack.base}.pack")
                continue  # `check_git_file` says so


def _is_arriving(keep: Path) -> bool:
    """Whether a ``.keep`` is Git's mark on a pack that is arriving, or was when Git died."""
    try:
        return read_file(keep).startswith(_ARRIVING)
    except FileNotFoundError:
        return False
    except StorageError as error:
        raise_if_inconclusive(error)
        return False
