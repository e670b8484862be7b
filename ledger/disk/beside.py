"""A folder in which something is made before it gets its name, beside its place."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator

from ledger.disk.own_files import OwnFile
from ledger.disk.removing import remove_folder
from ledger.disk.writing import fresh_name

_LEAD = ".ledger-"


@contextlib.contextmanager
def folder_beside(target: str | os.PathLike[str]) -> Iterator[str]:
    """A new folder beside a target, in which the target is made before it is renamed. Raises plain ``OSError``.

    What is left of the folder is removed when the block ends. On one machine its name depends only on the target, so
    that what a killed program left is removed by the next one that makes the same; while a living one is at it, another
    name is used. The name also depends on the machine, since locks may not be seen across a shared file system.
    """
    parent, name = os.path.split(target)
    maker = hashlib.sha256(os.fsencode(f"{name}\0{os.uname().nodename}")).hexdigest()
    path = os.path.join(parent, _LEAD + maker[:16])
    held = _make(path)
    if held is None:
        path = os.path.join(parent, fresh_name(_LEAD))
        held = _new(path)
    try:
        yield path
    finally:
        if _is_at(path, held):  # else it was renamed, and what has the name now belongs to another
            remove_folder(path)
        held.let_go()


def _make(path: str) -> OwnFile | None:
    """Make a folder anew and hold it; ``None`` where somebody else does, or where nobody can tell."""
    for _ in range(2):
        with contextlib.suppress(FileExistsError):
            return _hold(_new(path), path, is_new=True)
        with contextlib.suppress(OSError):
            left = _hold(_open(path), path, is_new=False)
            if left is None:
                break
            remove_folder(path)
            left.let_go()
    return None


def _new(path: str) -> OwnFile:
    """Make a folder and open it."""
    os.mkdir(path)
    try:
        return _open(path)
    except OSError:
        remove_folder(path)
        raise


def _hold(folder: OwnFile, path: str, *, is_new: bool) -> OwnFile | None:
    """A folder, locked until its holder lets go or dies; a new one is its maker's where there are no locks, too."""
    try:
        fcntl.flock(folder.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_held = _is_at(path, folder)
    except OSError as error:
        is_held = is_new and not isinstance(error, BlockingIOError)
    if is_held:
        return folder
    folder.let_go()
    return None


def _open(path: str) -> OwnFile:
    return OwnFile(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _is_at(path: str, folder: OwnFile) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(folder.descriptor))
    except OSError:
        return False
