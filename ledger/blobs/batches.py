"""The files of a folder in batches: small ones are read many at a time.

A small file costs its system calls, not its bytes. So small neighbours are read together, and every other file when
its turn comes. On a quick disk the calling thread reads them itself, because more threads would only wait for
each other and for the interpreter's lock. Where the first files took long, as over a network, threads read
a little ahead, so that their waits overlap.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from ledger.blobs.folders import FolderFile
from ledger.blobs.sources import read_together
from ledger.blobs.workers import PARALLEL_SIZE, in_order

SMALL_SIZE: Final = 64 << 10
"""Most bytes of a file that is read together with others."""

_MOST_TOGETHER = 128
_LONG = 0.0005  # seconds for a file


class Batch(NamedTuple):
    """Small files that lie one after another: how large each was when it was read, and the bytes of all."""

    files: Sequence[FolderFile]
    sizes: Sequence[int]
    data: bytes


def in_batches(files: Sequence[FolderFile]) -> Iterator[FolderFile | Batch]:
    """All files in order: small ones with their bytes, others as they are.

    Raises what `read_source` raises for a small one, in its turn.
    """
    for is_small, group in groupby(files, _is_small):
        if not is_small:
            yield from group
            continue
        together = list(group)
        batches = (together[start : start + _MOST_TOGETHER] for start in range(0, len(together), _MOST_TOGETHER))
        if sum(file.size for file in together) < PARALLEL_SIZE:
            yield from map(_read, batches)
            continue
        began = time.monotonic()
        yield (first := _read(next(batches)))
        took_long = time.monotonic() - began > _LONG * len(first.files)
        yield from in_order(_read, batches) if took_long else map(_read, batches)


def _is_small(file: FolderFile) -> bool:
    return file.size <= SMALL_SIZE and file.kind in ("file", "executable")


def _read(files: Sequence[FolderFile]) -> Batch:
    each = read_together(files)
    return Batch(files, [len(data) for data in each], b"".join(each))
