"""Which of the threads that share a file it is reserved for.

duckdb seeks and reads in two calls, from several threads in one file. So a seek reserves the file for its thread, which
reads at its place before another one seeks. Calls in order notice nothing: a read begins at the file's position,
whichever thread went there. A thread that seeks and does not read keeps others waiting for a moment only. They wait
several times and briefly, so that a thread that could not run, because another one held the interpreter, gets its turn
in between.

Arrow finds the size of a file by going to its end and back, in a thread that does not read then. So a thread that has
gone back to where the file was is waited for a few times only.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WAIT = 0.01  # seconds
_WAITS = 20
_WAITS_IF_BACK = 2


class Reservation:
    """The reservation of one file: a thread's from its seek to the end of its next read."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._stood_at = 0
        self._is_back = False
        self._is_reading = False

    @property
    def is_free(self) -> bool:
        """Whether the file is reserved for no thread."""
        return self._owner is None

    def seek(self, tell: Callable[[], int], seek: Callable[[], int]) -> int:
        """Wait until the file is free, reserve it for this thread, and have it seek; returns the place."""
        own = threading.get_ident()
        with self._changed:
            self._wait(own)
            is_new, self._is_back = self._owner != own, False
            self._owner = own
        if is_new:
            self._stood_at = tell()
        place = seek()
        if not is_new and place == self._stood_at:
            with self._changed:
                self._is_back = True
                self._changed.notify_all()  # those that wait begin to count their waits anew
        return place

    def _wait(self, own: int) -> None:
        waits = 0
        while self._owner not in (None, own) and waits < (_WAITS_IF_BACK if self._is_back else _WAITS):
            is_told = self._changed.wait(_WAIT)
            waits = 0 if is_told or self._is_reading else waits + 1

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A block that reads, and ends this thread's reservation at its end.

        The reservation of another thread, which has sought but does not read, ends at its beginning.
        """
        own = threading.get_ident()
        with self._changed:
            if self._owner == own:
                self._is_reading = True
            elif not self._is_reading:
                self._end()
        try:
            yield
        finally:
            with self._changed:
                if self._owner == own:
                    self._end()

    def _end(self) -> None:
        self._owner, self._is_reading = None, False
        self._changed.notify_all()
