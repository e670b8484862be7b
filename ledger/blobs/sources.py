"""The user's own files, read for a content.

Each is looked at before and after: one that changes while it is read is an error, never a mixture of two states.
Nothing but regular files is read, and the last part of a path is followed only where the user named it himself.
Small files cost their system calls, not their bytes, and on a cold disk the wait: so the disk is asked for several
before the first of them is waited for.
"""

import os
import stat
from collections.abc import Iterator, Sequence

from ledger.errors import LedgerError, StorageError, UnsupportedFileError, storage_error

_BLOCK_SIZE = 1 << 20
_MOST_OPEN = 32  # files at once; systems allow a process from 256

# Opening a fifo would wait for its writer without O_NONBLOCK.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_FLAGS_FOR_NO_LINK = _FLAGS | os.O_NOFOLLOW
_CAN_ASK = hasattr(os, "posix_fadvise")


def read_source(path: str | os.PathLike[str], *, follow: bool) -> Iterator[bytes]:
    """The bytes of a regular file, in blocks; `StorageError` where it changes while it is read.

    ``follow`` says whether the file itself may be a symbolic link.
    """
    total = 0
    try:
        descriptor = os.open(path, _FLAGS if follow else _FLAGS_FOR_NO_LINK)
        try:
            before = _status(path, descriptor)
            # A read that gives less than it was asked for has reached the end: small files need one.
            asked = min(before.st_size + 1, _BLOCK_SIZE)
            while block := os.read(descriptor, asked):
                total += len(block)
                yield block
                if len(block) < asked and total == before.st_size:
                    break
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except LedgerError:
        raise
    except OSError as error:
        raise storage_error(error, path, "read") from error
    _check_unchanged(path, before, total, after)


def read_together(paths: Sequence[str]) -> list[bytes]:
    """The bytes of each of some small files, as `read_source` gives them without following links."""
    read: list[bytes] = []
    for start in range(0, len(paths), _MOST_OPEN):
        read += _read_at_once(paths[start : start + _MOST_OPEN])
    return read


def _read_at_once(paths: Sequence[str]) -> list[bytes]:
    descriptors: list[int] = []
    before: list[os.stat_result] = []
    read: list[bytes] = []
    path = ""
    try:
        for path in paths:
            descriptors.append(descriptor := os.open(path, _FLAGS_FOR_NO_LINK))
            before.append(status := _status(path, descriptor))
            if _CAN_ASK:
                os.posix_fadvise(descriptor, 0, status.st_size, os.POSIX_FADV_WILLNEED)
        for path, descriptor, status in zip(paths, descriptors, before, strict=True):
            data = os.read(descriptor, min(status.st_size + 1, _BLOCK_SIZE))
            after = os.fstat(descriptor)
            if len(data) == status.st_size:
                _check_unchanged(path, status, len(data), after)
            else:
                # It changed already, or the system gave only a part of it.
                data = b"".join(read_source(path, follow=False))
            read.append(data)
    except LedgerError:
        raise
    except OSError as error:
        raise storage_error(error, path, "read") from error
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return read


def _status(path: str | os.PathLike[str], descriptor: int) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedFileError(f"{path} is not a regular file", path=str(path))
    return status


def _check_unchanged(path: str | os.PathLike[str], before: os.stat_result, read: int, after: os.stat_result) -> None:
    if read != before.st_size or after.st_size != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        raise StorageError(
            f"{path} changed while it was read: {before.st_size} bytes at first, {read} read, {after.st_size} now",
            hint="save it again when nothing writes to it",
            path=str(path),
        )
