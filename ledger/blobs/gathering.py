"""The files of a folder, read many at a time.

A small file costs its system calls, not its bytes, and on a cold disk it costs the wait. So small
neighbours are read together, on all cores a little ahead of whoever takes them; everything else is read
when its turn comes.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from ledger.blobs.trees import TreeFile, read_source
from ledger.blobs.workers import PARALLEL_SIZE, in_order

SMALL_SIZE: Final = 64 << 10
"""Most bytes of a file that is read together with others."""

_MOST_TOGETHER = 64


class Gathered(NamedTuple):
    """Small files that lie one after another, and the bytes of each."""

    files: Sequence[TreeFile]
    data: Sequence[bytes]


def gather(files: Sequence[TreeFile]) -> Iterator[TreeFile | Gathered]:
    """All files in order: small ones with their bytes, others as they are.

    Raises what `read_source` raises for a small one, in its turn.
    """
    for is_small, group in groupby(files, _is_small):
        if not is_small:
            yield from group
            continue
        together = list(group)
        batches = (together[start : start + _MOST_TOGETHER] for start in range(0, len(together), _MOST_TOGETHER))
        is_long = sum(file.size for file in together) >= PARALLEL_SIZE
        yield from in_order(_read, batches) if is_long else map(_read, batches)


def _is_small(file: TreeFile) -> bool:
    return file.size <= SMALL_SIZE and file.kind in ("file", "executable")


def _read(files: Sequence[TreeFile]) -> Gathered:
    return Gathered(files, [b"".join(read_source(file.source, follow=False)) for file in files])
