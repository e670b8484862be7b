"""The lock of one writer at a time; the only user of filelock.

It is an ``flock``, released by the kernel when its holder dies; the file names the holder's pid and host. The lock only
saves work: what makes publishing correct is the compare-and-swap of the ref (specs/concurrency.md, 2).

A free lock is taken with a single system call. Only where somebody has to wait is filelock used: its handling of
threads, forks and signals would cost a tenth of a small save.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ledger.disk.own_files import OwnFile
from ledger.disk.reading import read_file, storage_errors
from ledger.errors import LockTimeoutError
from ledger.system_errors import FULL, storage_error

if TYPE_CHECKING:
    from filelock import BaseFileLock

_POLL_SECONDS = 0.01
_HOLDER_LIMIT = 4096  # bytes of the file that are read: pid and host take far fewer
_HOLDER = re.compile(rb"pid ([0-9]{1,9}) on (.+)")
_LEFT = b"was"
"""Written over ``pid`` by a holder that was interrupted: it may live on, but has left its work half-done."""


class HeldLock:
    """A lock that this process holds until the ``with`` block ends, or until nothing refers to this object any more.

    The holder's name stands in the file meanwhile. ``holder_died`` says whether the last holder surely died while
    holding the lock, in which case it may have left its work half-done.
    """

    def __init__(self, file: OwnFile, waited_for: "BaseFileLock | None" = None) -> None:
        """``file`` holds the lock, unless ``waited_for`` does."""
        self.holder_died = False
        self._file = file
        self._waited_for = waited_for

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # An ordinary error counts as a proper end: the code that raised it has cleaned up.
            if kind is None or issubclass(kind, Exception):
                # If this fails, the name stays, and the next writer looks for what a dead one left: that is no reason
                # to fail a save that is durable.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file.descriptor, 0)
            else:
                self.tell_half_done()
        finally:
            self.let_go()

    def tell_half_done(self) -> None:
        """Let the next holder take this one for dead, because its work may be left half-done."""
        with contextlib.suppress(OSError):
            os.pwrite(self._file.descriptor, _LEFT, 0)

    def let_go(self) -> None:
        """Release the lock, and leave the content of the file as it is."""
        # An error here is ignored: the work is done and durable, and the kernel releases the lock with the process.
        self._file.let_go()
        if self._waited_for is not None:
            with contextlib.suppress(OSError):
                self._waited_for.release()

    def __del__(self) -> None:
        # An interrupt may come before the ``with`` block begins, or even before `__init__` has set the attributes.
        with contextlib.suppress(AttributeError):
            self.let_go()

    def sign(self) -> None:
        """Learn whether the last holder died, and write who holds the lock now; raises plain ``OSError``."""
        descriptor = self._file.descriptor
        last = os.pread(descriptor, _HOLDER_LIMIT, 0)
        self.holder_died = bool(last) and not _may_live(last)
        # Written in place, as the lock is on this inode; not synced, as nobody holds it after a power cut.
        if last:
            os.ftruncate(descriptor, 0)
        try:
            os.pwrite(descriptor, os.fsencode(f"pid {os.getpid()} on {os.uname().nodename}"), 0)
        except OSError as error:
            # A full disk must not keep anybody from locking: what makes room also runs under the lock.
            if error.errno not in FULL:
                raise


class LockFile:
    """The file whose lock one writer at a time holds. Threads may share it, and a fork may go on with it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def try_hold(self) -> HeldLock | None:
        """The lock, held, or ``None`` where somebody else holds it; `StorageError` on a file system without flock."""
        with storage_errors(self.path, "lock"):
            file = self._open()
            try:
                fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            except BaseException:
                # An interrupt may come once the lock is taken. While it is handled, this frame and the file stay alive,
                # and the handler may want the lock.
                file.let_go()
                raise
        return self._signed(HeldLock(file))

    def hold(self, *, timeout: float) -> HeldLock:
        """The lock, held, after up to ``timeout`` seconds.

        Raises `LockTimeoutError` with the pid and host of the holder; a live lock is never stolen.
        """
        held = self.try_hold() or self._wait(timeout)
        if held is None:
            raise self.timed_out(timeout)
        return held

    def timed_out(self, timeout: float) -> LockTimeoutError:
        """The error for whoever has waited in vain; it names the holder."""
        holder = read_file(self.path, length=_HOLDER_LIMIT).decode(errors="replace") or "another process"
        return LockTimeoutError(
            f"the ledger is locked: waited {timeout:g} s for {self.path}, held by {holder}",
            hint="wait for that process or end it; the lock goes with it",
            holder=holder,
            path=str(self.path),
        )

    def _wait(self, timeout: float) -> HeldLock | None:
        """The lock, held, as soon as it is free; ``None`` if it is not within ``timeout`` seconds."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path, poll_interval=_POLL_SECONDS, thread_local=False, is_singleton=False)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            return None
        except OSError as error:
            raise storage_error(error, self.path, "lock") from error
        try:
            with storage_errors(self.path, "lock"):
                file = self._open()
        except BaseException:
            lock.release()
            raise
        return self._signed(HeldLock(file, lock))

    def _signed(self, held: HeldLock) -> HeldLock:
        try:
            with storage_errors(self.path, "write"):
                held.sign()
        except BaseException:
            held.let_go()
            raise
        return held

    def _open(self) -> OwnFile:
        # No link is followed: it may lead to a file of the user's own, which the holder's name would overwrite.
        return OwnFile(self.path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW)


@contextlib.contextmanager
def locks_end_here() -> Iterator[None]:
    """A block that no lock outlives, even if Ctrl-C comes between the taking of a lock and its ``with`` block.

    Only the frames of the interrupt refer to the lock then. A notebook keeps the interrupt until the next error, so
    its frames are cleared.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as interrupt:
        import traceback

        traceback.clear_frames(interrupt.__traceback__)
        raise


def _may_live(holder: bytes) -> bool:
    """Whether the holder that the file names may live: here, or on another machine, which may not share the lock."""
    named = _HOLDER.fullmatch(holder)
    if named is None:
        return False
    pid, host = int(named[1]), os.fsdecode(named[2])
    if host != os.uname().nodename:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()  # this process has the lock now
