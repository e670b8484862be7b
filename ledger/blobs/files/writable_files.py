"""The writable file that a materializer is handed.

A file passes its bytes on as they come and says when it is closed; where they go is
the writer's affair. It can be told its position but cannot be moved back: bytes that
went into a stream are gone.
"""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Final, Protocol, cast

from ledger.blobs.stores.spooled import blocks_of
from ledger.disk import storage_errors, temporary_folder
from ledger.records import FileKind

BUFFER_SIZE: Final = 256 << 10
"""Bytes gathered before they are passed on."""

_SPOOL_SIZE = 8 << 20  # bytes kept in memory before a waiting file goes to disk


class Receiver(Protocol):
    """Whatever takes the bytes of one file."""

    def take(self, data: bytes | memoryview) -> None:
        """Take the next bytes; they may change after the call."""

    def close(self, size: int) -> None:
        """Note that the file is complete, with so many bytes."""


class _Passing(io.RawIOBase):
    """A raw file that keeps nothing."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: object) -> int:
        view = memoryview(cast("bytes", data)).cast("B")
        self._receiver.take(view)
        self._size += len(view)
        return len(view)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._receiver.close(self._size)


def writable_file(receiver: Receiver) -> BinaryIO:
    """A buffered file for writing whose bytes go to ``receiver``."""
    return io.BufferedWriter(_Passing(receiver), BUFFER_SIZE)


class Spool:
    """A file that waits for its turn in the stream, in memory while it is small, else in a temporary file.

    Its bytes are kept in a block of ``keeping``, which learns if they cannot be.
    """

    def __init__(
        self,
        path: str,
        kind: FileKind,
        when_closed: Callable[[], None],
        keeping: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.path = path
        self.kind = kind
        self._file = tempfile.SpooledTemporaryFile(max_size=_SPOOL_SIZE)  # noqa: SIM115  # closed when it has joined the stream
        self._when_closed = when_closed
        self._keeping = keeping
        self.is_complete = False

    def take(self, data: bytes | memoryview) -> None:
        """Keep the next bytes; a spool that was dropped keeps nothing."""
        if self._file.closed:
            return
        with self._keeping(), storage_errors(temporary_folder(), "write a temporary file in"):
            self._file.write(data)

    def close(self, size: int) -> None:  # noqa: ARG002  # the size shows when the bytes join the stream
        """Note that the file is complete, and waits for its turn."""
        self.is_complete = True
        self._when_closed()

    def blocks(self) -> Iterator[bytes]:
        """The bytes, from the beginning."""
        return blocks_of(self._file)

    def drop(self) -> None:
        """Give up the memory or the temporary file."""
        self._file.close()
