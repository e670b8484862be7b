"""Packs of Git objects and their indexes: read, and indexes encoded.

Format: https://git-scm.com/docs/pack-format, packs and indexes of version 2. Both files are read at the
places that are asked for; whoever goes through all of a pack maps it. `entries` knows what an entry is.
"""

import hashlib
import itertools
import math
import mmap
import os
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import byteorder

from ledger.disk import open_regular
from ledger.history.git import open_files
from ledger.history.git.entries import NAME_DELTA, PackDamage, read_head, read_object
from ledger.history.git.kinds import COMMIT, ID_BYTES, RawObject
from ledger.history.git.open_files import FileBytes, OpenFile
from ledger.history.git.recent_objects import RecentObjects

TRAILER = 20
"""The length of the SHA-1 at the end of a pack or an index, over what is before it."""

PACK_HEAD = 12
INDEX_MAGIC = b"\xfftOc\x00\x00\x00\x02"

_PACK_HEADER = struct.Struct(">4sII")
_FAN_OUT_AT = len(INDEX_MAGIC)
_NAMES_AT = _FAN_OUT_AT + 4 * 256
_BOUNDS = struct.Struct(">II")
_HEAD_BYTES = 4096  # of an index, which are read at once and kept
_LEAST_SPREAD = 16
_INDEX_TRAILER = 40  # bytes of the pack's checksum and the index's own
_BEFORE_OFFSET = ID_BYTES + 4
"""Bytes of an object in the columns of an index before that of the offsets: its name, and its CRC-32."""
_ENTRY_BYTES = _BEFORE_OFFSET + 4
"""Bytes of an object in the columns of an index."""
_LARGE = 0x80000000  # the first offset that takes 8 bytes; as a bit, it says that the number is the place of one


class PackFile:
    """A pack on the disk. Opened when it is first asked; threads may share it, and it may vanish from its folder."""

    # Defaults of the class, so that many packs are cheap to make: most of them are never asked.
    _head = b""
    _count = 0
    _index: OpenFile | None = None
    _bytes: FileBytes | None = None
    _mapping: memoryview | None = None

    def __init__(self, base: str) -> None:
        self.base = base

    def read(self, name: bytes, bases: RecentObjects | None = None) -> RawObject | None:
        """The kind and bytes of an object by its 20-byte name, or ``None`` if it is not in this pack.

        Raises ``FileNotFoundError`` if the pack is gone, `PackDamage` if it cannot be read as one.
        """
        offset = self.find(name)
        return None if offset is None else self.read_at(offset, bases)

    def read_at(self, offset: int, bases: RecentObjects | None = None) -> RawObject:
        """The kind and bytes of the object whose entry begins at an offset."""
        try:
            pack = self._mapping or self._bytes or self._open()
            return read_object(pack, offset, self.find, bases, owner=self.base)
        except PackDamage as error:
            raise PackDamage(f"{self.base}.pack: {error}") from error

    def find(self, name: bytes) -> int | None:
        """Where an object's entry begins, or ``None`` if it is not in this pack."""
        head = self._head or self._read_head()
        low, high = self._bounds(head, name[0])
        if low >= high:
            return None
        if _NAMES_AT + ID_BYTES * high > len(head):
            place = self._place(name, low, high)
        else:
            place = _place_in(head, name, _NAMES_AT + ID_BYTES * low, _NAMES_AT + ID_BYTES * high, low)
        return None if place is None else self._offset(place)

    def may_be_commit(self, name: bytes) -> bool:
        """Whether an object may be a commit. Only heads are read: a delta whose base is given by name may be one."""
        offset = self.find(name)
        try:
            while offset is not None:
                head = read_head(self.content(), offset)
                if not isinstance(head.base, int):
                    return head.kind in (COMMIT, NAME_DELTA)
                offset = head.base
        except PackDamage:
            return False
        return False

    def names(self) -> Iterator[bytes]:
        """The names of all objects, sorted."""
        return _split(self._part(_NAMES_AT, ID_BYTES * len(self)))

    def names_beginning(self, first: int) -> Iterator[bytes]:
        """The names of the objects that begin with a byte, sorted."""
        low, high = self._bounds(self._head or self._read_head(), first)
        return _split(self._part(_NAMES_AT + ID_BYTES * low, ID_BYTES * max(0, high - low)))

    def offsets(self) -> "array[int]":
        """Where the entries of the objects begin, in the order of their names."""
        count = len(self)
        if len(self.content()) > _LARGE:
            return array("Q", map(self._offset, range(count)))
        found = array("I", self._part(_NAMES_AT + _BEFORE_OFFSET * count, 4 * count))
        if byteorder == "little":
            found.byteswap()
        return found

    def places(self) -> list[tuple[int, bytes]]:
        """Where each object begins, and its name, in the order of the pack."""
        return sorted(zip(self.offsets(), self.names(), strict=True))

    def content(self) -> memoryview:
        """The bytes of the pack, mapped, for whoever is going to look at all of them."""
        mapping = self._mapping
        if mapping is None:
            self._mapping = mapping = map_file(f"{self.base}.pack")
            open_files.PROCESS.note(self)
        return mapping

    def close(self) -> None:
        """Let go of both files; they are opened again when they are needed."""
        self._index = self._bytes = self._mapping = None

    def __len__(self) -> int:
        if not self._head:
            self._read_head()
        return self._count

    def _bounds(self, head: bytes, first: int) -> tuple[int, int]:
        """The places in the index of the names that begin with a byte: from the first on, up to before the second."""
        low: int
        high: int
        low, high = _BOUNDS.unpack_from(head, _FAN_OUT_AT + 4 * first - 4) if first else (0, _number(head, _FAN_OUT_AT))
        return low, min(high, self._count)

    def _place(self, name: bytes, low: int, high: int) -> int | None:
        """The place of a name in the index, between the bounds of its first byte.

        Names are random, so the bytes after the first tell about where one stands, and only that part is read.
        """
        spread = 2 * math.isqrt(high - low) + _LEAST_SPREAD
        likely = low + ((high - low) * int.from_bytes(name[1:5]) >> 32)
        start, stop = max(low, likely - spread), min(high, likely + spread)
        names = self._part(_NAMES_AT + ID_BYTES * start, ID_BYTES * (stop - start))
        if (start > low and name < names[:ID_BYTES]) or (stop < high and name > names[-ID_BYTES:]):
            start, names = low, self._part(_NAMES_AT + ID_BYTES * low, ID_BYTES * (high - low))
        return _place_in(names, name, 0, len(names), start)

    def _offset(self, place: int) -> int:
        at = _NAMES_AT + _BEFORE_OFFSET * self._count + 4 * place
        offset = _number(self._head, at) if at + 4 <= len(self._head) else _number(self._part(at, 4))
        if offset & _LARGE:
            at = _NAMES_AT + _ENTRY_BYTES * self._count + 8 * (offset & ~_LARGE)
            offset = int.from_bytes(self._part(at, 8))
            if offset >> 63:
                raise PackDamage(f"{self.base}.idx points beyond the end of any file")
        return offset

    def _part(self, at: int, length: int) -> bytes:
        """Some bytes of the index, whose head has been read."""
        if at + length <= len(self._head):
            return self._head[at : at + length]
        file = self._index or self._open_index()
        # A damaged index may claim any length: no memory is asked for beyond the end of the file.
        found = file.read(at, length) if length <= _HEAD_BYTES or at + length <= file.size() else b""
        if len(found) != length:
            raise PackDamage(f"{self.base}.idx points beyond its own end")
        return found

    def _read_head(self) -> bytes:
        """The beginning of the index, or all of one that is small."""
        file = self._index or OpenFile(f"{self.base}.idx")
        head = file.glance(0, _HEAD_BYTES)
        if len(head) < _NAMES_AT + _INDEX_TRAILER:
            head = file.read(0, _HEAD_BYTES)
        if len(head) < _NAMES_AT + _INDEX_TRAILER or not head.startswith(INDEX_MAGIC):
            raise PackDamage(f"{self.base}.idx is not an index of version 2")
        count = _number(head, _NAMES_AT - 4)
        size = _NAMES_AT + _ENTRY_BYTES * count + _INDEX_TRAILER
        if len(head) < size and file.size() < size:
            raise PackDamage(f"{self.base}.idx lists more objects than it has room for")
        if len(head) < size and self._index is None:
            self._index = file
            open_files.PROCESS.note(self)
        # The head last: a thread that sees it relies on the count.
        self._count, self._head = count, head
        return head

    def _open_index(self) -> OpenFile:
        self._index = file = OpenFile(f"{self.base}.idx")
        open_files.PROCESS.note(self)
        return file

    def _open(self) -> FileBytes:
        self._bytes = found = FileBytes(f"{self.base}.pack")
        open_files.PROCESS.note(self)
        return found


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
    """The index of a pack: name, offset and CRC-32 of each object, and the pack's checksum."""
    ordered = sorted(listed)
    numbers = struct.Struct(f">{len(ordered)}I")
    large = [offset for _, offset, _ in ordered if offset >= _LARGE]
    places = itertools.count(_LARGE)
    names = b"".join(name for name, _, _ in ordered)
    crcs = numbers.pack(*(crc for _, _, crc in ordered))
    offsets = numbers.pack(*(offset if offset < _LARGE else next(places) for _, offset, _ in ordered))
    return seal_index([names], [crcs], [offsets, struct.pack(f">{len(large)}Q", *large)], checksum)


def seal_index(names: Sequence[bytes], crcs: Sequence[bytes], offsets: Sequence[bytes], checksum: bytes) -> bytes:
    """The index that has these sorted columns, each given in one part or several."""
    fan_out = _fan_out(b"".join(part[::ID_BYTES] for part in names))
    body = b"".join([INDEX_MAGIC, fan_out, *names, *crcs, *offsets, checksum])
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def map_file(path: str) -> memoryview:
    """The bytes of a file, mapped as long as somebody looks at them; raises `PackDamage` for one cut short.

    An ``OSError`` names the file, also where there is no memory to map it.
    """
    descriptor, status = open_regular(path)
    try:
        if status.st_size < TRAILER:
            raise PackDamage(f"{path} is cut short")
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def _fan_out(firsts: bytes) -> bytes:
    """For each byte, how many names begin with it or a lower one, as four bytes; ``firsts`` are sorted."""
    parts, before = [], 0
    for first in sorted(set(firsts)):
        parts.append(bisect_left(firsts, first).to_bytes(4) * (first - before))
        before = first
    parts.append(len(firsts).to_bytes(4) * (256 - before))
    return b"".join(parts)


def _split(names: bytes) -> Iterator[bytes]:
    """The names in a row of names."""
    return (names[at : at + ID_BYTES] for at in range(0, len(names), ID_BYTES))


def _place_in(names: bytes, name: bytes, start: int, stop: int, first: int) -> int | None:
    """The number of a name in a row of names from ``start`` to ``stop``, the first of which is number ``first``."""
    at = names.find(name, start, stop)
    while at > 0 and (at - start) % ID_BYTES:
        at = names.find(name, at + 1, stop)
    return None if at < 0 else first + (at - start) // ID_BYTES


def _number(data: bytes, at: int = 0) -> int:
    return int.from_bytes(data[at : at + 4])
