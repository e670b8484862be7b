"""Whether small files are read by the thread that wants them, or by several.

A small file costs its system calls, not its bytes. So small neighbours are read together, and on a quick disk by
the thread that wants them, because more threads would only wait for each other and for the interpreter's lock. From
the first ones that took long, as over a network, threads read a little ahead, so that their waits overlap.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

MOST_TOGETHER: Final = 128
"""How many small files are read together at most."""

_LONG = 0.0005  # seconds for a file


class Pace:
    """``is_slow`` once small files took long to read; that some are quick later, as out of a cache, changes nothing."""

    def __init__(self) -> None:
        self.is_slow = False

    def watch(self, read: Callable[[], Result], count: int) -> Result:
        """The result of ``read``, which reads so many small files; notes whether it took long."""
        began = time.monotonic()
        result = read()
        self.is_slow = self.is_slow or time.monotonic() - began > _LONG * count
        return result
