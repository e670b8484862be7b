"""One pack of Git objects, and its index: read, and encoded.

Format: https://git-scm.com/docs/pack-format, packs and indexes of version 2. What the
history writes itself has no deltas and is read here, by mapping both files once; a delta,
which only real Git makes, is resolved by dulwich, imported when the first one is met.
"""

import hashlib
import itertools
import mmap
import os
import struct
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

WHOLE_KINDS = {1: b"commit", 2: b"tree", 3: b"blob", 4: b"tag"}
"""The kinds of objects that stand in a pack as they are; other numbers are deltas."""

TRAILER = 20

_INDEX_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_PACK_HEADER = struct.Struct(">4sII")
_FAN_OUT = 256
_NAMES_AT = len(_INDEX_MAGIC) + 4 * _FAN_OUT
_INDEX_TRAILER = 40
_ENTRY_BYTES = 28
_LARGE = 0x80000000
_COMPRESSION = 1
_COMPRESSED_EXTRA = 64
"""Bytes that zlib adds to an object that does not shrink, 1/256 of it aside."""


class PackDamage(ValueError):  # noqa: N818  # caught where it becomes part of an `IntegrityError`
    """A pack or index that is not what Git's format says."""


class PackFile:
    """A pack on the disk. Opened when it is first asked; threads may share it, and it may vanish from its folder."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._index: mmap.mmap | None = None
        self._pack: mmap.mmap | None = None
        self._resolver: Any = None

    def read(self, name: bytes) -> tuple[int, bytes] | None:
        """The kind and bytes of an object by its 20-byte name, or ``None`` if it is not in this pack.

        Raises ``FileNotFoundError`` if the pack is gone, `PackDamage` if it cannot be read as one.
        """
        place = self._find(name)
        if place is None:
            return None
        pack = self._mapped_pack()
        offset = self._offset(place)
        try:
            kind, size, at = entry_header(pack, offset)
            if kind not in WHOLE_KINDS:
                return self._resolve_delta(name)
            data = _inflate(pack, at, size)
        except (IndexError, OverflowError, zlib.error) as error:
            raise PackDamage(f"{self.base}.pack at {offset}: {error}") from error
        if len(data) != size:
            raise PackDamage(f"{self.base}.pack at {offset}: {len(data)} bytes, expected {size}")
        return kind, data

    def may_be(self, name: bytes, kind: int) -> bool:
        """Whether an object can be of a kind, going by its head alone: a delta can be of any."""
        place = self._find(name)
        if place is None:
            return False
        try:
            found, _, _ = entry_header(self._mapped_pack(), self._offset(place))
        except (IndexError, OverflowError):
            return False
        return found == kind or found not in WHOLE_KINDS

    def names(self) -> Iterator[bytes]:
        """The names of all objects, sorted."""
        index, count = self._mapped_index(), self._count()
        return (index[at : at + 20] for at in range(_NAMES_AT, _NAMES_AT + 20 * count, 20))

    def places(self) -> list[tuple[int, bytes]]:
        """Where each object begins, and its name, in the order of the pack."""
        return sorted((self._offset(place), name) for place, name in enumerate(self.names()))

    def _find(self, name: bytes) -> int | None:
        """The place of a name in the index, by bisection between its first byte's bounds."""
        index = self._mapped_index()
        first = name[0]
        low = self._fan_out(first - 1) if first else 0
        high = min(self._fan_out(first), self._count())
        while low < high:
            middle = (low + high) // 2
            at = _NAMES_AT + 20 * middle
            found = index[at : at + 20]
            if found == name:
                return middle
            if found < name:
                low = middle + 1
            else:
                high = middle
        return None

    def _offset(self, place: int) -> int:
        index, count = self._mapped_index(), self._count()
        offset = int.from_bytes(_slice(index, _NAMES_AT + 24 * count + 4 * place, 4))
        if offset & _LARGE:
            offset = int.from_bytes(_slice(index, _NAMES_AT + 28 * count + 8 * (offset & ~_LARGE), 8))
        return offset

    def _fan_out(self, first: int) -> int:
        at = len(_INDEX_MAGIC) + 4 * first
        return int.from_bytes(self._mapped_index()[at : at + 4])

    def _count(self) -> int:
        return self._fan_out(_FAN_OUT - 1)

    def _mapped_index(self) -> mmap.mmap:
        if self._index is None:
            index = _mapped(f"{self.base}.idx")
            count = int.from_bytes(index[_NAMES_AT - 4 : _NAMES_AT])
            if index[:8] != _INDEX_MAGIC or len(index) < _NAMES_AT + _ENTRY_BYTES * count + _INDEX_TRAILER:
                raise PackDamage(f"{self.base}.idx is not an index of version 2")
            self._index = index
        return self._index

    def _mapped_pack(self) -> mmap.mmap:
        if self._pack is None:
            self._pack = _mapped(f"{self.base}.pack")
        return self._pack

    def _resolve_delta(self, name: bytes) -> tuple[int, bytes]:
        from dulwich.errors import ApplyDeltaError, ChecksumMismatch
        from dulwich.object_format import SHA1
        from dulwich.objects import ObjectID
        from dulwich.pack import Pack

        if self._resolver is None:
            resolver = Pack(self.base, object_format=SHA1)
            weakref.finalize(self, resolver.close)
            self._resolver = resolver
        try:
            kind, parts = self._resolver.get_raw(ObjectID(name.hex().encode()))
        except (
            ApplyDeltaError,
            ChecksumMismatch,
            zlib.error,
            AssertionError,
            LookupError,
            TypeError,
            EOFError,
        ) as error:
            raise PackDamage(f"{self.base}.pack: {error!r}") from error
        if kind not in WHOLE_KINDS:
            # dulwich hands out the reserved numbers, which are no kinds, as they stand.
            raise PackDamage(f"{self.base}.pack: object {name.hex()} is of kind {kind}, which there is not")
        return kind, parts if isinstance(parts, bytes) else b"".join(parts)


def entry_header(pack: "mmap.mmap | bytes", offset: int) -> tuple[int, int, int]:
    """The kind and size of the object at an offset, and where its compressed bytes begin."""
    byte = pack[offset]
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    at = offset + 1
    while byte & 0x80:
        byte = pack[at]
        size |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return kind, size, at


def count_in_index(size: int) -> int:
    """How many objects an index of so many bytes lists."""
    return max(0, size - _NAMES_AT - _INDEX_TRAILER) // _ENTRY_BYTES


def encode_entry(kind: int, data: bytes) -> bytes:
    """An object as it stands in a pack: kind and size, then its bytes compressed."""
    size = len(data)
    head = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + zlib.compress(data, _COMPRESSION)


def encode_pack(entries: Mapping[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    """The checksum, the pack and the index of encoded entries by name."""
    parts = [_PACK_HEADER.pack(b"PACK", 2, len(entries)), *entries.values()]
    body = b"".join(parts)
    checksum = hashlib.sha1(body, usedforsecurity=False).digest()
    offsets = itertools.accumulate(map(len, parts))
    listed = zip(entries, offsets, map(zlib.crc32, entries.values()), strict=False)
    return checksum, body + checksum, encode_index(listed, checksum)


def encode_index(listed: Iterable[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """The index of a pack under 2 GiB: name, offset and CRC-32 of each object, and the pack's checksum."""
    ordered = sorted(listed)
    counts = [0] * _FAN_OUT
    for name, _, _ in ordered:
        counts[name[0]] += 1
    numbers = struct.Struct(f">{len(ordered)}I")
    body = b"".join(
        [
            _INDEX_MAGIC,
            struct.pack(f">{_FAN_OUT}I", *itertools.accumulate(counts)),
            *(name for name, _, _ in ordered),
            numbers.pack(*(crc for _, _, crc in ordered)),
            numbers.pack(*(offset for _, offset, _ in ordered)),
            checksum,
        ]
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _mapped(path: str) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size < _INDEX_TRAILER - TRAILER:
            raise PackDamage(f"{path} is cut short")
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _inflate(pack: mmap.mmap, at: int, size: int) -> bytes:
    """At most ``size`` bytes of the object that is compressed from ``at`` on.

    zlib copies what it was given and did not need: handing it all that follows in a large pack would cost
    a thousand times the object.
    """
    stream = zlib.decompressobj()
    data = b""
    while len(data) < max(size, 1) and not stream.eof:
        end = at + size + (size >> 8) + _COMPRESSED_EXTRA
        piece = stream.unconsumed_tail + pack[at:end]
        if not piece:
            break
        data += stream.decompress(piece, max(size, 1) - len(data))
        at = end
    return data


def _slice(index: mmap.mmap, at: int, length: int) -> bytes:
    found = index[at : at + length]
    if len(found) != length:
        raise PackDamage("an index points beyond its own end")
    return found
