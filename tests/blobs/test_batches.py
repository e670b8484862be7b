"""The files of a folder, read many at a time."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ledger.blobs import ContentWriter, LocalStore
from ledger.blobs.files import pace
from ledger.blobs.files.batches import SMALL_SIZE, Batch, in_batches
from ledger.blobs.files.folders import scan_folder
from ledger.errors import ArgumentError, StorageError, UnsupportedFileError
from tests.kit.contents import add, load, noise

pytestmark = pytest.mark.usefixtures("no_threads_are_left")


def make(folder: Path, sizes: list[int]) -> dict[str, bytes]:
    """Files of these sizes in a new folder, by their names."""
    folder.mkdir()
    files = {f"{number:04}": noise(size, number) for number, size in enumerate(sizes)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0, 1, 2],
        [100] * 200,
        [4096] * 600,
        [SMALL_SIZE, SMALL_SIZE + 1] * 20,
        [3 << 20, *[10_000] * 130, 3 << 20],
    ],
    ids=["none", "few", "short", "many", "mixed", "between large ones"],
)
def test_files_come_back_in_order(store: LocalStore, tmp_path: Path, sizes: list[int]) -> None:
    """Small and large files, however they alternate, are one content in the order of their paths."""
    files = make(tmp_path / "in", sizes)
    writer = ContentWriter(store)
    writer.add_folder("", tmp_path / "in")
    content = writer.finish()
    assert list(files) == [entry.path for entry in writer.files]
    assert files == load(store, content)


def test_small_neighbours_are_read_together(tmp_path: Path) -> None:
    """A large file is left to whoever takes it; small ones come with their bytes."""
    files = make(tmp_path / "in", [5, 6, SMALL_SIZE + 1, 7])
    first, large, last = in_batches(scan_folder(tmp_path / "in"))
    assert isinstance(first, Batch)
    assert isinstance(last, Batch)
    assert ([5, 6], files["0000"] + files["0001"]) == (first.sizes, first.data)
    assert ("0002", files["0003"]) == (large.path, last.data)  # type: ignore[union-attr]  # it is a file


@pytest.mark.parametrize("seconds", [0, 1], ids=["quick", "slow"])
def test_only_slow_reading_brings_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """However long whoever takes the files is at work on them: on a quick disk no thread reads ahead."""
    now = [0.0]

    def look() -> float:
        now[0] += seconds
        return now[0]

    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=look))
    files = make(tmp_path / "in", [10_000] * 300)
    read, threads = b"", set[str]()
    for batch in in_batches(scan_folder(tmp_path / "in")):
        assert isinstance(batch, Batch)
        read += batch.data
        threads |= {thread.name for thread in threading.enumerate() if thread.name.startswith("ledger-bytes")}
        now[0] += 3600
    assert (b"".join(files.values()), seconds > 0) == (read, bool(threads))


def test_an_unreadable_file_spoils_the_content(store: LocalStore, tmp_path: Path) -> None:
    """Where one of many files changes its kind after the folder was looked at, that is an error, and no content."""
    make(tmp_path / "in", [4096] * 600)
    files = scan_folder(tmp_path / "in")
    (tmp_path / "in" / "0500").unlink()
    (tmp_path / "in" / "0500").symlink_to("0501")
    with pytest.raises(StorageError, match="0500"):
        list(in_batches(files))
    (tmp_path / "in" / "0500").unlink()
    os.mkfifo(tmp_path / "in" / "0500")
    writer = ContentWriter(store)
    with pytest.raises(UnsupportedFileError, match="0500"):
        writer.add_folder("", tmp_path / "in")
    assert list(store.list("packs")) == []


def test_a_part_of_a_folder_is_no_content(store: LocalStore, tmp_path: Path) -> None:
    """A folder one of whose files is there already cannot be finished without the rest."""
    make(tmp_path / "in", [4096] * 600)
    writer = ContentWriter(store)
    add(writer, "0500", b"taken")
    with pytest.raises(ArgumentError, match="there already"):
        writer.add_folder("", tmp_path / "in")
    with pytest.raises(ArgumentError, match="broken"):
        writer.finish()
    writer.abort()
