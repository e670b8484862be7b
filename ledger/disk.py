"""Durable writes, reads that never lie, and the lock.

The only module that writes files of the ledger, and the only user of filelock.
Rules it keeps (specs/concurrency.md):

* a file appears under its name whole or not at all: temporary name, fsync,
  rename, fsync of the directory; only what can be made again is added to in place;
* whether fsync is asked for at all is decided here, by the `durability` around a write;
* a failed fsync is final: the temporary file goes, the caller starts afresh;
* an operating system error is an error that names the path, never "not there";
* the lock is flock's, released by the kernel when its holder dies, and its
  holder is known by pid and host; it saves work and carries no correctness.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from ledger.enums import Durability
from ledger.errors import LedgerError, LockTimeoutError, StorageError, storage_error

if TYPE_CHECKING:
    from filelock import BaseFileLock

_TEMPORARY_PREFIX = "tmp_"
_READ_SIZE = 1 << 20
_MOST_VECTORS = 512  # parts of one call; systems allow 1,024
_POLL_SECONDS = 0.01
_HOLDER_LIMIT = 4096

_durability = ContextVar("durability", default=Durability.FULL)


@contextlib.contextmanager
def durability(asked: Durability) -> Iterator[None]:
    """A block whose writes are as durable as is asked; threads that it gives work to have to be given its context."""
    before = _durability.set(asked)
    try:
        yield
    finally:
        _durability.reset(before)


def current_durability() -> Durability:
    """How durable writes are here."""
    return _durability.get()


@contextlib.contextmanager
def storage_errors(path: str | os.PathLike[str], doing: str) -> Iterator[None]:
    """A block whose operating system errors are reported as `StorageError` with the path."""
    try:
        yield
    except LedgerError:
        raise  # several of them are OSErrors too, and say more already
    except OSError as error:
        raise storage_error(error, path, doing) from error


def read_file(path: str | os.PathLike[str], *, start: int = 0, length: int | None = None) -> bytes:
    """The bytes of a file, or of a part of it; a negative ``start`` counts from its end.

    Raises ``FileNotFoundError`` as it is, so that the caller says what is missing,
    and ``StorageError`` for everything else.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            if start:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size + start) if start < 0 else start)
            return _read_up_to(file.fileno(), length)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, path, "read") from error


def mode_of(path: str | os.PathLike[str], *, follow: bool = True) -> int:
    """What a path is and who may use it, as ``stat`` says it; 0 only where the system says that nothing is there.

    ``os.path.exists`` and its kin call what they cannot look at absent.
    """
    try:
        return os.stat(path, follow_symlinks=follow).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise storage_error(error, path, "read") from error


def write_file(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview], *, temporary: str = "") -> None:
    """Put a file in place, durably and whole; a file of that name is replaced.

    ``temporary`` is the prefix of the temporary name (Git's own cleaning knows
    ``tmp_obj_`` and ``tmp_pack_``). The directory must exist; it is synced.
    """
    stage_file(path, parts, temporary=temporary)
    sync_directory(os.path.dirname(path) or ".")


def stage_file(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview], *, temporary: str = "") -> None:
    """Put a file in place, its bytes durable, its name not yet: the caller syncs the directory.

    For several files of one directory, which then need one `sync_directory`.
    """
    target = os.fspath(path)
    staging = os.path.join(os.path.dirname(target), fresh_name(temporary or _TEMPORARY_PREFIX))
    try:
        write_new_file(staging, parts)
        os.rename(staging, target)
    except OSError as error:
        remove_if_there(staging)
        raise storage_error(error, target, "write") from error
    except BaseException:
        remove_if_there(staging)
        raise


def write_derived_file(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Put a file in place that can be made again: never half of it while the system stays up, but not durable.

    Whoever reads it checks it. Only its user may read it. Raises plain ``OSError``.
    """
    target = os.fspath(path)
    staging = os.path.join(os.path.dirname(target), fresh_name())
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(staging, flags, 0o600)
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)
        os.rename(staging, target)
    except BaseException:
        remove_if_there(staging)
        raise


def write_new_file(path: str, parts: Iterable[bytes | memoryview]) -> None:
    """Create a file that must not exist, write and fsync it; raises plain ``OSError``.

    Nothing is left behind where it fails, except where it existed before.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        try:
            for part in parts:
                write_all(descriptor, part)
            sync_file(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        remove_if_there(path)
        raise


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write to an open file, whatever short writes the system takes; raises plain ``OSError``."""
    view = memoryview(data)
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def sync_file(descriptor: int) -> None:
    """Make the bytes of an open file durable; raises plain ``OSError``."""
    if _durability.get() is Durability.FULL:
        os.fsync(descriptor)


def patch_file(path: str | os.PathLike[str], pieces: Sequence[tuple[int, bytes]], *, durably: bool) -> None:
    """Write pieces at their places into a file that nobody reads yet, made if need be; it ends with the last piece.

    Only with ``durably`` are they on the disk when this returns.
    """
    with storage_errors(path, "write"):
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            for at, data in pieces:
                os.lseek(descriptor, at, os.SEEK_SET)
                write_all(descriptor, data)
                end = at + len(data)
            os.ftruncate(descriptor, end)
            if durably:
                sync_file(descriptor)
        finally:
            os.close(descriptor)


class StagedFile:
    """A file that is written in parts, from any thread, and gets its name when it is whole.

    Until then it has a temporary name in ``folder``, which goes with it where it is dropped or forgotten.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = os.path.join(folder, fresh_name())
        with storage_errors(self.path, "write"):
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o644)

    def write_at(self, start: int, parts: Sequence[bytes | memoryview]) -> None:
        """Write some parts one after another from ``start`` on."""
        with storage_errors(self.path, "write"):
            for first in range(0, len(parts), _MOST_VECTORS):
                start = _write_at(self._descriptor, start, parts[first : first + _MOST_VECTORS])

    def holds_what(self, other: str | os.PathLike[str]) -> bool:
        """Whether another file has the same bytes; one that cannot be read has not."""
        try:
            with open(other, "rb", buffering=0) as file:
                size = os.fstat(self._descriptor).st_size
                return size == os.fstat(file.fileno()).st_size and all(
                    os.pread(self._descriptor, _READ_SIZE, start) == os.pread(file.fileno(), _READ_SIZE, start)
                    for start in range(0, size, _READ_SIZE)
                )
        except OSError:
            return False  # unreadable is as good as damaged: it is replaced

    def publish(self, path: str | os.PathLike[str]) -> None:
        """Give the file its name, durably; a file of that name is replaced. The folder must exist and is synced."""
        with storage_errors(path, "write"):
            try:
                sync_file(self._descriptor)
                os.rename(self.path, path)
            except BaseException:
                self.drop()
                raise
            self._close()
        sync_directory(os.path.dirname(path) or ".")

    def drop(self) -> None:
        """Remove the file, unless it was published."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # nothing that was written has to last
                self._close()
            remove_if_there(self.path)

    def __del__(self) -> None:
        # Whoever forgot the file did not publish it.
        if getattr(self, "_descriptor", -1) >= 0:
            self.drop()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def add_to_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Add to the end of a file that exists, in one piece, for what can be made again: nothing is synced.

    The system keeps the pieces of several processes apart. One that does not fit is a `StorageError`,
    and a part of it may stay.
    """
    with storage_errors(path, "write"):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
    if written != len(data):
        raise StorageError(f"cannot write {path}: {written} of {len(data)} bytes fitted", path=str(path))


@contextlib.contextmanager
def scratch_file(folder: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A new file without a name, on the disk of a folder; gone with the block or the process."""
    import tempfile

    with storage_errors(folder, "write"), tempfile.TemporaryFile(dir=folder) as file:
        yield file


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable."""
    if _durability.get() is not Durability.FULL:
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(error, path, "sync") from error


def make_directory(path: str | os.PathLike[str]) -> None:
    """Make a directory and its parents durably; one that exists is left alone."""
    target = Path(path)
    missing = list(itertools.takewhile(lambda folder: not stat.S_ISDIR(mode_of(folder)), (target, *target.parents)))
    with storage_errors(target, "make the folder"):
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
            sync_directory(folder.parent)
        if missing and not target.is_dir():
            target.mkdir()  # raises, and says what is in the way


def move_file(source: str | os.PathLike[str], target: Path) -> None:
    """Give a file another place on the same disk, durably; raises ``FileNotFoundError`` where there is none."""
    make_directory(target.parent)
    try:
        os.rename(source, target)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, source, "move") from error
    sync_directory(target.parent)
    sync_directory(os.path.dirname(source) or ".")


def fresh_name(prefix: str = _TEMPORARY_PREFIX) -> str:
    """A name that nothing has, for what is made beside its place and then renamed."""
    return f"{prefix}{os.urandom(8).hex()}"


def remove_if_there(path: str | os.PathLike[str]) -> None:
    """Remove a temporary file of ours, if it got as far as existing."""
    # Best effort after a failure whose error matters more: a leftover tmp_ file is never read.
    with contextlib.suppress(OSError):
        os.unlink(path)


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


@contextlib.contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Hold a file that tells others that this process lives; raises plain ``OSError`` where that cannot be.

    Not the writers' lock: nobody waits for it, and its holder takes it away in the end.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether a file lies there that its holder left by dying."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two who ask do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_nlink > 0  # else its holder has just taken it away
    except OSError:
        return False
    finally:
        os.close(descriptor)


class Hold:
    """A shared hold on a file: while anybody has one, `alone` waits.

    It costs a writer two system calls and lets any number of writers in at once. Let go by `release`, at the latest
    when this object or its process ends. Where the file system has no such locks, or where there is no such file,
    nothing is held.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float) -> None:
        self._descriptor = -1
        try:
            descriptor = _open_to_hold(path)
        except FileNotFoundError:
            return
        try:
            _flock(descriptor, fcntl.LOCK_SH, path, timeout)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; a second time is no error."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):  # nothing was written through it
                os.close(descriptor)

    def __del__(self) -> None:
        self.release()


@contextlib.contextmanager
def alone(path: str | os.PathLike[str], *, timeout: float) -> Iterator[None]:
    """A block during which nobody has a `Hold` on a file; raises `LockTimeoutError` where somebody keeps one.

    Raises ``FileNotFoundError`` as it is, so that the caller says what is missing.
    """
    descriptor = _open_to_hold(path)
    try:
        _flock(descriptor, fcntl.LOCK_EX, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _open_to_hold(path: str | os.PathLike[str]) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, path, "open") from error


def _flock(descriptor: int, kind: int, path: str | os.PathLike[str], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise LockTimeoutError(
                    f"{path} is in use: waited {timeout:g} s for other processes that save or remove",
                    hint="try again when they are done; nothing was changed",
                    path=os.fspath(path),
                ) from error
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            if kind == fcntl.LOCK_SH and error.errno in (errno.ENOLCK, errno.ENOTSUP):
                return  # whoever wants to be alone here will be refused
            raise storage_error(error, path, "lock") from error
        else:
            return


def _new_lock(path: Path) -> "BaseFileLock":
    from filelock import FileLock

    return FileLock(path, poll_interval=_POLL_SECONDS, thread_local=False, is_singleton=False)


def _read_up_to(descriptor: int, length: int | None) -> bytes:
    """Read to the end or to a length, whatever short reads the system serves."""
    pieces: list[bytes] = []
    left = length
    while left is None or left > 0:
        piece = os.read(descriptor, _READ_SIZE if left is None else min(left, _READ_SIZE))
        if not piece:
            break
        pieces.append(piece)
        left = None if left is None else left - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _write_at(descriptor: int, start: int, parts: Sequence[bytes | memoryview]) -> int:
    """Write parts at a place of a file, however little the system takes at a time; where they end."""
    left = [memoryview(part) for part in parts if len(part)]
    while left:
        count = os.pwritev(descriptor, left, start)
        start += count
        while left and count >= len(left[0]):
            count -= len(left.pop(0))
        if count:
            left[0] = left[0][count:]
    return start
