"""Who shares which stored bytes: the arithmetic behind `ledger du`.

Pure. Each holder, a version or an artifact, needs some stretches of stored objects. Bytes that a holder needs several
times count once for it; bytes that no other holder needs are its own, the rest it shares. The work grows with the
number of stretches, not with that of chunks or bytes.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from ledger.blobs import Extent

Holder = TypeVar("Holder", bound=Hashable)


class Share(NamedTuple):
    """Stored bytes that a holder needs, and how many of them others need too."""

    stored: int
    shared: int


def shares(extents_by_holder: Mapping[Holder, Iterable[Extent]]) -> dict[Holder, Share]:
    """What each holder's stretches add up to, and how much of it lies in another's too."""
    holders = list(extents_by_holder)
    stored, unique = [0] * len(holders), [0] * len(holders)
    for spans in _by_object(extents_by_holder).values():
        edges: list[tuple[int, int]] = []
        for number, start, stop in _merged(spans):
            stored[number] += stop - start
            edges += [(start, number), (stop, number)]
        for number, size in _alone(sorted(edges)):
            unique[number] += size
    return {
        holder: Share(stored=size, shared=size - own) for holder, size, own in zip(holders, stored, unique, strict=True)
    }


def _by_object(extents_by_holder: Mapping[Holder, Iterable[Extent]]) -> dict[str, list[tuple[int, int, int]]]:
    """The stretches of each object, with the number of the holder."""
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for number, extents in enumerate(extents_by_holder.values()):
        for key, start, stop in extents:
            if start < stop:  # what is empty has no beginning and no end
                spans.setdefault(key, []).append((number, start, stop))
    return spans


def _merged(spans: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Stretches of one object such that no two of one holder overlap."""
    spans.sort()
    last, begin, end = spans[0]
    for number, start, stop in spans[1:]:
        if number == last and start <= end:
            end = max(end, stop)
        else:
            yield last, begin, end
            last, begin, end = number, start, stop
    yield last, begin, end


def _alone(edges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The stretches that a single holder has: its number and their size, from all beginnings and ends in order."""
    at, holders = 0, set[int]()
    for place, number in edges:
        if len(holders) == 1:
            [alone] = holders
            yield alone, place - at
        holders ^= {number}  # whose stretch begins here, or ends
        at = place
