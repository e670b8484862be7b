"""The user's own files, read for a content."""

import os
import resource
from pathlib import Path

import pytest

from ledger.blobs.files.folders import FolderFile, scan_folder
from ledger.blobs.files.sources import read_source, read_together
from ledger.errors import StorageError, UnsupportedFileError
from tests.kit.contents import noise


def make(folder: Path, sizes: list[int]) -> list[FolderFile]:
    """Files of these sizes, as they are found in the folder."""
    for number, size in enumerate(sizes):
        (folder / f"{number:04}").write_bytes(noise(size, number))
    return scan_folder(folder)


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("sizes", [[], [0], [1, 0, 4096], [4096] * 100, [0, (1 << 20) + 1, 7]])
def test_files_that_are_read_together_come_in_order(tmp_path: Path, sizes: list[int]) -> None:
    """However many and however large they are, each comes whole, and none stays open."""
    files, before = make(tmp_path, sizes), open_files()
    assert [noise(size, number) for number, size in enumerate(sizes)] == read_together(files)
    assert before == open_files()


def test_a_file_that_is_another_by_now_is_read_as_it_is(tmp_path: Path) -> None:
    """Files that grew, shrank, got other bytes or were replaced since their folder was looked at are read anew."""
    files = make(tmp_path, [4096] * 5)
    news = [b"", noise(3 << 20), b"x" * 4096, b"y" * 4096]
    for file, new in zip(files, news, strict=False):
        Path(file.source).write_bytes(new)
    (tmp_path / "new").write_bytes(news[3])
    os.rename(tmp_path / "new", files[3].source)
    assert [*news, noise(4096, 4)] == read_together(files)


def test_files_are_read_where_few_may_be_open(tmp_path: Path) -> None:
    """A process that may open only a few files more reads them one by one."""
    files = make(tmp_path, [4096] * 40)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/dev/fd"))) + 5, hard))
    try:
        read = read_together(files)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [noise(4096, number) for number in range(40)] == read


@pytest.mark.parametrize("number", [0, 40])
def test_a_link_among_files_is_not_followed(tmp_path: Path, number: int) -> None:
    """A link is named by the error, and nothing stays open."""
    files, before = make(tmp_path, [100] * 60), open_files()
    os.unlink(files[number].source)
    os.symlink(files[number + 1].source, files[number].source)
    with pytest.raises(StorageError, match=f"cannot read {files[number].source}"):
        read_together(files)
    assert before == open_files()


@pytest.mark.parametrize("number", [0, 40])
def test_a_fifo_among_files_is_refused(tmp_path: Path, number: int) -> None:
    """A fifo is named by the error at once: nobody waits for its writer, and nothing stays open."""
    files, before = make(tmp_path, [100] * 60), open_files()
    os.unlink(files[number].source)
    os.mkfifo(files[number].source)
    with pytest.raises(UnsupportedFileError, match=files[number].source):
        read_together(files)
    assert before == open_files()


def test_a_file_that_grows_is_not_followed(tmp_path: Path) -> None:
    """Who writes as quickly as it is read would be read for ever: it is an error soon after its end as it was."""
    (file,) = make(tmp_path, [3 << 20])
    read = []

    def chase() -> None:
        with open(file.source, "ab", buffering=0) as writer:
            for block in read_source(file.source, follow=False):
                read.append(block)
                writer.write(b"x" * (2 << 20) if len(read) < 20 else b"")

    with pytest.raises(StorageError, match="changed while it was read"):
        chase()
    assert len(read) < 6


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """A file that others write to between two blocks is not given as if it had ever been so."""
    (file,) = make(tmp_path, [3 << 20])
    blocks = read_source(file.source, follow=False)
    next(blocks)
    os.utime(file.source, ns=(0, 0))
    with pytest.raises(StorageError, match="changed while it was read"):
        list(blocks)
