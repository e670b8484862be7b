"""Work on all cores, in order and in bounded memory.

Hashing, compressing, cutting, reading and writing release the interpreter's lock, so
threads are enough. Owns how many there are and how far they may run ahead. Threads
start with the first piece of work and live no longer than the content they work for:
a program that forks between two saves forks no thread of ours. Contents below
`PARALLEL_SIZE` are better served by the thread that asks; this module does not decide that.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ledger.blobs.stores.requests import Requests
from ledger.blobs.stores.store import Store, small_at_once
from ledger.notices import collect_warnings, warn_user

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
        self._under_way: deque[_Given[Result]] = deque()
        self._requests = Requests()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def is_full(self) -> bool:
        """Whether a result is to be taken before the next piece of work is given."""
        return len(self._under_way) > self._threads

    def give(self, work: Callable[[], Result]) -> None:
        """Start a piece of work, or queue it until a thread is free; where no thread can be started, do it here."""
        from concurrent.futures import Future

        given: _Given[Result] = _Given(Future())
        # The context of whoever gives the work says, among others, how durable writes are.
        context = copy_context()
        context.run(collect_warnings, given.warnings)
        context.run(self._requests.enter)
        do = partial(_do_once, [(partial(context.run, work), given)])
        # Noted before a thread may begin with it: an interrupt may come while one starts, too.
        self._under_way.append(given)
        try:
            if self._pool is None:
                self._pool = _new_pool(self._threads)
            self._pool.submit(do)
        except RuntimeError:
            # The machine has no more threads, or the interpreter is ending and an exit handler still saves something.
            # In the first case another thread may have begun the work: `_do_once` does it once.
            do()

    def take(self) -> Result:
        """The result of the oldest piece of work, once it is there; raises what the work raised, warns as it did."""
        given = self._under_way[0]
        try:
            return given.future.result()
        finally:
            if given.future.done():  # else an interrupt came, and `close` waits for it
                self._under_way.popleft()
                for message in given.warnings:
                    warn_user(message)

    def wait(self, seconds: float) -> bool:
        """Whether the oldest piece of work is done, now or within so many seconds."""
        from concurrent.futures import wait

        return bool(wait([self._under_way[0].future], timeout=seconds).done)

    def close(self) -> None:
        """Drop work that has not begun and wait for what has, and the threads to end; nothing may be given afterwards.

        After an interrupt, or where one comes meanwhile, no answer of a distant store is waited for.
        """
        reason = sys.exc_info()[1]
        if reason is not None and not isinstance(reason, Exception):
            self._requests.take_back()
        try:
            try:
                self._end_work()
            finally:
                if self._pool is not None:
                    # Garbage may be collected in one of these threads, and no thread can wait for itself.
                    with suppress(RuntimeError):
                        self._pool.shutdown(cancel_futures=True)
        except BaseException:
            self._requests.take_back()
            raise

    def _end_work(self) -> None:
        """Wait until no thread is at work, whatever interrupts come meanwhile, and raise the last of them then.

        Whoever gave the work goes on to free the memory that it reads into, and to close the files that it writes.
        """
        interrupt: BaseException | None = None
        while self._under_way:
            try:
                # All are cancelled first, so that none begins while another one is waited for.
                begun = [given for given in self._under_way if not given.future.cancel()]
                for given in begun:
                    given.wait_until_over()
                self._under_way.clear()
            except BaseException as error:  # noqa: BLE001  # raised once nothing is under way
                self._requests.take_back()
                interrupt = error
        if interrupt is not None:
            raise interrupt


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


def ask_each(store: Store, ask: Callable[[Work], Result], pieces: Iterable[Work]) -> Iterator[Result]:
    """What a store says of each of some small pieces, in order; a distant one is asked about many at a time."""
    threads = small_at_once(store)
    return map(ask, pieces) if threads is None else in_order(ask, pieces, threads=threads)


class _Given(Generic[Result]):
    """A piece of work: what comes of it, what it warns of, and the thread that does it, once one does."""

    def __init__(self, future: "Future[Result]") -> None:
        self.future = future
        self.warnings: list[str] = []
        self.thread: threading.Thread | None = None

    def wait_until_over(self) -> None:
        """Wait for work that has begun, if another thread does it: one from before a fork does not go on."""
        from concurrent.futures import wait

        if self.thread is not None and self.thread.is_alive() and self.thread is not threading.current_thread():
            wait([self.future])


def _do_once(waiting: "list[tuple[Callable[[], Result], _Given[Result]]]") -> None:
    """Do the piece of work that waits, unless another thread has begun it or it was dropped.

    It is taken out of ``waiting``: a pool without threads keeps what it was given, and would keep the results with it.
    """
    try:
        work, given = waiting.pop()
    except IndexError:
        return
    given.thread = threading.current_thread()
    if not given.future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        given.future.set_exception(error)  # raised where the result is taken
        if not isinstance(error, Exception):
            raise  # an interrupt of whoever gave the work and does it: an earlier piece's error would hide it
    else:
        given.future.set_result(result)


def _new_pool(threads: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix="ledger-bytes")
