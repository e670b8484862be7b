"""What a fork of this process must not take over as it is.

A fork has the memory and the open files of its parent, but only the thread that made it. A lock that another thread
held would never be released there, and a lock on a file would outlive a parent that was killed, for as long as the
fork lives.
"""

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, overload

_Found = TypeVar("_Found")

UNFORKED = threading.RLock()
"""While a thread holds this lock, no other thread can make a fork."""


class Forkable(Protocol):
    """An object whose copy in a fork has to be told that it is there."""

    def after_fork(self) -> None:
        """Let go of what is the parent's; nothing else runs in this process yet."""


_forkable: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def tell_of_forks(thing: Forkable) -> None:
    """Have each fork call ``after_fork`` on its copy of ``thing`` before anything else, as long as ``thing`` lives."""
    _forkable.add(thing)


class ThreadLock:
    """A lock between the threads of one process, as a ``with`` block. In a fork nobody holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        tell_of_forks(self)

    # These are the lock's own methods, not functions that call them: an interrupt in such a function, after the lock
    # was taken or before it is given back, would leave it taken for ever.

    @property
    def __enter__(self) -> Callable[[], bool]:
        return self._lock.__enter__

    @property
    def __exit__(  # noqa: PLE0302, PYI036  # what is called is the lock's
        self,
    ) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], None]:
        return self._lock.__exit__

    def after_fork(self) -> None:
        """Be free, whichever thread of the parent held the lock."""
        self._lock = threading.Lock()


class cached_property(Generic[_Found]):  # noqa: N801  # in the place of that of functools
    """A property whose value is found once. In Python 3.11 that of ``functools`` has a lock that a fork may find taken.

    Threads that ask at the same time may each find a value; all get the one that was kept first.
    """

    def __init__(self, find: Callable[[Any], _Found]) -> None:
        self._find = find
        self._name = ""
        self.__doc__ = find.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, thing: None, owner: type) -> Self: ...
    @overload
    def __get__(self, thing: object, owner: type) -> _Found: ...
    def __get__(self, thing: object, owner: type) -> Self | _Found:
        if thing is None:
            return self
        found: _Found = thing.__dict__.setdefault(self._name, self._find(thing))
        return found


def _in_fork() -> None:
    for thing in list(_forkable):
        thing.after_fork()
    UNFORKED.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=UNFORKED.acquire, after_in_parent=UNFORKED.release, after_in_child=_in_fork)
