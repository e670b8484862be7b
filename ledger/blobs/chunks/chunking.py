"""Where a stream of bytes is cut.

The only module that imports pyfastcdc. Cut points depend on nothing but the
bytes: not on how they arrive, in which blocks, or on which machine
(specs/chunking.md, golden vectors in `tests/golden/chunking.json`). The library is
fed with read-only memory of known length only; its own readers of files and streams
cut short where a read is short.

The stream is gathered in blocks of one size, whose memory is used again as soon as whoever
took a block gives it back: fresh memory would cost a third of what hashing does. A stream that is
one small chunk needs no such block.
"""

import mmap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

MIN_SIZE: Final = 16 << 10
"""No chunk but the last is smaller."""

AVERAGE_SIZE: Final = 64 << 10
"""Where cutting becomes likely; the mean is somewhat above."""

MAX_SIZE: Final = 256 << 10
"""No chunk is larger."""

NORMALIZATION: Final = 2
"""How strongly sizes are drawn to the average (level of FastCDC's normalized chunking)."""

BLOCK_SIZE: Final = 2 << 20
"""Bytes gathered before cutting; a block is a function of the stream, not of how it arrived."""


Memory = bytearray | mmap.mmap
"""Where a stream is gathered: of `MIN_SIZE` bytes at first, of `BLOCK_SIZE` once there are more."""


class Block(NamedTuple):
    """Some complete chunks of the stream, in order, in memory that waits to be given back."""

    chunks: list[memoryview]
    memory: Memory

    @property
    def size(self) -> int:
        """The bytes of the chunks."""
        return sum(map(len, self.chunks))


class Cutter:
    """Cuts one stream that arrives in pieces.

    `take` and `finish` give the chunks that are complete, in order, as read-only
    memory; together they are the stream. One `finish` ends it.
    """

    def __init__(self) -> None:
        self._free: list[Memory] = []
        self._memory: Memory = bytearray(MIN_SIZE)
        self._size = 0
        self._chunker: FastCDC | None = None

    def take(self, piece: bytes | bytearray | memoryview) -> Iterator[Block]:
        """Copy the next bytes; gives blocks of chunks that no later byte can change.

        The iterator has to be exhausted before the next call.
        """
        view = memoryview(piece).cast("B")
        if len(self._memory) < min(self._size + len(view), BLOCK_SIZE):
            self._memory, small = _fresh(), self._memory
            self._memory[: self._size] = small[: self._size]
        done = 0
        while done < len(view):
            count = min(BLOCK_SIZE - self._size, len(view) - done)
            self._memory[self._size : self._size + count] = view[done : done + count]
            self._size += count
            done += count
            if self._size == BLOCK_SIZE:
                yield self._cut(final=False)

    def finish(self) -> Block:
        """Give the rest of the stream, to its last byte."""
        return self._cut(final=True)

    def give_back(self, memory: Memory) -> None:
        """Let the memory of a block be used again; nobody looks at its chunks any more. From any thread."""
        self._free.append(memory)

    def _cut(self, *, final: bool) -> Block:
        memory, size = self._memory, self._size
        data = memoryview(memory)[:size].toreadonly()
        chunks = list(self._chunks(data, final=final))
        done = sum(map(len, chunks))
        if not final:
            self._memory = self._free.pop() if self._free else _fresh()
            self._memory[: size - done] = data[done:]
        self._size = size - done
        return Block(chunks, memory)

    def _chunks(self, data: memoryview, *, final: bool) -> Iterator[memoryview]:
        """The chunks that some bytes begin with, whatever follows them; all of their chunks if they are ``final``."""
        if final and len(data) <= MIN_SIZE:
            # There is nothing to cut, and importing the library would cost more than a small save.
            if data:
                yield data
            return
        if self._chunker is None:
            from pyfastcdc import FastCDC

            self._chunker = FastCDC(
                avg_size=AVERAGE_SIZE, min_size=MIN_SIZE, max_size=MAX_SIZE, normalized_chunking=NORMALIZATION
            )
        # The next cut is looked for in MAX_SIZE bytes: with fewer, more bytes could move it.
        last = len(data) if final else len(data) - MAX_SIZE + 1
        found = iter(self._chunker.cut_buf(data))
        done = 0
        while done < last:
            start, done = done, done + next(found).length
            yield data[start:done]


def _fresh() -> mmap.mmap:
    # Not a bytearray: mapped memory costs only the pages that are touched, which of a small stream are few.
    try:
        return mmap.mmap(-1, BLOCK_SIZE)
    except OSError as error:  # what Python raises for mapped memory instead of a `MemoryError`
        raise MemoryError(f"no {BLOCK_SIZE >> 20} MiB are left to cut a stream in") from error
