"""Whether what is written is made durable: the one place that asks for fsync.

How durable writes are is set for a context (specs/concurrency.md, 4), which all parts of a save share, so that no
function needs a parameter for it. A failed fsync is final: the caller gives up what it wrote.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from contextvars import ContextVar

from ledger.enums import Durability
from ledger.system_errors import storage_error

# Shared folders of virtual machines and 9p have no fsync for folders: when names become durable is up to that system.
_NOT_FOR_FOLDERS = frozenset({errno.EINVAL, errno.ENOTSUP})

# macOS: fsync leaves bytes in the drive's cache, and this call flushes that as well; some file systems lack it.
_FULL_FSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
_NO_FULL_FSYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOTTY})

_durability = ContextVar("durability", default=Durability.FULL)


@contextlib.contextmanager
def durability(asked: Durability) -> Iterator[None]:
    """A block whose writes are as durable as ``asked``; a thread that works for it has to be given its context."""
    before = _durability.set(asked)
    try:
        yield
    finally:
        _durability.reset(before)


def current_durability() -> Durability:
    """How durable writes are in this context."""
    return _durability.get()


def sync_file(descriptor: int) -> None:
    """Make the bytes of an open file durable; raises plain ``OSError``."""
    if _durability.get() is Durability.FULL:
        _flush(descriptor)


def begin_sync(descriptor: int, start: int, size: int) -> None:
    """Let the system write a part of an open file to the disk now, without waiting, so that `sync_file` finds little.

    It is only a hint: `sync_file` alone says what is durable, and which errors there were.
    """
    if _durability.get() is Durability.FULL and hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            # Before the system drops what is "not needed", it has to write it; what is not written yet stays in memory.
            os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable, as far as its file system can be asked to."""
    if _durability.get() is not Durability.FULL:
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _flush(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise storage_error(error, path, "sync") from error


def _flush(descriptor: int) -> None:
    if _FULL_FSYNC is not None:
        try:
            fcntl.fcntl(descriptor, _FULL_FSYNC)
        except OSError as error:
            if error.errno not in _NO_FULL_FSYNC:
                raise
        else:
            return
    os.fsync(descriptor)
