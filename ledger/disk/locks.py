"""The lock of one writer at a time; the only user of filelock.

It is flock's, released by the kernel when its holder dies, and its holder is known by pid and host. It saves work
and carries no correctness: that is the compare-and-swap's (specs/concurrency.md, 2).
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ledger.disk.reading import read_file, storage_errors
from ledger.errors import LockTimeoutError, storage_error

if TYPE_CHECKING:
    from filelock import BaseFileLock

_POLL_SECONDS = 0.01
_HOLDER_LIMIT = 4096


class HeldLock:
    """A lock that this process holds until the ``with`` block ends; its name stands in the file meanwhile.

    ``holder_died`` says whether the last holder died while holding it, in which case what it
    was doing may lie about half-done.
    """

    def __init__(self, lock: "BaseFileLock", descriptor: int, give_back: "Callable[[BaseFileLock], None]") -> None:
        self.holder_died = False
        self._lock = lock
        self._descriptor = descriptor
        self._give_back = give_back

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an orderly failure, too: whoever raised has cleaned up behind itself.
        if kind is None or issubclass(kind, Exception):
            # A name that stays makes the next writer look for what a dead one left: no reason to fail a save
            # that is durable.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
        self.let_go()

    def let_go(self) -> None:
        """Release the lock, and leave what stands in the file."""
        # What was done under the lock is done and durable; the kernel lets go when the file is closed,
        # which the lock library tries again, at the latest when this process ends.
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._lock.release()
            self._give_back(self._lock)

    def sign(self) -> None:
        """Learn whether the last holder died, and write who holds the lock now; raises plain ``OSError``."""
        self.holder_died = bool(os.pread(self._descriptor, _HOLDER_LIMIT, 0))
        # In place: the lock is on this inode. Not synced: after a power cut nobody holds it.
        if self.holder_died:
            os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"pid {os.getpid()} on {os.uname().nodename}".encode(), 0)


class LockFile:
    """The file whose lock one writer at a time holds. Threads may share it, and a fork may go on with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The lock library's objects take longer to make than to use. Each is one holder's at a time, and of use
        # only to the process that made it.
        self._idle: list[BaseFileLock] = []
        self._process = os.getpid()

    def try_hold(self) -> HeldLock | None:
        """The lock, held, or ``None`` where somebody else holds it."""
        from filelock import Timeout

        try:
            return self._hold(timeout=0)
        except Timeout:
            return None

    def hold(self, *, timeout: float) -> HeldLock:
        """The lock, held, after up to ``timeout`` seconds.

        Raises `LockTimeoutError` with the pid and host of the holder; a live lock is never stolen.
        """
        from filelock import Timeout

        try:
            return self._hold(timeout=timeout)
        except Timeout as error:
            raise self.timed_out(timeout) from error

    def timed_out(self, timeout: float) -> LockTimeoutError:
        """The error of whoever waited in vain: it names the holder."""
        holder = read_file(self.path, length=_HOLDER_LIMIT).decode(errors="replace") or "another process"
        return LockTimeoutError(
            f"the ledger is locked: waited {timeout:g} s for {self.path}, held by {holder}",
            hint="wait for that process or end it; the lock goes with it",
            holder=holder,
            path=str(self.path),
        )

    def _hold(self, *, timeout: float) -> HeldLock:
        """The lock, held and signed; raises the lock library's ``Timeout`` as it is."""
        from filelock import Timeout

        if self._process != os.getpid():
            self._idle, self._process = [], os.getpid()
        try:
            lock = self._idle.pop()
        except IndexError:
            lock = _new_lock(self.path)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            self._idle.append(lock)
            raise
        except OSError as error:
            raise storage_error(error, self.path, "lock") from error
        held = HeldLock(lock, -1, self._idle.append)
        try:
            with storage_errors(self.path, "write"):
                held = HeldLock(lock, os.open(self.path, os.O_RDWR | os.O_CLOEXEC), self._idle.append)
                held.sign()
        except BaseException:
            held.let_go()
            raise
        return held


@contextlib.contextmanager
def exclusive_lock(path: Path, *, timeout: float) -> Iterator[bool]:
    """Hold the lock file ``path`` for a block, which is given whether the last holder died; raises as `LockFile`."""
    with LockFile(path).hold(timeout=timeout) as lock:
        yield lock.holder_died


def _new_lock(path: Path) -> "BaseFileLock":
    from filelock import FileLock

    return FileLock(path, poll_interval=_POLL_SECONDS, thread_local=False, is_singleton=False)
