"""Which thread a file is reserved for, of those that share it.

duckdb seeks and reads in two calls, from several threads in one file. So a thread that has sought its place reads there
before another one seeks. Whoever calls in order notices nothing: a read begins where the file stands, whoever sought
that place, and a thread that seeks and does not read keeps others waiting for a moment only: for a number of short
waits, since a thread that was kept from running, by whoever held the interpreter, runs between two of them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_WAIT = 0.01  # seconds
_WAITS = 20


class Reservation:
    """The reservation of one file: a thread's from its seek to the end of its next read."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._is_reading = False

    @property
    def is_free(self) -> bool:
        """Whether no thread has sought its place without having read there."""
        return self._owner is None

    def take(self) -> None:
        """Wait until the file is free, and reserve it for this thread."""
        own = threading.get_ident()
        waits = 0
        with self._changed:
            while self._owner not in (None, own) and waits < _WAITS:
                is_told = self._changed.wait(_WAIT)
                waits = 0 if is_told or self._is_reading else waits + 1
            self._owner = own

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A block that reads, and ends the reservation, also that of a thread that has sought and does not read."""
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
