"""Packs: many stored chunks in one file, with an index of them at its end.

Owns the byte form of packs (specs/format.md, 6) and its strict parser. A pack is
named by the SHA-256 of its index, so the index is checked before anything in it
is believed; each chunk is checked by its own digest when it is read.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from ledger.blobs.chunks.codec import PLAIN_LIMIT, Codec, codec_of, open_chunk, stored_limit
from ledger.blobs.stores.layout import pack_key
from ledger.blobs.stores.sought import Sought
from ledger.blobs.stores.store import FETCH_SIZE, Store, checked_reading, uncached
from ledger.ids import Digest, digest_from_hex, hex_of

PACK_LIMIT: Final = 64 << 20
"""Most stored bytes of the chunks of a pack we write."""

CHUNKS_LIMIT: Final = 1 << 13
"""Most chunks of a pack we write: its index, which is read as a whole, stays small however much they shrink."""

INDEX_LIMIT: Final = PACK_LIMIT + PLAIN_LIMIT
"""Most bytes of an index we read."""

MOST_CHUNKS: Final = INDEX_LIMIT
"""More chunks than any pack has, since each takes a line of the index."""

FOOTER_SIZE: Final = 32
"""Bytes of the footer."""

_FOOTER = re.compile(rb"ledger-pack-1 index ([0-9]{11})\n")
_LINE = re.compile(r"^([0-9a-f]{64}) (none|zstd) ([1-9][0-9]{0,8}) ([1-9][0-9]{0,8})$", re.MULTILINE)
_LINE_LIMIT = 64 + 6 + 2 * 10 + 1  # characters of a bad line that are shown: more than a good one has
_FIRST_READ = 96 << 10  # bytes: the index and footer of a pack of 64 MiB in chunks of usual size


class PackEntry(NamedTuple):
    """A chunk in a pack: the digest of its plain bytes, and its sizes in bytes."""

    digest: Digest
    codec: Codec
    plain_size: int
    stored_size: int


class PackIndex(NamedTuple):
    """What a pack holds, checked; ``offsets`` are the chunks' places in it and where the last one ends."""

    pack: str
    entries: tuple[PackEntry, ...]
    offsets: tuple[int, ...]


class PackedChunk(NamedTuple):
    """Where a stored chunk is: the name of the pack and the chunk's number in it."""

    pack: str
    number: int


class PackBuilder:
    """Collects stored chunks until they are enough for a pack."""

    def __init__(self) -> None:
        self._entries: list[PackEntry] = []
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self.drained_size = 0
        """Bytes at the pack's beginning that were handed out by `drain`."""

    def __len__(self) -> int:
        return len(self._entries)

    def has_room(self, size: int) -> bool:
        """Whether a stored chunk of ``size`` bytes fits in."""
        return not self._entries or (len(self) < CHUNKS_LIMIT and self._size + size <= PACK_LIMIT)

    def add(self, digest: Digest, plain_size: int, stored: bytes | memoryview) -> int:
        """Take a stored chunk; gives its number in the pack, from 0."""
        self._entries.append(PackEntry(digest, codec_of(stored), plain_size, len(stored)))
        self._parts.append(stored)
        self._size += len(stored)
        return len(self._entries) - 1

    def drain(self) -> tuple[int, list[bytes | memoryview]]:
        """Hand out the stored chunks taken since the last time, and say where in the pack they begin."""
        start, parts = self.drained_size, self._parts
        self.drained_size, self._parts = self._size, []
        return start, parts

    def build(self) -> tuple[str, list[bytes | memoryview]]:
        """The name of the pack, and those of its bytes that were not drained, in parts."""
        index = encode_index(self._entries)
        return hashlib.sha256(index).hexdigest(), [*self._parts, index, encode_footer(index)]


def encode_index(entries: Sequence[PackEntry]) -> bytes:
    """The index of a pack: a line for each chunk."""
    lines = (f"{hex_of(entry.digest)} {entry.codec} {entry.plain_size} {entry.stored_size}\n" for entry in entries)
    return "".join(lines).encode("ascii")


def encode_footer(index: bytes) -> bytes:
    """The last bytes of a pack, which say how long its index is."""
    return b"ledger-pack-1 index %011d\n" % len(index)


def parse_index(pack: str, index: bytes, sought: Sought) -> PackIndex:
    """The index of the pack of that name; `IntegrityError` where it is another pack's or breaks the format."""
    found = hashlib.sha256(index).hexdigest()
    if found != pack:
        raise sought.damaged(f"has an index with the SHA-256 {found}, expected {pack}", expected=pack, found=found)
    if not index.endswith(b"\n") or not index.isascii():
        raise sought.damaged("has an index that is not lines of ASCII")
    entries = _parse_lines(index.decode("ascii"), sought)
    return PackIndex(pack, entries, tuple(accumulate((entry.stored_size for entry in entries), initial=0)))


def load_index(store: Store, pack: str, *, label: str) -> PackIndex:
    """Read and check the index of a pack; `IntegrityError` where the pack is missing or damaged."""
    return checked_reading(store, pack_key(pack), lambda each: _read_index(each, pack, label))


def open_entry(stored: bytes | memoryview, entry: PackEntry, sought: Sought) -> bytes | memoryview:
    """The plain bytes of a chunk read from a pack; `IntegrityError` where they are not what the index says."""
    codec = codec_of(stored)
    if codec != entry.codec:
        raise sought.damaged(f"is stored with codec {codec}, expected {entry.codec}", expected=entry.codec, found=codec)
    return open_chunk(stored, entry.plain_size, sought)


def parts_of(index: PackIndex) -> Iterator[range]:
    """The numbers of the chunks of a pack in order, as many together as are read at once."""
    first = 0
    for number in range(1, len(index.entries) + 1):
        if number == len(index.entries) or index.offsets[number + 1] - index.offsets[first] > FETCH_SIZE:
            yield range(first, number)
            first = number


def read_chunks(index: PackIndex, part: range, label: str, store: Store) -> bytes:
    """The stored bytes of neighbouring chunks of a pack, by their numbers, each checked."""
    start, stop = index.offsets[part.start], index.offsets[part.stop]
    data = read_part(store, index.pack, label, start, stop - start)
    for number in part:
        entry, at = index.entries[number], index.offsets[number] - start
        sought = Sought(label, "chunk", entry.digest, store, pack_key(index.pack))
        open_entry(memoryview(data)[at : at + entry.stored_size], entry, sought)
    return data


def read_part(store: Store, pack: str, label: str, start: int, length: int) -> bytes:
    """A part of a pack, read past the cache: whoever copies reads everything once."""
    try:
        return uncached(store).get(pack_key(pack), start, length)
    except FileNotFoundError as error:
        raise pack_sought(store, pack, label).missing() from error


def pack_sought(store: Store, pack: str, label: str) -> Sought:
    """What errors say of a pack."""
    return Sought(label, "pack", digest_from_hex(pack), store, pack_key(pack))


def _read_index(store: Store, pack: str, label: str) -> PackIndex:
    key, sought = pack_key(pack), pack_sought(store, pack, label)
    try:
        tail = store.get(key, -_FIRST_READ)
        footer = _FOOTER.fullmatch(tail[-FOOTER_SIZE:])
        if footer is None:
            raise sought.damaged("does not end like a pack")
        size = int(footer[1])
        if size > INDEX_LIMIT:
            raise sought.damaged(f"has an index of {size} bytes, over the limit of {INDEX_LIMIT}")
        if size + FOOTER_SIZE > len(tail):
            tail = store.get(key, -(size + FOOTER_SIZE))
    except FileNotFoundError as error:
        raise sought.missing() from error
    return parse_index(pack, tail[-(size + FOOTER_SIZE) : -FOOTER_SIZE], sought)


def _parse_lines(text: str, sought: Sought) -> tuple[PackEntry, ...]:
    """The entries of an index; all lines at once, because a look at each by itself takes three times as long."""
    found = _LINE.findall(text)
    if len(found) != text.count("\n"):
        bad = next(line for line in text.split("\n") if not _LINE.fullmatch(line))
        raise sought.damaged(f"has an index with the line {bad[:_LINE_LIMIT]!r}")
    entries = tuple(
        PackEntry(digest_from_hex(digest), "zstd" if codec == "zstd" else "none", int(plain), int(stored))
        for digest, codec, plain, stored in found
    )
    for number, entry in enumerate(entries):
        if not _is_possible(entry):
            raise sought.damaged(f"has an index with impossible sizes: {' '.join(found[number])!r}")
    return entries


def _is_possible(entry: PackEntry) -> bool:
    """Whether a chunk can have the sizes that an index says it has."""
    if entry.codec == "none" and entry.stored_size != entry.plain_size:
        return False
    return entry.plain_size <= PLAIN_LIMIT and entry.stored_size <= stored_limit(entry.plain_size)
