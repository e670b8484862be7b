"""The files of a folder in batches: small ones are read many at a time.

Small neighbours are read together, by this thread or by several as their `Pace` says. Every other file is passed on as
it is, to be read when its turn comes.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from ledger.blobs.files.folders import FolderFile
from ledger.blobs.files.pace import MOST_TOGETHER, Pace
from ledger.blobs.files.sources import read_together
from ledger.blobs.stores.workers import PARALLEL_SIZE, in_order

SMALL_SIZE: Final = 64 << 10
"""Most bytes of a file that is read together with others."""


class Batch(NamedTuple):
    """Small files that lie one after another: how large each was when it was read, and the bytes of all."""

    files: Sequence[FolderFile]
    sizes: Sequence[int]
    data: bytes


def in_batches(files: Sequence[FolderFile]) -> Iterator[FolderFile | Batch]:
    """All files in order: small ones with their bytes, others as they are.

    Raises what `read_source` raises for a small one, in its turn.
    """
    pace = Pace()
    for is_small, group in groupby(files, _is_small):
        if not is_small:
            yield from group
            continue
        together = list(group)
        batches = (together[start : start + MOST_TOGETHER] for start in range(0, len(together), MOST_TOGETHER))
        if sum(file.size for file in together) < PARALLEL_SIZE:
            yield from map(_read, batches)
            continue
        for batch in batches:
            yield pace.watch(partial(_read, batch), len(batch))
            if pace.is_slow:
                break
        yield from in_order(_read, batches)


def _is_small(file: FolderFile) -> bool:
    return file.size <= SMALL_SIZE and file.kind in ("file", "executable")


def _read(files: Sequence[FolderFile]) -> Batch:
    each = read_together(files)
    return Batch(files, [len(data) for data in each], b"".join(each))
