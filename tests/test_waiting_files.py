"""Files that wait for each other: published together, or not at all, and before anybody relies on them."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.disk import LockFile, WaitingFiles, keep_name, put_file, waiting_in
from ledger.errors import DiskFullError, StorageError

FORKING = """
import os, sys
from ledger import Ledger

ledger = Ledger.open(sys.argv[1])
with ledger.transaction() as transaction:
    transaction.save("of the parent", "note")
    if os.fork() == 0:
        sys.exit(7)  # through all blocks of the parent
    assert 7 == os.waitstatus_to_exitcode(os.wait()[1])
assert "of the parent" == ledger.artifact("note").load()
"""


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def chunks_of(ledger: Ledger) -> list[Path]:
    return [path for path in (ledger.path / "store" / "chunks").rglob("*") if path.is_file()]


def test_files_are_put_in_place_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk refuses one of several, at its write or at its fsync, none has its name, and nothing is left."""
    for call in ("pwritev", "fsync"):
        real = getattr(os, call)
        calls: list[object] = []

        def refuse(*arguments: object, real: Callable[..., object] = real, calls: list[object] = calls) -> object:
            calls.append(arguments)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments)

        files = WaitingFiles()
        with monkeypatch.context() as patched:
            patched.setattr(os, call, refuse)
            with pytest.raises(DiskFullError, match=f"{tmp_path}/b"):
                _add_and_publish(files, tmp_path)
        files.drop()
        assert [] == names_in(tmp_path)
    _add_and_publish(WaitingFiles(), tmp_path)
    assert {"a": b"1", "b": b"2"} == {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}


def _add_and_publish(files: WaitingFiles, folder: Path) -> None:
    files.add(f"{folder}/a", [b"1"])
    files.add(f"{folder}/b", [b"2"])
    files.publish()


def test_what_was_given_up_is_never_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure, wherever it came, nobody publishes or adds anything: what went may be what they rely on."""
    for call in ("fsync", "rename", "open"):
        files = WaitingFiles()
        files.add(f"{tmp_path}/{call}", [b"1"])

        def refuse(*_arguments: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr(os, call, refuse)
            with pytest.raises(StorageError, match="Input/output error"):
                files.publish()
        with pytest.raises(StorageError, match=f"cannot write {tmp_path}/{call}: that was given up before"):
            files.publish()
        with pytest.raises(StorageError, match=f"cannot write {tmp_path}/{call}: that was given up before"):
            files.add(f"{tmp_path}/other", [b"2"])
    assert ["open"] == names_in(tmp_path)  # it had its name, and only that could not be made durable


def test_no_file_gets_its_name_before_one_put_earlier(tmp_path: Path) -> None:
    """A large file is not there before small ones that were put first: it may be a table, and they its packs."""
    files = WaitingFiles()
    with waiting_in(files):
        put_file(f"{tmp_path}/small", [b"1"])
        put_file(f"{tmp_path}/large", [b"2" * (1 << 20)])
    assert ["large", "small"] == names_in(tmp_path)


def test_a_file_whose_making_is_interrupted_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C right after a file was made, before anybody knows its descriptor, leaves no file."""
    real = os.open

    def interrupt(path: str, flags: int, mode: int) -> int:
        os.close(real(path, flags, mode))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        WaitingFiles().add(f"{tmp_path}/a", [b"1"])
    assert [] == names_in(tmp_path)


def test_small_files_wait_in_a_block_and_large_ones_do_not(tmp_path: Path) -> None:
    """In a block of `waiting_in` a small file has no name until it is published; a large one has."""
    small, large, outside = (f"{tmp_path}/{name}" for name in ("small", "large", "outside"))
    files = WaitingFiles()
    with waiting_in(files):
        put_file(large, [b"2" * (1 << 20)])
        put_file(small, [b"1"])
    put_file(outside, [b"3"])
    assert ["large", "outside"] == [name for name in names_in(tmp_path) if not name.startswith("tmp_")]
    files.publish()
    assert ["large", "outside", "small"] == names_in(tmp_path)


def test_few_files_wait_at_once(tmp_path: Path) -> None:
    """However many files are put, no more than sixteen are open, and all get their names in their order."""
    files = WaitingFiles()
    before = len(os.listdir("/proc/self/fd"))
    with waiting_in(files):
        for number in range(50):
            put_file(f"{tmp_path}/{number}", [b"%d" % number])
            assert len(os.listdir("/proc/self/fd")) <= before + 16
    files.publish()
    assert {str(number): b"%d" % number for number in range(50)} == {
        name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)
    }


def test_few_files_wait_in_a_process(tmp_path: Path) -> None:
    """However many transactions are open, no more than 64 files of theirs are, and all get their names."""
    before = len(os.listdir("/proc/self/fd"))
    waiting = [WaitingFiles() for _ in range(20)]
    for number, files in enumerate(waiting):
        with waiting_in(files):
            for part in range(10):
                put_file(f"{tmp_path}/{number}.{part}", [b"1"])
                assert len(os.listdir("/proc/self/fd")) <= before + 64
    for files in waiting:
        files.publish()
    assert (before, 200) == (len(os.listdir("/proc/self/fd")), len(names_in(tmp_path)))


def test_a_name_that_is_there_waits_for_the_same_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a file that another one gave is made durable when the files that wait are published, not before."""
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    files = WaitingFiles()
    with waiting_in(files):
        keep_name(f"{tmp_path}/there")
        assert [] == synced
    files.publish()
    assert [str(tmp_path)] == synced


def test_a_transaction_that_fails_leaves_no_file(ledger: Ledger) -> None:
    """What a transaction has stored of small values goes with it where its block raises."""
    with pytest.raises(ZeroDivisionError):
        _save_and_fail(ledger)
    assert [] == chunks_of(ledger)


def _save_and_fail(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        transaction.save("value", "note")
        assert 1 == len(chunks_of(ledger))
        raise ZeroDivisionError


def test_a_version_whose_bytes_cannot_be_synced_is_not_published(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk fails at the fsync of a chunk, the save fails by name, and neither version nor file is there."""
    ledger.save("before", "other")
    there = chunks_of(ledger)
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if "chunks" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(DiskFullError, match="/chunks/"):
            ledger.save("value", "note")
    assert (False, there) == (ledger.has_artifact("note"), chunks_of(ledger))
    ledger.save("value", "note")
    assert "value" == ledger.artifact("note").load()


def test_a_transaction_whose_bytes_were_given_up_is_not_published(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who catches the error of one save, and goes on, does not publish others whose bytes went with it."""
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if "chunks" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    before = ledger.save("before", "other")
    there = chunks_of(ledger)
    transaction = ledger.transaction()
    for number in range(15):
        transaction.save(f"value {number}", f"note-{number}")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(DiskFullError, match="/chunks/"):
            transaction.save("one too many", "note-15")
    with pytest.raises(StorageError, match="was given up before"):
        transaction.commit()
    assert [before] == [version for found in ledger.artifacts() for version in found.versions]
    assert there == chunks_of(ledger)


def test_a_writer_that_waits_has_its_bytes_in_place(ledger: Ledger) -> None:
    """Before a save asks the holder of the lock to publish it, its chunk has its name: the holder relies on it."""
    queue = ledger.path / "queue"
    with LockFile(ledger.path / "lock").hold(timeout=1):
        writer = threading.Thread(target=ledger.save, args=("value", "note"))
        writer.start()
        deadline = time.monotonic() + 20
        while not any(path.is_file() for path in queue.glob("*")):
            assert time.monotonic() < deadline
        assert [False] == [path.name.startswith("tmp_") for path in chunks_of(ledger)]
    writer.join()
    assert "value" == ledger.artifact("note").load()


def test_a_fork_that_ends_leaves_the_files_of_its_parent(ledger: Ledger) -> None:
    """A fork that goes out through its parent's transaction takes away nothing that the parent still publishes."""
    subprocess.run([sys.executable, "-c", FORKING, str(ledger.path)], check=True)
