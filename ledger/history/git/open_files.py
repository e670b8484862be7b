"""Files that are read here and there, and how many of them stay open.

A look-up wants a few bytes of files that may be large. Each place that is read costs one system call; a mapping
costs several, and a page fault at each place, which takes longer than all of them.

A process has few descriptors, while a history may have thousands of packs, if writers without the lock made it. So
each file that is opened is reported to the `OpenLimit`, which closes the one that has been open for longest.
"""

import contextlib
import os
import resource
import sys
import weakref
from collections import deque
from typing import Protocol

from ledger.disk import open_regular

MOST_OPEN = 64
"""Most files that the readers of a process keep open, of any ledgers: a quarter of what strict systems allow.

Where still less is allowed, it is a quarter of that.
"""

_WINDOW = 4096


class OpenFile:
    """A file that is open for reading, until nobody holds this any more. Threads may share it."""

    def __init__(self, path: str) -> None:
        self._descriptor = open_regular(path)[0]

    def glance(self, at: int, most: int) -> bytes:
        """What one read gives at a place: bytes up to the end of the file, or to ``most``; seldom fewer."""
        return os.pread(self._descriptor, most, at)

    def read(self, at: int, length: int) -> bytes:
        """The bytes at a place; fewer only where the file ends."""
        data = os.pread(self._descriptor, length, at)
        while 0 < len(data) < length:
            more = os.pread(self._descriptor, length - len(data), at + len(data))
            if not more:
                break
            data += more
        return data

    def size(self) -> int:
        """How many bytes there are."""
        return os.fstat(self._descriptor).st_size

    def __del__(self) -> None:
        # Closed here alone: a method that did so might meet a thread that is reading, from a descriptor whose number is
        # soon that of another file. Nothing is lost if it was never opened or cannot be closed: it was only read.
        with contextlib.suppress(AttributeError, OSError):
            os.close(self._descriptor)


class FileBytes:
    """The bytes of a file, sliced as ``bytes`` are, and read when they are asked for. Threads may share it."""

    def __init__(self, path: str) -> None:
        self._file = OpenFile(path)
        # What was read last, and where it begins: one value, which threads replace as a whole.
        self._window = 0, b""

    def __getitem__(self, place: slice) -> bytes:
        start: int = place.start
        stop: int = self._file.size() if place.stop is None else place.stop
        before, window = self._window
        if before <= start and stop <= before + len(window):
            return window[start - before : stop - before]
        if stop - start > _WINDOW:
            return self._file.read(start, stop - start)
        window = self._file.glance(start, _WINDOW)
        if len(window) < stop - start:
            window = self._file.read(start, stop - start)
        self._window = start, window
        return window[: stop - start]


class Closing(Protocol):
    """What keeps files open and can do without."""

    def close(self) -> None:
        """Let go of the files; they are opened again when they are needed."""


class OpenLimit:
    """How many files some readers keep open together. Threads may share it."""

    def __init__(self, most: int = MOST_OPEN) -> None:
        self._most = most
        # No lock is needed, which a fork could inherit while it is held: each call on the deque is atomic.
        self._order: deque[weakref.ref[Closing]] = deque()

    def note(self, owner: Closing) -> None:
        """Note that a file was opened; if that is one too many, whoever opened one longest ago closes its files."""
        self._order.append(weakref.ref(owner))
        most = min(self._most, _allowed() // 4)
        for _ in range(len(self._order)):
            if len(self._order) <= most:
                return
            note = self._order.popleft()
            oldest = note()
            if oldest is owner:
                self._order.append(note)  # it keeps its files, since it is about to use one of them
            elif oldest is not None:
                oldest.close()


def _allowed() -> int:
    """How many files the system lets this process have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


PROCESS = OpenLimit()
"""The limit of this process. Ledgers that were dropped count until they are collected."""
