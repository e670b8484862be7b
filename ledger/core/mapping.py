"""Local copies of stored files, for programs that map them into memory.

A file of a version lies in chunks, compressed and anywhere in packs, so it has to be put together before
it can be mapped: once, in the ledger's cache, checked byte by byte on its way. Reading gigabytes
again at every load would cost what mapping is to save; so a copy is sealed instead. It is only for reading, and
its seal notes what the file system says of it when it was complete: size, inode, and the times of its last
changes, of which no program can set the last. A copy that differs from its seal in any of them was touched, and
is put together anew. The cache is disposable: copies that nobody has used for longest go when there
are too many, and one that is mapped while it goes stays readable until it is unmapped.
"""

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ledger.blobs import CacheUsage, ContentReader
from ledger.disk import fresh_name, make_directory, read_file, storage_errors, write_new_file
from ledger.errors import ReadOnlyError
from ledger.ids import Digest, hex_of

_WINDOW = 64 << 20  # bytes that are checked on all cores at once
_BYTES = "bytes"
_SEAL = "seal"
_TEMPORARY = "tmp_"
_ABANDONED = 24 * 3600  # seconds after which an unfinished copy is nobody's any more


def mapped_folder(ledger_dir: Path) -> Path:
    """Where a ledger keeps its copies; everything in it may be deleted at any time."""
    return ledger_dir / "cache" / "mapped"


class MappedCopies:
    """The sealed copies of a ledger in ``folder``, at most ``limit`` bytes of them; 0 keeps none.

    The newest is kept in any other case, however large it is.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def open(self, digest: Digest, reader: ContentReader, path: str) -> BinaryIO:
        """The copy of a file of the content with that digest, made if there is none: for reading and mapping.

        Where the cache cannot be written, or is to keep nothing, it is a temporary file without a name.
        """
        number = next(number for number, file in enumerate(reader.files) if file.path == path)
        entry = self.folder / f"{hex_of(digest)}-{number}"
        found = _open_sealed(entry)
        if found is not None:
            return found
        if self.limit == 0:
            return _unnamed(reader, path)
        try:
            make_directory(self.folder)
            made = _make(self.folder, entry, reader, path)
        except ReadOnlyError:
            return _unnamed(reader, path)
        self.trim(keep=entry.name)
        return made

    def usage(self) -> CacheUsage:
        """How many copies there are and how many bytes they have."""
        kept = self._copies()
        return CacheUsage(len(kept), sum(copy.size for copy in kept))

    def trim(self, *, keep: str = "") -> None:
        """Remove what died half-made, and the copies used longest ago until the rest fits; ``keep`` stays."""
        self._remove_abandoned()
        kept = self._copies()
        total = sum(copy.size for copy in kept)
        for copy in sorted(kept):
            if total > self.limit and copy.name != keep:
                with contextlib.suppress(OSError):  # the next one tries again
                    _remove(self.folder, self.folder / copy.name)
                total -= copy.size

    def clear(self) -> CacheUsage:
        """Remove all copies; gives what was there. Raises `StorageError` where one stays."""
        self._remove_abandoned()
        usage = self.usage()
        for name in self._names():
            if not name.startswith(_TEMPORARY):
                with storage_errors(self.folder / name, "delete"), contextlib.suppress(FileNotFoundError):
                    _remove(self.folder, self.folder / name)
        return usage

    def _names(self) -> list[str]:
        """What there is: copies, and what is being made."""
        with storage_errors(self.folder, "list"):
            try:
                return os.listdir(self.folder)
            except FileNotFoundError:
                return []

    def _copies(self) -> "list[_Copy]":
        """The copies that are whole."""
        kept = []
        for name in self._names():
            # Whatever vanishes meanwhile was removed by another process; half a copy is replaced when it is asked for;
            # another user's is for them to count.
            with (
                storage_errors(self.folder / name, "read"),
                contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError),
            ):
                if not name.startswith(_TEMPORARY):
                    used = os.stat(self.folder / name / _SEAL).st_mtime
                    kept.append(_Copy(used, os.stat(self.folder / name / _BYTES).st_size, name))
        return kept

    def _remove_abandoned(self) -> None:
        """Remove what was begun a day ago and is nobody's any more."""
        for name in self._names():
            with contextlib.suppress(OSError):  # another process may be at it, too
                if name.startswith(_TEMPORARY) and os.stat(self.folder / name).st_mtime < time.time() - _ABANDONED:
                    shutil.rmtree(self.folder / name)


class _Copy(NamedTuple):
    """A copy: when it was used last, its bytes, and its name in the folder."""

    used: float
    size: int
    name: str


def _open_sealed(entry: Path) -> BinaryIO | None:
    """The copy at a place if there is one that nobody touched since it was made."""
    try:
        descriptor = os.open(entry / _BYTES, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None  # whatever is wrong with a copy, another one is made
    try:
        is_sound = read_file(entry / _SEAL) == _seal(os.fstat(descriptor))
        if is_sound:
            os.utime(entry / _SEAL)  # when it was used last
    except OSError:
        is_sound = False  # as above
    if not is_sound:
        os.close(descriptor)
        return None
    return open(descriptor, "rb")


def _make(folder: Path, entry: Path, reader: ContentReader, path: str) -> BinaryIO:
    staging = folder / fresh_name(_TEMPORARY)
    with storage_errors(staging, "write"):
        try:
            staging.mkdir(mode=0o700)
            write_new_file(str(staging / _BYTES), _windows(reader, path))
            os.chmod(staging / _BYTES, stat.S_IRUSR)
            # Opened before it has its name: another process may take that for its own copy.
            made = open(staging / _BYTES, "rb")  # noqa: SIM115  # the caller's
            write_new_file(str(staging / _SEAL), [_seal(os.fstat(made.fileno()))])
            _publish(folder, staging, entry)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return made


def _publish(folder: Path, staging: Path, entry: Path) -> None:
    try:
        os.rename(staging, entry)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        # What lies there is damaged, or somebody was faster; either is replaced.
        with contextlib.suppress(OSError):
            _remove(folder, entry)
            os.rename(staging, entry)


def _remove(folder: Path, entry: Path) -> None:
    """Take a copy away whole: nobody sees one without its seal. Raises plain ``OSError``."""
    aside = folder / fresh_name(_TEMPORARY)
    os.rename(entry, aside)
    if stat.S_ISDIR(os.lstat(aside).st_mode):
        shutil.rmtree(aside)
    else:
        os.unlink(aside)


def _unnamed(reader: ContentReader, path: str) -> BinaryIO:
    with storage_errors(tempfile.gettempdir(), "write a temporary file in"):
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # the caller's
        for window in _windows(reader, path):
            copy.write(window)
        copy.flush()
        copy.seek(0)
    return copy


def _windows(reader: ContentReader, path: str) -> Iterator[memoryview]:
    """The bytes of a file in large pieces, each to be taken before the next."""
    buffer = memoryview(bytearray(_WINDOW))
    with reader.open(path) as file:
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # every buffered file has it
            yield buffer[:count]


def _seal(status: os.stat_result) -> bytes:
    """What the file system says of a copy that only this user may have made, and only for reading."""
    is_own = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == stat.S_IRUSR
    seen = {
        "changed": status.st_ctime_ns,
        "inode": status.st_ino,
        "is_own": is_own,
        "size": status.st_size,
        "written": status.st_mtime_ns,
    }
    return json.dumps(seen, sort_keys=True).encode()
