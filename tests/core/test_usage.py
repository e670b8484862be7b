"""`ledger.usage()`: what versions take."""

import os
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.core import Usage
from tests.kit.ledgers import LIES, damage, files_below, lie, objects_of, store_of

MEBI = 1 << 20


def sizes(usage: Usage) -> dict[str, tuple[int, int, int]]:
    return {
        version.claim.label: (version.logical, version.stored, version.shared)
        for artifact in usage.artifacts
        for version in artifact.versions
    }


def stored_in(ledger: Ledger) -> int:
    """The bytes of all chunks, packs and tables as they lie on the disk, without what only packs have."""
    return sum(len(data) for path, data in files_below(store_of(ledger)).items() if path != "store.json")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "data.bin"
    made.write_bytes(os.urandom(4 * MEBI))
    return made


def test_an_equal_version_costs_nothing(ledger: Ledger, file: Path) -> None:
    """Two versions of the same bytes share all that is stored."""
    ledger.save(file, "a")
    ledger.save(file, "a")
    usage = ledger.usage()
    (_, stored, _) = sizes(usage)["a@1"]
    assert {"a@1": (4 * MEBI, stored, stored), "a@2": (4 * MEBI, stored, stored)} == sizes(usage)
    (artifact,) = usage.artifacts
    assert (8 * MEBI, stored, 0) == (artifact.logical, artifact.stored, artifact.shared)
    assert (8 * MEBI, stored) == (usage.logical, usage.stored)


def test_an_edit_costs_what_changed(ledger: Ledger, file: Path) -> None:
    """A version with a small edit has little for itself; the sum is what is on the disk but for packs' indexes."""
    ledger.save(file, "a")
    data = bytearray(file.read_bytes())
    data[2 * MEBI] ^= 1
    file.write_bytes(data)
    ledger.save(file, "a")
    usage = ledger.usage()
    logical, stored, shared = sizes(usage)["a@2"]
    assert (4 * MEBI, True) == (logical, stored - shared < MEBI)
    assert 0 <= stored_in(ledger) - usage.stored < 20_000


def test_artifacts_share_too(ledger: Ledger, file: Path) -> None:
    """Bytes that another name needs too are shared by the artifact and by the version."""
    ledger.save(file, "a")
    ledger.save(file, "b")
    first, second = ledger.usage().artifacts
    assert (first.stored, second.stored) == (first.shared, second.shared)


def test_small_values_are_their_chunk(ledger: Ledger) -> None:
    """A version of one chunk stores that chunk's object; an equal one shares it."""
    ledger.save(b"x" * 1000, "a")
    (chunk,) = [data for path, data in files_below(store_of(ledger)).items() if path.startswith("chunks/")]
    assert {"a@1": (1000, len(chunk), 0)} == sizes(ledger.usage())
    ledger.save(b"x" * 1000, "b")
    assert (1000, len(chunk), len(chunk)) == sizes(ledger.usage())["b@1"]


def test_linked_data_is_not_stored(ledger: Ledger) -> None:
    """Registered data is the user's own: it has a size, and nothing is stored for it."""
    folder = store_of(ledger) / "raw"
    folder.mkdir()
    (folder / "x").write_bytes(bytes(1000))
    ledger.register(folder, "raw")
    assert {"raw@1": (1000, 0, 0)} == sizes(ledger.usage())


def test_a_damaged_version_is_left_out(ledger: Ledger, file: Path) -> None:
    """A version whose table cannot be read is warned of; the others are counted."""
    ledger.save(file, "a")
    ledger.save(1, "b")
    (table,) = objects_of(ledger, "tables")
    damage(table)
    with pytest.warns(UserWarning, match="a@1 is left out"):
        usage = ledger.usage()
    assert ["b@1"] == list(sizes(usage))


@pytest.mark.filterwarnings("ignore:b@2 is left out:UserWarning")
@pytest.mark.parametrize("about", LIES)
def test_what_a_manifest_says_falsely_changes_no_other(ledger: Ledger, file: Path, about: str) -> None:
    """Whatever a version says of the bytes of others, these are counted as they were."""
    large, small = ledger.save(file, "a"), ledger.save(1, "b")
    before = {label: (logical, stored) for label, (logical, stored, _) in sizes(ledger.usage()).items()}
    lie(ledger, about, small, large)
    after = {label: (logical, stored) for label, (logical, stored, _) in sizes(ledger.usage()).items()}
    assert before == {label: after[label] for label in before}


@pytest.mark.parametrize(("count", "told"), [(2, "a@1 and 1 more version are"), (3, "a@1 and 2 more versions are")])
def test_versions_that_are_left_out_for_one_reason_are_one_warning(
    ledger: Ledger, file: Path, count: int, told: str
) -> None:
    """However many versions it touches, what is wrong is said once."""
    for _ in range(count):
        ledger.save(file, "a")
    (table,) = objects_of(ledger, "tables")
    table.unlink()
    with pytest.warns(UserWarning, match="is missing") as caught:
        ledger.usage()
    assert [f"{told} left out"] == [str(each.message).split(":")[0] for each in caught]


def test_a_missing_chunk_is_named(ledger: Ledger) -> None:
    """What a small value lacks is told by the digest of the chunk, as elsewhere."""
    ledger.save(os.urandom(1000), "a")
    (chunk,) = objects_of(ledger, "chunks")
    chunk.unlink()
    with pytest.warns(UserWarning, match=f"chunk sha256:{chunk.parent.name}{chunk.name} .* is missing"):
        ledger.usage()


def test_the_past_has_its_own_sum(ledger: Ledger) -> None:
    """At a revision only its versions count; an empty ledger stores nothing."""
    empty = ledger.revision
    ledger.save(1, "a")
    assert (0, ()) == (ledger.at(empty).usage().stored, ledger.at(empty).usage().artifacts)


def test_tables_and_indexes_are_read_once(ledger: Ledger, file: Path) -> None:
    """However many versions share a content, its table and its pack's index are read once."""
    from ledger.blobs import extents_of
    from tests.kit.stores import CountingStore

    for name in "abc":
        ledger.save(file, name)
    counting = CountingStore(ledger.store)
    contents = [ledger.get(name).content for name in "abc"]
    assert 1 == len(extents_of(counting, contents))
    kinds = [key.split("/")[0] for key in counting.gets]
    assert (1, 1) == (kinds.count("tables"), kinds.count("packs"))
