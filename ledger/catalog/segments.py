"""A segment of the catalog: lines in the order of their ids, in blocks that are checked whenever they are read.

Pure but for reading through a function that is given. Layout (specs/catalog.md, 3)::

    blocks | replaced keys | table of the blocks | trailer

A segment is found by its end; its trailer says where the segment ends that it builds on. A line replaces any line with
the same key in older segments. A replaced key without a line of its own says that the version is gone.
"""

import bisect
import itertools
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ledger.catalog.lines import TIME, CatalogDamage
from ledger.catalog.queries import Query

ReadAt = Callable[[int, int], bytes]
"""Takes an offset and a number of bytes, and reads them; fewer where there are no more."""

TOKEN_BYTES = 16
MAGIC = b"\x00lcatend"
"""Every trailer begins with it; no line holds a zero byte."""

_BLOCK = 1 << 16
_ID_BYTES = 36
_ROW = struct.Struct(f">{_ID_BYTES}s16sQII")
_TRAILER = struct.Struct(">8s16s20sQQQIII")
_CHECK_BYTES = 4
TRAILER_BYTES = _TRAILER.size + _CHECK_BYTES


class Trailer(NamedTuple):
    """The end of a segment: the commit up to which it knows the history, where its parts lie, on what it builds."""

    commit: str
    builds_on: int
    blocks_bytes: int
    lines: int
    replaced_bytes: int
    rows: int
    tail_check: int

    @property
    def length(self) -> int:
        """Bytes of the whole segment."""
        return self.blocks_bytes + self.replaced_bytes + self.rows * _ROW.size + TRAILER_BYTES


class Segment:
    """One segment, read through ``source``; raises `CatalogDamage` where it is not what was written."""

    def __init__(self, source: ReadAt, end: int, trailer: Trailer) -> None:
        self.end = end
        self.start = end - trailer.length
        self.commit = trailer.commit
        self.lines = trailer.lines
        self.builds_on = trailer.builds_on
        self._source = source
        self._rows = trailer.rows
        tail = _read(source, self.start + trailer.blocks_bytes, end - TRAILER_BYTES)
        if zlib.crc32(tail) != trailer.tail_check:
            raise CatalogDamage(f"the table of the segment that ends at {end} is altered")
        self._table = tail[trailer.replaced_bytes :]
        self._replaced = tail[: trailer.replaced_bytes]

    @property
    def replaced(self) -> list[bytes]:
        """The keys whose lines in older segments hold no longer."""
        return self._replaced.split(b"\n")[:-1]

    def all_lines(self) -> Iterator[bytes]:
        """Every line, in order."""
        return itertools.chain.from_iterable(self._block(row).split(b"\n") for row in range(self._rows))

    def lines_beginning(self, start: bytes) -> Iterator[bytes]:
        """The lines that begin with some bytes, in order."""
        first = bisect.bisect_left(range(self._rows), start, key=self._first_id)
        for row in range(max(0, first - 1), self._rows):
            if self._first_id(row)[: len(start)] > start:
                return
            yield from (line for line in self._block(row).split(b"\n") if line.startswith(start))

    def candidates(self, query: Query) -> Iterator[bytes]:
        """The lines that can be answers to a query, the last first."""
        for row in reversed(range(self._rows)):
            if _ROW.unpack_from(self._table, row * _ROW.size)[1] <= query.after:
                continue
            yield from reversed(query.candidates(self._block(row)))

    def _first_id(self, row: int) -> bytes:
        at = row * _ROW.size
        return self._table[at : at + _ID_BYTES]

    def _block(self, row: int) -> bytes:
        _, _, at, length, check = _ROW.unpack_from(self._table, row * _ROW.size)
        block = _read(self._source, self.start + at, self.start + at + length)
        if zlib.crc32(block) != check:
            raise CatalogDamage(f"the block at {self.start + at} is altered")
        return block


def encode_segment(
    lines: Iterable[bytes], replaced: Iterable[bytes], *, commit: str, token: bytes, builds_on: int
) -> Iterator[bytes]:
    """The bytes of a segment, piece by piece; the lines are in order. Raises `CatalogDamage` for what is no line."""
    table: list[bytes] = []
    at = count = 0
    for block in _blocks(lines):
        data = b"\n".join(block)
        newest = max(map(_time_in, block))
        table.append(_ROW.pack(block[0][:_ID_BYTES], newest, at, len(data), zlib.crc32(data)))
        at += len(data)
        count += len(block)
        yield data
    keys = b"".join(key + b"\n" for key in replaced)
    tail = keys + b"".join(table)
    yield tail
    trailer = _TRAILER.pack(
        MAGIC, token, bytes.fromhex(commit), builds_on, at, count, len(keys), len(table), zlib.crc32(tail)
    )
    yield trailer + zlib.crc32(trailer).to_bytes(_CHECK_BYTES)


def read_trailer(source: ReadAt, end: int, token: bytes) -> Trailer:
    """The trailer that ends at an offset of a file with a token; raises `CatalogDamage` where none does."""
    data = _read(source, end - TRAILER_BYTES, end)
    body = data[:-_CHECK_BYTES]
    magic, found, commit, *numbers = _TRAILER.unpack(body)
    trailer = Trailer(commit.hex(), *numbers)
    is_whole = zlib.crc32(body).to_bytes(_CHECK_BYTES) == data[-_CHECK_BYTES:]
    if not is_whole or (magic, found) != (MAGIC, token) or trailer.length > end:
        raise CatalogDamage(f"no segment ends at {end}")
    return trailer


def _time_in(line: bytes) -> bytes:
    columns = line.split(b"\t", TIME + 1)
    if len(columns) <= TIME:
        raise CatalogDamage(f"a line has {len(columns)} columns, and no time")
    return columns[TIME]


def _blocks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line) + 1
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    if block:
        yield block


def _read(source: ReadAt, start: int, end: int) -> bytes:
    data = source(start, end - start) if 0 <= start <= end else b""
    if len(data) != end - start:
        raise CatalogDamage(f"{len(data)} bytes from {start} on, expected {end - start}")
    return data
