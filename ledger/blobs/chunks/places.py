"""Which chunks hold a part of a content's stream, and where each of them lies.

The way leads from a position in the stream to the segment that holds it, and through the runs of the table and the
indexes of the packs to objects of the store. A segment is checked against the table before a pack's index is believed
for it. Reads indexes and no chunk; the indexes used last are kept, in bounded memory.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, islice
from operator import attrgetter
from typing import NamedTuple

from ledger.blobs.chunks.codec import PLAIN_LIMIT, stored_limit
from ledger.blobs.chunks.packs import PackEntry
from ledger.blobs.chunks.recent_indexes import RecentIndexes
from ledger.blobs.chunks.tables import Table, table_sought
from ledger.blobs.stores.layout import chunk_key, pack_key
from ledger.blobs.stores.recent import Recent
from ledger.blobs.stores.sought import Sought
from ledger.blobs.stores.store import Store
from ledger.errors import IntegrityError
from ledger.forks import ThreadLock
from ledger.records import SEGMENT_CHUNKS, Content, segment_digest
from ledger.wording import counted

_CACHED_SEGMENTS = 8  # each of up to `SEGMENT_CHUNKS` chunks


class Place(NamedTuple):
    """A chunk of the stream: where it starts there, and where in which object it lies."""

    start: int
    entry: PackEntry
    key: str
    offset: int

    @property
    def stop(self) -> int:
        """Where the chunk ends in the stream."""
        return self.start + self.entry.plain_size


_stop_of = attrgetter("stop")


class Places:
    """The chunks of a content by their position in its stream; for any thread."""

    def __init__(self, store: Store, content: Content, table: Table | None, *, label: str) -> None:
        self._store = store
        self._content = content
        self._label = label
        self._lock = ThreadLock()
        self._runs = table.runs if table is not None else ()
        self._run_ends = list(accumulate(count for _, _, count in self._runs))
        self._segments = table.segments if table is not None else ()
        self._starts = [0]  # where in the stream the segments met so far begin, and the next one
        self._known: Recent[int, tuple[Place, ...]] = Recent(_CACHED_SEGMENTS)
        self._indexes = RecentIndexes(store, label=label)

    @property
    def are_in_packs(self) -> bool:
        """Whether the chunks lie in packs, whose indexes say how each is stored."""
        return bool(self._segments)

    def covering(self, start: int, stop: int) -> Iterator[Place]:
        """The chunks that hold a part of the stream, in order."""
        if start >= stop:
            return
        if not self._segments:
            yield from self._whole_in_manifest()
            return
        with self._lock:
            number = self._segment_at(start)
        while number < len(self._segments):
            with self._lock:
                places = self._segment(number, stop)
            # Sought, not gone through: a segment has very many chunks, and a content may have very many small files.
            first = bisect_right(places, start, key=_stop_of)
            for place in islice(places, first, None):
                if place.start >= stop:
                    return
                yield place
            number += 1

    def _whole_in_manifest(self) -> Iterator[Place]:
        """The chunk of a content without a table, which is an object of its own."""
        for digest, size in self._content.chunks or ():
            if size > PLAIN_LIMIT:
                sought = Sought(self._label, "chunk", digest, self._store, chunk_key(digest))
                raise sought.damaged(f"has {size} bytes, over the limit of {PLAIN_LIMIT}")
            yield Place(0, PackEntry(digest, "none", size, stored_limit(size)), chunk_key(digest), 0)

    def _segment_at(self, position: int) -> int:
        """The number of the segment that holds a position; segments before it are walked through once."""
        while self._starts[-1] <= position and len(self._starts) <= len(self._segments):
            self._segment(len(self._starts) - 1, position)
        return bisect_right(self._starts, position) - 1

    def _segment(self, number: int, position: int) -> tuple[Place, ...]:
        """The chunks of a segment whose start is known; the indexes on the way to ``position`` are fetched ahead."""
        known = self._known.get(number)
        if known is not None:
            return known
        first = number * SEGMENT_CHUNKS
        stop = min(first + SEGMENT_CHUNKS, self._run_ends[-1])
        # All chunks are of about the same size, so this many lie before the position.
        ahead = max(0, position - self._starts[number]) * self._run_ends[-1] // max(self._content.size, 1)
        placed = list(self._entries(first, stop, max(stop, first + ahead)))
        found = segment_digest([(entry.digest, entry.plain_size) for entry, _, _ in placed])
        if found != self._segments[number]:
            raise self._damaged(f"has a segment {number} with the SHA-256 {found}, expected {self._segments[number]}")
        starts = list(accumulate((entry.plain_size for entry, _, _ in placed), initial=self._starts[number]))
        if len(self._starts) == number + 1:
            self._note_end(starts[-1], is_last=number + 1 == len(self._segments))
        places = tuple(Place(start, *rest) for start, rest in zip(starts[:-1], placed, strict=True))
        self._known.put(number, places)
        return places

    def _note_end(self, end: int, *, is_last: bool) -> None:
        """Remember where the next segment starts; the sizes must add up to the content's."""
        if end > self._content.size or (is_last and end != self._content.size):
            raise self._damaged(f"has chunks of {end} bytes, expected {self._content.size}")
        self._starts.append(end)

    def _entries(self, first: int, stop: int, ahead: int) -> Iterator[tuple[PackEntry, str, int]]:
        """Index entry, key and offset of the chunks from ``first`` to ``stop``; those up to ``ahead`` come next."""
        number = bisect_right(self._run_ends, first)
        last = bisect_left(self._run_ends, ahead)
        while first < stop:
            pack, run_first, count = self._runs[number]
            run_start = self._run_ends[number] - count
            index = self._indexes.get(pack, next_packs=(run[0] for run in islice(self._runs, number + 1, last + 1)))
            if run_first + count > len(index.entries):
                raise self._damaged(
                    f"needs {counted(run_first + count, 'chunk')} of the pack {pack}, which has {len(index.entries)}"
                )
            key = pack_key(pack)
            for chunk in range(first, min(stop, self._run_ends[number])):
                at = run_first + chunk - run_start
                yield index.entries[at], key, index.offsets[at]
            first = self._run_ends[number]
            number += 1

    def _damaged(self, what: str) -> IntegrityError:
        """The error for a content whose parts do not fit together."""
        return table_sought(self._store, self._content.digest, self._label).damaged(what)
