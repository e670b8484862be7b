"""Where a stream of bytes is cut.

The only module that imports pyfastcdc. Cut points depend on nothing but the
bytes: not on how they arrive, in which blocks, or on which machine
(specs/chunking.md, golden vectors in `tests/golden/chunking.json`). The library is
fed with read-only memory of known length only; its own readers of files and streams
cut short where a read is short.
"""

from collections.abc import Iterator
from typing import Final

MIN_SIZE: Final = 16 << 10
"""No chunk but the last is smaller."""

AVERAGE_SIZE: Final = 64 << 10
"""Where cutting becomes likely; the mean is somewhat above."""

MAX_SIZE: Final = 256 << 10
"""No chunk is larger."""

NORMALIZATION: Final = 2
"""How strongly sizes are drawn to the average (level of FastCDC's normalized chunking)."""

_BATCH = 2 << 20  # bytes gathered before cutting, so that small writes cost little


class Cutter:
    """Cuts one stream that arrives in blocks.

    `feed` and `finish` give the chunks that are complete, in order, as read-only
    memory; together they are the stream. One `finish` ends it.
    """

    def __init__(self) -> None:
        self._blocks: list[bytes | memoryview] = []
        self._size = 0

    def feed(self, block: bytes | bytearray | memoryview) -> Iterator[memoryview]:
        """Take the next bytes, copying them; gives chunks that no later byte can change.

        To be exhausted before the next call.
        """
        view = memoryview(block).cast("B")
        for start in range(0, len(view), _BATCH):
            piece = view[start : start + _BATCH]
            self._size += len(piece)
            if self._size < _BATCH:
                self._blocks.append(bytes(piece))
            else:
                self._blocks.append(piece)  # copied before this call ends
                yield from self._cut(final=False)

    def finish(self) -> Iterator[memoryview]:
        """Give the rest of the stream, to its last byte."""
        yield from self._cut(final=True)

    def _cut(self, *, final: bool) -> Iterator[memoryview]:
        data = memoryview(b"".join(self._blocks))
        done = 0
        for chunk in _cuts(data):
            # The next cut is looked for in MAX_SIZE bytes: with fewer, more bytes could move it.
            if not final and len(data) - done < MAX_SIZE:
                break
            done += len(chunk)
            yield chunk
        self._blocks = [] if done == len(data) else [bytes(data[done:])]
        self._size = len(data) - done


def _cuts(data: memoryview) -> Iterator[memoryview]:
    """The chunks of a whole stream of read-only bytes."""
    if len(data) <= MIN_SIZE:
        # Importing the library costs more than a small save.
        if data:
            yield data
        return
    from pyfastcdc import FastCDC

    chunker = FastCDC(avg_size=AVERAGE_SIZE, min_size=MIN_SIZE, max_size=MAX_SIZE, normalized_chunking=NORMALIZATION)
    for chunk in chunker.cut_buf(data):
        yield data[chunk.offset : chunk.offset + chunk.length]
