"""Work on all cores, in order and in bounded memory.

Hashing, compressing, cutting, reading and writing release the interpreter's lock, so
threads are enough. Owns how many there are and how far they may run ahead. Threads
start with the first piece of work and live no longer than the content they work for:
a program that forks between two saves forks no thread of ours. Contents below
`PARALLEL_SIZE` are better served by the thread that asks; this module does not decide that.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ledger.blobs.requests import Requests
from ledger.notices import keep_warnings, warn_user

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Result = TypeVar("Result")
Work = TypeVar("Work")

PARALLEL_SIZE: Final = 1 << 20
"""Bytes from which starting threads pays."""

_MOST_THREADS = 8  # what they hold in memory grows with their number, and the disk is the limit long before


class Workers(Generic[Result]):
    """Threads that finish pieces of work in any order and give the results in the order of the pieces."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or thread_count()
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: deque[tuple[Future[Result], list[str]]] = deque()
        self._requests = Requests()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether a result is to be taken before the next piece of work is given."""
        return len(self._under_way) > self._threads

    def give(self, work: Callable[[], Result]) -> None:
        """Start a piece of work, or queue it until a thread is free; where none can be started, do it."""
        from concurrent.futures import Future

        kept: list[str] = []
        # How durable writes are belongs to the context of whoever gives the work.
        context = copy_context()
        context.run(keep_warnings, kept)
        context.run(self._requests.enter)
        future: Future[Result] = Future()
        do = partial(_do_once, [(partial(context.run, work), future)])
        try:
            if self._pool is None:
                self._pool = _new_pool(self._threads)
            self._pool.submit(do)
        except RuntimeError:
            # The machine has no more threads, and one that there is may take the work up as well; or the interpreter
            # is ending: what an exit handler saves is saved still.
            do()
        self._under_way.append((future, kept))

    def take(self) -> Result:
        """The result of the oldest piece of work, once it is there; raises what the work raised, warns as it did."""
        future, kept = self._under_way.popleft()
        try:
            return future.result()
        finally:
            for message in kept:
                warn_user(message)

    def wait(self, seconds: float) -> bool:
        """Whether the oldest piece of work is done, now or within so many seconds."""
        from concurrent.futures import wait

        return bool(wait([self._under_way[0][0]], timeout=seconds).done)

    def close(self) -> None:
        """Drop work that has not begun and wait for the threads to end; nothing may be given afterwards.

        After an interrupt, or where one comes meanwhile, no answer of a distant store is waited for.
        """
        self._under_way.clear()
        if self._pool is None:
            return
        reason = sys.exc_info()[1]
        if reason is not None and not isinstance(reason, Exception):
            self._requests.take_back()
        try:
            self._pool.shutdown(cancel_futures=True)
        except BaseException:
            self._requests.take_back()
            raise


def thread_count() -> int:
    """How many threads work at once: one more than this process may use cores, within reason.

    One more, because now and then one waits for the disk or for the interpreter's lock.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, _MOST_THREADS)


def in_order(work: Callable[[Work], Result], pieces: Iterable[Work], *, threads: int | None = None) -> Iterator[Result]:
    """The result of ``work`` for each piece, in order, worked out a little ahead by all cores, or so many threads.

    Raises what the work on the first bad piece raised, in its turn. The threads end with the iterator.
    """
    workers: Workers[Result] = Workers(threads)
    try:
        for piece in pieces:
            if workers.is_full:
                yield workers.take()
            workers.give(partial(work, piece))
        while workers:
            yield workers.take()
    finally:
        workers.close()


def _do_once(waiting: "list[tuple[Callable[[], Result], Future[Result]]]") -> None:
    """Do the piece of work that waits, for its future, unless another thread has begun it.

    Nothing waits then any more: a pool without threads keeps what it was given, and would keep the results with it.
    """
    try:
        work, future = waiting.pop()
    except IndexError:
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)  # raised where the result is taken
        if not isinstance(error, Exception):
            raise  # an interrupt of whoever gave the work and does it: an earlier piece's error would hide it
    else:
        future.set_result(result)


def _new_pool(threads: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix="ledger-bytes")
