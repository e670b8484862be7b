"""Chunks that a new content need not store again.

Asks the tables of similar contents (the newest versions of the same name, the inputs
of a step): there is no global index to grow, guard or rebuild. Presence is never
trusted: a chunk is read and checked before a new content relies on it. Similar
contents only save room, so whatever is wrong with one is a warning here.
"""

import warnings
from collections.abc import Iterable
from typing import Final, NamedTuple

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

_LONGEST_READ = 64  # chunks read and checked at once, where they are used one after another


class PackedChunk(NamedTuple):
    """Where a stored chunk is: the name of the pack and the chunk's number in it."""

    pack: str
    number: int


class KnownChunks:
    """The chunks of similar contents; which those are, and their tables, is asked at the first question."""

    def __init__(self, store: Store, similar: Iterable[Content]) -> None:
        self._store = store
        self._similar = similar
        self._is_loaded = False
        self._indexes: dict[str, PackIndex] = {}
        self._chunks: dict[Digest, PackedChunk] = {}
        self._verified: set[PackedChunk] = set()
        self._damaged: set[PackedChunk] = set()
        self._read_length = 1

    def find(self, digest: Digest) -> PackedChunk | None:
        """Where a chunk is stored already, read and checked, or ``None`` if it is to be stored."""
        if not self._is_loaded:
            self._is_loaded = True
            for content in self._similar:
                if content.has_table and content.linked is None:
                    self._load(content)
        chunk = self._chunks.get(digest)
        if chunk is None or chunk in self._damaged:
            return None
        if chunk not in self._verified:
            self._verify_from(chunk)
        return None if chunk in self._damaged else chunk

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

    def _verify_from(self, chunk: PackedChunk) -> None:
        """Read and check a chunk, and with it those behind it, more of them while they are used in a row."""
        index = self._indexes[chunk.pack]
        follows = PackedChunk(chunk.pack, chunk.number - 1) in self._verified
        self._read_length = min(2 * self._read_length, _LONGEST_READ) if follows else 1
        stop = min(chunk.number + self._read_length, len(index.entries))
        first, last = index.offsets[chunk.number], index.offsets[stop]
        try:
            data = self._store.get(pack_key(chunk.pack), first, last - first)
        except (FileNotFoundError, StorageError) as error:
            warnings.warn(f"a stored chunk is written again: {error}", UserWarning, stacklevel=2)
            self._damaged.add(chunk)
            return
        for number in range(chunk.number, stop):
            stored = data[index.offsets[number] - first : index.offsets[number + 1] - first]
            self._verify(PackedChunk(chunk.pack, number), stored, index.entries[number])

    def _verify(self, chunk: PackedChunk, stored: bytes, entry: PackEntry) -> None:
        location = f"{self._store.url}/{pack_key(chunk.pack)}"
        try:
            open_entry(stored, entry, Sought("similar content", "chunk", entry.digest, location))
        except IntegrityError as error:
            warnings.warn(f"a stored chunk is damaged and is written again: {error}", UserWarning, stacklevel=2)
            self._damaged.add(chunk)
        else:
            self._verified.add(chunk)
