"""Folders: made with their parents, or beside their place until they are whole."""

import errno
import fcntl
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from ledger.disk import TemporaryFolder, folder_beside, make_directory, names_in, remove_folder, temporary_folder
from ledger.errors import StorageError
from tests.kit.forking import in_a_fork


def test_a_folder_that_cannot_be_closed_hides_no_other_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tidying up after a failure raises nothing in its place, on a disk where every call fails as well."""
    close = os.close

    def fail(descriptor: int) -> None:
        close(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", fail)
        remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")
    assert [] == names_in(tmp_path)


def test_a_folder_that_a_killed_program_left_beside_its_place_goes(tmp_path: Path) -> None:
    """Whoever makes the same thing again takes it away; not while its maker lives, nor what has its name by then."""
    child = os.fork()
    if not child:
        with folder_beside(tmp_path / "target") as folder:
            Path(folder, "half").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    [left] = tmp_path.iterdir()
    with folder_beside(tmp_path / "target") as folder, folder_beside(tmp_path / "target") as other:
        assert [str(left), []] == [folder, os.listdir(folder)]
        os.rename(other, tmp_path / "target")
        os.rename(folder, tmp_path / "moved")
        os.mkdir(folder)
    assert {left.name, "moved", "target"} == set(os.listdir(tmp_path))


def test_a_folder_beside_a_place_is_left_to_another_machine_and_needs_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where locks reach no other machine, and where there are none, who makes the same keeps a folder of its own."""
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", lambda *_: None)
        with folder_beside(tmp_path / "target") as here:
            patch.setattr(os, "uname", lambda: SimpleNamespace(nodename="elsewhere"))
            with folder_beside(tmp_path / "target") as there:
                assert sorted([here, there]) == sorted(map(str, tmp_path.iterdir()))
        patch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.EBADF, "Bad file descriptor")))
        with folder_beside(tmp_path / "target") as first, folder_beside(tmp_path / "target") as second:
            assert sorted([first, second]) == sorted(map(str, tmp_path.iterdir()))
    assert [] == names_in(tmp_path)


def test_a_temporary_folder_of_a_killed_program_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes the next one removes it; not one of a living program or another machine, nor where locks fail."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living = TemporaryFolder()
    left = in_a_fork(lambda: TemporaryFolder().path)  # it ends at once, as a killed one does
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.EBADF, "Bad file descriptor")))
        in_a_fork(lambda: os.rmdir(TemporaryFolder().path))
        patch.setattr(os, "uname", lambda: SimpleNamespace(nodename="elsewhere"))
        elsewhere = TemporaryFolder()
    assert sorted([living.path, left, elsewhere.path]) == sorted(map(str, tmp_path.iterdir()))
    made = TemporaryFolder()
    assert sorted([living.path, made.path, elsewhere.path]) == sorted(map(str, tmp_path.iterdir()))


def test_a_temporary_folder_stays_for_whoever_inherits_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork of the killed program that made it, and the program that took that one's place, may still read there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reading, writing = os.pipe()
    held: list[TemporaryFolder] = []

    def serve() -> None:
        os.dup2(reading, 0)
        os.execvp("cat", ["cat"])  # it lives until nobody can write to it

    def make() -> str:
        held.append(TemporaryFolder())
        if not os.fork():
            serve()
        return held[0].path

    left = in_a_fork(make)
    TemporaryFolder()
    assert os.path.isdir(left)
    os.close(writing)
    os.close(reading)


def test_a_temporary_folder_that_cannot_be_made_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not made is not let go either: the interpreter has nothing to say beside the error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(FileNotFoundError):
        TemporaryFolder()
    assert [] == unraisable


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    """Folders that exist are left alone; a file in the way is an error that names the folder."""
    make_directory(tmp_path / "a" / "b" / "c")
    make_directory(tmp_path / "a" / "b" / "c")
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(StorageError, match=f"cannot make the folder {target}"):
            make_directory(target)
    assert ["a", "file"] == names_in(tmp_path)


def test_a_folder_that_another_makes_meanwhile_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that make one folder at once neither fails."""
    really = os.mkdir

    def overtaken(path: str, mode: int) -> None:
        really(path, mode)
        really(path, mode)

    monkeypatch.setattr(os, "mkdir", overtaken)
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_that_no_folder_takes_a_temporary_file_is_reported() -> None:
    """On a machine whose disk is full that is a StorageError, which says how to name a folder on another one."""

    def ask() -> str:
        tempfile.tempdir = None
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        with pytest.raises(StorageError, match="cannot write a temporary file: No usable") as caught:
            temporary_folder()
        return caught.value.hint

    assert "in TMPDIR" in in_a_fork(ask)
