"""A folder beside a target, in which the target is made before it is renamed into its place."""

import contextlib
import hashlib
import os
from collections.abc import Iterator

from ledger.disk.held_folders import hold_folder, is_at, open_folder, remove_left
from ledger.disk.own_files import OwnFile
from ledger.disk.removing import remove_folder
from ledger.disk.writing import fresh_name

_LEAD = ".ledger-"


@contextlib.contextmanager
def folder_beside(target: str | os.PathLike[str]) -> Iterator[str]:
    """A new folder beside a target, removed when the block ends unless it was renamed. Raises plain ``OSError``.

    Its name depends on the target and the machine alone. So if a program is killed, the next one that makes the same
    target on this machine finds its folder and removes it; while the first one lives, the second takes a random name.
    The machine counts because another one that shares the file system may not see the lock of a living program.
    """
    parent, name = os.path.split(target)
    maker = hashlib.sha256(os.fsencode(f"{name}\0{os.uname().nodename}")).hexdigest()
    path = os.path.join(parent, _LEAD + maker[:16])
    held = _make_anew(path)
    if held is None:
        path = os.path.join(parent, fresh_name(_LEAD))
        held = _make(path)
    try:
        yield path
    finally:
        if is_at(path, held):  # else it was renamed, and what has the name now belongs to another
            remove_folder(path)
        held.let_go()


def _make_anew(path: str) -> OwnFile | None:
    """Make a folder and hold it, after removing a dead program's; ``None`` where a living one may hold it."""
    for _ in range(2):
        with contextlib.suppress(FileExistsError):
            return hold_folder(_make(path), path, is_new=True)
        with contextlib.suppress(OSError):
            if not remove_left(path):
                break
    return None


def _make(path: str) -> OwnFile:
    """Make a folder and open it."""
    os.mkdir(path)
    try:
        return open_folder(path)
    except OSError:
        remove_folder(path)
        raise
