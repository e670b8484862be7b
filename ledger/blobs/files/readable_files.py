"""The readable file that a materializer is handed.

Seekable and buffered; fetches only what is read. A file that is read from front to
back is fetched in growing pieces, so that a distant store is asked seldom. A large read goes
straight into the caller's memory.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol, cast

from ledger.blobs.stores.workers import PARALLEL_SIZE

BUFFER_SIZE: Final = 64 << 10
"""Bytes that a reader asks for at least."""

_MOST_AHEAD = 4 << 20  # bytes


class FileRanges(Protocol):
    """The bytes of one file by their position in it, checked."""

    def blocks(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes from ``start`` to ``stop``, in pieces."""

    def fill(self, start: int, target: memoryview) -> None:
        """Put the bytes from ``start`` on into all of ``target``."""


def readable_file(size: int, source: FileRanges) -> BinaryIO:
    """A buffered file of ``size`` bytes, which ``source`` gives."""
    return io.BufferedReader(_Fetching(size, source), BUFFER_SIZE)


class _Fetching(io.RawIOBase):
    """A raw file over the bytes of a source."""

    def __init__(self, size: int, source: FileRanges) -> None:
        super().__init__()
        self._size = size
        self._source = source
        self._position = 0
        self._ahead = 0
        self._kept = memoryview(b"")
        self._kept_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}.get(whence)
        if base is None:
            raise io.UnsupportedOperation(f"cannot seek by whence {whence}: only from the beginning, here or the end")
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}, before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        target = memoryview(cast("bytearray", buffer)).cast("B")
        count = min(len(target), self._size - self._position)
        if count <= 0:
            return 0
        if count >= PARALLEL_SIZE:
            self._source.fill(self._position, target[:count])
            self._position += count
            return count
        if not self._kept_at <= self._position < self._kept_at + len(self._kept):
            self._fetch(count)
        at = self._position - self._kept_at
        piece = self._kept[at : at + count]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        start, self._position = self._position, max(self._position, self._size)
        if self._size - start < PARALLEL_SIZE:
            return b"".join(self._source.blocks(start, self._size))
        # Each block is written into memory of the whole size: joining them at the end would take it twice. They are not
        # filled in place: Python before 3.12.2 may crash where an error keeps a view into a `BytesIO`.
        whole = io.BytesIO(bytes(self._size - start))
        for block in self._source.blocks(start, self._size):
            whole.write(block)
        return whole.getvalue()

    def _fetch(self, count: int) -> None:
        """Fetch a piece at the position; a growing one while the file is read from front to back."""
        follows = self._position == self._kept_at + len(self._kept)
        self._ahead = min(max(2 * self._ahead, BUFFER_SIZE), _MOST_AHEAD) if follows else 0
        stop = min(self._position + max(min(count, _MOST_AHEAD), self._ahead), self._size)
        blocks = list(self._source.blocks(self._position, stop))
        self._kept = blocks[0] if len(blocks) == 1 else memoryview(b"".join(blocks))
        self._kept_at = self._position
