"""Holds on a file, which tell other processes that the holder is alive: a hold ends at the latest with its process.

A hold is not the writers' lock: any number of writers may have a `Hold` at once.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ledger.disk.own_files import OwnFile
from ledger.disk.reading import READ_ONLY, status_of, storage_errors
from ledger.disk.removing import remove_if_there
from ledger.disk.writing import write_all
from ledger.errors import LockTimeoutError
from ledger.system_errors import storage_error

_POLL_SECONDS = 0.01
_COURTESY_SECONDS = 2.0
"""How long a new `Hold` gives way to whoever waits to be alone; no longer, as the two may depend on each other."""

_WAITING = ".wanted"
"""The suffix of a second file, which shows that somebody waits to be alone with the first."""


class Hold:
    """A shared hold on a file: while anybody has one, `alone` waits.

    It costs a writer three system calls and lets any number of writers in at once. A new hold gives way to whoever
    waits to be alone, since writers whose holds overlap would leave no gap. It ends with `let_go`, at the latest when
    this object or its process ends. Where the file system has no locks, or the file does not exist, nothing is held.
    """

    def __init__(self, path: str | os.PathLike[str] | None, *, timeout: float) -> None:
        """``path`` is ``None`` where there is nothing that could be held."""
        self._file: OwnFile | None = None
        self._path = path
        if path is None:
            return
        with storage_errors(path, "open"), contextlib.suppress(FileNotFoundError):
            self._file = OwnFile(path, READ_ONLY)
            _give_way(f"{os.fspath(path)}{_WAITING}")
            _flock(self._file, fcntl.LOCK_SH, path, timeout)

    def is_in_place(self) -> bool:
        """Whether the file that is held still lies at its path; true where nothing is held."""
        if self._path is None or self._file is None or self._file.descriptor < 0:
            return True
        there = status_of(self._path)
        with storage_errors(self._path, "read"):
            return there is not None and os.path.samestat(there, os.fstat(self._file.descriptor))

    def let_go(self) -> None:
        """End the hold; a second time is no error."""
        if self._file is not None:
            self._file.let_go()


@contextlib.contextmanager
def alone(path: str | os.PathLike[str], *, timeout: float) -> Iterator[None]:
    """A block during which nobody has a `Hold` on a file; raises `LockTimeoutError` where somebody keeps one."""
    with storage_errors(path, "open"):
        file = OwnFile(path, READ_ONLY)
    try:
        with _waiting_openly(Path(f"{os.fspath(path)}{_WAITING}")):
            _flock(file, fcntl.LOCK_EX, path, timeout)
        yield
    finally:
        file.let_go()


@contextlib.contextmanager
def hold_file(path: Path, data: bytes) -> Iterator[None]:
    """Make and hold a file that tells others that this process lives; raises plain ``OSError`` where that fails.

    The file is locked before ``data`` is written, so whoever finds ``data`` in it can rely on `is_abandoned`. Nobody
    waits for this lock. The caller removes the file.
    """
    file = OwnFile(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    try:
        try:
            fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_all(file.descriptor, data)
        except BaseException:
            remove_if_there(path)  # else others would take it for a file that is held
            raise
        yield
    finally:
        file.let_go()


def hold_open_file(descriptor: int) -> None:
    """Hold an open file until it is closed, so that `is_abandoned` tells whether its writer lives.

    Where it cannot be locked, nothing is held.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_abandoned(path: Path) -> bool:
    """Whether a file lies there whose holder has died."""
    try:
        file = OwnFile(path, READ_ONLY)
    except OSError:
        return False
    try:
        # A shared lock, so that two who ask at once do not take each other for the holder.
        fcntl.flock(file.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.fstat(file.descriptor).st_nlink > 0  # else its holder has just removed it
    except OSError:
        return False
    finally:
        file.let_go()


@contextlib.contextmanager
def _waiting_openly(path: Path) -> Iterator[None]:
    """A block in which a file tells newcomers that somebody waits; if it cannot be made, the wait may be long."""
    if is_abandoned(path):
        remove_if_there(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold_file(path, b""))
            stack.callback(remove_if_there, path)
        except OSError:
            pass  # somebody else waits already, or nothing can be written
        yield


def _give_way(path: str) -> None:
    """Wait a while if somebody waits to be alone; the file of a process that died waiting is passed over."""
    deadline = time.monotonic() + _COURTESY_SECONDS
    while os.path.lexists(path) and not is_abandoned(Path(path)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _flock(file: OwnFile, kind: int, path: str | os.PathLike[str], timeout: float) -> None:
    """Take the lock of a file, asking again and again: ``flock`` itself waits for ever, or not at all."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holders = _holders(file)
                raise LockTimeoutError(
                    f"{path} is in use: waited {timeout:g} s for others that save or remove, held by {holders}",
                    hint="try again when they are done, or end them; nothing was changed",
                    holder=holders,
                    path=os.fspath(path),
                ) from error
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            if kind == fcntl.LOCK_SH and error.errno in (errno.ENOLCK, errno.ENOTSUP):
                return  # safe without a hold: `alone` fails here as well
            raise storage_error(error, path, "lock") from error
        else:
            return


def _holders(file: OwnFile) -> str:
    """Who has a lock on an open file, as the holder of the writers' lock is named; only Linux tells."""
    status = os.fstat(file.descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        locks = []
    # The pid is 0 for a process of another namespace.
    pids = sorted({int(pid) for _, kind, _, _, pid, where, *_ in locks if kind == "FLOCK" and where == place} - {0})
    return f"pid {', '.join(map(str, pids))} on {os.uname().nodename}" if pids else "other processes"
