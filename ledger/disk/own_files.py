"""Open files whose locks belong to this process alone, and not to a child that it forked."""

import contextlib
import fcntl
import os

from ledger.disk.modes import MODE
from ledger.disk.reading import close_anyway
from ledger.forks import UNFORKED, tell_of_forks


class OwnFile:
    """An open file to be locked by flock; the lock ends with this process, even if children that it forked live on.

    A flock belongs to the open file, which a forked child shares. So the child closes it before it does anything else.
    Raises plain ``OSError``.
    """

    descriptor = -1

    def __init__(self, path: str | os.PathLike[str], flags: int) -> None:
        with UNFORKED:  # a child forked before the descriptor is known would keep the file open
            tell_of_forks(self)
            self.descriptor = os.open(path, flags | os.O_CLOEXEC, MODE)

    def let_go(self) -> None:
        """Release what is locked, and close the file; a second time is no error."""
        if self.descriptor >= 0:
            # It is unlocked before it is closed, so that wherever an interrupt comes, it is free or `__del__` frees it.
            with contextlib.suppress(OSError):
                fcntl.flock(self.descriptor, fcntl.LOCK_UN)
            self.after_fork()

    def after_fork(self) -> None:
        """Close the file, and leave its lock to the parent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            close_anyway(descriptor)

    def __del__(self) -> None:
        self.let_go()
