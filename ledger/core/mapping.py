"""Local copies of stored files, for programs that map them into memory.

A file of a version lies in chunks, compressed and anywhere in packs, so it has to be put together before it can be
mapped. That is done once, into the ledger's cache, and every byte is checked on its way.

To check gigabytes again at every load would cost what mapping is meant to save, so a complete copy is *sealed* instead.
The seal notes which file of which content it is, and what the file system said of the copy then: size, inode, and the
times of its last changes, one of which, ctime, no program can set. A copy that differs from its seal was touched, and
is made anew. Whoever can write a seal can forge it. So each user has a folder of their own, and what belongs to others
in it, or may be written by others, does not count as a copy.

The cache is disposable. The copies used longest ago go when there are too many; one that is mapped while it goes stays
readable until it is unmapped.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ledger.blobs import CacheUsage, ContentReader
from ledger.disk import (
    READ_ONLY,
    TEMPORARY_PREFIX,
    fresh_name,
    hold_open_file,
    is_abandoned,
    is_private,
    make_directory,
    refuse_linked,
    remove_folder,
    storage_errors,
    sync_file,
    unnamed_copy,
    write_all,
    write_new_file,
)
from ledger.errors import StorageError, StoreAccessError, StoreUnavailableError
from ledger.ids import Digest, hex_of

_WINDOW = 64 << 20  # bytes that are checked on all cores at once
_BYTES = "bytes"
_SEAL = "seal"
_SEAL_LIMIT = 4096
_SEAL_MODE = stat.S_IRUSR | stat.S_IWUSR
_ABANDONED = 24 * 3600  # seconds after which an unfinished copy is nobody's any more, where there are no locks


def mapped_folder(ledger_dir: Path) -> Path:
    """Where a ledger keeps the copies of this user; everything in it may be deleted at any time."""
    return ledger_dir / "cache" / "mapped" / str(os.geteuid())


class MappedCopies:
    """The sealed copies of a ledger in ``folder``, at most ``limit`` bytes of them; 0 keeps none.

    The newest is kept in any other case, however large it is.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def open(self, digest: Digest, reader: ContentReader, path: str) -> BinaryIO:
        """The copy of a file of the content with that digest, made if there is none: for reading and mapping.

        It is a temporary file without a name where the cache is to keep nothing, is another user's, or cannot be used,
        as on a full disk.
        """
        number = next(number for number, file in enumerate(reader.files) if file.path == path)
        entry = self.folder / f"{hex_of(digest)}-{number}"
        return _open_sealed(entry) or self._keep(entry, reader, path) or unnamed_copy(_windows(reader, path))

    def usage(self) -> CacheUsage:
        """How many copies there are and how many bytes they have."""
        copies = self._copies()
        return CacheUsage(len(copies), sum(copy.size for copy in copies))

    def trim(self, *, keep: str = "") -> None:
        """Remove what dead processes left, and the copies used longest ago until the rest fits; ``keep`` stays."""
        self._remove_abandoned()
        copies = self._copies()
        total = sum(copy.size for copy in copies)
        for copy in sorted(copies):
            if total > self.limit and copy.name != keep:
                with contextlib.suppress(OSError):  # the next one tries again
                    _remove(self.folder / copy.name)
                total -= copy.size

    def clear(self) -> CacheUsage:
        """Remove all copies; gives what was there. Raises `StorageError` where one stays."""
        self._remove_abandoned()
        usage = self.usage()
        for name in self._names():
            if not name.startswith(TEMPORARY_PREFIX):
                with storage_errors(self.folder / name, "delete"), contextlib.suppress(FileNotFoundError):
                    _remove(self.folder / name)
        return usage

    def _keep(self, entry: Path, reader: ContentReader, path: str) -> BinaryIO | None:
        """A new copy in the cache; ``None`` where the cache is to keep nothing, or cannot be used."""
        try:
            if self.limit == 0 or not self._prepare():
                return None
            copy = _make(entry, reader, path)
        except (StoreAccessError, StoreUnavailableError):
            raise  # the bytes cannot be had, wherever they are to go
        except StorageError:
            return None  # the cache may have been deleted; where it is the store that fails, it fails once more
        self.trim(keep=entry.name)
        return copy

    def _prepare(self) -> bool:
        """Make the folder and close it to others; says whether it is this user's, and so could be closed."""
        for folder in self.folder.parents[:2]:  # in the ledger directory
            refuse_linked(folder)
        make_directory(self.folder)
        with storage_errors(self.folder, "write"):
            is_own = _is_own_folder(self.folder)
            if is_own:
                os.chmod(self.folder, stat.S_IRWXU)
        return is_own

    def _names(self) -> list[str]:
        """What there is: copies, and what is being made."""
        with storage_errors(self.folder, "list"):
            try:
                return os.listdir(self.folder) if _is_own_folder(self.folder) else []
            except FileNotFoundError:
                return []

    def _copies(self) -> "list[_Copy]":
        """The copies that are whole."""
        copies = []
        for name in self._names():
            # What has vanished was removed by another process; half a copy is replaced once it is asked for; another
            # user's is counted by them.
            with (
                storage_errors(self.folder / name, "read"),
                contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError),
            ):
                if not name.startswith(TEMPORARY_PREFIX):
                    used = os.stat(self.folder / name / _SEAL).st_mtime
                    copies.append(_Copy(used, os.stat(self.folder / name / _BYTES).st_size, name))
        return copies

    def _remove_abandoned(self) -> None:
        """Remove the unfinished copies of makers that died; those of living ones stay."""
        for name in self._names():
            with contextlib.suppress(OSError):  # another process may be at it, too
                if name.startswith(TEMPORARY_PREFIX) and _is_abandoned(self.folder / name):
                    shutil.rmtree(self.folder / name)


class _Copy(NamedTuple):
    """A copy: when it was used last, its bytes, and its name in the folder."""

    used: float
    size: int
    name: str


def _is_abandoned(staging: Path) -> bool:
    return is_abandoned(staging / _BYTES) or os.stat(staging).st_mtime < time.time() - _ABANDONED


def _is_own_folder(folder: Path) -> bool:
    """Whether a folder is this user's, and no link: what one leads to may not be removed."""
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _open_sealed(entry: Path) -> BinaryIO | None:
    """The copy at a place if there is one that this user made and that nobody touched since."""
    try:
        if not all(is_private(os.lstat(folder)) for folder in (entry.parent, entry)):
            return None
        with _open_private(entry / _SEAL) as file:
            seal = file.read(_SEAL_LIMIT)
        copy = _open_private(entry / _BYTES)
    except OSError:
        return None  # whatever is wrong with a copy, another one is made
    try:
        is_sound = seal == _seal(entry.name, os.fstat(copy.fileno()))
        if is_sound:
            os.utime(entry / _SEAL)  # when it was used last
    except OSError:
        is_sound = False  # as above, another copy is made
    if not is_sound:
        copy.close()
        return None
    return copy


def _open_private(path: Path) -> BinaryIO:
    """Open a file that is this user's, and that others may not write; raises plain ``OSError``."""
    file = _open_as(path, lambda: os.open(path, READ_ONLY | os.O_NOFOLLOW))
    # The open file is asked: its path may lead elsewhere meanwhile.
    if not is_private(os.fstat(file.fileno())):
        file.close()
        raise PermissionError(errno.EPERM, "not this user's alone", str(path))
    return file


def _open_as(path: Path, opened: Callable[[], int]) -> BinaryIO:
    """A file for reading whose ``name`` is that path, by which an array that maps it finds it again elsewhere."""
    return open(os.fspath(path), "rb", opener=lambda *_: opened())


def _make(entry: Path, reader: ContentReader, path: str) -> BinaryIO:
    staging = entry.with_name(fresh_name())
    with storage_errors(staging, "write"):
        try:
            staging.mkdir(mode=0o700)
            file = _write(staging / _BYTES, _windows(reader, path), name=entry / _BYTES)
            try:
                write_new_file(str(staging / _SEAL), [_seal(entry.name, os.fstat(file.fileno()))], mode=_SEAL_MODE)
                _publish(staging, entry)
            except BaseException:
                file.close()
                raise
        finally:
            remove_folder(staging)
    return file


def _write(path: Path, windows: Iterator[memoryview], *, name: Path) -> BinaryIO:
    """Write a file that nobody may write again, durably; gives the very file, whatever its path leads to later.

    ``name`` is the path that it will have.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    file = _open_as(name, lambda: os.open(path, flags, stat.S_IRUSR))
    hold_open_file(file.fileno())
    try:
        for window in windows:
            write_all(file.fileno(), window)
        sync_file(file.fileno())
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _publish(staging: Path, entry: Path) -> None:
    try:
        os.rename(staging, entry)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        # A damaged copy lies there, or somebody was faster: either is replaced.
        with contextlib.suppress(OSError):
            _remove(entry)
            os.rename(staging, entry)


def _remove(entry: Path) -> None:
    """Take a copy away whole: nobody sees one without its seal. Raises plain ``OSError``."""
    aside = entry.with_name(fresh_name())
    os.rename(entry, aside)
    if stat.S_ISDIR(os.lstat(aside).st_mode):
        shutil.rmtree(aside)
    else:
        os.unlink(aside)


def _windows(reader: ContentReader, path: str) -> Iterator[memoryview]:
    """The bytes of a file in large pieces, each to be taken before the next."""
    size = next(file.size for file in reader.files if file.path == path)
    buffer = memoryview(bytearray(min(size, _WINDOW)))
    with reader.open(path) as file:
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # every buffered file has it
            yield buffer[:count]


def _seal(name: str, status: os.stat_result) -> bytes:
    """What the file system says of a copy; its name says which file of which content it is."""
    seen = {
        "changed": status.st_ctime_ns,
        "copy": name,
        "inode": status.st_ino,
        "size": status.st_size,
        "written": status.st_mtime_ns,
    }
    return json.dumps(seen).encode()
