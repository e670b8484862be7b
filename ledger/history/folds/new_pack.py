"""A pack that grows on the disk: its entries, and the list of them from which its index is made.

Every entry of the packs that are folded gets a record here, in their order, even where its object is in the new pack
already. So the number of records says how far a fold has come, and each record says where its object went.
"""

import hashlib
import itertools
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.disk import patch_file, read_file, storage_errors
from ledger.errors import IntegrityError
from ledger.history.git.entries import BASES_BYTES, PackDamage, read_object
from ledger.history.git.forms import object_id
from ledger.history.git.kinds import ID_BYTES
from ledger.history.git.packfile import PACK_HEAD, map_file, pack_head, seal_index
from ledger.history.git.recent_objects import RecentObjects

_RECORD = struct.Struct(">20sIIQH")
RECORD_BYTES = _RECORD.size
_NAME, _CRC, _LENGTH, _OFFSET = slice(0, 20), slice(20, 24), slice(24, 28), slice(32, 36)
"""The fields of an encoded record that go into an index; of the offset the lower half, as a pack is under 2 GiB."""

_MOST_BYTES = 1 << 31
_MOST_DEPTH = 0xFFFF
_NO_LENGTH = bytes(4)
_READ_SIZE = 1 << 20


class Record(NamedTuple):
    """Where an object is in the new pack, and how many deltas lead to it, as far as these are counted.

    ``length`` is 0 if the entry there is that of an earlier record.
    """

    name: bytes
    crc: int
    length: int
    offset: int
    depth: int


class Columns(NamedTuple):
    """What an index says of some objects, column by column."""

    names: bytes
    crcs: bytes
    offsets: bytes


class NewPack:
    """The file that grows, and its records so far."""

    def __init__(self, path: Path, records: bytes = b"") -> None:
        self.path = path
        self.records = bytearray(records)
        self._waiting: list[bytes | memoryview] = []
        last = self._last_entry()
        self.end = last.offset + last.length if last is not None else PACK_HEAD

    def __len__(self) -> int:
        return len(self.records) // _RECORD.size

    def __getitem__(self, number: int) -> Record:
        return Record(*_RECORD.unpack_from(self.records, number * _RECORD.size))

    def add(self, name: bytes, entry: bytes, *, depth: int) -> None:
        """Add an entry; it is on the disk after the next `flush`. Raises `PackDamage` where the index would not reach.

        Only deltas by name grow by being folded, and only those of a pack that was made for it grow so much.
        """
        if self.end + len(entry) > _MOST_BYTES:
            raise PackDamage(f"what is in it takes more than {_MOST_BYTES} bytes")
        # The deltas of a pack that others made may be any number.
        self._record(Record(name, zlib.crc32(entry), len(entry), self.end, min(depth, _MOST_DEPTH)))
        self._waiting.append(entry)
        self.end += len(entry)

    def add_known(self, name: bytes, earlier: Record) -> None:
        """Add a record of an object that an earlier entry holds."""
        self._record(Record(name, 0, 0, earlier.offset, earlier.depth))

    def flush(self, *, durably: bool) -> None:
        """Write what was added since the last time."""
        data = b"".join(self._waiting)
        pieces = [(0, pack_head(0)), (self.end - len(data), data)]
        patch_file(self.path, pieces, durably=durably)
        self._waiting = []

    def first_unreadable(self, start: int) -> int | None:
        """The first record from ``start`` on whose object is not on the disk as its name says; ``None`` if all are."""
        try:
            with storage_errors(self.path, "read"):
                pack = map_file(os.fspath(self.path))
        except PackDamage:
            return start
        bases = RecentObjects(BASES_BYTES)
        for number in range(start, len(self)):
            name, _, length, offset, _ = self[number]
            if not length:
                continue
            try:
                kind, data = read_object(pack, offset, lambda _: None, bases)  # in what we write no delta is by name
            except PackDamage:
                return number
            if object_id(kind, data) != name.hex():
                return number
        return None

    def columns(self, first: int = 0, stop: int = 256) -> Columns:
        """The names whose first byte is in a range, sorted, with their CRC-32s and offsets, as an index lists them."""
        wanted = bytes(first <= byte < stop for byte in range(256))
        chosen = self.records[:: _RECORD.size].translate(wanted)
        places = itertools.compress(range(0, len(self.records), _RECORD.size), chosen)
        records = bytes(self.records)
        found = sorted(records[at : at + _RECORD.size] for at in places)
        with_entry = [record for record in found if record[_LENGTH] != _NO_LENGTH]
        return Columns(
            b"".join([record[_NAME] for record in with_entry]),
            b"".join([record[_CRC] for record in with_entry]),
            b"".join([record[_OFFSET] for record in with_entry]),
        )

    def seal(self, columns: Sequence[Columns]) -> tuple[str, bytes, int]:
        """Finish the file, durably; returns the checksum, the index of the pack and the number of objects.

        Raises `IntegrityError` where an entry is no longer what was written: a fold may have begun long ago.
        """
        count = sum(len(names) for names, _, _ in columns) // ID_BYTES
        head = pack_head(count)
        digest = hashlib.sha1(head, usedforsecurity=False)
        for entry in self._read_back():
            digest.update(entry)
        checksum = digest.digest()
        patch_file(self.path, [(0, head), (self.end, checksum)], durably=True)
        names, crcs, offsets = zip(*columns, strict=True)
        return checksum.hex(), seal_index(names, crcs, offsets, checksum), count

    def _read_back(self) -> Iterator[bytes]:
        """The entries one after another, from the disk; `IntegrityError` at the first that is another one."""
        start, data = PACK_HEAD, b""
        for _, crc, length, offset, _ in _RECORD.iter_unpack(self.records):
            if not length:
                continue
            if offset + length > start + len(data):
                start, data = offset, read_file(self.path, start=offset, length=max(length, _READ_SIZE))
            entry = data[offset - start : offset - start + length]
            if zlib.crc32(entry) != crc:
                raise IntegrityError(f"{self.path} does not hold what was written to it", where=str(self.path))
            yield entry

    def _record(self, record: Record) -> None:
        self.records += _RECORD.pack(*record)

    def _last_entry(self) -> Record | None:
        """The last record of an entry that stands here."""
        records = (self[number] for number in range(len(self) - 1, -1, -1))
        return next((record for record in records if record.length), None)


def split_columns(data: bytes) -> Columns:
    """The columns in the bytes of a file to which they were written one after another."""
    count = len(data) // (ID_BYTES + 4 + 4)
    crcs, offsets = ID_BYTES * count, (ID_BYTES + 4) * count
    return Columns(data[:crcs], data[crcs:offsets], data[offsets:])
