"""Digests of many files or objects, on all cores.

Each file is hashed from front to back by one thread, several at the same time, a little ahead of whoever takes the
results. Small neighbours are hashed together, and by the thread that asked as long as their `Pace` is quick. That
thread tells `ledger.meters` about progress, also while a single large file takes long. When it is interrupted the
others stop at their next block.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from ledger.blobs.files.pace import MOST_TOGETHER, Pace
from ledger.blobs.stores.workers import PARALLEL_SIZE, Workers
from ledger.ids import Digest, digest_from_hex
from ledger.meters import advance

_Source = TypeVar("_Source")

Hashed = tuple[int, Digest]
"""The size of a source in bytes, and its digest."""

_HashedTogether = tuple[list[Hashed], Exception | None]
"""The results of some sources, up to the first that failed, and its error."""

_WAIT = 0.05  # seconds between two looks at how far the threads are


def digests(
    sources: Sequence[_Source],
    read: Callable[[_Source], Iterator[bytes]],
    *,
    size_of: Callable[[_Source], int] = lambda _: PARALLEL_SIZE,
) -> Iterator[Hashed]:
    """The size and digest of each source, in order; ``read`` gives the bytes of one.

    ``size_of`` says how many bytes a source should have, where that is known. Raises what ``read`` raises, for the
    first source in order for which it fails.
    """
    tally = _Tally()
    workers: Workers[_HashedTogether] = Workers()
    pace = Pace()
    try:
        for together, size in _neighbours(sources, size_of):
            work = partial(_hash_together, together, read=read, tally=tally)
            if size < PARALLEL_SIZE and not pace.is_slow:
                while workers:
                    yield from _take(workers, tally)
                yield from _results(pace.watch(work, len(together)), tally)
                continue
            if workers.is_full:
                yield from _take(workers, tally)
            workers.give(work)
        while workers:
            yield from _take(workers, tally)
    finally:
        tally.stop()
        workers.close()


def _neighbours(
    sources: Sequence[_Source], size_of: Callable[[_Source], int]
) -> Iterator[tuple[Sequence[_Source], int]]:
    """The sources in order, in pieces of work, and the size of each; a large source ends its piece."""
    first = size = 0
    for end, source in enumerate(sources, 1):
        size += size_of(source)
        if size >= PARALLEL_SIZE or end - first == MOST_TOGETHER or end == len(sources):
            yield sources[first:end], size
            first, size = end, 0


class _Tally:
    """The bytes that all threads have hashed since somebody asked last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self._is_over = False

    def add(self, size: int) -> bool:
        """Count bytes; says whether anybody still wants to know."""
        with self._lock:
            self._bytes += size
        return not self._is_over

    def take(self) -> int:
        with self._lock:
            taken, self._bytes = self._bytes, 0
        return taken

    def stop(self) -> None:
        self._is_over = True


def _take(workers: Workers[_HashedTogether], tally: _Tally) -> Iterator[Hashed]:
    """The oldest results, once they are there; until then the meter is kept up to date."""
    while not workers.wait(_WAIT):
        advance(tally.take())
    yield from _results(workers.take(), tally)


def _results(hashed: _HashedTogether, tally: _Tally) -> Iterator[Hashed]:
    found, error = hashed
    advance(tally.take())
    yield from found
    if error is not None:
        raise error


def _hash_together(
    sources: Iterable[_Source], *, read: Callable[[_Source], Iterator[bytes]], tally: _Tally
) -> _HashedTogether:
    found: list[Hashed] = []
    try:
        for source in sources:
            found.append(_hash(source, read=read, tally=tally))  # noqa: PERF401  # what is done stays when one fails
    except Exception as error:  # noqa: BLE001  # raised in its turn, after the results of those before it
        return found, error
    return found, None


def _hash(source: _Source, *, read: Callable[[_Source], Iterator[bytes]], tally: _Tally) -> Hashed:
    size, digest = 0, hashlib.sha256()
    for block in read(source):
        digest.update(block)
        size += len(block)
        if not tally.add(len(block)):
            break  # nobody takes the result any more
    return size, digest_from_hex(digest.hexdigest())
