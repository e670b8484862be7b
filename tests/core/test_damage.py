"""Damaged, missing, foreign: an error that says what and where, and never wrong bytes."""

import errno
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger import ArtifactVersion, Ledger
from ledger.errors import (
    FormatError,
    IntegrityError,
    LedgerError,
    StorageError,
    StoreLostError,
    StoreMismatchError,
    UnsupportedFormatError,
)
from ledger.lookup import cataloguing
from tests.kit.contents import noise
from tests.kit.ledgers import canonical, damage, forge, git, manifest_of, manifest_path, objects_of, plant, store_of

LARGE = bytes(range(256)) * 4000


def _swap(ledger: Ledger) -> None:
    """Put another store's identity in the place of the ledger's."""
    other = Ledger.init(ledger.path.parent / "other")
    shutil.copy(other.path / "store" / "store.json", store_of(ledger) / "store.json")
    shutil.rmtree(other.path)


@pytest.fixture
def three(ledger: Ledger) -> Ledger:
    """Versions 1 to 3 of x, and one of y."""
    for value in ("one", "two", "three"):
        ledger.save(value, "x", tags=["t"])
    ledger.save("other", "y", tags=["t"])
    return ledger


@pytest.mark.parametrize("kind", ["changed", "missing", "cut", "emptied"])
@pytest.mark.parametrize(("value", "where"), [("small", "chunks"), (LARGE, "packs"), (LARGE, "tables")])
def test_damaged_bytes_are_never_handed_out(ledger: Ledger, value: object, where: str, kind: str) -> None:
    """A load of damaged bytes raises with name, version, digest and place; so does every other way to them."""
    saved = ledger.save(value, "x")
    [path] = objects_of(ledger, where)
    if kind == "changed":
        damage(path)
    elif kind == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 5 if kind == "cut" else 0])
    with pytest.raises(IntegrityError) as caught:
        Ledger.open(ledger.path).load("x")
    error: Any = caught.value
    assert "x@1" in str(error)
    assert ("x", "1") == (error.name, error.version)
    assert str(error.digest).startswith("sha256:")
    assert str(store_of(ledger)) in str(error) + str(error.facts)
    with pytest.raises(IntegrityError):
        saved.download_files(ledger.path.parent / "x.zip")
    assert not (ledger.path.parent / "x.zip").exists()
    assert ["x@1"] == [problem.label for problem in ledger.verify().problems]


WAYS: dict[str, Callable[[ArtifactVersion, Path], object]] = {
    "load": lambda version, _: version.load(),
    "download_files": lambda version, folder: version.download_files(folder / "x.zip"),
    "restore": lambda version, folder: version.restore(folder / "x"),
    "open": lambda version, _: version.open(version.files()[0].path).read(),
    "files": lambda version, _: version.files(),
}
"""Every way to the bytes of a version."""


def _error_of(way: str, version: ArtifactVersion, folder: Path) -> Any:
    with pytest.raises(IntegrityError) as caught:
        WAYS[way](version, folder)
    return caught.value


@pytest.mark.parametrize("way", ["load", "download_files", "restore", "open"])
@pytest.mark.parametrize("value", ["small", LARGE])
def test_every_way_to_damaged_bytes_names_the_version(ledger: Ledger, value: object, way: str) -> None:
    """The error has name, version, digest and place as attributes, whatever asked for the bytes; also when pickled."""
    ledger.save(value, "x", "first")
    for path in [*objects_of(ledger, "chunks"), *objects_of(ledger, "packs")]:
        damage(path)
    error = _error_of(way, Ledger.open(ledger.path).get("x"), ledger.path.parent)
    copied = pickle.loads(pickle.dumps(error))
    assert ("x", "first") == (error.name, error.version) == (copied.name, copied.version)
    assert error.digest.startswith("sha256:")
    assert str(store_of(ledger)) in error.location


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_table_names_the_version(ledger: Ledger, way: str) -> None:
    """Where the list of files itself is gone the error has the version's name and digest."""
    saved = ledger.save(LARGE, "x")
    for path in objects_of(ledger, "tables"):
        path.unlink()
    error = _error_of(way, Ledger.open(ledger.path).get("x"), ledger.path.parent)
    assert ("x", "1", saved.digest) == (error.name, error.version, error.digest)


@pytest.mark.parametrize("value", ["small", LARGE])
def test_the_hint_for_missing_bytes_names_who_may_bring_them(ledger: Ledger, value: object) -> None:
    """A plain push of Git brought none, or a remote's store has lost them; what is damaged nobody else's sync mends."""
    ledger.save(value, "x")
    [path] = [*objects_of(ledger, "packs"), *objects_of(ledger, "chunks")][:1]
    damage(path)
    assert "ledger sync" not in _error_of("load", Ledger.open(ledger.path).get("x"), ledger.path.parent).hint
    path.unlink()
    error = _error_of("load", Ledger.open(ledger.path).get("x"), ledger.path.parent)
    assert (
        f"{IntegrityError.usual_hint}; where somebody else saved it, their next `ledger sync` may bring it, and does "
        "once they have deleted their remote-stores.json, where a remote's store has lost it (specs/maintenance.md, 2)"
        == error.hint
    )


@pytest.mark.parametrize("way", ["load", "download_files", "restore", "open"])
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_registered_data_names_the_version_and_the_digest(ledger: Ledger, way: str, harm: str) -> None:
    """A registered file that was changed or is gone is told with the digest that it had when it was registered."""
    path = store_of(ledger) / "raw.bin"
    path.write_bytes(b"raw")
    registered = ledger.register(path, "raw")
    [file] = registered.files()
    path.unlink()
    if harm == "changed":
        path.write_bytes(b"war")
    error = _error_of(way, registered, ledger.path.parent)
    assert ("raw", "1", str(path)) == (error.name, error.version, error.location)
    assert error.digest in (file.digest, registered.digest)


@pytest.mark.parametrize("library", ["numpy", "pandas", "polars", "pyarrow", "torch", "PIL"])
def test_no_library_makes_something_else_of_damage(ledger: Ledger, library: str) -> None:
    """Whoever reads the files of a value, what is raised is the damage, and neither a panic nor an error of theirs."""
    pytest.importorskip(library)
    value = _large_value(library)
    ledger.save(value, "x")
    for path in objects_of(ledger, "packs"):
        damage(path)
    with pytest.raises(IntegrityError, match="x@1"):
        Ledger.open(ledger.path).load("x")


def _large_value(library: str) -> Any:
    """A value of a library with a megabyte and a half of noise in it."""
    import numpy as np

    numbers = np.frombuffer(noise(3 << 19), dtype="i8")
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame({"a": numbers})
    if library == "polars":
        import polars as pl

        return pl.DataFrame({"a": numbers})
    if library == "pyarrow":
        import pyarrow as pa

        return pa.table({"a": numbers})
    if library == "torch":
        import torch

        pytest.importorskip("safetensors")
        return torch.from_numpy(numbers.copy())
    if library == "PIL":
        from PIL import Image

        return Image.frombytes("RGB", (512, 1024), noise(3 << 19))
    return numbers


def test_damage_to_one_version_spares_the_others(ledger: Ledger) -> None:
    """Where a chunk of one version is damaged, the versions without it load, and `verify` names the one."""
    ledger.save("one", "x")
    [path] = objects_of(ledger, "chunks")
    ledger.save("two", "x")
    damage(path)
    assert "two" == ledger.load("x")
    assert [("x@1", "corrupt")] == [(problem.label, problem.kind) for problem in ledger.verify().problems]
    assert ledger.verify(deep=False).ok


def test_saving_again_heals(ledger: Ledger) -> None:
    """Presence is not trusted: a save of the same value replaces a damaged chunk and says so; the old version loads."""
    ledger.save("one", "x")
    [path] = objects_of(ledger, "chunks")
    damage(path)
    with pytest.warns(UserWarning, match="written again"):
        ledger.save("one", "x")
    assert ["one", "one"] == [version.load() for version in ledger.versions("x")]


@pytest.mark.parametrize(
    ("size", "more"), [(10, b""), (100_000, b""), (100_000, b"m"), (6 << 20, b""), (6 << 20, b"m")]
)
def test_what_is_written_again_is_said_at_the_users_line(ledger: Ledger, size: int, more: bytes) -> None:
    """A warning about damaged bytes points at the line that saves, whichever thread has found them."""
    ledger.save(noise(size), "x")
    for kind in ("chunks", "packs"):
        for path in objects_of(ledger, kind):
            stored = bytearray(path.read_bytes())
            stored[min(5000, len(stored) - 1)] ^= 1
            path.write_bytes(stored)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ledger.save(noise(size) + more, "x")
    assert {(__file__, True)} == {(each.filename, "again" in str(each.message)) for each in caught}


@pytest.mark.parametrize(
    "ask",
    [lambda ledger: ledger.search(tag="t"), lambda ledger: ledger.usage(), lambda ledger: ledger.runs()],
    ids=["search", "usage", "runs"],
)
def test_what_is_left_out_is_said_at_the_users_line(three: Ledger, ask: Callable[[Ledger], object]) -> None:
    """A warning about a damaged record points at the line that asked, not at one of ours."""
    folder = "/".join(three.get("x").claim.path[:-1])
    run = "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"
    broken = (f"{folder}/00000004~4~4~{'0' * 31}1/version.json", f"runs/2025-11-07/{run}/run.json")
    plant(three, dict.fromkeys(broken, b"{not json"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(three)
    assert {(__file__, True)} == {(each.filename, "is left out" in str(each.message)) for each in caught}


def test_a_damaged_version_is_listed_by_its_name(ledger: Ledger) -> None:
    """A search for no more than a name and a version reads no record, and so warns of none."""
    label = forge(ledger, ledger.save(1, "iris"), type="NoSuchType")
    assert [label] == [found.claim.label for found in ledger.search(name="iris", version=2)]
    assert ["iris@1", label] == [found.claim.label for found in ledger.search(name="iris")]


def test_a_broken_record_loses_only_that_version(three: Ledger) -> None:
    """A manifest that is not JSON is an error for its version alone; lists and searches go on with a warning."""
    folder = "/".join(three.get("x").claim.path[:-1])
    id = "0" * 31 + "1"
    plant(three, {f"{folder}/00000004~4~4~{id}/version.json": b"{not json"})
    with pytest.raises(FormatError, match="x@4"):
        three.load("x", 4)
    assert ["one", "two", "three"] == [three.load("x", number) for number in (1, 2, 3)]
    assert "other" == three.load("y")
    with pytest.warns(UserWarning, match="x@4"):
        assert 4 == len(three.search(tag="t"))
    assert 4 == len(three.versions("x")) == len(three.artifact("x").versions)
    assert "damaged" in repr(three.versions("x"))
    assert "<th>damaged</th>" in three.versions("x")[-1]._repr_html_()
    assert ["x@4"] == [problem.label for problem in three.verify().problems]
    assert "5" == three.save("five", "x").version
    assert "five" == three.load("x")


def test_what_is_no_claim_hides_no_version(three: Ledger) -> None:
    """Something foreign among the claims of an artifact is reported by `verify`, and stops nobody."""
    folder = "/".join(three.get("x", 1).claim.path[:-1])
    plant(three, {f"{folder}/zzz/version.json": b"{}", f"{folder}/file": b""})
    assert ("three", "other") == (three.load("x"), three.load(three.get("y").id))
    assert 4 == len(three.search()) == len(three.search(tag="t"))
    assert ["x", "y"] == [artifact.name for artifact in three.artifacts()]
    assert "4" == three.save("four", "x").version
    assert ["x", "x"] == [problem.label for problem in three.verify().problems]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "y"},
        {"id": "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"},
        {"kind": "event"},
        {"tags": "abc"},
        {"metadata": []},
        {"format": "1"},
        {"content": {"digest": "sha256:0", "size": 0, "files": [], "chunks": []}},
        {"metadata": {"$float": "huge"}},
        {"type": "Nonsense"},
        {"visualizations": [{"path": ".visualizations/a", "type": "Nonsense"}]},
    ],
)
def test_a_record_that_lies_is_refused(three: Ledger, changes: dict[str, Any]) -> None:
    """A manifest with another name or id than its path, or fields that make no sense, is not shown as a version."""
    seed = three.get("x", 1)
    id = changes.pop("id", None)
    label = forge(three, seed, **changes)
    if id is not None:
        label = _plant_with_other_id(three, id)
    with pytest.raises(LedgerError, match=r"x@\d") as caught:
        three.get(label).type  # noqa: B018  # reading it is the test
    assert isinstance(caught.value, FormatError)
    assert "three" == three.load("x", 3)


def _plant_with_other_id(ledger: Ledger, id: str) -> str:
    folder = "/".join(ledger.get("x", 1).claim.path[:-1])
    manifest = {**manifest_of(ledger, ledger.get("x", 1)), "id": id}
    plant(ledger, {f"{folder}/00000005~5~5~{'1' * 32}/version.json": canonical(manifest)})
    return "x@5"


def test_duplicate_keys_are_refused(three: Ledger) -> None:
    """A record with a second value for a key is not canonical, and neither value is believed."""
    id = "2" * 32
    manifest = canonical(
        {**manifest_of(three, three.get("x", 1)), "id": f"{id[:8]}-{id[:4]}-{id[:4]}-{id[:4]}-{id[:12]}"}
    )
    folder = "/".join(three.get("x", 1).claim.path[:-1])
    twice = manifest.replace(b'"tags"', b'"save_type": "manual",\n  "tags"', 1)
    plant(three, {f"{folder}/00000004~4~4~{id}/version.json": twice})
    with pytest.raises(FormatError, match="canonical"):
        three.get("x", 4)


def test_a_record_of_the_future_names_its_format(three: Ledger) -> None:
    """A manifest of a newer format is an error that names both formats and says to upgrade; the others load."""
    label = forge(three, three.get("x", 1), format=2)
    with pytest.raises(UnsupportedFormatError) as caught:
        three.get(label)
    assert "format 2" in str(caught.value)
    assert "format 1" in str(caught.value)
    assert "upgrade" in caught.value.hint
    assert "three" == three.load("x", 3)


def test_a_ledger_of_the_future_is_refused(three: Ledger) -> None:
    """A ledger that says it is of a newer format, or needs features, is neither read, written nor judged."""
    git(three, "symbolic-ref", "HEAD", "refs/heads/main")
    blob = git(three, "hash-object", "-w", "--stdin", data=canonical({"features": ["tombstones"], "format": 2}))
    tree = git(three, "mktree", data=f"100644 blob {blob}\tledger.json\n".encode())
    commit = git(three, "commit-tree", tree, "-m", "future", GIT_COMMITTER_NAME="E", GIT_COMMITTER_EMAIL="e@e")
    tip = git(three, "rev-parse", "main")
    git(three, "update-ref", "refs/heads/main", commit)
    opened = partial(Ledger.open, three.path)
    for call in (lambda: opened().load("x"), lambda: opened().save(1, "x"), lambda: opened().verify()):
        with pytest.raises(UnsupportedFormatError, match="format 2") as caught:
            call()
        assert "upgrade" in caught.value.hint
    git(three, "update-ref", "refs/heads/main", tip)


def test_unknown_fields_and_events_are_kept_and_skipped(three: Ledger) -> None:
    """What a newer program of the same format adds does not hide a version, and stays as it is."""
    label = forge(three, three.get("x", 1), novelty={"a": 1})
    version = three.get(label)
    event = "fffffffe-0000-7000-8000-000000000000"
    data = canonical({"kind": "retired", "format": 1, "id": event, "why": "old"})
    plant(three, {"/".join((*version.claim.path, f"{event}.json")): data})
    assert "one" == three.load(label)
    three.tag(label, ["late"])
    assert "late" in three.get(label).tags
    assert {"a": 1} == manifest_of(three, version)["novelty"]


def test_a_damaged_event_is_an_error_of_its_version(three: Ledger) -> None:
    """Tags and metadata that cannot be read are not taken for missing."""
    path = manifest_path(three.get("x", 2)).replace("version.json", "fffffffe-0000-7000-8000-000000000000.json")
    plant(three, {path: b"{}"})
    with pytest.raises(FormatError, match="x@2"):
        three.get("x", 2)
    assert "three" == three.load("x")


@pytest.mark.parametrize("few", [0, cataloguing.FEW], ids=["catalogued", "walked"])
def test_a_tag_never_means_an_older_version_because_of_damage(
    three: Ledger, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged version that may have the tag is an error, unless a newer one has it."""
    monkeypatch.setattr(cataloguing, "FEW", few)
    folder = "/".join(three.get("x").claim.path[:-1])
    plant(three, {f"{folder}/00000004~4~4~{'0' * 31}1/version.json": b"{not json"})
    three.save("five", "x", tags=["u"])
    for tag in ("t", "v"):
        with pytest.raises(FormatError, match="x@4"):
            three.load("x", tag=tag)
    assert "five" == three.load("x", tag="u")


def test_a_swapped_store_is_noticed(three: Ledger) -> None:
    """Another store in the place of the ledger's is refused before a byte is read or written; ids and version named."""
    _swap(three)
    for call in (lambda: Ledger.open(three.path).load("x"), lambda: Ledger.open(three.path).save(1, "x")):
        with pytest.raises(StoreMismatchError) as caught:
            call()
        assert all(str(caught.value.facts[key]) in str(caught.value) for key in ("found", "expected"))
        assert str(caught.value).count("x@3: ") == ("name" in caught.value.facts)


@pytest.mark.parametrize("opened_before", [False, True])
def test_an_emptied_store_is_noticed(three: Ledger, opened_before: bool) -> None:  # noqa: FBT001
    """An empty folder where the store was, as without its disk, is refused, in a running process too."""
    shutil.rmtree(store_of(three))
    store_of(three).mkdir()
    ledger = three if opened_before else Ledger.open(three.path)
    tip = git(three, "rev-parse", "main")
    with pytest.raises(StoreMismatchError, match=r"store\.json"):
        ledger.save("lost", "x")
    with pytest.raises((StoreMismatchError, IntegrityError)):
        ledger.load("x")
    assert [] == list(store_of(three).iterdir())
    assert tip == git(three, "rev-parse", "main")


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lambda path: path.write_bytes(b"garbage"), "corrupt"),
        (lambda path: path.unlink(), "missing"),
        (lambda path: shutil.rmtree(path.parent), "missing"),
    ],
    ids=["damaged", "missing", "without folder"],
)
def test_a_store_that_cannot_be_told_is_damage(three: Ledger, harm: Callable[[Path], None], kind: str) -> None:
    """A load names the version whose bytes it was after, and a check reports the store instead of ending there."""
    harm(store_of(three) / "store.json")
    with pytest.raises(IntegrityError, match=r"store\.json") as caught:
        Ledger.open(three.path).load("x", 1)
    error: Any = caught.value
    assert ("x", "1", f"file://{store_of(three)}") == (error.name, error.version, error.location)
    assert three.get("x", 1).digest == error.digest
    found = [(problem.kind, problem.label) for problem in three.verify().problems]
    assert (kind, "store") in found
    with pytest.raises(IntegrityError):
        Ledger.open(three.path).get("x", 1).download_files(three.path / "x.zip")


def test_a_store_that_goes_while_it_is_used_is_no_damage(three: Ledger) -> None:
    """Also a ledger that is open says that the store is away, or another one, and not that one file is missing."""
    other = Ledger.init(three.path.parent / "other")
    store_of(three).rename(three.path / "away")
    for _ in range(2):  # no folder, then an empty one, as where a disk is mounted
        with pytest.raises(StoreLostError, match=r"x@1: no artifact store at .*: store\.json is missing") as caught:
            three.load("x", 1)
        store_of(three).mkdir(exist_ok=True)
    error: Any = caught.value
    assert ("x", "1", f"file://{store_of(three)}") == (error.name, error.version, error.location)
    store_of(three).rmdir()
    store_of(other).rename(store_of(three))
    with pytest.raises(StoreLostError, match="this ledger was made with"):
        three.get("x", 1).download_files(three.path / "x.zip")
    store_of(three).rename(store_of(other))
    (three.path / "away").rename(store_of(three))
    assert "one" == three.load("x", 1)


@pytest.mark.filterwarnings("ignore:.* was deleted and is made again:UserWarning")
@pytest.mark.parametrize("opened_before", [False, True])
@pytest.mark.parametrize("what", ["files", "folder"])
def test_a_deleted_store_is_made_again(three: Ledger, opened_before: bool, what: str) -> None:  # noqa: FBT001
    """Work goes on where somebody deleted the store in the ledger directory; what it held stays missing."""
    if what == "folder":
        shutil.rmtree(store_of(three))
    else:
        for path in [path for path in store_of(three).rglob("*") if path.is_file()]:
            path.unlink()
    with pytest.raises(IntegrityError) as caught:
        Ledger.open(three.path).load("x")
    assert "the next save makes it again" in caught.value.hint
    ledger = three if opened_before else Ledger.open(three.path)
    ledger.save("three", "x")
    assert ("three", "three") == (Ledger.open(three.path).load("x"), ledger.load("x", 3))
    with pytest.raises(IntegrityError, match="x@1"):
        ledger.load("x", 1)


def test_a_store_is_not_made_again_below_a_mount_point(three: Ledger) -> None:
    """A disk that is unmounted beside a ledger that stays open is away: nothing of the ledger was deleted."""
    with three.transaction() as transaction:
        transaction.save("four", "x")
        three.path.rename(away := three.path.with_name("away"))
        with pytest.raises(StorageError, match="the ledger that was opened there is gone") as caught:
            transaction.save("five", "x")
        assert "mounted" in caught.value.hint
        assert not three.path.exists()
        away.rename(three.path)
    assert ["one", "two", "three", "four"] == [version.load() for version in Ledger.open(three.path).versions("x")]


@pytest.mark.filterwarnings("ignore:.* was deleted and is made again:UserWarning")
def test_a_store_whose_name_is_deleted_is_whole(three: Ledger) -> None:
    """As the hint about a damaged `store.json` says: without it the next save knows the store for the ledger's own."""
    (store_of(three) / "store.json").write_bytes(b"garbage")
    with pytest.raises(StoreMismatchError) as caught:
        three.save("four", "x")
    assert "delete that file" in caught.value.hint
    (store_of(three) / "store.json").unlink()
    three.save("four", "x")
    assert ["one", "two", "three", "four"] == [version.load() for version in Ledger.open(three.path).versions("x")]


def test_a_store_that_cannot_be_looked_at_was_not_deleted(three: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save says what cannot be read, where the disk fails or is closed to this user, and makes no store again."""
    look_at = os.stat

    def fail(path: Any, **options: Any) -> os.stat_result:
        if isinstance(path, (str, Path)) and store_of(three) in Path(path).parents:
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return look_at(path, **options)

    monkeypatch.setattr(os, "stat", fail)
    monkeypatch.setattr(os, "lstat", partial(fail, follow_symlinks=False))
    with pytest.raises(StorageError, match=r"cannot read .*store\.json"):
        three.save("four", "x")
    monkeypatch.undo()
    assert "4" == three.save("four", "x").version


@pytest.mark.filterwarnings("ignore:.* was deleted and is made again:UserWarning")
def test_a_deleted_store_is_made_again_by_one_of_many(three: Ledger) -> None:
    """Whoever saves meanwhile sees no store, or a whole one, and never the empty folder that is refused."""
    shutil.rmtree(store_of(three))
    with ThreadPoolExecutor(4) as pool:
        saved = [*pool.map(lambda number: Ledger.open(three.path).save(number, "n"), range(4))]
    assert [0, 1, 2, 3] == [version.load() for version in saved]
    assert not [path for path in three.path.iterdir() if path.name.startswith("store.")]


def test_a_lost_branch_is_damage_not_emptiness(three: Ledger) -> None:
    """A history without its branch is an error for reads and writes, never an empty ledger."""
    ref = three.git_dir / "refs" / "heads" / "main"
    text = ref.read_text()
    for content in (None, "", "garbage\n"):
        ref.unlink() if content is None else ref.write_text(content)
        for call in (lambda: Ledger.open(three.path).artifacts(), lambda: Ledger.open(three.path).save(1, "x")):
            with pytest.raises(IntegrityError, match="main"):
                call()
        ref.write_text(text)
    assert "three" == three.load("x")


def test_a_missing_history_is_damage(three: Ledger) -> None:
    """A ledger without a history, or with two, says what it found."""
    moved = three.path.parent / "moved"
    three.git_dir.rename(moved)
    with pytest.raises(IntegrityError, match="none"):
        Ledger.open(three.path)
    moved.rename(three.git_dir)
    (three.path / "second.git").mkdir()
    with pytest.raises(IntegrityError, match=r"history\.git, second\.git"):
        Ledger.open(three.path)


def test_errors_of_real_failures_survive_pickling(ledger: Ledger) -> None:
    """A caught error comes back from pickling with its class, message, hint and facts."""
    ledger.save("one", "x")
    [path] = objects_of(ledger, "chunks")
    path.unlink()
    calls: list[Any] = [
        lambda: ledger.load("x"),
        lambda: ledger.load("nope"),
        lambda: ledger.get("x", 9),
        lambda: ledger.save(1, "x", 1),
        lambda: ledger.save(1, "bad name"),
        lambda: ledger.register("/nowhere", "y"),
        lambda: Ledger.open(ledger.path / "nowhere"),
        lambda: ledger.at("HEAD").save(1, "x"),
        lambda: ledger.save(1, "x", run_metadata={"a": b""}),
    ]
    for call in calls:
        with pytest.raises(LedgerError) as caught:
            call()
        error = caught.value
        again = pickle.loads(pickle.dumps(error))
        assert (type(error), str(error), error.hint) == (type(again), str(again), again.hint)
        assert error.facts == again.facts
        assert error.args == again.args


def test_a_clean_ledger_verifies(three: Ledger) -> None:
    """Every version of a sound ledger is counted and nothing is wrong with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = three.verify()
    assert (4, True, ()) == (report.versions, report.ok, report.problems)
