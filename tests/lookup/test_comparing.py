"""`version.diff`: what is read to tell two versions apart, and what is told where something cannot be read."""

import pickle
import re
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import UNSET

from ledger import ArtifactVersion, Ledger
from ledger.errors import ArgumentTypeError
from ledger.lookup import Change, FilesDiff, VersionDiff
from tests.kit.ledgers import damage, files_below, store_of, write_files

LARGE = Random(1).randbytes(600_000)
NEW_LARGE = LARGE[:300_000] + b"another byte" + LARGE[300_012:]


class Trap:
    """A value that nobody may load."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a comparison has run code",)


@pytest.fixture
def folders(ledger: Ledger, tmp_path: Path) -> tuple[ArtifactVersion, ArtifactVersion]:
    """A folder with two large files and a small one; in its next version one of each has other bytes, none its size."""
    files = {"a.bin": LARGE, "b.bin": LARGE[::-1], "z.txt": b"small"}
    old = ledger.save(write_files(tmp_path / "data", files), "data")
    return old, ledger.save(write_files(tmp_path / "data", {"a.bin": NEW_LARGE, "z.txt": b"other"}), "data")


def told(diff: VersionDiff) -> dict[str, str]:
    """What is said of each file that is not equal."""
    assert diff.files is not None
    return {each.path: each.change for each in diff.files.changes}


def test_all_groups_are_told(ledger: Ledger) -> None:
    """Kind of data, content, metadata and tags are told, of versions of different artifacts as well."""
    old = ledger.save("a text", "notes", tags=["draft"], run_metadata={"accuracy": 0.91, "seed": 1})
    new = ledger.save([1, 2], "table", tags=["best"], run_metadata={"accuracy": 0.95})
    found = old.diff(new)
    assert ("notes@1", "table@1") == (found.old.label, found.new.label)
    assert (False, ("best",), ("draft",)) == (found.has_same_content, found.added_tags, found.removed_tags)
    assert {"data_type", "digest", "size"} == {*found.properties}
    assert Change("builtins.str", "builtins.list") == found.properties["data_type"]
    assert Change(0.91, 0.95) == found.metadata["accuracy",]
    assert Change(1, UNSET) == found.metadata["seed",]
    assert not found.is_empty


def test_a_version_is_equal_to_itself(folders: tuple[ArtifactVersion, ArtifactVersion]) -> None:
    """Nothing differs, and all files are counted."""
    found = folders[0].diff(folders[0])
    assert (True, True, FilesDiff(equal=3)) == (found.is_empty, found.has_same_content, found.files)


def test_files_that_kept_their_size_are_told_apart(folders: tuple[ArtifactVersion, ArtifactVersion]) -> None:
    """A large file by its chunks, a small one that shares a chunk by its bytes, and what is equal is not named."""
    found = folders[0].diff(folders[1])
    assert {"data/a.bin": "changed", "data/z.txt": "changed"} == told(found)
    assert (1, ()) == (found.files.equal if found.files is not None else None, found.problems)


def test_damaged_chunks_leave_open_what_only_bytes_tell(
    folders: tuple[ArtifactVersion, ArtifactVersion], ledger: Ledger
) -> None:
    """With every chunk damaged, in packs whose indexes are sound, the lists tell what they did; the reason is named."""
    for path in files_below(store_of(ledger) / "packs"):
        pack = store_of(ledger) / "packs" / path
        data = pack.read_bytes()
        index = int(data[-12:])
        pack.chmod(0o600)
        pack.write_bytes(bytes(len(data) - index - 32) + data[-index - 32 :])
    old, new = Ledger.open(ledger.path).versions("data")
    found = old.diff(new)
    assert ("changed", "undecided") == (told(found)["data/a.bin"], told(found)["data/z.txt"])
    (problem,) = found.problems
    assert problem.startswith("data@1: chunk sha256:")


def test_tables_alone_tell_what_they_can(
    folders: tuple[ArtifactVersion, ArtifactVersion], ledger: Ledger, tmp_path: Path
) -> None:
    """Where the packs are away, files are told apart by their sizes, and the others are undecided, with the reason."""
    write_files(tmp_path / "data", {"b.bin": b"short", "new": b"1"})
    ledger.save(tmp_path / "data", "data")
    shutil.rmtree(store_of(ledger) / "packs")
    old, _, new = Ledger.open(ledger.path).versions("data")
    found = old.diff(new)
    sizes_tell = {"data/b.bin": "changed", "data/new": "added"}
    assert {**sizes_tell, "data/a.bin": "undecided", "data/z.txt": "undecided"} == told(found)
    assert 2 == len(found.problems)
    assert all("pack" in problem and "is missing" in problem for problem in found.problems)


@pytest.mark.parametrize("harm", [damage, Path.unlink])
def test_without_a_table_the_rest_is_told(
    folders: tuple[ArtifactVersion, ArtifactVersion], ledger: Ledger, harm: Any
) -> None:
    """Where a list of files is damaged or gone, records are compared all the same, and the reason is named."""
    ledger.tag("data", ["best"])
    harm(next((store_of(ledger) / "tables").rglob(folders[0].digest.removeprefix("sha256:")[2:])))
    old, new = Ledger.open(ledger.path).versions("data")
    found = old.diff(new)
    assert (False, None, ("best",)) == (found.has_same_content, found.files, found.added_tags)
    (problem,) = found.problems
    assert problem.startswith("data@1: table sha256:")


def test_small_versions_need_no_store(ledger: Ledger) -> None:
    """What stands whole in the manifest is compared, though the store is gone."""
    ledger.save("one", "x")
    ledger.save("three", "x")
    shutil.rmtree(store_of(ledger))
    store_of(ledger).write_bytes(b"no store")
    old, new = Ledger.open(ledger.path).versions("x")
    found = old.diff(new)
    assert (["changed"], (), False) == ([*told(found).values()], found.problems, found.has_same_content)


def test_a_store_that_is_away_is_a_problem_and_no_error(
    folders: tuple[ArtifactVersion, ArtifactVersion], ledger: Ledger
) -> None:
    """Where no store is in its place the records are compared, and the reason stands there once."""
    shutil.rmtree(store_of(ledger))
    store_of(ledger).write_bytes(b"no store")
    old, new = Ledger.open(ledger.path).versions("data")
    found = old.diff(new)
    assert (None, False) == (found.files, found.has_same_content)
    assert found.problems
    assert folders[0].diff(folders[0]).is_empty


def test_a_bad_url_of_a_remotes_store_is_a_problem_and_no_error(
    folders: tuple[ArtifactVersion, ArtifactVersion], ledger: Ledger
) -> None:
    """Where what is missing here might lie in that store, the rest is told, and the setting is named."""
    shutil.rmtree(store_of(ledger) / "tables")
    with (ledger.path / "config.toml").open("a") as settings:
        settings.write('\n[remotes.hub]\nurl = "https://hub.example/x"\nstore = "nowhere://bucket"\n')
    old, new = Ledger.open(ledger.path).versions("data")
    found = old.diff(new)
    assert (None, False) == (found.files, found.has_same_content)
    assert "remotes.hub.store" in found.problems[0]


def test_no_value_is_loaded(ledger: Ledger) -> None:
    """Versions that only code can rebuild are compared without a word of trust."""
    old, new = (ledger.save(pickle.dumps(Trap()) + more, "trap") for more in (b"", b"."))
    assert not old.diff(new).has_same_content


def test_registered_files_are_told_by_their_digests(ledger: Ledger) -> None:
    """Each file has its own: equal, changed and renamed files are known, though the data is gone meanwhile."""
    raw = write_files(store_of(ledger) / "raw", {"a": b"1", "b": b"2", "c": b"3"})
    old = ledger.register(raw, "raw")
    (raw / "c").rename(raw / "d")
    new = ledger.register(write_files(raw, {"b": b"9"}), "raw")
    shutil.rmtree(raw)
    found = old.diff(new)
    assert ({"b": "changed", "d": "renamed"}, ()) == (told(found), found.problems)


def test_registered_and_stored_data_are_compared(ledger: Ledger, tmp_path: Path) -> None:
    """A file that is one chunk has a digest to compare; of several in one their bytes are read."""
    raw = write_files(store_of(ledger) / "in/raw", {"a": b"1", "b": b"22"})
    one, both = ledger.register(raw / "a", "one"), ledger.register(raw.parent, "both")
    copy = ledger.save(write_files(tmp_path / "copy", {"a": b"1"}) / "a", "copy")
    assert (True, {}) == (copy.diff(one).has_same_content, told(copy.diff(one)))
    found = both.diff(ledger.save(write_files(tmp_path / "raw", {"a": b"1", "b": b"22"}), "raw"))
    assert (True, {}) == (found.has_same_content, told(found))
    found = both.diff(ledger.save(write_files(tmp_path / "raw", {"b": b"23"}), "raw"))
    assert (False, {"raw/b": "changed"}) == (found.has_same_content, told(found))


def test_versions_of_two_ledgers_are_compared(ledger: Ledger, tmp_path: Path) -> None:
    """Each is read where it was looked up."""
    other = Ledger.init(tmp_path / "other" / ".ledger")
    one, two = ({"a": LARGE, "b": b"1"}, {"a": LARGE, "b": b"22"})
    old = ledger.save(write_files(tmp_path / "one", one), "data")
    new = other.save(write_files(tmp_path / "one", two), "data")
    assert "changed" == told(old.diff(new))["one/b"]


def test_a_version_is_compared_with_a_version(ledger: Ledger) -> None:
    """A label is none."""
    with pytest.raises(ArgumentTypeError, match="given as an ArtifactVersion, got str: 'x@1'"):
        ledger.save(1, "x").diff("x@1")  # type: ignore[arg-type]


def rows_in(diff: VersionDiff) -> list[list[str]]:
    """The cells of the table that a notebook shows, row by row."""
    return [re.findall("<td>(.*?)</td>", row) for row in diff._repr_html_().split("<tr>")[2:]]


def test_a_notebook_shows_a_diff_as_a_table(ledger: Ledger, tmp_path: Path) -> None:
    """Each change is a row with both sides, escaped."""
    folder = write_files(tmp_path / "d", {"gone": b"1", "old": b"same"})
    old = ledger.save(folder, "d", tags=["<b>"], run_metadata={"m": {"loss": 0.5}})
    (folder / "gone").unlink()
    (folder / "old").rename(folder / "moved")
    found = old.diff(ledger.save(write_files(folder, {"new": b"12"}), "d", run_metadata={"n": 1}))
    assert "<caption>d@1 to d@2: content differs</caption>" in found._repr_html_()
    told = [row for row in rows_in(found) if row[0] not in {"digest", "metadata.storage_size"}]
    assert [
        ["size", "5", "6"],
        ["metadata.m.loss", "0.5", ""],
        ["metadata.n", "", "1"],
        ["tags", "&lt;b&gt;", ""],
        ["d/gone removed", "1 B", ""],
        ["d/moved added", "", "4 B"],
        ["d/new added", "", "2 B"],
        ["d/old removed", "4 B", ""],
    ] == told


def test_a_notebook_shows_that_content_is_equal(ledger: Ledger) -> None:
    """What differs beside it is shown all the same."""
    found = ledger.save("a text", "x").diff(ledger.save("a text", "x", tags=["best"]))
    assert "<caption>x@1 to x@2: content equal</caption>" in found._repr_html_()
    assert [["tags", "", "best"]] == rows_in(found)


@pytest.mark.parametrize("count", [50, 90])
def test_a_notebook_shows_the_ends_of_very_many_changes(ledger: Ledger, tmp_path: Path, count: int) -> None:
    """Of files as of metadata 50 rows are shown, one of which says how many are left out; the diff has all of them."""
    names = [f"{number:02}" for number in range(count)]
    old = ledger.save(write_files(tmp_path / "d", {"f": b""}), "d", extract_metadata=False)
    files, metadata = write_files(tmp_path / "d", dict.fromkeys(names, b"")), dict.fromkeys(names, 1)
    rows = rows_in(old.diff(ledger.save(files, "d", run_metadata=metadata, extract_metadata=False)))
    of_metadata, of_files = rows[-100:-50], rows[-50:]
    assert (["metadata.00", "", "1"], ["d/00 added", "", "0 B"]) == (of_metadata[0], of_files[0])
    assert ([f"metadata.{count - 1}", "", "1"], [f"d/{count - 1} added", "", "0 B"]) == (of_metadata[-1], of_files[-1])
    assert [["… 41 more"]] * 2 * (count == 90) == [row for row in of_metadata + of_files if len(row) == 1]


def test_a_diff_can_be_pickled(folders: tuple[ArtifactVersion, ArtifactVersion]) -> None:
    """It is a value."""
    found = folders[0].diff(folders[1])
    assert found == pickle.loads(pickle.dumps(found))
