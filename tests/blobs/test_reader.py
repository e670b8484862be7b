"""A content becomes files."""

import io
import os
import random
import sys
import tracemalloc
from pathlib import Path

import pytest

from ledger.blobs import ContentReader, LocalStore, Store, is_present
from ledger.blobs.chunks import recent_indexes
from ledger.blobs.chunks.packs import PackIndex, load_index
from ledger.blobs.stores import workers
from ledger.blobs.stores.layout import table_key
from ledger.blobs.stores.workers import thread_count
from ledger.errors import ArgumentError, IntegrityError, TargetExistsError
from ledger.ids import Digest, digest_of
from ledger.records import Content, FileEntry
from tests.kit.contents import forged, noise, save
from tests.kit.ledgers import files_below
from tests.kit.stores import CountingStore, objects


def reader_of(store: LocalStore, files: dict[str, bytes]) -> ContentReader:
    return ContentReader(store, save(store, files), label="iris@3")


def test_an_open_file_can_be_read_anywhere(store: LocalStore) -> None:
    """Seeking and reading give the same bytes as memory does."""
    data = noise(3 << 20)
    reader = reader_of(store, {"before": noise(70_000, 1), "a": data, "after": b"x"})
    choose = random.Random(4)
    with reader.open("a") as file, io.BytesIO(data) as expected:
        for _ in range(150):
            position, length = choose.randrange(len(data) + 10), choose.choice([1, 100, 70_000, 900_000])
            assert (file.seek(position), file.tell()) == (expected.seek(position), expected.tell())
            assert file.read(length) == expected.read(length)
        assert (file.seek(-5, io.SEEK_END), file.read()) == (len(data) - 5, data[-5:])


def test_holes_are_not_sought(store: LocalStore) -> None:
    """Whoever looks for holes in an open file learns that it does not tell them."""
    with reader_of(store, {"a": b"data"}).open("a") as file, pytest.raises(io.UnsupportedOperation):
        file.seek(0, os.SEEK_DATA)


def test_a_content_may_span_packs_and_segments(store: LocalStore) -> None:
    """Beyond 64 MiB and 1,024 chunks, any place is read right, and saving the same again adds nothing."""
    data = noise(70 << 20)
    content = save(store, {"a": data, "b": b"the end"})
    before = set(objects(store))
    assert sorted(key.split("/")[0] for key in before) == ["packs", "packs", "tables"]
    reader = ContentReader(store, content, label="iris@3")
    with reader.open("a") as file:
        for position in (69 << 20, 5, (64 << 20) - 3, 67 << 20, 0):
            file.seek(position)
            assert file.read(100_000) == data[position : position + 100_000]
    assert reader.read("b") == b"the end"
    reader.check()
    assert (save(store, {"a": data, "b": b"the end"}), set(objects(store))) == (content, before)


def test_a_file_is_read_line_by_line(store: LocalStore) -> None:
    """A text in many chunks comes back line by line."""
    lines = [f"{number} {number * number}\n".encode() for number in range(60_000)]
    assert list(reader_of(store, {"a": b"".join(lines)}).open("a")) == lines


def test_a_file_that_is_read_whole_takes_its_memory_once(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read to the end is put where it stays, with what the threads have at hand beside it."""
    monkeypatch.setattr(workers, "_MOST_THREADS", 3)  # each has some MiB at hand
    data = noise(32 << 20)
    reader = ContentReader(store, save(store, {"a": data}), label="a@1")
    with reader.open("a") as file:
        file.seek(5)
        tracemalloc.start()
        found = file.read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert data[5:] == found
    assert peak < 1.6 * len(data)


def test_restoring_holds_little_at_a_time(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is restored from parts of 2 MiB, a few for each thread, however large it is."""
    monkeypatch.setattr(workers, "_MOST_THREADS", 3)
    data = noise(24 << 20)
    reader = ContentReader(store, save(store, {"a": data}), label="a@1")
    tracemalloc.start()
    reader.restore(tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data == (tmp_path / "out/a").read_bytes()
    assert peak < (thread_count() + 5) * (2 << 20) < len(data)


def test_only_touched_chunks_are_fetched(store: LocalStore) -> None:
    """Reading 10 bytes of 20 MB fetches a chunk or two and the index."""
    content = save(store, {"a": noise(20_000_000)})
    counting = CountingStore(store)
    with ContentReader(counting, content, label="iris@3").open("a") as file:
        file.seek(9_000_000)
        file.read(10)
    assert counting.bytes_read < 700_000


def test_a_content_in_many_packs_reads_each_index_once(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was changed again and again lies in as many packs, and goes from one to another all the time."""
    data, places, content = bytearray(noise(4 << 20)), random.Random(1), save(store, {})
    for _ in range(30):
        for start in (places.randrange(len(data) - 50) for _ in range(4)):
            data[start : start + 50] = noise(50, start)
        content = save(store, {"a": bytes(data)}, similar=[content])
    read: list[str] = []

    def counted(store: Store, pack: str, *, label: str) -> PackIndex:
        read.append(pack)
        return load_index(store, pack, label=label)

    monkeypatch.setattr(recent_indexes, "load_index", counted)
    assert bytes(data) == ContentReader(store, content, label="iris@30").read("a")
    assert 20 < len(read) == len(set(read))


def test_what_was_read_is_kept_of_two_contents(store: LocalStore) -> None:
    """Who holds very many versions, and has read a little of each, has the chunks of the last two in memory."""
    readers = [reader_of(store, {"a": noise(300_000, seed)}) for seed in range(20)]
    tracemalloc.start()
    try:
        for reader in readers:
            with reader.open("a") as file:
                file.read(299_999)
        assert tracemalloc.get_traced_memory()[0] < 5 * 300_000
    finally:
        tracemalloc.stop()


class DistantStore(CountingStore):
    gets_at_once = 4


def test_a_chunk_is_found_at_once_among_many(store: LocalStore) -> None:
    """What a small read takes does not grow with how many chunks lie before it."""
    reader = reader_of(store, {"a": noise(20 << 20)})

    def calls_at(position: int) -> int:
        made = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal made
            made += event == "call"

        with reader.open("a") as file:
            file.seek(position)
            sys.setprofile(count)
            try:
                file.read(100)
            finally:
                sys.setprofile(None)
        return made

    calls_at(0)
    assert calls_at(19 << 20) < calls_at(1 << 20) + 20


def test_neighbouring_chunks_are_fetched_together(store: LocalStore) -> None:
    """Reading 20 MB of a distant store takes a request per 8 MiB, besides table and index."""
    content = save(store, {"a": noise(20_000_000)})
    counting = DistantStore(store)
    ContentReader(counting, content, label="iris@3").read("a")
    assert len(counting.gets) <= 5


def test_a_small_content_is_one_read(store: LocalStore) -> None:
    """Loading one chunk reads one object once."""
    content = save(store, {"a": b"one", "b": b"two"})
    counting = CountingStore(store)
    reader = ContentReader(counting, content, label="iris@3")
    assert (reader.read("a"), reader.read("b"), len(counting.gets)) == (b"one", b"two", 1)


def test_an_unknown_file_is_named(store: LocalStore) -> None:
    """A path that the content does not hold is an ArgumentError that names both."""
    with pytest.raises(ArgumentError, match="iris@3 holds no file 'b'"):
        reader_of(store, {"a": b""}).read("b")


def test_chosen_files_are_restored(store: LocalStore, tmp_path: Path) -> None:
    """Only the files asked for appear, without the folder that is stripped."""
    reader = reader_of(store, {"data/a": b"a", "data/sub/b": b"b", ".visualizations/c": b"c"})
    reader.restore(tmp_path / "out", paths=["data/sub/b"], strip="data")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"sub/b"}


def test_files_that_do_not_lie_together_are_restored(store: LocalStore, tmp_path: Path) -> None:
    """Each chosen file has its own bytes, also where others that are not chosen lie between them."""
    held = {"a": noise(100_000, 1), "b": noise(7), "c": b"c" * 50, "d": noise(300_000, 2), "e": b"e", "f": noise(90, 3)}
    reader_of(store, held).restore(tmp_path / "out", paths=["a", "c", "d", "f"])
    assert {name: held[name] for name in "acdf"} == files_below(tmp_path / "out")


@pytest.mark.parametrize(("paths", "strip"), [(["gone"], ""), (None, "data"), (["b"], "data/")])
def test_a_restore_that_makes_no_sense_is_refused(
    store: LocalStore, tmp_path: Path, paths: list[str] | None, strip: str
) -> None:
    """A path that is not there, or not below the stripped folder, is named before anything is written."""
    with pytest.raises(ArgumentError):
        reader_of(store, {"data/a": b"a", "b": b"b"}).restore(tmp_path / "out", paths=paths, strip=strip)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(store: LocalStore, tmp_path: Path, kind: str) -> None:
    """A target that exists, whatever it is, is left alone."""
    target = tmp_path / "out"
    if kind == "file":
        target.touch()
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to("gone")
    with pytest.raises(TargetExistsError, match="out exists already"):
        reader_of(store, {"a": b"a"}).restore(target)


def test_a_damaged_content_restores_nothing(store: LocalStore, tmp_path: Path) -> None:
    """When a late file is damaged, no folder appears and nothing is left beside it."""
    reader = reader_of(store, {"a": noise(1 << 20), "b": noise(1 << 20, 1)})
    pack = next(key for key in objects(store) if key.startswith("packs"))
    stored = bytearray((store.root / pack).read_bytes())
    stored[-200_000] ^= 1
    (store.root / pack).write_bytes(stored)
    with pytest.raises(IntegrityError, match="iris@3"):
        reader.restore(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    "target", ["/etc", "../..", "a/../../x", "a/" * 2049], ids=["/etc", "../..", "a/../../x", "long"]
)
def test_a_forged_link_is_not_restored(store: LocalStore, tmp_path: Path, target: str) -> None:
    """A link that leaves the folder is refused on reading as on writing."""
    content = forged(store, (FileEntry(path="link", size=len(target), kind="link"),), target.encode())
    with pytest.raises(IntegrityError, match="which no writer saves"):
        ContentReader(store, content, label="iris@3").restore(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_forged_links_that_leave_together_are_not_restored(store: LocalStore, tmp_path: Path) -> None:
    """Two links that only together lead out of the folder are refused."""
    files = (
        FileEntry(path="far", size=17, kind="link"),
        FileEntry(path="p/q/here", size=1, kind="link"),
    )
    content = forged(store, files, b"p/q/here/../../...")
    with pytest.raises(IntegrityError, match="through another link"):
        ContentReader(store, content, label="iris@3").restore(tmp_path / "out")


@pytest.mark.parametrize(
    "files",
    [
        (FileEntry(path="../a", size=5),),
        (FileEntry(path="a", size=2, kind="link"), FileEntry(path="a/b", size=3)),
        (FileEntry(path="a", size=3), FileEntry(path="a", size=2)),
        (FileEntry(path="a", size=6),),
        (FileEntry(path="a", size=6), FileEntry(path="b", size=-1)),
    ],
)
def test_a_forged_list_of_files_is_refused(store: LocalStore, files: tuple[FileEntry, ...]) -> None:
    """Paths that leave the target, pass through a link or stand twice, and wrong sizes are refused."""
    with pytest.raises(IntegrityError, match="iris@3"):
        ContentReader(store, forged(store, files, b"hello"), label="iris@3")


def test_a_manifest_that_lies_about_its_digest_is_refused(store: LocalStore) -> None:
    """The files and chunks of a manifest must be what its digest says."""
    content = save(store, {"a": b"a"})
    forged = Content(digest=Digest("sha256:" + "0" * 64), size=1, files=content.files, chunks=content.chunks)
    with pytest.raises(IntegrityError, match="describes the content"):
        ContentReader(store, forged, label="iris@3")


@pytest.mark.parametrize("files", [{"a": b"small"}, {"a": noise(1 << 20)}])
def test_a_content_is_present_until_an_object_is_gone(store: LocalStore, files: dict[str, bytes]) -> None:
    """Presence needs each object of a content."""
    content = save(store, files)
    assert is_present(store, content)
    for key, data in objects(store).items():
        os.unlink(store.root / key)
        assert not is_present(store, content)
        (store.root / key).write_bytes(data)


def test_a_content_that_shares_chunks_needs_the_packs_of_both(store: LocalStore) -> None:
    """It is present while every pack that holds some of it is there, and its table can be read."""
    first = save(store, {"a": noise(1 << 20)})
    second = save(store, {"a": noise(1 << 20) + noise(1 << 20, 1)}, similar=[first])
    assert is_present(store, second)
    needed = {key: data for key, data in objects(store).items() if key != table_key(first.digest)}
    assert ["packs", "packs", "tables"] == sorted(key.split("/")[0] for key in needed)
    for key, data in needed.items():
        os.unlink(store.root / key)
        assert not is_present(store, second)
        (store.root / key).write_bytes(data)
    table = store.root / table_key(second.digest)
    table.write_bytes(table.read_bytes()[:-1])
    assert not is_present(store, second)


def test_a_check_reads_again(store: LocalStore) -> None:
    """A check sees damage that came after the last reading."""
    reader = reader_of(store, {"a": b"bytes"})
    reader.read("a")
    reader.check()
    (store.root / next(iter(objects(store)))).write_bytes(b"byteS")
    with pytest.raises(IntegrityError, match="expected " + digest_of(b"bytes")):
        reader.check()
