"""Files become a content."""

import gc
import io
import json
import os
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.blobs import ContentReader, ContentWriter, LocalStore
from ledger.blobs.chunks import known, packs
from ledger.blobs.stores import workers
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.errors import ArgumentError, SourceNotFoundError, StorageError, UnsupportedFileError
from ledger.ids import digest_of
from ledger.records import content_digest, segments_of
from tests.kit.contents import add, load, noise, save
from tests.kit.stores import CountingStore, objects

LARGE = noise(5 << 20)


def test_a_small_content_stands_in_the_manifest(store: LocalStore) -> None:
    """One chunk and few files: the content lists them, and the store has one object."""
    content = save(store, {"a": b"one", "b": b"two"})
    chunks = ((digest_of(b"onetwo"), 6),)
    assert (content.chunks, content.size, content.file_count) == (chunks, 6, None)
    assert content.digest == content_digest(content.files or (), segments_of(chunks))
    assert list(objects(store).values()) == [b"onetwo"]


def test_no_bytes_need_no_object(store: LocalStore) -> None:
    """A content of empty files has no chunk, and nothing is stored for it."""
    content = save(store, {"empty": b""})
    assert (content.chunks, objects(store), load(store, content)) == ((), {}, {"empty": b""})


def test_a_content_without_files_is_one(store: LocalStore) -> None:
    """Nothing at all is a content too."""
    assert load(store, save(store, {})) == {}


def test_many_small_files_are_a_table_and_a_pack(store: LocalStore) -> None:
    """65 files of one chunk are listed in the store."""
    files = {f"{number:03}": b"x" for number in range(65)}
    content = save(store, files)
    assert (content.files, content.file_count, content.size) == (None, 65, 65)
    assert sorted(key.split("/")[0] for key in objects(store)) == ["packs", "tables"]
    assert load(store, content) == files


def test_many_empty_files_are_a_table_alone(store: LocalStore) -> None:
    """65 empty files need no pack."""
    files = {f"{number:03}": b"" for number in range(65)}
    content = save(store, files)
    assert ([key.split("/")[0] for key in objects(store)], load(store, content)) == (["tables"], files)


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.tuples(st.integers(0, 400_000), st.integers(0, 3)),
        max_size=8,
    ),
)
def test_every_file_comes_back(sizes: dict[str, tuple[int, int]]) -> None:
    """Whatever the files, reading gives the bytes that were written, and equal files give equal contents."""
    store = FsspecStore("memory://round-trip")
    files = {path: noise(size, seed) for path, (size, seed) in sizes.items()}
    content = save(store, files)
    assert load(store, content) == files
    assert save(store, files) == content


def test_equal_contents_add_no_object(store: LocalStore) -> None:
    """Saving the same bytes again, small or large, writes nothing."""
    for files in ({"a": b"small"}, {"a": noise(3 << 20)}):
        save(store, files)
        before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}
        save(store, files)
        assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()} == before


def test_an_equal_content_is_found_by_its_digest(store: LocalStore) -> None:
    """A content that was once stored by way of another's chunks is found whole: no pack is written for it."""
    first, second = {"a": noise(3 << 20)}, {"a": noise(3 << 20) + noise(100_000, seed=1)}
    save(store, second, similar=[save(store, first)])
    before = objects(store)
    save(store, second)
    assert objects(store) == before


def test_a_changed_version_stores_little(store: LocalStore) -> None:
    """After an insertion near the start of 4 MB, less than 15 % is stored again."""
    data = noise(4_000_000)
    first = save(store, {"a": data})
    before = sum(map(len, objects(store).values()))
    changed = {"a": data[:5000] + b"inserted" + data[5000:]}
    second = save(store, changed, similar=[first])
    added = sum(map(len, objects(store).values())) - before
    assert added < 0.15 * len(data)
    assert load(store, second) == changed


def test_a_repeated_chunk_is_stored_once(store: LocalStore) -> None:
    """The same bytes three times in one content take the room of one and a bit."""
    data = noise(2 << 20)
    content = save(store, {"a": data, "b": data, "c": data})
    assert sum(map(len, objects(store).values())) < 1.3 * len(data)
    assert load(store, content) == {"a": data, "b": data, "c": data}


@pytest.mark.parametrize("part", ["chunk", "index", "table", "missing pack", "missing table"])
def test_damage_in_a_similar_content_is_not_inherited(store: LocalStore, part: str) -> None:
    """A stored chunk that cannot be relied on is written again, with a warning."""
    data = noise(2 << 20)
    first = save(store, {"a": data})
    pack, table = sorted(objects(store))
    path = store.root / (table if "table" in part else pack)
    stored = bytearray(path.read_bytes())
    stored[{"chunk": 500_000, "index": -100}.get(part, 20)] ^= 1
    path.write_bytes(stored)
    if part.startswith("missing"):
        path.unlink()
    with pytest.warns(UserWarning, match="again"):
        second = save(store, {"a": data, "b": b"more"}, similar=[first])
    assert load(store, second) == {"a": data, "b": b"more"}


@pytest.mark.parametrize("size", [5, 1 << 20])
def test_a_damaged_object_of_the_same_name_is_replaced(store: LocalStore, size: int) -> None:
    """Saving equal bytes repairs what was damaged in the store, and says so."""
    content = save(store, {"a": noise(size)})
    whole = objects(store)
    for key, data in whole.items():
        (store.root / key).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.warns(UserWarning, match="written again"):
        again = save(store, {"a": noise(size)})
    assert (again, objects(store)) == (content, whole)


def test_a_small_content_reads_no_similar_one(store: LocalStore) -> None:
    """A content of one chunk asks nobody for known chunks."""
    large = save(store, {"a": noise(1 << 20)})
    counting = CountingStore(store)
    save(counting, {"a": b"small"}, similar=[large])
    assert (counting.gets, len(counting.puts)) == ([], 1)


def test_open_files_take_bytes_as_they_come(store: LocalStore) -> None:
    """A file opened for writing cannot seek, tells its position, and holds what was written."""
    writer = ContentWriter(store)
    with writer.open("a", executable=True) as file:
        assert (file.seekable(), file.write(b"12345"), file.tell()) == (False, 5, 5)
        with pytest.raises(io.UnsupportedOperation):
            file.seek(0)
    add(writer, "b", b"67")
    assert [(entry.size, entry.kind) for entry in writer.files] == [(5, "executable"), (2, "file")]
    assert load(store, writer.finish()) == {"a": b"12345", "b": b"67"}


def test_libraries_write_into_open_files(store: LocalStore) -> None:
    """A zip archive and JSON text are written straight into the stream."""
    writer = ContentWriter(store)
    with writer.open("archive.zip") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside", b"bytes")
    with io.TextIOWrapper(writer.open("value.json"), encoding="utf-8") as text:
        json.dump({"a": 1}, text)
    reader = ContentReader(store, writer.finish(), label="iris@3")
    with zipfile.ZipFile(reader.open("archive.zip")) as archive:
        assert archive.read("inside") == b"bytes"
    assert json.loads(reader.read("value.json")) == {"a": 1}


def test_files_open_at_once_wait_for_their_turn(store: LocalStore) -> None:
    """Files written at the same time keep their bytes apart, in the order they were opened."""
    writer = ContentWriter(store)
    first, second, third = (writer.open(path) for path in "abc")
    large = noise(9 << 20)
    third.write(b"third")
    second.write(large)
    first.write(b"first")
    add(writer, "d", b"fourth")
    third.close()
    second.close()
    first.close()
    assert ["a", "b", "c", "d"] == [file.path for file in writer.files]
    content = writer.finish()
    assert load(store, content) == {"a": b"first", "b": large, "c": b"third", "d": b"fourth"}


def test_an_open_file_is_not_finished(store: LocalStore) -> None:
    """Finishing with an open file names it."""
    writer = ContentWriter(store)
    with writer.open("a"), pytest.raises(ArgumentError, match="'a' is still open"):
        writer.finish()


def test_a_file_that_is_closed_last_joins_last(store: LocalStore) -> None:
    """One that was opened beside another goes into the stream at once when it is closed after that."""
    writer = ContentWriter(store)
    first, second = writer.open("a"), writer.open("b")
    first.close()
    second.write(b"second")
    second.close()
    assert {"a": b"", "b": b"second"} == load(store, writer.finish())


def test_what_could_not_be_taken_is_missed_by_no_content(store: LocalStore) -> None:
    """Once a write has failed, the writer makes no content without its bytes, whatever is written afterwards."""
    away = store.root.with_name("away")
    writer = ContentWriter(store)
    file = writer.open("a")
    store.root.rename(away)
    store.root.write_bytes(b"in the way")
    with pytest.raises(StorageError):
        file.write(LARGE)
    store.root.unlink()
    away.rename(store.root)
    file.write(b"more")
    file.close()
    with pytest.raises(ArgumentError, match="broken by an error"):
        writer.finish()
    writer.abort()


def test_a_file_that_could_not_wait_is_in_no_content(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a file beside another one could not be kept, the writer makes no content with a part of it."""
    writer = ContentWriter(store)
    first, second = writer.open("a"), writer.open("b")
    monkeypatch.setattr(tempfile, "tempdir", str(store.root / "missing"))
    with second, pytest.raises(StorageError):
        second.write(noise(9 << 20))
    first.close()
    with pytest.raises(ArgumentError, match="broken by an error"):
        writer.finish()
    writer.abort()


def test_a_file_that_waits_is_not_left_out(store: LocalStore) -> None:
    """Finishing names also an open file that came beside another one, which is closed by now."""
    writer = ContentWriter(store)
    first, second = writer.open("a"), writer.open("b")
    first.close()
    with second, pytest.raises(ArgumentError, match="'b' is still open"):
        writer.finish()


def test_a_finished_writer_takes_nothing_more(store: LocalStore) -> None:
    """What came after the content would be in none."""
    writer = ContentWriter(store)
    writer.finish()
    with pytest.raises(ArgumentError, match="finished"):
        writer.open("a")


def test_a_folder_that_comes_while_a_file_is_open_waits(store: LocalStore, tmp_path: Path) -> None:
    """No byte of its files gets between those of the file, small as they are; each stays what it is."""
    folder = tmp_path / "folder"
    folder.mkdir()
    files = {"x": b"1", "y": noise(100_000)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "x").chmod(0o755)
    (folder / "z").symlink_to("x")
    writer = ContentWriter(store)
    with writer.open("a") as file:
        file.write(b"before")
        file.flush()
        writer.add_folder("folder", folder)
        file.write(b" and after")
    expected = {"a": b"before and after", "folder/x": b"1", "folder/y": files["y"], "folder/z": b"x"}
    assert expected == load(store, writer.finish())
    assert ["file", "executable", "file", "link"] == [entry.kind for entry in writer.files]


def test_nothing_is_stored_after_an_abort(store: LocalStore) -> None:
    """An aborted small content leaves the store as it was, even when its files are closed later."""
    writer = ContentWriter(store)
    add(writer, "a", b"bytes")
    late, spooled = writer.open("b"), writer.open("c")
    late.write(b"late")
    spooled.write(b"late")
    writer.abort()
    late.close()
    del spooled
    gc.collect()
    assert objects(store) == {}
    with pytest.raises(ArgumentError, match="aborted"):
        writer.finish()


@pytest.mark.parametrize("path", ["", "/a", "a/", "../a", "a/./b", "a\0b", "x" * 1025, "\udc80"])
def test_bad_paths_are_refused(store: LocalStore, path: str) -> None:
    """A path that no content may hold is refused before a byte is taken."""
    with pytest.raises(ArgumentError, match="cannot add the file"):
        add(ContentWriter(store), path, b"bytes")


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a")])
def test_paths_do_not_collide(store: LocalStore, first: str, second: str) -> None:
    """No path stands twice, or below or above another file."""
    writer = ContentWriter(store)
    add(writer, first, b"1")
    with pytest.raises(ArgumentError, match="cannot add the file"):
        add(writer, second, b"2")


@pytest.mark.parametrize("path", ["deep", "deep/down/a", "deep/down/a/b/c.csv", "deep/down/again", "deep/down/empty/b"])
def test_what_a_folder_brings_keeps_its_paths(store: LocalStore, tmp_path: Path, path: str) -> None:
    """Small files that are taken together, links and empty folders are in the way of others as single files are."""
    (tmp_path / "data" / "empty").mkdir(parents=True)
    (tmp_path / "data" / "a" / "b").mkdir(parents=True)
    (tmp_path / "data" / "a" / "b" / "c.csv").write_text("1\n")
    (tmp_path / "data" / "again").symlink_to("a/b/c.csv")
    writer = ContentWriter(store)
    writer.add_folder("deep/down", tmp_path / "data")
    with pytest.raises(ArgumentError, match="cannot add the file"):
        add(writer, path, b"2")


def test_a_file_is_copied_with_its_executable_bit(store: LocalStore, tmp_path: Path) -> None:
    """A file keeps its bytes and says whether it can be executed; a link that was named stands for its file."""
    source, link = tmp_path / "run.sh", tmp_path / "link"
    source.write_bytes(noise(3 << 20))
    source.chmod(0o755)
    (tmp_path / "text").write_bytes(b"text")
    link.symlink_to("text")
    writer = ContentWriter(store)
    writer.add_file("bin/run.sh", source)
    writer.add_file("link", link)
    content = writer.finish()
    assert load(store, content) == {"bin/run.sh": noise(3 << 20), "link": b"text"}
    assert [entry.kind for entry in writer.files] == ["executable", "file"]


def test_a_copied_file_is_in_the_way_of_others(store: LocalStore, tmp_path: Path) -> None:
    """No path stands twice, whether its file is copied or written; nothing is copied below a file, or over a folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "small").write_bytes(b"1")
    for act in (
        lambda writer: writer.add_file("a", folder / "small"),
        lambda writer: writer.add_folder("a/b", folder),
        lambda writer: writer.add_folder("..", folder),
        lambda writer: add(writer, "a", b"2"),
        lambda writer: writer.add_file("folders", folder / "small"),
        lambda writer: writer.add_folder("folders", folder),
    ):
        writer = ContentWriter(store)
        writer.add_file("a", folder / "small")
        add(writer, "folders/small/b", b"3")
        with pytest.raises(ArgumentError, match="cannot add the file"):
            act(writer)


def test_a_missing_file_is_named(store: LocalStore, tmp_path: Path) -> None:
    """A source that is not there is a SourceNotFoundError."""
    with pytest.raises(SourceNotFoundError, match="gone"):
        ContentWriter(store).add_file("a", tmp_path / "gone")


def test_a_path_through_a_file_is_named(store: LocalStore, tmp_path: Path) -> None:
    """A source that cannot even be asked for is a StorageError."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file/below"):
        ContentWriter(store).add_file("a", tmp_path / "file" / "below")


def test_a_fifo_is_no_file(store: LocalStore, tmp_path: Path) -> None:
    """A source that would never end is refused, not waited for."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UnsupportedFileError, match="regular"):
        ContentWriter(store).add_file("a", tmp_path / "fifo")


def test_a_file_that_grows_while_it_is_read_is_refused(store: LocalStore, tmp_path: Path) -> None:
    """A source that somebody writes to is a StorageError that names it, and the writer cannot be finished."""
    source, stop = tmp_path / "growing", threading.Event()
    source.write_bytes(bytes(8 << 20))

    def grow() -> None:
        with source.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"more")

    thread = threading.Thread(target=grow)
    thread.start()
    writer = ContentWriter(store)
    try:
        with pytest.raises(StorageError, match="growing changed while it was read"):
            writer.add_file("a", source)
    finally:
        stop.set()
        thread.join()
    with pytest.raises(ArgumentError, match="broken"):
        writer.finish()


@pytest.mark.parametrize("limit", [40, 80, 1000])
def test_a_large_similar_content_is_recognised_by_a_few_chunks(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Where not all chunks of a similar content are remembered, nearly all are still found."""
    monkeypatch.setattr(known, "KNOWN_LIMIT", limit)
    monkeypatch.setattr(packs, "PACK_LIMIT", 1 << 20)
    # Of several threads one is ahead now and then of what the others find behind it.
    monkeypatch.setattr(workers, "thread_count", lambda: 1)
    data = noise(12 << 20)
    first = save(store, {"a": data})
    assert len(list(store.list("packs"))) > 10
    before = sum(map(len, objects(store).values()))
    changed = {"a": data[: 1 << 20] + b"inserted" + data[1 << 20 :]}
    second = save(store, changed, similar=[first])
    added = sum(map(len, objects(store).values())) - before
    assert added < 0.1 * len(data)
    assert load(store, second) == changed
