"""Processes beside a test that start at once: forks of its own."""

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from typing import TypeVar, cast

Result = TypeVar("Result")


@contextmanager
def forks(count: int, act: Callable[..., object], *arguments: object) -> Iterator[list[ForkProcess]]:
    """So many forks that do the same, each with its number before the arguments, and do not outlive the block.

    They begin at the same moment: to make one takes as long as some of them need for all that they do.
    """
    together = get_context("fork").Barrier(count)

    def begin(number: int) -> None:
        together.wait(60)
        act(number, *arguments)

    started = [ForkProcess(target=begin, args=(number,)) for number in range(count)]
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


def in_a_fork(act: Callable[[], Result]) -> Result:
    """What ``act`` returns in a fork of this process; raises what it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer: tuple[bool, object] = (True, act())
        except BaseException as error:  # noqa: BLE001  # raised by the parent
            answer = (False, f"{type(error).__name__}: {error}")
        with open(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)  # a fork never goes on as its parent
    os.close(writing)
    with open(reading, "rb") as pipe:
        done, result = pickle.load(pipe)
    os.waitpid(child, 0)
    if not done:
        raise AssertionError(result)
    return cast("Result", result)
