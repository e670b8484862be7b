"""Chunks that a new content need not store again.

Found in the tables of similar contents: the newest versions of the same name, the inputs of a step. There is no
global index to grow, guard or rebuild. A table is not proof: a chunk is read and compared before a new content
relies on it. Similar contents only save room, so whatever is wrong with one is a warning here.

Memory is bounded. Where there are too many chunks to remember all, one in n is remembered, chosen by its digest.
Versions of one content have most of their chunks in the same order: so when a remembered chunk is met again, the
packs around it are looked through for its neighbours.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from ledger.blobs.chunks.codec import codec_of, open_frame
from ledger.blobs.chunks.packs import MOST_CHUNKS, PackedChunk, PackEntry, PackIndex, load_index, open_entry
from ledger.blobs.chunks.recent_indexes import KEPT_CHUNKS
from ledger.blobs.chunks.tables import load_runs
from ledger.blobs.stores.layout import pack_key
from ledger.blobs.stores.optional import is_away
from ledger.blobs.stores.recent import Recent
from ledger.blobs.stores.sought import Sought
from ledger.blobs.stores.store import Store, checked_reading, fresh
from ledger.blobs.stores.workers import ask_each
from ledger.errors import IntegrityError, StorageError, UnsupportedFormatError
from ledger.ids import Digest, bytes_of
from ledger.notices import warn_user
from ledger.records import Content

KNOWN_LIMIT: Final = 1 << 17
"""The most chunks remembered, in some 20 MiB: all chunks of 9 GiB, or a sample of more, evenly spread."""

_NEAR_PACKS = 8  # of which all chunks are remembered for a while


class KnownChunks:
    """The chunks of similar contents. `load` goes through these and reads their tables."""

    def __init__(self, store: Store, similar: Iterable[Content]) -> None:
        self._store = fresh(store)  # what is only in a cache would not be there for others
        self._similar = similar
        self._packs: list[str] = []
        self._chunks: dict[bytes, int] = {}  # the number of a pack, times `MOST_CHUNKS`, plus that of a chunk in it
        self._spread = 1  # one chunk in so many is remembered
        self._indexes: Recent[str, PackIndex] = Recent(KEPT_CHUNKS)
        self._near: Recent[int, dict[bytes, int]] = Recent(_NEAR_PACKS)
        self._looking = threading.Lock()

    def load(self) -> None:
        """Read the tables of the similar contents; before the first `find`."""
        runs: list[tuple[str, int, int]] = []
        # Each content once: the newest versions of a name are often equal, and a table is fetched anew each time.
        for content in {content.digest: content for content in self._similar}.values():
            if content.has_table and content.linked is None:
                try:
                    runs += load_runs(self._store, content, label=f"similar content {content.digest}")
                except (IntegrityError, StorageError, UnsupportedFormatError) as error:
                    _warn_unless_away(f"stored chunks are not used again: {error}", error)
        self._spread = max(1, -(-sum(count for _, _, count in runs) // KNOWN_LIMIT))
        packs = list(dict.fromkeys(pack for pack, _, _ in runs))
        for pack, index in zip(packs, ask_each(self._store, self._read_index, packs), strict=True):
            if index is not None:
                self._keep(index)
                self._packs.append(pack)
                for name, place in _names(index, len(self._packs) - 1):
                    if name[0] % self._spread == 0 and len(self._chunks) < KNOWN_LIMIT:
                        self._chunks.setdefault(name, place)

    def find(self, chunks: Sequence[tuple[Digest, memoryview]]) -> list[PackedChunk | None]:
        """Where each of some chunks, given with its bytes, is stored already; ``None`` where it is to be stored.

        Each was read and compared. Chunks that lie one after another are read at once. For any thread.
        """
        if not self._chunks:
            return [None] * len(chunks)
        found = self._look_up([digest for digest, _ in chunks])
        plain = [data for _, data in chunks]
        first = 0
        for stop in range(1, len(found) + 1):
            if stop == len(found) or not _is_next(found[stop - 1], found[stop]):
                place = found[first]
                if place is not None:
                    found[first:stop] = self._verified(place, plain[first:stop])
                first = stop
        return found

    def _look_up(self, digests: Sequence[Digest]) -> list[PackedChunk | None]:
        """Where chunks of these digests are said to be."""
        names = [bytes_of(digest) for digest in digests]
        places = [self._chunks.get(name) for name in names]
        if self._spread > 1:
            with self._looking:
                # First around the chunks that are remembered, then in the packs behind what was found there.
                places = self._look_around(names, places, 0)
                places = self._look_around(names, places, 1)
        return [
            None if place is None else PackedChunk(self._packs[place // MOST_CHUNKS], place % MOST_CHUNKS)
            for place in places
        ]

    def _look_around(self, names: Sequence[bytes], places: Sequence[int | None], ahead: int) -> list[int | None]:
        """The places of chunks, completed from packs that were looked through lately.

        Before that, the packs that come ``ahead`` packs behind those of the places are looked through.
        """
        for number in sorted({place // MOST_CHUNKS + ahead for place in places if place is not None}):
            self._bring_near(number)
        near = self._near.values()
        return [
            next((pack[name] for pack in near if name in pack), None) if place is None else place
            for name, place in zip(names, places, strict=True)
        ]

    def _bring_near(self, number: int) -> None:
        """Remember all chunks of a pack for a while."""
        if number < len(self._packs) and self._near.get(number) is None:
            index = self._index(self._packs[number])
            self._near.put(number, {} if index is None else dict(_names(index, number)))

    def _index(self, pack: str) -> PackIndex | None:
        known = self._indexes.get(pack)
        if known is None:
            known = self._read_index(pack)
            if known is not None:
                self._keep(known)
        return known

    def _keep(self, index: PackIndex) -> None:
        self._indexes.put(index.pack, index, weight=len(index.entries))

    def _read_index(self, pack: str) -> PackIndex | None:
        """The index of a pack that is in the store, and not only in its cache; for any thread."""
        try:
            index = load_index(self._store, pack, label="similar content")
            return index if self._store.has(pack_key(pack)) else None
        except (IntegrityError, StorageError) as error:
            _warn_unless_away(f"stored chunks are written again: {error}", error)
            return None

    def _verified(self, first: PackedChunk, plain: Sequence[memoryview]) -> list[PackedChunk | None]:
        """The chunks of a pack from ``first`` on, ``None`` for each that does not hold the bytes it should."""
        with self._looking:
            index = self._index(first.pack)
        if index is None:
            return [None] * len(plain)
        damaged: dict[int, str] = {}
        compare = partial(_compare, index, first.number, plain, damaged)
        try:
            checked_reading(self._store, pack_key(first.pack), compare)
        except IntegrityError:
            for problem in damaged.values():
                warn_user(f"a stored chunk is damaged and is written again: {problem}")
        except (FileNotFoundError, StorageError) as error:
            _warn_unless_away(f"stored chunks are written again: {error}", error)
            return [None] * len(plain)
        numbers = range(first.number, first.number + len(plain))
        return [None if number in damaged else PackedChunk(first.pack, number) for number in numbers]


def _compare(index: PackIndex, first: int, plain: Sequence[memoryview], damaged: dict[int, str], store: Store) -> None:
    """Raise `IntegrityError` unless the chunks of a pack from ``first`` on hold these bytes.

    ``damaged`` is told the numbers of those that do not, and what is wrong with each.
    """
    damaged.clear()
    key, start, end = pack_key(index.pack), index.offsets[first], index.offsets[first + len(plain)]
    data = store.get(key, start, end - start)
    for number, expected in enumerate(plain, first):
        entry = index.entries[number]
        sought = Sought("similar content", "chunk", entry.digest, store, key)
        try:
            _check(data, index.offsets[number] - start, entry, expected, sought)
        except IntegrityError as error:
            damaged[number] = str(error)
    if damaged:
        raise IntegrityError("; ".join(damaged.values()))


def _check(data: bytes, at: int, entry: PackEntry, plain: memoryview, sought: Sought) -> None:
    """Raise `IntegrityError` unless a chunk, which starts in ``data`` at ``at``, is stored whole."""
    stored = memoryview(data)[at : at + entry.stored_size]
    # Where the bytes are equal, so is the digest: comparing costs less than hashing.
    if entry.codec == codec_of(stored) == "none" and len(stored) == len(plain):
        is_equal = data.startswith(plain, at)
    else:
        is_equal = open_frame(stored, len(plain), sought).startswith(plain)
    if not is_equal:
        open_entry(stored, entry, sought)


def _warn_unless_away(message: str, error: Exception) -> None:
    """Warn that stored chunks cannot be used, unless because their store is away, which is warned of already."""
    if not is_away(error):
        warn_user(message)


def _names(index: PackIndex, pack: int) -> Iterator[tuple[bytes, int]]:
    """The digests of a pack's chunks as bytes, which are shortest, and where they are; ``pack`` is its number."""
    for number, entry in enumerate(index.entries):
        yield bytes_of(entry.digest), pack * MOST_CHUNKS + number


def _is_next(chunk: PackedChunk | None, other: PackedChunk | None) -> bool:
    """Whether two chunks lie one after the other in a pack."""
    return chunk is not None and other is not None and other == (chunk.pack, chunk.number + 1)
