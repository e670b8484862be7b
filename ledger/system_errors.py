"""From an error of the operating system to one of `ledger.errors`.

Owns what error numbers mean: a full disk, a place that can only be read, a shortage of this process or machine. Owns as
well which errors say nothing about the file that was to be read, and what to do about a path that is at fault.
"""

import errno
import os
import re

from ledger.errors import (
    DiskFullError,
    LedgerError,
    ReadOnlyError,
    StorageError,
    StoreAccessError,
    StoreUnavailableError,
)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset({errno.EACCES, errno.EPERM})
_READ_ONLY = frozenset({errno.EROFS, *_CLOSED})
_READING = frozenset({"read", "list", "look at"})
_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP})
_TOLD_BY_RUST = re.compile(r"\(os error (\d{1,4})\)")  # in the text of an error that is no OSError
_NO_PARTS = errno.ENOTSUP  # from a server without HTTP ranges (`ledger.blobs.stores.answers`)
_PATH_HINTS = {
    errno.EACCES: "check the permissions of the path",
    errno.EPERM: "check the permissions of the path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EBUSY: "a disk is mounted there: choose a folder below it",
    errno.EEXIST: "something is in the way there: name another path",
    errno.EISDIR: "that is a folder: name a file",
    errno.ENOTDIR: "a part of that path is a file: name a path below folders",
    errno.ELOOP: "a symbolic link is in the way, or some lead round in a circle: remove it, or put the file there",
}
"""What to do where it is the path that is at fault, not what it leads to."""


def storage_error(cause: OSError, path: object, doing: str) -> StorageError:
    """The typed form of an operating system error met while ``doing`` something to ``path``."""
    reason = cause.strerror or str(cause)
    message = f"cannot {doing} {path}: {reason}"
    kind, hint = StorageError, _PATH_HINTS.get(cause.errno or 0, "")
    if cause.errno in FULL:
        kind, hint = DiskFullError, "free some space and try again; nothing was published"
    elif cause.errno in _READ_ONLY and doing not in _READING:
        kind, hint = ReadOnlyError, "check the permissions of the path and whether the disk is mounted read-only"
    elif cause.errno in _NO_LOCKS and doing == "lock":
        hint = "keep the ledger where files can be locked (flock): mount that file system with locks, or use another"
    return kind(message, hint=hint, errno=cause.errno, filename=str(path), path=str(path))


def memory_error(cause: MemoryError, failed: str) -> StorageError:
    """The typed form of a `MemoryError`, in which Python mostly puts no text."""
    reason = str(cause) or os.strerror(errno.ENOMEM)
    return StorageError(f"{failed}: {reason}", hint="end other programs, or try where more memory may be used")


def raise_if_machine_failed(error: Exception, doing: str, what: str) -> None:
    """Raise an error of others' code as `StorageError` if it tells of a full or failing disk, or of a shortage."""
    if isinstance(error, MemoryError):
        raise memory_error(error, f"cannot {doing} {what}") from error
    cause = _system_error(error)
    if cause is not None and cause.errno in (*FULL, *_SHORTAGE, errno.EIO):
        raise storage_error(cause, cause.filename or what, doing) from error


def _system_error(error: Exception) -> OSError | None:
    """The error of the operating system that an error is, or that a library in Rust has put into its text."""
    if isinstance(error, OSError):
        return error
    found = _TOLD_BY_RUST.search(str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found is not None else None


def raise_if_inconclusive(error: Exception, *, path: str = "the files of the ledger") -> None:
    """Raise an error again if it says nothing about the file that was to be read, so that the file is not judged by it.

    It may say that this process is short of descriptors or memory, or that the store is away, lets nobody in, or is
    behind a server that gives no parts of files. ``path`` is what was read: the system names no file that was open
    already.
    """
    if isinstance(error, StoreUnavailableError | StoreAccessError):
        raise error
    if isinstance(error, OSError) and error.errno in (*_SHORTAGE, _NO_PARTS):
        if isinstance(error, LedgerError):
            raise error
        raise storage_error(error, error.filename or path, "read") from error


def raise_if_access_denied(error: StorageError) -> None:
    """Raise an error as `StoreAccessError` if it says that a path in somebody else's store is closed to this user.

    It says nothing about what lies there. In one's own store such a path is damage, to be mended like any other.
    """
    if error.errno in _CLOSED:
        raise StoreAccessError(str(error), hint=error.hint, **error.facts) from error
