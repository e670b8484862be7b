"""The user's own files, read for a content."""

import os
from pathlib import Path

import pytest

from ledger.blobs.sources import read_source, read_together
from ledger.errors import StorageError, UnsupportedFileError
from tests.kit.contents import noise


def make(folder: Path, sizes: list[int]) -> dict[str, bytes]:
    """Files of these sizes, by their full paths."""
    files = {str(folder / f"{number:04}"): noise(size, number) for number, size in enumerate(sizes)}
    for path, data in files.items():
        Path(path).write_bytes(data)
    return files


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("sizes", [[], [0], [1, 0, 4096], [4096] * 100, [0, (1 << 20) + 1, 7]])
def test_files_that_are_read_together_come_in_order(tmp_path: Path, sizes: list[int]) -> None:
    """However many and however large they are, each comes whole, and none stays open."""
    files, before = make(tmp_path, sizes), open_files()
    assert list(files.values()) == read_together(list(files))
    assert before == open_files()


def test_a_file_that_is_another_by_now_is_read_as_it_is(tmp_path: Path) -> None:
    """Files that grew or shrank since somebody looked are read in their new state."""
    files = make(tmp_path, [4096, 4096, 4096])
    paths = list(files)
    Path(paths[0]).write_bytes(b"")
    Path(paths[1]).write_bytes(noise(3 << 20))
    assert [b"", noise(3 << 20), files[paths[2]]] == read_together(paths)


@pytest.mark.parametrize("number", [0, 40])
def test_a_link_among_files_is_not_followed(tmp_path: Path, number: int) -> None:
    """A link is named by the error, and nothing stays open."""
    paths, before = list(make(tmp_path, [100] * 60)), open_files()
    os.unlink(paths[number])
    os.symlink(paths[number + 1], paths[number])
    with pytest.raises(StorageError, match=f"cannot read {paths[number]}"):
        read_together(paths)
    assert before == open_files()


@pytest.mark.parametrize("number", [0, 40])
def test_a_fifo_among_files_is_refused(tmp_path: Path, number: int) -> None:
    """A fifo is named by the error at once: nobody waits for its writer, and nothing stays open."""
    paths, before = list(make(tmp_path, [100] * 60)), open_files()
    os.unlink(paths[number])
    os.mkfifo(paths[number])
    with pytest.raises(UnsupportedFileError, match=paths[number]):
        read_together(paths)
    assert before == open_files()


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """A file that others write to between two blocks is not given as if it had ever been so."""
    (path,) = make(tmp_path, [3 << 20])
    blocks = read_source(path, follow=False)
    next(blocks)
    with open(path, "r+b") as file:
        os.utime(file.fileno(), ns=(0, 0))
    with pytest.raises(StorageError, match="changed while it was read"):
        list(blocks)
