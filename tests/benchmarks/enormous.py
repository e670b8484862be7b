"""A content far larger than memory: its table is small, and saving and loading it keep memory flat.

The bytes are made from their place in the stream and kept nowhere: the store makes the chunks again when they are read.
What is stored plain lies in a pack as it lay in the stream. Kept are tables, and, in a file, the ends of packs and the
few chunks that are frames because they begin like one.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from zstandard import frame_content_size

from ledger.blobs import ContentReader, ContentWriter
from ledger.blobs.chunks.codec import codec_of
from ledger.blobs.stores.layout import table_key
from ledger.records import Content
from tests.benchmarks.measuring import MIB, peak_begins, resident, spent_by

BLOCK = 1 << 20
_BASE = np.random.default_rng(0).integers(0, 2**64, BLOCK // 8, dtype=np.uint64)


def block_of(number: int) -> memoryview:
    """A MiB of bytes that do not shrink and do not repeat, made anew every time."""
    key = int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8])
    return (_BASE ^ np.uint64(key)).data.cast("B")


def part_of(start: int, size: int) -> bytes:
    """The bytes of the stream from ``start``."""
    if not size:
        return b""
    first, last = start // BLOCK, (start + size - 1) // BLOCK
    data = b"".join(block_of(number) for number in range(first, last + 1))
    return data[start - first * BLOCK : start - first * BLOCK + size]


class Kept(NamedTuple):
    """Bytes of a pack that are not made from the stream: where they are there, and in the file of what is kept."""

    offset: int
    at: int
    size: int
    stands_for: int  # bytes of the stream


class Pack(NamedTuple):
    """Where in the stream a pack begins, and what of it is not made from there."""

    begin: int
    size: int
    kept: list[Kept]

    @property
    def stands_for(self) -> int:
        """How many bytes of the stream are in the pack."""
        return self.size - sum(each.size - each.stands_for for each in self.kept)

    def part(self, file: BinaryIO, start: int, stop: int) -> bytes:
        """The bytes of the pack from ``start`` to ``stop``."""
        pieces, done, in_stream = [], 0, self.begin
        for each in [*self.kept, Kept(self.size, 0, 0, 0)]:
            first, last = max(start, done), min(stop, each.offset)
            if first < last:
                pieces.append(part_of(in_stream + first - done, last - first))
            in_stream, done = in_stream + each.offset - done + each.stands_for, each.offset + each.size
            first, last = max(start, each.offset), min(stop, done)
            if first < last:
                pieces.append(os.pread(file.fileno(), last - first, each.at + first - each.offset))
        return b"".join(pieces)


class SparseStore:
    """A store that takes packs in parts and keeps next to nothing of them."""

    url = "memory://sparse"

    def __init__(self) -> None:
        self.tables: dict[str, bytes] = {}
        self.packs: dict[str, Pack] = {}
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  # it lasts as long as the store
        self.end = 0

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        pack = self.packs.get(key)
        size = pack.size if pack else len(self.tables[key])
        first = max(0, size + start) if start < 0 else start
        stop = size if length is None else min(size, first + length)
        return pack.part(self.file, first, stop) if pack else self.tables[key][first:stop]

    def has(self, key: str) -> bool:
        return key in self.tables or key in self.packs

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        self.tables[key] = b"".join(parts)

    def stage(self) -> "SparseObject":
        return SparseObject(self)


_keeping = threading.Lock()


class SparseObject:
    """A pack that is written to nowhere."""

    def __init__(self, store: SparseStore) -> None:
        self._store = store
        self._kept: list[Kept] = []
        self._size = 0

    def write_at(self, start: int, parts: Sequence[bytes | memoryview]) -> None:
        for part in parts:
            if isinstance(part, bytes):  # what is stored as it came is memory of the stream
                stands_for = frame_content_size(part) if codec_of(part) == "zstd" else 0
                with _keeping:
                    self._kept.append(Kept(start, self._store.end, len(part), stands_for))
                    self._store.end += os.pwrite(self._store.file.fileno(), part, self._store.end)
            start += len(part)
        self._size = max(self._size, start)

    def publish(self, key: str) -> None:
        before = list(self._store.packs.values())[-1:]
        begin = sum(pack.begin + pack.stands_for for pack in before)
        self._store.packs[key] = Pack(begin, self._size, sorted(self._kept))

    def drop(self) -> None:
        self._kept.clear()


def report(gigabytes: int) -> Iterator[str]:
    """What saving and reading so many GB take, step by step."""
    store, count = SparseStore(), gigabytes * 1000 * MIB // BLOCK
    peaks: list[int] = []

    def note(number: int) -> None:
        if number % (count // 4 or 1) == 0:
            peaks.append(resident()["VmHWM"])

    content = None

    def save() -> None:
        nonlocal content
        writer = ContentWriter(store)
        with writer.open("data") as file:
            for number in range(count):
                file.write(block_of(number))
                note(number)
        content = writer.finish()

    before = peak_begins()
    spent = spent_by(save)
    assert isinstance(content, Content)
    size = len(store.tables[table_key(content.digest)])
    yield (
        f"save {content.size / 1e9:.1f} GB: {spent.wall:.0f} s [{spent.cpu / content.size * 1e9:.2f} a GB]; "
        f"table {size:,} bytes = {size / content.size * 100e9:,.0f} for 100 GB; peak memory above the beginning, "
        f"quarter by quarter: {', '.join(f'{(peak - before) / MIB:.0f}' for peak in peaks)} MiB"
    )
    before = peak_begins()
    spent = spent_by(lambda: _read(store, content))
    yield (
        f"load it: {spent.wall:.0f} s [{spent.cpu / content.size * 1e9:.2f} a GB]; "
        f"peak memory + {(resident()['VmHWM'] - before) / MIB:.0f} MiB"
    )


def _read(store: SparseStore, content: Content) -> None:
    """Read everything into the same memory, and check that it is what was written."""
    target = bytearray(64 * MIB)
    done = 0
    with ContentReader(store, content, label="data@1").open("data") as file:
        while count := file.readinto(target):  # type: ignore[attr-defined]  # it is buffered
            assert target[:100] == part_of(done, min(100, count))
            done += count
    assert done == content.size
