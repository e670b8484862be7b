"""Bells: how one process wakes another that waits, so that neither has to keep looking.

A bell is a FIFO whose owner has it open for reading. To ring it, another process opens it for writing: that is its
*rope*. Opening fails where nobody reads, so whoever wants to ring learns that the owner has died. And the owner's read
ends when the last writer closes the FIFO, so the owner wakes when whoever held the rope has died.

A message is a hint that comes at once or not at all: nothing may depend on its coming.
"""

import contextlib
import errno
import os
import select
import stat
import time
from pathlib import Path

from ledger.disk import MODE, close_anyway, remove_if_there, storage_errors

_LONGEST_MESSAGE = 4096
_NO_EARS = (errno.ENXIO, errno.ENOENT, errno.ELOOP, errno.EISDIR)  # nobody reads the FIFO, or there is none


class Bell:
    """A bell that this process listens to, made at a path where nothing is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_deaf = False
        with storage_errors(path, "make"):
            os.mkfifo(path, MODE)
            try:
                self._descriptor = _listen(path)
            except BaseException:
                remove_if_there(path)
                raise

    def wait(self, seconds: float) -> bytes | None:
        """The message that was rung, empty if a rope was let go of without one; ``None`` if neither came in time."""
        if self._is_deaf:
            time.sleep(seconds)
            return None
        ears = select.poll()
        ears.register(self._descriptor, select.POLLIN)
        if not ears.poll(seconds * 1000):
            return None
        heard = b""
        with storage_errors(self._path, "read"):
            # If one process lets go of the rope and another takes it at once, there is nothing to read, and no end
            # either.
            with contextlib.suppress(BlockingIOError):
                heard = os.read(self._descriptor, _LONGEST_MESSAGE)
            self._listen_again()
        return heard

    def close(self) -> None:
        """Stop listening, and remove the bell."""
        remove_if_there(self._path)
        close_anyway(self._descriptor)

    def _listen_again(self) -> None:
        # Once its last writer has closed it, a FIFO stays at its end for a reader that had it open then. So it is
        # opened anew, before the old descriptor is closed: what is rung meanwhile is kept, and nobody finds it unread.
        try:
            fresh = _listen(self._path)
        except OSError:
            # The bell was removed, perhaps by another machine, which cannot see who listens; or this process has no
            # descriptor left. What was heard before, which may be that all is done, counts all the same.
            self._is_deaf = True
            return
        close_anyway(self._descriptor)
        self._descriptor = fresh


def take_rope(path: Path) -> int | None:
    """A descriptor to ring a bell with, to be closed by the caller; ``None`` where nobody listens any more.

    A file that is no FIFO is left alone: ringing would write into it.
    """
    with storage_errors(path, "open"):
        try:
            rope = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _NO_EARS:
                return None
            raise
        if stat.S_ISFIFO(os.fstat(rope).st_mode):
            return rope
        close_anyway(rope)
        return None


def _listen(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
