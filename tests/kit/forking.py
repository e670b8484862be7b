"""Processes beside a test that start at once: forks of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess


@contextmanager
def forks(count: int, act: Callable[..., object], *arguments: object) -> Iterator[list[ForkProcess]]:
    """So many forks that do the same, each with its number before the arguments, and do not outlive the block."""
    started = [ForkProcess(target=act, args=(number, *arguments)) for number in range(count)]
    for fork in started:
        fork.start()
    try:
        yield started
    finally:
        for fork in started:
            fork.kill()
            fork.join()


def ended(started: list[ForkProcess]) -> list[int | None]:
    """With which codes forks end; the traceback of one that fails is on standard error."""
    for fork in started:
        fork.join()
    return [fork.exitcode for fork in started]
