"""Data registered in place in an object store."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from ledger.blobs import ContentReader, is_present, link_objects
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.layout import table_key
from ledger.blobs.stores.store import FETCH_SIZE
from ledger.errors import IntegrityError, OutsideStoreError, StorageError
from ledger.ids import digest_of
from ledger.records import Content, FileEntry, linked_digest
from tests.kit.stores import CountingStore


@pytest.fixture
def store() -> Iterator[FsspecStore]:
    root = f"memory://{uuid4().hex}/store"
    yield FsspecStore(root)
    fsspec.filesystem("memory").rm(root, recursive=True)


@pytest.fixture
def raw(store: FsspecStore) -> FsspecStore:
    """The store with three objects in it that are not its own."""
    put(store, "raw/a.csv", b"1,2\n")
    put(store, "raw/sub/b.csv", b"3,4\n")
    put(store, "raw/sub/empty", b"")
    put(store, "other/c.csv", b"5,6\n")
    return store


def put(store: FsspecStore, key: str, data: bytes) -> None:
    fsspec.filesystem("memory").pipe_file(f"{store.url}/{key}", data)


def remove(store: FsspecStore, key: str) -> None:
    fsspec.filesystem("memory").rm_file(f"{store.url}/{key}")


def test_objects_are_listed_and_hashed(raw: FsspecStore) -> None:
    """Each object below a path is named with its size and digest, and nothing is put."""
    content = link_objects(raw, "raw")
    assert ("raw", 8, None) == (content.linked, content.size, content.chunks)
    assert {
        "a.csv": (4, digest_of(b"1,2\n")),
        "sub/b.csv": (4, digest_of(b"3,4\n")),
        "sub/empty": (0, digest_of(b"")),
    } == {file.path: (file.size, file.digest) for file in content.files or ()}
    assert ["other/c.csv", "raw/a.csv", "raw/sub/b.csv", "raw/sub/empty"] == list(raw.list(""))


def test_one_object_is_registered_by_its_name(raw: FsspecStore) -> None:
    """A single object has the one path that is its name, also where a folder is called the same."""
    put(raw, "raw/x/x", b"x")
    for key, expected in (("raw/a.csv", b"1,2\n"), ("raw/x", b"x")):
        content = link_objects(raw, key)
        (file,) = content.files or ()
        assert (key.rpartition("/")[2], expected) == (
            file.path,
            ContentReader(raw, content, label="x@1").read(file.path),
        )


def test_objects_read_like_any_other_files(raw: FsspecStore, tmp_path: Path) -> None:
    """They are read, opened, restored and checked as if they were stored."""
    content = link_objects(raw, "raw")
    reader = ContentReader(raw, content, label="raw@1")
    reader.check()
    reader.restore(tmp_path / "out")
    assert (b"3,4\n", b"3,4\n") == (reader.read("sub/b.csv"), (tmp_path / "out" / "sub" / "b.csv").read_bytes())
    with reader.open("a.csv") as file:
        file.seek(2)
        assert b"2\n" == file.read()
    assert f"{raw.url}/raw" == reader.location
    assert is_present(raw, content)


def test_large_objects_are_fetched_in_ranges(store: FsspecStore) -> None:
    """An object of several requests, and one that ends with a request, have the digests of their bytes."""
    for size in (FETCH_SIZE, 2 * FETCH_SIZE + 1):
        data = bytes(size)
        put(store, f"large/{size}", data)
        (file,) = link_objects(store, f"large/{size}").files or ()
        assert (size, digest_of(data)) == (file.size, file.digest)


@pytest.mark.parametrize("size", [0, 1, FETCH_SIZE - 1, FETCH_SIZE, FETCH_SIZE + 1, 2 * FETCH_SIZE])
@pytest.mark.parametrize("change", [-1, 1, FETCH_SIZE])
def test_an_object_of_another_size_is_noticed(store: FsspecStore, size: int, change: int) -> None:
    """However its size lies to what one request asks for, an object that grew or shrank is found."""
    put(store, "large", bytes(size))
    reader = ContentReader(store, link_objects(store, "large"), label="large@1")
    assert digest_of(bytes(size)) == digest_of(reader.read("large"))
    put(store, "large", bytes(abs(size + change)))
    with pytest.raises(IntegrityError, match="'large' has"):
        reader.read("large")


def test_nothing_is_asked_for_behind_the_end_of_an_object(raw: FsspecStore) -> None:
    """An object that was cut off, or of which a forged manifest says that it is larger than any, costs few requests."""
    size = 2**53 - 1
    files = (FileEntry(path="a.csv", size=size, digest=digest_of(b"1,2\n")),)
    content = Content(digest=linked_digest(files), size=size, files=files, linked="raw")
    counting = CountingStore(raw)
    with pytest.raises(IntegrityError, match=f"'a.csv' has 4 bytes, expected {size}"):
        ContentReader(counting, content, label="raw@1").read("a.csv")
    assert len(counting.gets) < 20


def test_many_objects_are_listed_in_a_table(store: FsspecStore) -> None:
    """More than 64 objects stand in the store's table; where that is damaged they are not present."""
    for number in range(64):
        put(store, f"many/{number:03}", b"x")
    assert 64 == len(link_objects(store, "many").files or ())
    put(store, "many/064", b"x")
    content = link_objects(store, "many")
    assert (None, 65) == (content.files, content.file_count)
    ContentReader(store, content, label="many@1").check()
    assert is_present(store, content)
    put(store, table_key(content.digest), b"no table")
    assert not is_present(store, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda store: put(store, "raw/a.csv", b"9,9\n"), "'a.csv' has 4 bytes, sha256:"),
        (lambda store: put(store, "raw/a.csv", b"1,2\n3"), "'a.csv' has 5 bytes"),
        (lambda store: remove(store, "raw/a.csv"), "'a.csv' is missing"),
        (lambda store: put(store, "raw/new", b""), "'new' was added"),
    ],
)
def test_a_change_in_place_is_noticed(raw: FsspecStore, change: object, said: str) -> None:
    """A changed, missing or added object is an IntegrityError that names it."""
    reader = ContentReader(raw, link_objects(raw, "raw"), label="raw@1")
    change(raw)  # type: ignore[operator]  # one of the functions above
    with pytest.raises(IntegrityError, match="raw@1") as caught:
        reader.check()
    assert said in str(caught.value)
    assert "register it again" in caught.value.hint


def test_a_listing_shows_what_is_missing(raw: FsspecStore) -> None:
    """Before a byte of the others is read."""
    reader = ContentReader(raw, link_objects(raw, "raw"), label="raw@1")
    reader.check_listing()
    remove(raw, "raw/a.csv")
    with pytest.raises(IntegrityError, match=r"'a\.csv' is missing"):
        reader.check_listing()


def test_an_object_beside_a_folder_of_its_name_takes_nothing_away(raw: FsspecStore) -> None:
    """What was registered as a folder is read below it."""
    content = link_objects(raw, "raw")
    put(raw, "raw", b"x")
    assert b"1,2\n" == ContentReader(raw, content, label="raw@1").read("a.csv")


@pytest.mark.parametrize("path", ["../a.csv", "/a.csv"])
def test_what_lies_outside_is_not_present(raw: FsspecStore, path: str) -> None:
    """Whatever a manifest says: nobody asks for it."""
    put(raw, "a.csv", b"")
    put(raw, "raw//a.csv", b"")
    files = (FileEntry(path=path, size=0, digest=digest_of(b"")),)
    assert not is_present(raw, Content(digest=linked_digest(files), size=0, files=files, linked="raw"))


@pytest.mark.parametrize("names", [("empty",), ("empty", "file")])
def test_an_empty_folder_is_present_where_nothing_shows_it(raw: FsspecStore, names: tuple[str, ...]) -> None:
    """Of data that came from a folder the first object counts, if there is one."""
    empty, file = (
        FileEntry(path="empty", size=0, kind="directory", digest=digest_of(b"")),
        FileEntry(path="file", size=1, digest=digest_of(b"x")),
    )
    files = tuple(each for each in (empty, file) if each.path in names)
    put(raw, "copied/file", b"x")
    content = Content(digest=linked_digest(files), size=len(names) - 1, files=files, linked="copied")
    assert is_present(raw, content)
    remove(raw, "copied/file")
    assert ("file" not in names) == is_present(raw, content)


def test_data_may_be_called_as_temporary_files_begin(tmp_path: Path) -> None:
    """An object ``tmp_a`` is registered, read and not missing; what a writer has left beside it is no object."""
    store = FsspecStore(f"file://{tmp_path}")
    for name in ("raw/tmp_a", "raw/tmp_0123456789abcdef"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    content = link_objects(store, "raw")
    assert ["tmp_a"] == [file.path for file in content.files or ()]
    ContentReader(store, content, label="raw@1").check()


def test_a_folder_on_a_disk_is_no_object(tmp_path: Path) -> None:
    """Behind a URL of fsspec too; what can be neither listed nor read there is an error."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.csv").write_bytes(b"1,2\n")
    (tmp_path / "loop").symlink_to("loop")
    store = FsspecStore(f"file://{tmp_path}")
    content = link_objects(store, "raw")
    assert ["a.csv"] == [file.path for file in content.files or ()]
    with pytest.raises(StorageError, match="Too many levels"):
        link_objects(store, "loop")


def test_changed_bytes_are_not_handed_out(raw: FsspecStore, tmp_path: Path) -> None:
    """Reading, opening and restoring a changed object fail, and no folder appears."""
    reader = ContentReader(raw, link_objects(raw, "raw"), label="raw@1")
    put(raw, "raw/a.csv", b"9,9\n")
    for read in (lambda: reader.read("a.csv"), lambda: reader.open("a.csv"), lambda: reader.restore(tmp_path / "out")):
        with pytest.raises(IntegrityError, match=r"'a\.csv' has 4 bytes"):
            read()
    assert not (tmp_path / "out").exists()
    remove(raw, "raw/a.csv")
    with pytest.raises(IntegrityError, match=r"'a\.csv' is missing"):
        reader.read("a.csv")


def test_an_object_whose_key_is_no_path_of_a_file_is_not_registered(raw: FsspecStore) -> None:
    """No content that names it could be read again."""
    put(raw, f"raw/{'x' * 1025}", b"x")
    with pytest.raises(OutsideStoreError, match="xxx'"):
        link_objects(raw, "raw")


@pytest.mark.parametrize("linked", ["nothing", "ra", "", "chunks", "store.json", "tables/ab", "../x"])
def test_what_may_not_be_registered_is_refused(raw: FsspecStore, linked: str) -> None:
    """Nothing, the beginning of a name, the root, and the store's own objects."""
    raw.put("chunks/ab/" + "c" * 62, [b"x"])
    raw.put("store.json", [b"{}"])
    with pytest.raises(OutsideStoreError):
        link_objects(raw, linked)


@pytest.mark.parametrize("linked", ["../outside", "store.json", "chunks", ""])
def test_a_forged_path_is_not_followed(raw: FsspecStore, linked: str) -> None:
    """A manifest cannot make a reader look outside of the store, or at the store's own objects."""
    files = (FileEntry(path="x", size=0, digest=digest_of(b"")),)
    content = Content(digest=linked_digest(files), size=0, files=files, linked=linked)
    with pytest.raises(IntegrityError, match="invalid path"):
        ContentReader(raw, content, label="raw@1")


def test_a_marker_of_a_folder_is_no_object(raw: FsspecStore) -> None:
    """Objects by which some programs mark folders are passed over."""
    content = link_objects(raw, "raw")
    fsspec.filesystem("memory").store[f"/{raw.url.removeprefix('memory://')}/raw/sub/"] = fsspec.filesystem(
        "memory"
    ).open(f"{raw.url}/raw/sub/empty")
    try:
        assert content == link_objects(raw, "raw")
    finally:
        del fsspec.filesystem("memory").store[f"/{raw.url.removeprefix('memory://')}/raw/sub/"]
