"""The catalog: every version of one commit, searched and found by id without reading a record.

Pure but for reading. A catalog is made of a few segments, the oldest first; a newer segment names the lines of older
ones that no longer hold. Its answers are the ones that walking through the history would give (specs/catalog.md, 1).
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.catalog.lines import ID, ORDER, POSITION, Place, columns_of, key_of, place_of
from ledger.catalog.queries import Query
from ledger.catalog.segments import Segment
from ledger.forks import cached_property
from ledger.ids import dashed


class Found(NamedTuple):
    """A version that answers a query: for certain, or only as far as its line tells, so that its records decide."""

    place: Place
    is_certain: bool


class Catalog:
    """The versions of a commit. Threads may share it."""

    def __init__(self, commit: str, segments: Sequence[Segment], *, token: bytes) -> None:
        self.commit = commit
        self.segments = tuple(segments)
        self.token = token

    def search(self, query: Query) -> Iterator[Found]:
        """The answers to a query, newest first; raises `CatalogDamage`."""
        streams = [self._live(number, segment.candidates(query)) for number, segment in enumerate(self.segments)]
        answers = _judged(query, heapq.merge(*streams, reverse=True))
        if query.version is not None:
            # At most one version of each name has this version string, so their ids alone give the order.
            return (Found(place_of(columns), is_certain) for columns, is_certain in answers)
        return _in_order(answers)

    def find(self, prefix: str) -> Iterator[Place]:
        """The versions whose id begins with some hex digits, by id; raises `CatalogDamage`."""
        return (place_of(columns_of(line)) for line in self._lines_of(prefix))

    def count(self, prefix: str) -> int:
        """How many versions have an id that begins with some hex digits; raises `CatalogDamage`."""
        return sum(1 for _ in self._lines_of(prefix))

    def live_lines(self, newest: int | None = None) -> Iterator[bytes]:
        """Every line that still holds, by id; ``newest`` limits them to that many of the newest segments."""
        first = 0 if newest is None else len(self.segments) - newest
        streams = (
            self._live(number, segment.all_lines()) for number, segment in enumerate(self.segments) if number >= first
        )
        return heapq.merge(*streams)

    def _lines_of(self, prefix: str) -> Iterator[bytes]:
        start = dashed(prefix).encode()
        streams = (self._live(number, segment.lines_beginning(start)) for number, segment in enumerate(self.segments))
        return heapq.merge(*streams)

    def _live(self, number: int, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Those of a segment's lines that no newer segment replaces."""
        replaced = self._replaced_after[number]
        return (line for line in lines if key_of(line) not in replaced) if replaced else lines

    @cached_property
    def _replaced_after(self) -> list[frozenset[bytes]]:
        """For each segment, the keys that newer ones replace."""
        keys: frozenset[bytes] = frozenset()
        after = []
        for segment in reversed(self.segments):
            after.append(keys)
            if own := segment.replaced:
                keys = keys.union(own)
        return after[::-1]


def _judged(query: Query, lines: Iterator[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    for line in lines:
        columns = columns_of(line)
        verdict = query.judge(columns)
        if verdict is not False:
            yield columns, bool(verdict)


def _in_order(judged: Iterator[tuple[list[bytes], bool]]) -> Iterator[Found]:
    """Answers in the order of all versions, the newest first; ``judged`` gives them by id, the greatest first.

    A version that takes the place of a smaller id waits until the ids that come are smaller than that one.
    """
    waiting: list[_Waiting] = []
    for columns, is_certain in judged:
        while waiting and waiting[0].order > columns[ID]:
            yield heapq.heappop(waiting).found
        found = Found(place_of(columns), is_certain)
        if columns[ORDER] or waiting:
            heapq.heappush(waiting, _Waiting(columns, found))
        else:
            yield found
    while waiting:
        yield heapq.heappop(waiting).found


class _Waiting:
    """An answer whose turn has not come; it sorts by its turn, the newest first."""

    def __init__(self, columns: list[bytes], found: Found) -> None:
        self.order = columns[ORDER] or columns[ID]
        self.position = columns[POSITION]
        self.found = found

    def __lt__(self, other: "_Waiting") -> bool:
        return (self.order, self.position) > (other.order, other.position)
