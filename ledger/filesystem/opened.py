"""An open file of a version, with what fsspec expects of its files besides reading.

A buffered reader that knows its size. A cache of fsspec that is set as its attribute ``cache`` comes between it and its
bytes: it keeps blocks, and fetches those that it lacks.
"""

import io
import os
from collections.abc import Callable
from functools import partial
from typing import IO, Any, Protocol, TypeVar, cast

from ledger.filesystem.reservations import Reservation

_Asked = TypeVar("_Asked")
_Read = TypeVar("_Read")

_BUFFER_SIZE = 64 << 10
_BLOCK_SIZE = 1 << 20  # bytes that a cache of fsspec keeps at a time where nobody says otherwise


class Blocks(Protocol):
    """A cache of fsspec."""

    def _fetch(self, start: int | None, stop: int | None) -> bytes: ...


class _Bytes(io.RawIOBase):
    """The bytes of a file, read through a cache of fsspec if there is one."""

    mode = "rb"

    def __init__(self, file: io.RawIOBase) -> None:
        super().__init__()
        self.file = file
        self.cache: Blocks | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int | None:
        if self.cache is None:
            return self.file.readinto(buffer)
        target = memoryview(buffer).cast("B")
        start = self.file.tell()
        data = self.cache._fetch(start, start + len(target))  # noqa: SLF001  # all that fsspec's caches offer
        target[: len(data)] = data
        self.file.seek(start + len(data))
        return len(data)

    def readall(self) -> bytes:
        return super().readall() if self.cache is not None else self.file.readall()

    def close(self) -> None:
        self.cache = None  # it holds files of its own
        self.file.close()
        super().close()


class OpenedFile(io.BufferedReader):
    """A file of a version, to read and seek in.

    ``reopen`` opens it anew, in a process that it was sent to.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        path: str,
        size: int,
        reopen: Callable[[], "OpenedFile"],
        block_size: object,
    ) -> None:
        self._bytes = _Bytes(cast("io.BufferedReader", file).detach())
        self._reservation = Reservation()
        super().__init__(self._bytes, _BUFFER_SIZE)
        self.path = path
        self.size = size
        self._reopen = reopen
        self.blocksize = block_size if isinstance(block_size, int) else _BLOCK_SIZE

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place, where the next read of this thread begins; returns the place."""
        return self._reservation.seek(super().tell, partial(super().seek, offset, whence))

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, as many as ``size`` or all that are left."""
        return self._reserved_read(super().read, size)

    def read1(self, size: int = -1, /) -> bytes:
        """The next bytes, as many as are at hand."""
        return self._reserved_read(super().read1, size)

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer with the next bytes; returns how many they are."""
        return self._reserved_read(super().readinto, buffer)

    def readinto1(self, buffer: Any, /) -> int:
        """Fill a buffer with the next bytes that are at hand; returns how many they are."""
        return self._reserved_read(super().readinto1, buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        """The rest of the line."""
        return self._reserved_read(super().readline, size)

    @property
    def cache(self) -> Blocks | None:
        """The cache of fsspec through which the file is read, if there is one."""
        return self._bytes.cache

    @cache.setter
    def cache(self, cache: Blocks) -> None:
        self._bytes.cache = cache

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return super().closed

    @closed.setter
    def closed(self, is_closed: bool) -> None:
        """Ignored: a cache of fsspec sets it on a file that it has just closed."""

    def _reserved_read(self, read: Callable[[_Asked], _Read], asked: _Asked) -> _Read:
        if self._reservation.is_free:
            return read(asked)
        with self._reservation.reading():
            return read(asked)

    def _fetch_range(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` to ``stop``, for a cache of fsspec; the position stays where it is."""
        file = self._bytes.file
        at = file.tell()
        file.seek(start)
        data = b"".join(iter(lambda: file.read(stop - file.tell()), b""))
        file.seek(at)
        return data

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        return _opened_at, (self._reopen, self.tell())


def _opened_at(reopen: Callable[[], OpenedFile], position: int) -> OpenedFile:
    file = reopen()
    file.seek(position)
    return file
