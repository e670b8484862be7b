"""Packs of Git objects and their indexes: read, and indexes encoded.

Format: https://git-scm.com/docs/pack-format, packs and indexes of version 2. A pack is read by
mapping both files once; what an entry is, `entries` knows.
"""

import hashlib
import itertools
import mmap
import os
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import byteorder

from ledger.history.entries import NAME_DELTA, PackDamage, read_head, read_object

TRAILER = 20
PACK_HEAD = 12

_INDEX_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_PACK_HEADER = struct.Struct(">4sII")
_FAN_OUT_AT = len(_INDEX_MAGIC)
_NAMES_AT = _FAN_OUT_AT + 4 * 256
_BOUNDS = struct.Struct(">II")
_INDEX_TRAILER = 40
_ENTRY_BYTES = 28
_LARGE = 0x80000000
_NAME = 20


class PackFile:
    """A pack on the disk. Opened when it is first asked; threads may share it, and it may vanish from its folder."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._index: mmap.mmap | None = None
        self._count = 0
        self._pack: memoryview | None = None

    def read(self, name: bytes) -> tuple[int, bytes] | None:
        """The kind and bytes of an object by its 20-byte name, or ``None`` if it is not in this pack.

        Raises ``FileNotFoundError`` if the pack is gone, `PackDamage` if it cannot be read as one.
        """
        offset = self.find(name)
        return None if offset is None else self.read_at(offset)

    def read_at(self, offset: int) -> tuple[int, bytes]:
        """The kind and bytes of the object whose entry begins at an offset."""
        try:
            return read_object(self.content(), offset, self.find)
        except PackDamage as error:
            raise PackDamage(f"{self.base}.pack: {error}") from error

    def find(self, name: bytes) -> int | None:
        """Where an object's entry begins, or ``None`` if it is not in this pack."""
        place = self._place(name)
        return None if place is None else self._offset(place)

    def may_be(self, name: bytes, kind: int) -> bool:
        """Whether an object can be of a kind, going by heads alone: a delta is of its base's, one by name of any."""
        offset = self.find(name)
        try:
            while offset is not None:
                head = read_head(self.content(), offset)
                if not isinstance(head.base, int):
                    return head.kind in (kind, NAME_DELTA)
                offset = head.base
        except PackDamage:
            return False
        return False

    def names(self) -> Iterator[bytes]:
        """The names of all objects, sorted."""
        index, count = self._mapped_index(), len(self)
        return (index[at : at + _NAME] for at in range(_NAMES_AT, _NAMES_AT + _NAME * count, _NAME))

    def offsets(self) -> "array[int]":
        """Where the entries of the objects begin, in the order of their names."""
        index, count = self._mapped_index(), len(self)
        if len(self.content()) > _LARGE:
            return array("Q", map(self._offset, range(count)))
        found = array("I", index[_NAMES_AT + 24 * count : _NAMES_AT + 28 * count])
        if byteorder == "little":
            found.byteswap()
        return found

    def places(self) -> list[tuple[int, bytes]]:
        """Where each object begins, and its name, in the order of the pack."""
        return sorted(zip(self.offsets(), self.names(), strict=True))

    def content(self) -> memoryview:
        """The bytes of the pack."""
        if self._pack is None:
            self._pack = map_file(f"{self.base}.pack")
        return self._pack

    def __len__(self) -> int:
        self._mapped_index()
        return self._count

    def _place(self, name: bytes) -> int | None:
        """The place of a name in the index, by bisection between its first byte's bounds."""
        index, first = self._mapped_index(), name[0]
        low: int
        high: int
        low, high = _BOUNDS.unpack_from(index, _FAN_OUT_AT + 4 * first - 4) if first else (0, self._first_bound())
        high = min(high, self._count)
        while low < high:
            middle = (low + high) // 2
            at = _NAMES_AT + _NAME * middle
            found = index[at : at + _NAME]
            if found == name:
                return middle
            if found < name:
                low = middle + 1
            else:
                high = middle
        return None

    def _first_bound(self) -> int:
        return int.from_bytes(self._mapped_index()[_FAN_OUT_AT : _FAN_OUT_AT + 4])

    def _offset(self, place: int) -> int:
        index, count = self._mapped_index(), len(self)
        offset = int.from_bytes(_slice(index, _NAMES_AT + 24 * count + 4 * place, 4))
        if offset & _LARGE:
            offset = int.from_bytes(_slice(index, _NAMES_AT + 28 * count + 8 * (offset & ~_LARGE), 8))
        return offset

    def _mapped_index(self) -> mmap.mmap:
        if self._index is None:
            index = _mapped(f"{self.base}.idx")
            if index[: len(_INDEX_MAGIC)] != _INDEX_MAGIC or len(index) < _NAMES_AT + _INDEX_TRAILER:
                raise PackDamage(f"{self.base}.idx is not an index of version 2")
            self._count = int.from_bytes(index[_NAMES_AT - 4 : _NAMES_AT])
            if len(index) < _NAMES_AT + _ENTRY_BYTES * self._count + _INDEX_TRAILER:
                raise PackDamage(f"{self.base}.idx lists more objects than it has room for")
            self._index = index
        return self._index


def count_in_index(size: int) -> int:
    """How many objects an index of so many bytes lists."""
    return max(0, size - _NAMES_AT - _INDEX_TRAILER) // _ENTRY_BYTES


def pack_head(count: int) -> bytes:
    """The first bytes of a pack of so many objects."""
    return _PACK_HEADER.pack(b"PACK", 2, count)


def seal_pack(entries: Sequence[bytes]) -> bytes:
    """A pack of encoded entries."""
    body = b"".join([pack_head(len(entries)), *entries])
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def encode_pack(entries: Mapping[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    """The checksum, the pack and the index of encoded entries by name."""
    pack = seal_pack(list(entries.values()))
    checksum = pack[-TRAILER:]
    offsets = itertools.accumulate(map(len, entries.values()), initial=PACK_HEAD)
    listed = zip(entries, offsets, map(zlib.crc32, entries.values()), strict=False)
    return checksum, pack, encode_index(listed, checksum)


def encode_index(listed: Iterable[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """The index of a pack under 2 GiB: name, offset and CRC-32 of each object, and the pack's checksum."""
    ordered = sorted(listed)
    numbers = struct.Struct(f">{len(ordered)}I")
    names = b"".join(name for name, _, _ in ordered)
    crcs = numbers.pack(*(crc for _, _, crc in ordered))
    offsets = numbers.pack(*(offset for _, offset, _ in ordered))
    return seal_index([names], [crcs], [offsets], checksum)


def seal_index(names: Sequence[bytes], crcs: Sequence[bytes], offsets: Sequence[bytes], checksum: bytes) -> bytes:
    """An index of its sorted columns, each in one part or several."""
    fan_out = _fan_out(b"".join(part[::_NAME] for part in names))
    body = b"".join([_INDEX_MAGIC, fan_out, *names, *crcs, *offsets, checksum])
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _fan_out(firsts: bytes) -> bytes:
    """For each byte, how many names begin with it or a lower one, as four bytes; ``firsts`` are sorted."""
    parts, before = [], 0
    for first in sorted(set(firsts)):
        parts.append(bisect_left(firsts, first).to_bytes(4) * (first - before))
        before = first
    parts.append(len(firsts).to_bytes(4) * (256 - before))
    return b"".join(parts)


def map_file(path: str) -> memoryview:
    """The bytes of a file, mapped as long as somebody looks at them; raises `PackDamage` for one cut short."""
    return memoryview(_mapped(path))


def _mapped(path: str) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size < TRAILER:
            raise PackDamage(f"{path} is cut short")
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _slice(index: mmap.mmap, at: int, length: int) -> bytes:
    found = index[at : at + length]
    if len(found) != length:
        raise PackDamage("an index points beyond its own end")
    return found
