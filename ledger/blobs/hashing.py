"""Digests of many files or objects, on all cores.

Each file is hashed from front to back by one thread, several files at the same time, a little ahead of whoever takes
the results. Progress is told to `ledger.meters` by the thread that asked, also while a single large file takes long.
When that thread is interrupted the others stop at their next block.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from ledger.blobs.workers import PARALLEL_SIZE, Workers
from ledger.ids import Digest
from ledger.meters import advance

_Source = TypeVar("_Source")

Hashed = tuple[int, Digest]
"""The size of a source in bytes, and its digest."""

_WAIT = 0.05  # seconds


def digests(sources: Iterable[_Source], read: Callable[[_Source], Iterator[bytes]], *, size: int) -> Iterator[Hashed]:
    """The size and digest of each source, in order; ``read`` gives the bytes of one, ``size`` says how many all have.

    Raises what ``read`` raises, for the first source in order that it fails for.
    """
    tally = _Tally()
    if size < PARALLEL_SIZE:
        for source in sources:
            yield _hash(source, read=read, tally=tally)
            advance(tally.take())
        return
    workers: Workers[Hashed] = Workers()
    try:
        for source in sources:
            if workers.is_full:
                yield _take(workers, tally)
            workers.give(partial(_hash, source, read=read, tally=tally))
        while workers:
            yield _take(workers, tally)
    finally:
        tally.stop()
        workers.close()


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


def _take(workers: Workers[Hashed], tally: _Tally) -> Hashed:
    """The oldest result, once it is there; what is done meanwhile is told."""
    while not workers.wait(_WAIT):
        advance(tally.take())
    found = workers.take()
    advance(tally.take())
    return found


def _hash(source: _Source, *, read: Callable[[_Source], Iterator[bytes]], tally: _Tally) -> Hashed:
    size, digest = 0, hashlib.sha256()
    for block in read(source):
        digest.update(block)
        size += len(block)
        if not tally.add(len(block)):
            break  # nobody takes the result any more
    return size, Digest(f"sha256:{digest.hexdigest()}")
