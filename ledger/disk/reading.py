"""Reads that never lie: an error of the operating system is reported with its path, never taken for "not there".

Nor do they wait for ever: whoever may write to a shared folder can put a fifo where a file was.
"""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from ledger.errors import LedgerError, StorageError
from ledger.system_errors import storage_error

_Result = TypeVar("_Result")

_READ_SIZE = 1 << 20
_ATTEMPTS = 4

LARGEST = 1 << 30
"""The bytes of the largest file that is read into memory as a whole."""

SMALL = 1 << 20
"""The bytes of the largest file of settings, or of what is noted beside them."""

READ_ONLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""How a file is opened to be read. Where a fifo was put in its place, opening that waits for no writer."""

_OTHER_LOCALE = "set a locale of UTF-8, or PYTHONUTF8=1"


@contextlib.contextmanager
def storage_errors(path: str | os.PathLike[str], doing: str) -> Iterator[None]:
    """A block whose operating system errors are reported as `StorageError` with the path.

    A name that the encoding of file names here cannot express is reported in the same way.
    """
    try:
        yield
    except LedgerError:
        raise  # some of these are OSErrors too, and already say more
    except OSError as error:
        raise storage_error(error, path, doing) from error
    except UnicodeEncodeError as error:
        raise StorageError(
            f"cannot {doing} {path}: file names are {error.encoding} here, and {error.object!r} is not",
            hint=_OTHER_LOCALE,
            path=str(path),
        ) from error


def refuse_unread_name(name: str, folder: str | os.PathLike[str]) -> None:
    """Raise `StorageError` for a name that is no text in the encoding of file names here, and may be one in UTF-8."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8" and any("\udc80" <= letter <= "\udcff" for letter in name):
        raise StorageError(
            f"cannot list {folder}: file names are {encoding} here, and {os.fsencode(name)!r} is not",
            hint=_OTHER_LOCALE,
            path=str(folder),
        )


def open_regular(path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
    """The descriptor and the status of a file, for reading; raises plain ``OSError``, also for what is not regular."""
    descriptor = os.open(path, READ_ONLY)
    try:
        status = os.fstat(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if stat.S_ISREG(status.st_mode):
        return descriptor, status
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))


def read_file(path: str | os.PathLike[str], *, start: int = 0, length: int | None = None, most: int = LARGEST) -> bytes:
    """The bytes of a file, or of a part of it; a negative ``start`` counts from its end.

    A file of more than ``most`` bytes is not read as a whole: one with holes may have any size and take no room.

    Raises ``FileNotFoundError`` as it is, so that the caller says what is missing,
    and ``StorageError`` for everything else, also for what is no regular file.
    """
    return _in_attempts(path, partial(_read_opened, path, start, length, most))


def read_into(path: str | os.PathLike[str], start: int, target: memoryview) -> int:
    """Fill ``target`` with the bytes of a file from ``start``; how many there were. Raises as `read_file`."""
    return _in_attempts(path, partial(_fill_opened, path, start, target))


def status_of(path: str | os.PathLike[str]) -> os.stat_result | None:
    """What ``stat`` says of a file; ``None`` only where its folder has none of that name, else `StorageError`."""
    with storage_errors(path, "read"):
        try:
            return os.stat(path)
        except FileNotFoundError:
            return None


def mode_of(path: str | os.PathLike[str], *, follow: bool = True) -> int:
    """What a path is and who may use it, as ``stat`` says it; 0 only where the system says that nothing is there.

    ``os.path.exists`` and its kin, from Python 3.14 on those of ``Path`` as well, report what they cannot look at as
    absent.
    """
    with storage_errors(path, "read"):
        try:
            return os.stat(path, follow_symlinks=follow).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads to a folder; raises `StorageError` where that cannot be told."""
    return stat.S_ISDIR(mode_of(path))


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads to a regular file; raises `StorageError` where that cannot be told."""
    return stat.S_ISREG(mode_of(path))


def is_link(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a symbolic link; raises `StorageError` where that cannot be told."""
    return stat.S_ISLNK(mode_of(path, follow=False))


def link_on_way(folder: str | os.PathLike[str], path: str) -> str:
    """The beginning of a relative path below a folder, up to the first symbolic link on it; empty without a link."""
    parts = path.split("/")
    ways = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((way for way in ways if is_link(f"{os.fspath(folder)}/{way}")), "")


def links_below(folder: str | os.PathLike[str], enters: Callable[[str], bool]) -> Iterator[str]:
    """The relative paths of the symbolic links in a folder, and in those folders below it that ``enters`` accepts.

    No link is followed; a folder that vanishes meanwhile has none.
    """
    waiting = [""]
    while waiting:
        lead = waiting.pop()
        with storage_errors(f"{os.fspath(folder)}/{lead}", "list"), contextlib.suppress(FileNotFoundError):
            with os.scandir(f"{os.fspath(folder)}/{lead}") as entries:
                found = list(entries)
            yield from (lead + entry.name for entry in found if entry.is_symlink())
            folders = (f"{lead}{entry.name}" for entry in found if entry.is_dir(follow_symlinks=False))
            waiting += [f"{path}/" for path in folders if enters(path)]


@contextlib.contextmanager
def open_folder(path: str | os.PathLike[str]) -> Iterator[int]:
    """A folder's descriptor, by which files in it are found without a walk along its path.

    Raises ``OSError``, also for a symbolic link to a folder.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        close_anyway(descriptor)


def names_in(folder: str | os.PathLike[str]) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(error, folder, "list") from error


def walk(folder: str | os.PathLike[str], *, topdown: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """What ``os.walk`` yields; nothing where there is no such folder, `StorageError` for one that cannot be listed."""
    return os.walk(folder, topdown, _refuse_unlisted)


def close_anyway(*descriptors: int) -> None:
    """Close files through which nothing was written that has to last, so that a failure loses nothing."""
    for descriptor in descriptors:
        try:  # noqa: SIM105  # a context for each of many small files takes as long as closing it
            os.close(descriptor)
        except OSError:
            pass


def _refuse_unlisted(error: OSError) -> None:
    """By itself ``os.walk`` takes a folder that cannot be listed for an empty one."""
    if not isinstance(error, FileNotFoundError):
        raise storage_error(error, error.filename, "list") from error


def _in_attempts(path: str | os.PathLike[str], read: Callable[[], _Result]) -> _Result:
    """The result of ``read``, which opens a file and reads it; ``FileNotFoundError`` stays as it is."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return read()
        except FileNotFoundError:
            raise
        except OSError as error:
            # On a network file system another machine may replace a file between its opening and its reading.
            if error.errno != errno.ESTALE or attempt == _ATTEMPTS:
                raise storage_error(error, path, "read") from error
    raise AssertionError(path)


def _read_opened(path: str | os.PathLike[str], start: int, length: int | None, most: int) -> bytes:
    """One attempt of `read_file`; raises plain ``OSError``."""
    descriptor, status = open_regular(path)
    try:
        if length is None and start >= 0 and status.st_size > most:
            raise OSError(errno.EINVAL, f"larger than any such file, with {status.st_size:,} bytes", os.fspath(path))
        if start:
            os.lseek(descriptor, max(0, status.st_size + start) if start < 0 else start, os.SEEK_SET)
        return _read_up_to(descriptor, length)
    finally:
        os.close(descriptor)


def _fill_opened(path: str | os.PathLike[str], start: int, target: memoryview) -> int:
    """One attempt of `read_into`; raises plain ``OSError``."""
    descriptor, _ = open_regular(path)
    try:
        done = 0
        while count := os.preadv(descriptor, [target[done:]], start + done):
            done += count
        return done
    finally:
        os.close(descriptor)


def _read_up_to(descriptor: int, length: int | None) -> bytes:
    """Read to the end or to a length, however little the system gives at a time."""
    pieces: list[bytes] = []
    left = sys.maxsize if length is None else length
    while left > 0 and (piece := os.read(descriptor, min(left, _READ_SIZE))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
