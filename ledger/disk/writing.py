"""Durable writes: a file appears under its name whole or not at all.

Temporary name, write, fsync, rename, fsync of the directory. Only what can be made again, or what nobody reads
yet, is written in place. Where a write fails, its temporary file is removed, and the caller starts afresh.
"""

import contextlib
import errno
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from ledger.disk.given import temporary_folder
from ledger.disk.modes import MODE
from ledger.disk.reading import is_folder, is_link, storage_errors
from ledger.disk.removing import remove_if_there
from ledger.disk.syncing import durability, sync_directory, sync_file
from ledger.enums import Durability
from ledger.errors import StorageError
from ledger.system_errors import storage_error

TEMPORARY_PREFIX = "tmp_"
_TEMPORARY = re.compile(rf"{TEMPORARY_PREFIX}[0-9a-f]{{16}}")
# AFS says EXDEV because it links only within one folder; if the disks do differ, the rename that follows says so again.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})

# Opening a fifo would wait for its reader without O_NONBLOCK.
_INTO = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_file(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Put a file in place, durably and whole; a file of that name is replaced.

    The directory must exist; it is synced.
    """
    stage_file(path, parts)
    sync_directory(os.path.dirname(path) or ".")


def create_file(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Put a file in place, durably and whole, unless there is one of that name.

    Of any number of processes that do so at once, one puts its file. On file systems without hard links, several that
    saw none may each put theirs, and the last one stays.
    """
    target = os.fspath(path)
    staging = os.path.join(os.path.dirname(target), fresh_name())
    with storage_errors(target, "write"):
        try:
            write_new_file(staging, parts)
            name_first(staging, target)
        finally:
            remove_if_there(staging)
    # Also if another process put its file: it may have died before it synced the directory.
    sync_directory(os.path.dirname(target) or ".")


def stage_file(
    path: str | os.PathLike[str], parts: Iterable[bytes | memoryview], *, temporary: str = TEMPORARY_PREFIX
) -> None:
    """Put a file in place, its bytes durable, its name not yet: the caller syncs the directory.

    So several files of one directory need only one `sync_directory`. ``temporary`` is the prefix of the temporary name.
    """
    target = os.fspath(path)
    staging = os.path.join(os.path.dirname(target), fresh_name(temporary))
    with storage_errors(target, "write"):
        try:
            write_new_file(staging, parts)
            os.rename(staging, target)
        except BaseException:
            remove_if_there(staging)
            raise


def write_derived_file(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Put a file in place that can be made again: never half of it while the system stays up, but not durable.

    Whoever reads it checks it. Only its user may read it. Raises plain ``OSError``.
    """
    target = os.fspath(path)
    staging = os.path.join(os.path.dirname(target), fresh_name())
    with durability(Durability.RELAXED):
        write_new_file(staging, [data], mode=0o600)
    try:
        os.rename(staging, target)
    except BaseException:
        remove_if_there(staging)
        raise


def write_new_file(path: str, parts: Iterable[bytes | memoryview], *, mode: int = MODE) -> os.stat_result:
    """Create a file that must not exist, write and fsync it, and return its status; raises plain ``OSError``.

    Where this fails, no file is left behind, unless it existed before.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        try:
            for part in parts:
                write_all(descriptor, part)
            sync_file(descriptor)
            made = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        remove_if_there(path)
        raise
    return made


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write to an open file, however little the system takes at a time; raises plain ``OSError``."""
    view = memoryview(data)
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def patch_file(path: str | os.PathLike[str], pieces: Sequence[tuple[int, bytes]], *, durably: bool) -> None:
    """Write pieces at their places into a file that nobody reads yet, and cut it off after the last of them.

    The file is made if need be. Only with ``durably`` are the pieces on the disk when this returns. A link is not
    followed, and no fifo waited for.
    """
    with storage_errors(path, "write"):
        descriptor = os.open(path, os.O_CREAT | _INTO, MODE)
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


def add_to_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Add to the end of a file that exists, in one piece, for what can be made again: nothing is synced.

    The system keeps what several processes add apart. If ``data`` does not fit, `StorageError` is raised, and a part
    of it may stay. A link is not followed, and no fifo waited for.
    """
    with storage_errors(path, "write"):
        descriptor = os.open(path, os.O_APPEND | _INTO)
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


def unnamed_copy(blocks: Iterable[bytes | memoryview]) -> BinaryIO:
    """A file that holds some bytes, without a name, where temporary files go; it is gone once it is closed."""
    import tempfile

    writing = partial(storage_errors, temporary_folder(), "write a temporary file in")
    with writing():
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    try:
        for block in blocks:
            with writing():
                copy.write(block)
        with writing():
            copy.seek(0)  # this writes out the buffer as well, so that a full disk is noticed here
    except BaseException:
        copy.close()
        raise
    return copy


def make_directory(path: str | os.PathLike[str]) -> None:
    """Make a directory and its parents durably; one that exists is left alone."""
    target = Path(path)
    missing = list(itertools.takewhile(lambda folder: not is_folder(folder), (target, *target.parents)))
    with storage_errors(target, "make the folder"):
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
            sync_directory(folder.parent)
        if missing and not is_folder(target):
            target.mkdir()  # raises, and says what is in the way


def refuse_linked(folder: str | os.PathLike[str]) -> None:
    """Raise `StorageError` for a folder of a ledger that is a symbolic link; the files in it have well-known names.

    A ledger may come from anybody, and where its link leads, files of these names may be the user's own.
    """
    if is_link(folder):
        raise StorageError(
            f"cannot write in {folder}: it is a link, and what it leads to may be somebody's own",
            hint="remove the link, and the folder is made anew",
            path=os.fspath(folder),
        )


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


def link_file(path: str | os.PathLike[str], target: Path) -> None:
    """Give a file, or a link itself, a second name on the same disk, durably; without hard links, move it there."""
    make_directory(target.parent)
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise storage_error(error, path, "link") from error
        move_file(path, target)
    sync_directory(target.parent)


def name_first(staging: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Give a file, or a link itself, a new name unless something has that name; says whether it got it.

    It may keep its old name, too. Not durable yet; raises plain ``OSError``.
    """
    try:
        os.link(staging, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            return False
        os.rename(staging, target)
    return True


def fresh_name(prefix: str = TEMPORARY_PREFIX) -> str:
    """A name that nothing has, for what is made beside its place and then renamed."""
    return f"{prefix}{os.urandom(8).hex()}"


def is_temporary(name: str) -> bool:
    """Whether a file has the whole name of a temporary one; a name that only begins like one may be a user's."""
    return _TEMPORARY.fullmatch(name) is not None
