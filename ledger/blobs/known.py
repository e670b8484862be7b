"""Chunks that a new content need not store again.

Asks the tables of similar contents (the newest versions of the same name, the inputs
of a step): there is no global index to grow, guard or rebuild. Presence is never
trusted: a chunk is read and checked before a new content relies on it. Similar
contents only save room, so whatever is wrong with one is a warning here.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ledger.blobs.codec import codec_of, open_frame
from ledger.blobs.layout import pack_key
from ledger.blobs.packs import PackEntry, PackIndex, load_index, open_entry
from ledger.blobs.sought import Sought
from ledger.blobs.store import Store
from ledger.blobs.tables import load_table
from ledger.errors import IntegrityError, StorageError, UnsupportedFormatError
from ledger.ids import Digest
from ledger.records import Content

KNOWN_LIMIT: Final = 1 << 20
"""Most chunks remembered, about 70 GiB of them."""


class PackedChunk(NamedTuple):
    """Where a stored chunk is: the name of the pack and the chunk's number in it."""

    pack: str
    number: int


class KnownChunks:
    """The chunks of similar contents; which those are, and their tables, is asked by `load`."""

    def __init__(self, store: Store, similar: Iterable[Content]) -> None:
        self._store = store
        self._similar = similar
        self._indexes: dict[str, PackIndex] = {}
        self._chunks: dict[Digest, PackedChunk] = {}

    def load(self) -> None:
        """Read the tables of the similar contents; before the first `find`."""
        for content in self._similar:
            if content.has_table and content.linked is None:
                self._load(content)

    def find(self, chunks: Sequence[tuple[Digest, memoryview]]) -> list[PackedChunk | None]:
        """Where each of some chunks, given with its bytes, is stored already; ``None`` where it is to be stored.

        Each was read and compared. Chunks that lie one after another are read at once. For any thread.
        """
        found = [self._chunks.get(digest) for digest, _ in chunks]
        plain = [data for _, data in chunks]
        first = 0
        for stop in range(1, len(found) + 1):
            if stop == len(found) or not _is_next(found[stop - 1], found[stop]):
                place = found[first]
                if place is not None:
                    found[first:stop] = self._verified(place, plain[first:stop])
                first = stop
        return found

    def _load(self, content: Content) -> None:
        try:
            table = load_table(self._store, content, label=f"similar content {content.digest}")
        except (IntegrityError, StorageError, UnsupportedFormatError) as error:
            warnings.warn(f"stored chunks are not used again: {error}", UserWarning, stacklevel=2)
            return
        for pack, first, count in table.runs:
            if len(self._chunks) >= KNOWN_LIMIT:
                return
            index = self._index(pack)
            if index is not None:
                for number, entry in enumerate(index.entries[first : first + count], first):
                    self._chunks.setdefault(entry.digest, PackedChunk(pack, number))

    def _index(self, pack: str) -> PackIndex | None:
        if pack not in self._indexes:
            try:
                self._indexes[pack] = load_index(self._store, pack, label="similar content")
            except (IntegrityError, StorageError) as error:
                warnings.warn(f"stored chunks are written again: {error}", UserWarning, stacklevel=2)
                self._indexes[pack] = PackIndex(pack, (), (0,))
        return self._indexes[pack]

    def _verified(self, first: PackedChunk, plain: Sequence[memoryview]) -> list[PackedChunk | None]:
        """The chunks of a pack from ``first`` on, ``None`` for each that does not hold the bytes it should."""
        index, stop = self._indexes[first.pack], first.number + len(plain)
        start, end = index.offsets[first.number], index.offsets[stop]
        try:
            data = self._store.get(pack_key(first.pack), start, end - start)
        except (FileNotFoundError, StorageError) as error:
            warnings.warn(f"stored chunks are written again: {error}", UserWarning, stacklevel=2)
            return [None] * len(plain)
        return [
            PackedChunk(first.pack, number) if self._holds(first.pack, entry, data, offset - start, expected) else None
            for number, entry, offset, expected in zip(
                range(first.number, stop),
                index.entries[first.number : stop],
                index.offsets[first.number : stop],
                plain,
                strict=True,
            )
        ]

    def _holds(self, pack: str, entry: PackEntry, data: bytes, at: int, plain: memoryview) -> bool:
        """Whether a chunk in ``data``, which starts there at ``at``, is stored whole."""
        stored = memoryview(data)[at : at + entry.stored_size]
        sought = Sought("similar content", "chunk", entry.digest, f"{self._store.url}/{pack_key(pack)}")
        try:
            # Equal bytes have equal digests; comparing costs less than hashing.
            if entry.codec == codec_of(stored) == "none" and len(stored) == len(plain):
                is_equal = data.startswith(plain, at)
            else:
                is_equal = open_frame(stored, len(plain), sought).startswith(plain)
            if not is_equal:
                open_entry(stored, entry, sought)
        except IntegrityError as error:
            warnings.warn(f"a stored chunk is damaged and is written again: {error}", UserWarning, stacklevel=2)
            return False
        return True


def _is_next(chunk: PackedChunk | None, other: PackedChunk | None) -> bool:
    """Whether two chunks lie one after the other in a pack."""
    return chunk is not None and other is not None and other == (chunk.pack, chunk.number + 1)
