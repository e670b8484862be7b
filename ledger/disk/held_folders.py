"""Folders that their makers hold, so that what a killed program left is known as that, and removed."""

import contextlib
import fcntl
import hashlib
import os

from ledger.disk.given import temporary_folder
from ledger.disk.own_files import OwnFile
from ledger.disk.removing import remove_folder


class TemporaryFolder:
    """A new folder among the temporary files, held until nothing refers to this object, or nobody may use it any more.

    That is when the process that made it has ended, and so have those that it forked and the program that took its
    place (exec): they know what lies there. The name begins with that of the machine, since another one that shares the
    file system may not see the hold. Those that killed programs left on this machine are removed first. Raises plain
    ``OSError``.
    """

    _inherited = -1

    def __init__(self) -> None:
        import tempfile

        parent, lead = temporary_folder(), f"ledger-{machine_name()}-"
        with contextlib.suppress(OSError):  # a folder may be closed to those who want to list it
            for name in os.listdir(parent):
                if name.startswith(lead):
                    with contextlib.suppress(OSError):  # another user's, or gone meanwhile
                        remove_left(os.path.join(parent, name))
        held = None
        while held is None:  # as long as others, which are just removing what is not held, take a new one for left
            self.path = tempfile.mkdtemp(prefix=lead, dir=parent)
            held = hold_folder(open_folder(self.path), self.path, is_new=True)
        self._held = held
        # The same open folder, and with it the lock, for those who inherit it: forks close the other.
        self._inherited = os.dup(held.descriptor)
        os.set_inheritable(self._inherited, True)

    def __del__(self) -> None:
        if self._inherited >= 0:  # else it could not be made
            os.close(self._inherited)


def machine_name() -> str:
    """The name of this machine, as a part of a file name."""
    return hashlib.sha256(os.fsencode(os.uname().nodename)).hexdigest()[:16]


def remove_left(path: str) -> bool:
    """Remove a folder whose holder has died; says whether no living one may hold it. Raises plain ``OSError``."""
    left = hold_folder(open_folder(path), path, is_new=False)
    if left is None:
        return False
    remove_folder(path)
    left.let_go()
    return True


def hold_folder(folder: OwnFile, path: str, *, is_new: bool) -> OwnFile | None:
    """Lock a folder until its holder lets go or dies; ``None``, and the folder closed, where that fails.

    A new folder belongs to its maker also where the file system has no locks.
    """
    try:
        fcntl.flock(folder.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_held = is_at(path, folder)
    except OSError as error:
        is_held = is_new and not isinstance(error, BlockingIOError)
    if is_held:
        return folder
    folder.let_go()
    return None


def open_folder(path: str) -> OwnFile:
    """Open a folder that is to be held; no link is followed. Raises plain ``OSError``."""
    return OwnFile(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def is_at(path: str, folder: OwnFile) -> bool:
    """Whether an open folder still lies at a path."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(folder.descriptor))
    except OSError:
        return False
