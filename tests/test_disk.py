"""Durable writes and honest reads."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.disk import (
    TEMPORARY_PREFIX,
    LockFile,
    StagedFile,
    add_to_file,
    create_file,
    is_file,
    link_file,
    make_directory,
    move_file,
    names_in,
    patch_file,
    read_file,
    remove_abandoned,
    remove_abandoned_folders,
    scratch_file,
    settle_file,
    stage_file,
    stage_together,
    status_of,
    storage_errors,
    sync_directory,
    unnamed_copy,
    write_file,
    write_new_file,
)
from ledger.disk.syncing import begin_sync
from ledger.errors import DiskFullError, IntegrityError, ReadOnlyError, StorageError
from tests.kit.disks import disk_at, remount
from tests.kit.histories import die_at, start


def refusing(error: int) -> Callable[..., None]:
    """A call that the system answers with an error."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return refuse


def test_a_file_is_written_whole_and_replaces_another(tmp_path: Path) -> None:
    """The parts come one after another, the old bytes go, and nothing temporary stays."""
    target = tmp_path / "file"
    target.write_bytes(b"old and longer")
    write_file(target, [b"new", memoryview(b" bytes")])
    assert (b"new bytes", ["file"]) == (target.read_bytes(), names_in(tmp_path))


@pytest.mark.parametrize("error", [0, errno.EPERM, errno.ENOTSUP, errno.EXDEV])
def test_a_file_is_created_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """The first one gets its name, whatever the file system has of links; a second one changes nothing."""
    if error:
        monkeypatch.setattr(os, "link", refusing(error))
    target = tmp_path / "file"
    create_file(target, [b"fi", b"rst"])
    create_file(target, [b"second"])
    assert (b"first", ["file"]) == (target.read_bytes(), names_in(tmp_path))


def test_a_file_that_is_created_or_found_is_there_for_good(tmp_path: Path, synced: list[str]) -> None:
    """Its bytes are durable before its name, and so is the name of another one's, who may have died before that."""
    target = tmp_path / "file"
    create_file(target, [b"first"])
    create_file(target, [b"second"])
    assert [True, False] * 2 == [Path(path).name.startswith(TEMPORARY_PREFIX) for path in synced]
    assert [str(tmp_path)] * 2 == synced[1::2]


def test_a_file_that_cannot_be_created_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fills up there is no file, and no temporary one."""
    monkeypatch.setattr(os, "link", refusing(errno.ENOSPC))
    with pytest.raises(DiskFullError, match="file"):
        create_file(tmp_path / "file", [b"bytes"])
    assert [] == names_in(tmp_path)


def test_a_file_without_a_folder_lands_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare name has a directory to sync, too."""
    monkeypatch.chdir(tmp_path)
    write_file("file", [b"x"])
    assert b"x" == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("error", [ValueError("bad part"), KeyboardInterrupt(), OSError(errno.EIO, "bad disk")])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    """Whatever goes wrong while the parts are made, the old file stays and no temporary one does."""
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def parts() -> Iterator[bytes]:
        yield b"half"
        raise error

    with pytest.raises((ValueError, KeyboardInterrupt, StorageError)):
        write_file(target, parts())
    assert (b"old", ["file"]) == (target.read_bytes(), names_in(tmp_path))


def test_a_write_that_is_interrupted_at_its_end_leaves_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are whole then, under a name that nobody would look for."""
    monkeypatch.setattr(os, "rename", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "file", [b"bytes"])
    assert [] == names_in(tmp_path)


def test_a_killed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """A process that dies in the middle of a write leaves the old file, and a temporary one that nobody reads."""
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def die() -> None:
        def parts() -> Iterator[bytes]:
            yield b"half"
            os.kill(os.getpid(), signal.SIGKILL)

        write_file(target, parts())

    assert die_at(0, frozenset(), die)
    assert b"old" == target.read_bytes()
    assert [True, False] == [name.startswith("tmp_") for name in reversed(names_in(tmp_path))]


def test_a_write_killed_at_any_step_is_whole_or_not_there(tmp_path: Path) -> None:
    """Before every open, rename and directory sync of a write, a kill leaves the old bytes or the new ones."""
    target = tmp_path / "file"
    found = []
    for step in range(1, 10):
        target.write_bytes(b"old")
        killed = die_at(step, frozenset({"open", "os.rename"}), lambda: write_file(target, [b"n", b"ew"]))
        found.append(target.read_bytes())
        if not killed:
            break
    assert [b"old", b"old", b"new", b"new"] == found


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace to see system calls")
@pytest.mark.parametrize(
    ("full_fsync", "synced"),
    [("None", ["fsync"]), ("fcntl.F_GETFD", ["fcntl"]), ("9999", ["fcntl", "fsync"])],
    ids=["there is none", "macOS", "macOS where the disk has none"],
)
def test_the_bytes_are_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, full_fsync: str, synced: list[str]
) -> None:
    """Write, sync of the file, rename, sync of the directory: in this order, each with what the system has for it."""
    log = tmp_path / "log"
    program = (
        f"import fcntl; from ledger.disk import syncing, write_file; syncing._FULL_FSYNC = {full_fsync}; "
        f"write_file({str(tmp_path / 'file')!r}, [b'x'])"
    )
    calls = "trace=fsync,fdatasync,fcntl,rename,renameat,renameat2"
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-qq", "-o", str(log), "-e", calls, sys.executable, "-c", program]
    if subprocess.run(strace, check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    lines = [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines() if str(tmp_path) in line]
    assert [*synced, "rename", *synced] == [line.split("(")[0] for line in lines]
    assert ["tmp_" in lines[0], f"<{tmp_path}>" in lines[-1]] == [True, True]


def test_writing_ahead_is_a_hint(tmp_path: Path) -> None:
    """What is written ahead stays as it is, and what cannot be is no error."""
    (tmp_path / "file").write_bytes(bytes(10_000))
    with open(tmp_path / "file", "r+b") as file:
        begin_sync(file.fileno(), 100, 1 << 20)
    assert bytes(10_000) == (tmp_path / "file").read_bytes()
    reading, writing = os.pipe()
    begin_sync(writing, 0, 100)
    os.close(reading)
    os.close(writing)


def test_a_new_file_never_replaces_another(tmp_path: Path) -> None:
    """A file that exists is an error, and stays."""
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_new_file(str(tmp_path / "file"), [b"new"])
    assert b"old" == (tmp_path / "file").read_bytes()


@given(st.binary(max_size=50), st.integers(-60, 60), st.none() | st.integers(0, 60))
def test_a_part_of_a_file_is_a_slice_of_it(data: bytes, start: int, length: int | None) -> None:
    """``start`` and ``length`` mean what a slice means; a negative start counts from the end."""
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / f"ledger-test-{os.getpid()}"
    path.write_bytes(data)
    try:
        expected = data[start:][:length]
        assert expected == read_file(path, start=start, length=length)
    finally:
        path.unlink()


def test_a_file_that_is_not_there_is_left_to_the_caller(tmp_path: Path) -> None:
    """Only the caller knows what is missing; everything else that fails is a StorageError with the path."""
    with pytest.raises(FileNotFoundError) as caught:
        read_file(tmp_path / "missing")
    assert not isinstance(caught.value, StorageError)
    with pytest.raises(StorageError, match=f"cannot read {tmp_path}: Is a directory"):
        read_file(tmp_path)


def test_what_cannot_be_looked_at_is_not_called_absent(tmp_path: Path) -> None:
    """There is no status only of a name that a folder does not have; below a file, nobody can say."""
    (tmp_path / "file").touch()
    assert None is status_of(tmp_path / "missing")
    with pytest.raises(StorageError, match=f"cannot read {tmp_path}/file/below: Not a directory"):
        status_of(tmp_path / "file" / "below")


def test_a_name_that_no_file_can_have_is_an_error_of_ours(tmp_path: Path) -> None:
    """What the encoding of file names lacks cannot be looked at, such as a remote's path in the settings."""
    with pytest.raises(StorageError, match=r"cannot read .* file names are utf-8 here") as caught:
        is_file(tmp_path / "\ud800")
    assert "set a locale of UTF-8, or PYTHONUTF8=1" == caught.value.hint


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """Where a fifo lies in place of a file, reading it is an error with its path, not a wait for who writes to it."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StorageError, match=r"cannot read .*/fifo: Not a regular file"):
        read_file(tmp_path / "fifo")


def test_an_interrupt_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as a file that was opened is looked at: a notebook, which goes on, has it closed."""
    (tmp_path / "file").touch()
    before = set(os.listdir("/dev/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            read_file(tmp_path / "file")
    assert set(os.listdir("/dev/fd")) <= before


def test_what_was_used_is_closed(tmp_path: Path) -> None:
    """Whoever reads, compares, adds to or settles files again and again does not run out of descriptors."""
    path, fifo = tmp_path / "file", tmp_path / "fifo"
    write_file(path, [b"bytes"])
    os.mkfifo(fifo)
    before = set(os.listdir("/dev/fd"))
    add_to_file(path, b" more")
    patch_file(path, [(0, b"b")], durably=True)
    settle_file(path)
    assert b"b" == read_file(path)
    for other in (fifo, tmp_path):
        with pytest.raises(StorageError):
            read_file(other)
    staged = StagedFile(tmp_path)
    assert not staged.holds_what(path)
    staged.publish(path)
    assert b"" == read_file(path)
    assert set(os.listdir("/dev/fd")) <= before


def test_a_write_into_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    """The error names the file that was to be, not its temporary name."""
    with pytest.raises(StorageError, match=f"cannot write {tmp_path}/no/file: No such file or directory"):
        stage_file(tmp_path / "no" / "file", [b"x"])
    with pytest.raises(StorageError, match="cannot sync"):
        sync_directory(tmp_path / "no")


def test_files_are_put_in_place_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk refuses one of several, at its write or at its fsync, none has its name, and nothing is left."""
    files = [(f"{tmp_path}/a", b"1"), (f"{tmp_path}/b", b"2")]
    for call in ("pwritev", "fsync"):
        real = getattr(os, call)
        calls: list[object] = []

        def refuse(*arguments: object, real: Callable[..., object] = real, calls: list[object] = calls) -> object:
            calls.append(arguments)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, refuse)
            with pytest.raises(DiskFullError, match=f"{tmp_path}/b"):
                stage_together(files, temporary="t_")
        assert [] == names_in(tmp_path)
    stage_together(files, temporary="t_")
    assert {"a": b"1", "b": b"2"} == {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}


def test_a_file_whose_making_is_interrupted_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C right after a file was made, before anybody knows its descriptor, leaves no file."""
    real = os.open

    def interrupt(path: str, flags: int, mode: int) -> int:
        os.close(real(path, flags, mode))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", interrupt)
        with pytest.raises(KeyboardInterrupt):
            StagedFile(tmp_path)
    assert [] == names_in(tmp_path)


def test_a_file_is_written_whole_however_little_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take a few bytes at a time, over the ends of parts; nothing stays open in the end."""
    monkeypatch.setattr(os, "pwritev", lambda file, parts, at: os.pwrite(file, b"".join(parts)[:5], at))
    before = set(os.listdir("/dev/fd"))
    staged = StagedFile(tmp_path)
    staged.write_at(0, [b"one", b"", b"and another", b"end"])
    staged.rename(tmp_path / "whole")
    assert b"oneand anotherend" == (tmp_path / "whole").read_bytes()
    assert set(os.listdir("/dev/fd")) <= before


def test_a_staged_file_is_that_of_the_process_that_made_it(tmp_path: Path) -> None:
    """A fork that ends takes nothing away that its parent still publishes."""
    staged = StagedFile(tmp_path)
    staged.write_at(0, [b"bytes"])
    child = os.fork()
    if not child:
        staged.drop()
        os._exit(0)
    assert 0 == os.waitpid(child, 0)[1]
    staged.publish(tmp_path / "file")
    assert b"bytes" == (tmp_path / "file").read_bytes()


def test_a_staged_file_is_durable_before_it_has_its_name(tmp_path: Path, synced: list[str]) -> None:
    """Its bytes are synced under its temporary name, and its name behind that."""
    staged = StagedFile(tmp_path)
    staged.write_at(0, [b"bytes"])
    staged.publish(tmp_path / "file")
    assert [staged.path, str(tmp_path)] == synced


def test_a_file_is_moved_for_good(tmp_path: Path, synced: list[str]) -> None:
    """The name that it gets is durable, with the folder made for it, and so is that the old one is gone."""
    write_new_file(str(tmp_path / "file"), [b"bytes"])
    synced.clear()
    move_file(tmp_path / "file", tmp_path / "aside" / "file")
    assert b"bytes" == (tmp_path / "aside" / "file").read_bytes()
    assert [str(tmp_path), str(tmp_path / "aside"), str(tmp_path)] == synced


def test_what_cannot_be_moved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk names the file; that there is none is left to the caller."""
    with pytest.raises(FileNotFoundError):
        move_file(tmp_path / "file", tmp_path / "aside")
    write_new_file(str(tmp_path / "file"), [b"bytes"])
    monkeypatch.setattr(os, "rename", refusing(errno.EIO))
    with pytest.raises(StorageError, match=f"cannot move {tmp_path / 'file'}: "):
        move_file(tmp_path / "file", tmp_path / "aside")
    assert ["file"] == names_in(tmp_path)


@pytest.mark.parametrize(("error", "names"), [(0, ["aside", "file"]), (errno.EPERM, ["aside"])])
def test_a_second_name_is_the_only_one_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[str], error: int, names: list[str]
) -> None:
    """Where a file system has no hard links the file is moved; either way its name is durable."""
    write_new_file(str(tmp_path / "file"), [b"bytes"])
    if error:
        monkeypatch.setattr(os, "link", refusing(error))
    link_file(tmp_path / "file", tmp_path / "aside" / "file")
    assert (names, b"bytes") == (names_in(tmp_path), (tmp_path / "aside" / "file").read_bytes())
    assert str(tmp_path / "aside") == synced[-1]


def test_a_second_name_that_the_disk_refuses_costs_not_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that says nothing of links is one, and the file stays where it is."""
    write_new_file(str(tmp_path / "file"), [b"bytes"])
    monkeypatch.setattr(os, "link", refusing(errno.EIO))
    with pytest.raises(StorageError, match=f"cannot link {tmp_path / 'file'}: "):
        link_file(tmp_path / "file", tmp_path / "aside" / "file")
    assert (["aside", "file"], []) == (names_in(tmp_path), names_in(tmp_path / "aside"))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_fsync_for_folders_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Shared folders of virtual machines make files durable and refuse folders; any other failure is one."""
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(numbers[-1], os.strerror(numbers[-1]))
        sync(descriptor)

    numbers = [number]
    monkeypatch.setattr(os, "fsync", refuse)
    write_file(tmp_path / "file", [b"bytes"])
    assert b"bytes" == read_file(tmp_path / "file")
    numbers.append(errno.EIO)
    with pytest.raises(StorageError, match=f"cannot sync {tmp_path}: Input/output error"):
        write_file(tmp_path / "file", [b"others"])


@pytest.mark.parametrize(("times", "expected"), [(1, b"new"), (3, b"new"), (4, None)])
def test_a_file_that_was_replaced_from_afar_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, expected: bytes | None
) -> None:
    """A stale handle, as network file systems have it, is no failure of the disk; one that stays so is an error."""
    (tmp_path / "file").write_bytes(b"new")
    read, left = os.read, [times]

    def refuse(descriptor: int, length: int) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return read(descriptor, length)

    monkeypatch.setattr(os, "read", refuse)
    if expected is None:
        with pytest.raises(StorageError, match=f"cannot read {tmp_path}/file: Stale file handle"):
            read_file(tmp_path / "file")
    else:
        assert expected == read_file(tmp_path / "file")


def test_errors_of_ours_pass_through_a_block_unchanged() -> None:
    """A block that maps system errors leaves errors that say more as they are."""
    error = IntegrityError("damaged")
    with pytest.raises(IntegrityError) as caught, storage_errors("/x", "read"):
        raise error
    assert error is caught.value
    with pytest.raises(StorageError, match="cannot list /x: gone"), storage_errors("/x", "list"):
        raise OSError(errno.ESTALE, "gone")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk_at(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_full_disk_is_reported_and_leaves_nothing(small_disk: Path) -> None:
    """No space: DiskFullError with the path, the file that was there is there, and no temporary file takes space."""
    write_file(small_disk / "file", [b"old"])
    with pytest.raises(DiskFullError, match=f"cannot write {small_disk}/file: No space left on device") as caught:
        write_file(small_disk / "file", [b"x" * 100_000])
    assert (errno.ENOSPC, ["file"]) == (caught.value.errno, names_in(small_disk))
    assert b"old" == read_file(small_disk / "file")


def test_a_disk_mounted_read_only_is_reported(small_disk: Path) -> None:
    """A write, a folder and the lock on a read-only disk are ReadOnlyErrors; reading goes on."""
    write_file(small_disk / "file", [b"old"])
    remount(small_disk, "ro")
    with pytest.raises(ReadOnlyError, match=r"cannot write .*: Read-only file system"):
        write_file(small_disk / "file", [b"new"])
    with pytest.raises(ReadOnlyError, match="cannot make the folder"):
        make_directory(small_disk / "folder")
    with pytest.raises(ReadOnlyError, match="cannot lock"), LockFile(small_disk / "lock").hold(timeout=1):
        pass
    assert b"old" == read_file(small_disk / "file")


ADD = """
import sys
from ledger.disk import add_to_file
for number in range(200):
    add_to_file(sys.argv[1], sys.argv[2].encode() * 5000 + b"\\n")
"""


def test_what_processes_add_at_once_stays_apart(tmp_path: Path) -> None:
    """Each piece is whole and none is lost, however many processes add to one file."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    adders = [start(ADD, path, letter) for letter in "abc"]
    assert [0] * 3 == [adder.wait(100) for adder in adders]
    for adder in adders:
        adder.communicate()
    lines = path.read_text().splitlines()
    assert dict.fromkeys("abc", 200) == {letter: lines.count(letter * 5000) for letter in "abc"}
    assert 600 == len(lines)


def test_what_does_not_fit_is_an_error_that_names_the_file(tmp_path: Path, small_disk: Path) -> None:
    """A piece that the disk has no room for is reported, and so is a file that is not there."""
    (small_disk / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match="file"):
        add_to_file(small_disk / "file", bytes(64 << 20))
    with pytest.raises(StorageError, match="gone"):
        add_to_file(tmp_path / "gone", b"x")
    assert not (tmp_path / "gone").exists()


def test_a_scratch_file_has_no_name(tmp_path: Path) -> None:
    """It takes and gives bytes, and nobody sees it, during the block or after it."""
    with scratch_file(tmp_path) as scratch:
        scratch.write(b"bytes")
        scratch.flush()
        assert (b"bytes", []) == (os.pread(scratch.fileno(), 9, 0), names_in(tmp_path))
    with pytest.raises(StorageError, match="gone"), scratch_file(tmp_path / "gone"):
        raise AssertionError


def test_an_unnamed_copy_holds_the_bytes() -> None:
    """It is read from its beginning."""
    with unnamed_copy(iter([b"by", b"tes"])) as copy:
        assert b"bytes" == copy.read()


def test_a_new_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """What was written of it goes, whatever stops it."""
    with pytest.raises(KeyboardInterrupt):
        write_new_file(str(tmp_path / "file"), interrupted())
    assert [] == names_in(tmp_path)


def interrupted() -> Iterator[bytes]:
    yield b"half"
    raise KeyboardInterrupt


def test_only_what_is_abandoned_is_removed(tmp_path: Path) -> None:
    """By its name and its age, where a time far in the future is as old."""
    for name, age in (("tmp_old", 61), ("tmp_future", -61), ("tmp_new", 0), ("tmp_ahead", -59), ("old", 61)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_abandoned(tmp_path, "tmp_", seconds=60)
    assert ["old", "tmp_ahead", "tmp_new"] == sorted(names_in(tmp_path))


def test_an_abandoned_folder_goes_with_what_is_in_it(tmp_path: Path) -> None:
    """Unless something in it is new; a link is none, and what it leads to stays."""
    for name in ("tmp_old", "tmp_live", "other", "far"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").touch()
    (tmp_path / "tmp_link").symlink_to("far")
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 61,) * 2, follow_symlinks=False)
    (tmp_path / "tmp_live" / "deep" / "file").touch()
    remove_abandoned_folders(tmp_path, "tmp_", seconds=60)
    assert ["far", "other", "tmp_link", "tmp_live"] == sorted(names_in(tmp_path))
    assert (tmp_path / "far" / "deep" / "file").exists()


WRITES: tuple[Callable[[Path], object], ...] = (
    lambda path: LockFile(path).hold(timeout=1),
    lambda path: add_to_file(path, b"more"),
    lambda path: patch_file(path, [(0, b"other")], durably=True),
)
"""What writes into a file that is there."""


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_through_a_link(tmp_path: Path, write: Callable[[Path], object]) -> None:
    """A ledger may come from anybody, with links to the user's own files in the place of its own."""
    (tmp_path / "own").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("own")
    with pytest.raises(StorageError, match=f"{tmp_path}/link: Too many levels of symbolic links"):
        write(tmp_path / "link")
    assert b"precious" == (tmp_path / "own").read_bytes()


@pytest.mark.parametrize("write", WRITES)
def test_nobody_waits_to_write_into_a_fifo(tmp_path: Path, write: Callable[[Path], object]) -> None:
    """It may come with a ledger, too, and nobody may ever read it: the error comes at once."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StorageError, match=f"cannot write {tmp_path}/fifo"):
        write(tmp_path / "fifo")


def test_a_file_that_is_larger_than_any_such_is_not_read(tmp_path: Path) -> None:
    """With holes it may be of any size and take no room, in a ledger from elsewhere: parts of it are read as before."""
    (path := tmp_path / "file").write_bytes(b"x" * 10)
    assert b"x" * 10 == read_file(path, most=10)
    os.truncate(path, 1 << 36)
    with pytest.raises(
        StorageError, match=r"cannot read .*/file: larger than any such file, with 68,719,476,736 bytes"
    ):
        read_file(path)
    assert (b"x", b"\0") == (read_file(path, length=1), read_file(path, start=-1))
