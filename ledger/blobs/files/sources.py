"""The user's own files, read for a content.

A file whose size or time of change differs before and after it is read is an error, not a mixture of two states. That
is as precise as the file system's clock: a write in the same tick as the one before changes no time, nor does a write
that has begun already and goes on. To wait for the next tick would cost a fresh file more than its save, and would not
help against the second case.

Nothing but regular files is read, and a symbolic link is followed only where the user named it themselves.

Small files cost the time of their system calls, not of their bytes, and on a cold disk that of waiting. So a small file
is not looked at again where the listing of its folder has told enough, and the disk is asked for several files before
the first is read.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from ledger.blobs.files.folders import FolderFile
from ledger.disk import READ_ONLY, close_anyway, open_folder, storage_errors
from ledger.errors import StorageError, UnsupportedFileError

_BLOCK_SIZE = 1 << 20
_MOST_OPEN = 32  # files at once; systems allow a process from 256

_NO_LINK = READ_ONLY | os.O_NOFOLLOW
_folder_of = attrgetter("folder")
_CAN_ASK = hasattr(os, "posix_fadvise")


def read_source(path: str | os.PathLike[str], *, follow: bool) -> Iterator[bytes]:
    """The bytes of a regular file, in blocks; `StorageError` where it changes while it is read.

    ``follow`` says whether the file itself may be a symbolic link.
    """
    total = 0
    with storage_errors(path, "read"):
        descriptor = os.open(path, READ_ONLY if follow else _NO_LINK)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise UnsupportedFileError(
                    f"{path} is not a regular file", hint="write what it gives to a file, and save that", path=str(path)
                )
            # A read that gives less than was asked for has reached the end, so a small file needs only one.
            asked = min(before.st_size + 1, _BLOCK_SIZE)
            # A file that grows is not followed: one that is written as quickly as it is read here would have no end.
            while total <= before.st_size and (block := os.read(descriptor, asked)):
                total += len(block)
                yield block
                if len(block) < asked and total == before.st_size:
                    break
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    if total != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise StorageError(
            f"{path} changed while it was read: {before.st_size} bytes at first, {total} read, {after.st_size} now",
            hint="save it again when nothing writes to it",
            path=str(path),
        )


def read_link(link: FolderFile) -> bytes:
    """The target of a link, as it was seen and judged; `StorageError` where it no longer points there."""
    with storage_errors(link.source, "read"):
        target = os.readlink(link.source)
    if target != link.target:
        raise StorageError(
            f"{link.source} changed while its folder was read: a link to {link.target!r} at first, to {target!r} now",
            hint="save it again when nothing writes to it",
            path=link.source,
        )
    return target.encode()


def read_together(files: Sequence[FolderFile]) -> list[bytes]:
    """The bytes of each of some small files of a folder, as `read_source` gives them without following links."""
    read: list[bytes] = []
    for start in range(0, len(files), _MOST_OPEN):
        group = files[start : start + _MOST_OPEN]
        read += [
            b"".join(read_source(file.source, follow=False)) if data is None else data
            for file, data in zip(group, _read_at_once(group), strict=True)
        ]
    return read


def _read_at_once(files: Sequence[FolderFile]) -> Sequence[bytes | None]:
    """The bytes of each file that is still what its folder was seen to hold; `read_source` has to judge the others."""
    descriptors: list[int] = []
    read: list[bytes | None] = []
    try:
        for folder, inside in groupby(files, _folder_of):
            with open_folder(folder) as opened:
                for file in inside:
                    descriptors.append(descriptor := os.open(file.name, _NO_LINK, dir_fd=opened))
                    if _CAN_ASK:
                        os.posix_fadvise(descriptor, 0, file.size, os.POSIX_FADV_WILLNEED)
        for file, descriptor in zip(files, descriptors, strict=True):
            # One byte more than there were, to see whether the file has grown.
            data = os.read(descriptor, file.size + 1)
            after = os.fstat(descriptor)
            is_same = after.st_size == file.size and after.st_mtime_ns == file.modified and stat.S_ISREG(after.st_mode)
            read.append(data if is_same and len(data) == file.size else None)
    except OSError:
        return [None] * len(files)  # which of them it was, and why, is said when each is read by itself
    finally:
        close_anyway(*descriptors)
    return read
