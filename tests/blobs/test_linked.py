"""Data registered in place."""

import errno
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.blobs import CHANGED_IN_PLACE, ContentReader, LocalStore, is_present, link_content, linked_path
from ledger.errors import IntegrityError, OutsideStoreError, StorageError, UnsupportedFileError
from ledger.ids import Digest, digest_of
from ledger.records import Content, FileEntry, linked_digest
from tests.kit.stores import objects


@pytest.fixture
def folder(store: LocalStore) -> Path:
    made = store.root / "raw" / "2023"
    (made / "sub").mkdir(parents=True)
    (made / "empty").mkdir()
    (made / "a.csv").write_bytes(b"1,2\n")
    (made / "sub" / "b.csv").write_bytes(b"3,4\n")
    (made / "link").symlink_to("sub/b.csv")
    return made


def test_a_folder_is_listed_and_hashed(store: LocalStore, folder: Path) -> None:
    """Each file is named with its size and digest, and nothing is copied."""
    content = link_content(store, folder)
    assert (content.linked, content.size, content.chunks) == ("raw/2023", 17, None)
    assert {file.path: (file.kind, file.digest) for file in content.files or ()} == {
        "a.csv": ("file", digest_of(b"1,2\n")),
        "empty": ("directory", digest_of(b"")),
        "link": ("link", digest_of(b"sub/b.csv")),
        "sub/b.csv": ("file", digest_of(b"3,4\n")),
    }
    assert objects(store) == {}


def test_a_file_is_registered_by_its_name(store: LocalStore, folder: Path) -> None:
    """A single file has the one path that is its name."""
    content = link_content(store, folder / "a.csv")
    assert (content.linked, [file.path for file in content.files or ()]) == ("raw/2023/a.csv", ["a.csv"])
    assert [file.kind for file in content.files or ()] == ["file"]
    assert linked_path(store, content, label="raw@1") == folder / "a.csv"
    assert ContentReader(store, content, label="raw@1").read("a.csv") == b"1,2\n"


@pytest.mark.parametrize("where", ["store", "link", "other/../store"])
def test_registered_data_is_made_durable(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Its files are synced, and the folders on their way from the store, by whatever path the store is known."""
    store.root.with_name("link").symlink_to(store.root)
    store.root.with_name("other").mkdir()
    synced = set[int]()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    link_content(LocalStore(store.root.parent / where), folder)
    files, on_the_way = ("a.csv", "sub/b.csv", "sub", "empty"), (folder, folder.parent, store.root)
    assert {path.stat().st_ino for path in (*(folder / file for file in files), *on_the_way)} == synced


def test_registered_data_reads_like_any_other(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    """Files are read, opened, restored and checked as if they were stored."""
    content = link_content(store, folder)
    reader = ContentReader(store, content, label="raw@1")
    reader.check()
    reader.restore(tmp_path / "out")
    assert (reader.read("sub/b.csv"), reader.open("sub/b.csv").read(2)) == (b"3,4\n", b"3,")
    assert (tmp_path / "out" / "link").read_bytes() == b"3,4\n"
    assert reader.location == f"{store.url}/raw/2023"


def test_many_files_are_listed_in_a_table(store: LocalStore) -> None:
    """More than 64 files stand in the store's table, without chunks."""
    (store.root / "many").mkdir()
    for number in range(65):
        (store.root / "many" / f"{number:03}").write_bytes(b"x")
    content = link_content(store, store.root / "many")
    assert (content.files, content.file_count, content.linked) == (None, 65, "many")
    assert [key.split("/")[0] for key in objects(store)] == ["tables"]
    assert linked_path(store, content, label="raw@1") == store.root / "many"
    assert is_present(store, content)


def _by_a_link(path: Path) -> None:
    """Put what lies at a path elsewhere, and a link to it in its place."""
    elsewhere = path.rename(path.with_name("elsewhere"))
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: (folder / "a.csv").write_bytes(b"9,9\n"),
            f"'a.csv' has 4 bytes, {digest_of(b'9,9' + bytes([10]))}",
        ),
        (lambda folder: (folder / "a.csv").write_bytes(b"1,2\n3"), "'a.csv' has 5 bytes"),
        (lambda folder: (folder / "a.csv").unlink(), "'a.csv' is missing"),
        (lambda folder: (folder / "new").touch(), "'new' was added"),
        (lambda folder: (folder / "a.csv").chmod(0o755), "'a.csv' is of kind executable, expected file"),
        (lambda folder: (folder / "empty" / "x").touch(), "'empty' is missing"),
        (lambda folder: os.mkfifo(folder / "pipe"), "a fifo"),
        (lambda folder: folder.rename(folder.with_name("gone")), "is missing"),
        (_by_a_link, "a symbolic link leads elsewhere"),
    ],
)
def test_a_change_in_place_is_noticed(store: LocalStore, folder: Path, change: object, said: str) -> None:
    """A changed, missing or added file is an IntegrityError that names it; nobody is sent for copies elsewhere."""
    content = link_content(store, folder)
    change(folder)  # type: ignore[operator]  # one of the functions above
    with pytest.raises(IntegrityError, match="raw@1") as caught:
        linked_path(store, content, label="raw@1")
    assert said in str(caught.value)
    assert CHANGED_IN_PLACE == caught.value.hint


def test_changed_bytes_are_not_handed_out(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    """Reading, opening and restoring a changed file fail, and no folder appears."""
    reader = ContentReader(store, link_content(store, folder), label="raw@1")
    (folder / "a.csv").write_bytes(b"9,9\n")
    for read in (lambda: reader.read("a.csv"), lambda: reader.open("a.csv"), lambda: reader.restore(tmp_path / "out")):
        with pytest.raises(IntegrityError, match=r"'a\.csv' has 4 bytes"):
            read()
    assert not (tmp_path / "out").exists()


def _by_a_file(path: Path) -> None:
    """Put a file in the place of a link, with the bytes that the link's digest is about."""
    target = os.readlink(path)
    path.unlink()
    path.write_text(target)


@pytest.mark.parametrize(
    ("changed", "change", "read", "said"),
    [
        ("sub", _by_a_link, "sub/b.csv", "lies behind a symbolic link"),
        ("a.csv", _by_a_link, "a.csv", "cannot be read"),
        ("link", _by_a_file, "link", "is no link any more"),
    ],
)
def test_what_is_now_a_link_or_none_is_not_handed_out(
    store: LocalStore, folder: Path, changed: str, change: Callable[[Path], None], read: str, said: str
) -> None:
    """Though the bytes that a link leads to would be those that were registered."""
    reader = ContentReader(store, link_content(store, folder), label="raw@1")
    change(folder / changed)
    with pytest.raises(IntegrityError, match=f"the file '{read}' {said}"):
        reader.read(read)


def test_one_file_is_not_a_folder_of_such_files(store: LocalStore) -> None:
    """Where a file lies in the place of a folder, it is none of the files of that, whatever its bytes."""
    folder = store.root / "raw"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"1")
    content = link_content(store, folder)
    shutil.rmtree(folder)
    folder.write_bytes(b"1")
    with pytest.raises(IntegrityError, match="the file 'a' cannot be read: Not a directory, in "):
        ContentReader(store, content, label="raw@1").read("a")


def test_a_folder_without_files_may_be_gone_too(store: LocalStore) -> None:
    """It is present as long as it is there."""
    (store.root / "raw").mkdir()
    content = link_content(store, store.root / "raw")
    assert is_present(store, content)
    (store.root / "raw").rmdir()
    assert not is_present(store, content)


def test_a_shortage_of_descriptors_is_no_change(store: LocalStore, folder: Path) -> None:
    """A file that this process cannot open just now was not changed in place."""
    reader = ContentReader(store, link_content(store, folder), label="raw@1")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(StorageError, match="Too many open files"):
            reader.read("a.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_disk_that_fails_is_no_change(store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or link that cannot be read for that is told as it is, not as changed in place."""
    reader = ContentReader(store, link_content(store, folder), label="raw@1")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "read", fail)
    monkeypatch.setattr(os, "readlink", fail)
    for name in ("a.csv", "link"):
        with pytest.raises(StorageError, match=f"^cannot read .*/{name}: Input/output error"):
            reader.read(name)


def test_an_open_file_that_changes_is_not_read_on(store: LocalStore, folder: Path) -> None:
    """What is read from an open file was checked as it is by then; one that was only touched is read on."""
    (folder / "large").write_bytes(b"1" * 300_000)
    reader = ContentReader(store, link_content(store, folder), label="raw@1")
    with reader.open("large") as file:
        assert file.read(1) == b"1"
        (folder / "large").chmod(0o600)
        assert (file.seek(100_000), file.read(1)) == (100_000, b"1")
        (folder / "large").write_bytes(b"1" * 200_000 + b"2" * 100_000)
        os.utime(folder / "large", (0, 0))  # however slowly the file system's clock ticks
        file.seek(200_000)
        with pytest.raises(IntegrityError, match="'large' has 300000 bytes"):
            file.read(1)
        (folder / "large").unlink()
        with pytest.raises(IntegrityError, match="the file 'large' is missing, in "):
            file.read(1)


def test_an_open_link_is_its_target(store: LocalStore, folder: Path) -> None:
    """As of a stored link, and not the bytes of the file that it leads to."""
    reader = ContentReader(store, link_content(store, folder), label="raw@1")
    with reader.open("link") as file:
        assert file.read() == b"sub/b.csv"


def _refusals(store: LocalStore, folder: Path) -> dict[str, Path]:
    outside = store.root.parent / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"x")
    sibling = store.root.parent / "store_evil"
    sibling.mkdir()
    (store.root / "escape").symlink_to(outside)
    (store.root / "alias").symlink_to(folder)
    return {
        "outside": outside,
        "a sibling with the same beginning": sibling,
        "missing": store.root / "missing",
        "the root": store.root,
        "through a link to the outside": store.root / "escape" / "x",
        "a link to the outside": store.root / "escape",
        "a link inside": store.root / "alias",
        "through a link inside": store.root / "alias" / "a.csv",
        "up and out": store.root / ".." / "outside",
        "the store's own objects": store.root / "chunks",
        "the store's record": store.root / "store.json",
    }


@pytest.mark.parametrize(
    "which",
    [
        "outside",
        "a sibling with the same beginning",
        "missing",
        "the root",
        "through a link to the outside",
        "a link to the outside",
        "a link inside",
        "through a link inside",
        "up and out",
        "the store's own objects",
        "the store's record",
    ],
)
def test_what_may_not_be_registered_is_refused(store: LocalStore, folder: Path, which: str) -> None:
    """Only what exists strictly inside the store, without links, can be registered; the error names both paths."""
    (store.root / "chunks").mkdir(exist_ok=True)
    path = _refusals(store, folder)[which]
    with pytest.raises(OutsideStoreError) as caught:
        link_content(store, path)
    assert isinstance(caught.value, FileNotFoundError)
    assert str(path) in str(caught.value)
    assert str(store.root) in str(caught.value)
    assert "save_artifact" in caught.value.hint


def test_a_folder_with_special_files_is_refused(store: LocalStore, folder: Path) -> None:
    """A fifo in a folder is refused by name, and not read."""
    os.mkfifo(folder / "pipe")
    with pytest.raises(UnsupportedFileError, match="a fifo"):
        link_content(store, folder)


@pytest.mark.parametrize("linked", ["../outside", "/etc", "escape", "store.json", "chunks", ""])
def test_a_forged_path_is_not_followed(store: LocalStore, tmp_path: Path, linked: str) -> None:
    """A manifest cannot make a reader look outside of the store, or at the store's own files."""
    (tmp_path / "outside").mkdir()
    (store.root / "escape").symlink_to(tmp_path / "outside")
    files = (FileEntry(path="x", size=0, digest=digest_of(b"")),)
    content = Content(digest=linked_digest(files), size=0, files=files, linked=linked)
    with pytest.raises(IntegrityError, match="invalid path"):
        ContentReader(store, content, label="raw@1")


@pytest.mark.parametrize("linked", ["../outside", "/etc"])
def test_what_lies_outside_is_not_present(store: LocalStore, tmp_path: Path, linked: str) -> None:
    """Whatever a manifest says: nobody looks there."""
    (tmp_path / "outside").mkdir()
    content = Content(digest=linked_digest(()), size=0, files=(), linked=linked)
    assert not is_present(store, content)


def test_forged_files_are_noticed(store: LocalStore, folder: Path) -> None:
    """The files listed must be those of the content's digest."""
    content = link_content(store, folder)
    forged = Content(digest=Digest("sha256:" + "0" * 64), size=17, files=content.files, linked=content.linked)
    with pytest.raises(IntegrityError, match="expected sha256:0000"):
        linked_path(store, forged, label="raw@1")
