"""A file that is written in parts before its name is known.

Owns the step from its temporary name to its own, and its removal if it never gets one. A file that is whole in memory
and whose name is known is written by `write_file`.
"""

import contextlib
import os
from collections import deque
from collections.abc import Sequence
from itertools import islice

from ledger.disk.modes import MODE
from ledger.disk.reading import open_regular, storage_errors
from ledger.disk.removing import remove_if_there
from ledger.disk.syncing import begin_sync, sync_directory, sync_file
from ledger.disk.writing import TEMPORARY_PREFIX, fresh_name

_READ_SIZE = 1 << 20
_MOST_VECTORS = 512  # parts of one call; systems allow 1,024


class StagedFile:
    """A file that is written in parts, from any thread, and gets its name when it is whole.

    Until then it has a temporary name in ``folder``; if it is dropped or forgotten, it is removed.
    """

    def __init__(
        self, folder: str | os.PathLike[str], temporary: str = TEMPORARY_PREFIX, *, target: str | None = None
    ) -> None:
        """``temporary`` is the prefix of the temporary name; ``target`` is what errors name, where that is known."""
        self.path = os.path.join(folder, fresh_name(temporary))
        self._named = target or self.path
        self._process = os.getpid()
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        try:
            with storage_errors(self._named, "write"):
                self._descriptor = os.open(self.path, flags, MODE)
        except BaseException:
            remove_if_there(self.path)  # an interrupt may come when the file is there already
            raise

    def write_at(self, start: int, parts: Sequence[bytes | memoryview]) -> None:
        """Write some parts one after another from ``start`` on; the system begins to write them to the disk at once."""
        with storage_errors(self._named, "write"):
            stop = write_parts(self._descriptor, start, parts)
        begin_sync(self._descriptor, start, stop - start)

    def holds_what(self, other: str | os.PathLike[str]) -> bool:
        """Whether another file has the same bytes; false if it cannot be read."""
        try:
            descriptor, status = open_regular(other)
            try:
                size = os.fstat(self._descriptor).st_size
                return size == status.st_size and all(
                    os.pread(self._descriptor, _READ_SIZE, start) == os.pread(descriptor, _READ_SIZE, start)
                    for start in range(0, size, _READ_SIZE)
                )
            finally:
                os.close(descriptor)
        except OSError:
            return False  # unreadable is as good as damaged: it is replaced

    def publish(self, path: str | os.PathLike[str]) -> None:
        """Give the file its name, durably; a file of that name is replaced. The folder must exist and is synced."""
        try:
            self.sync(path)
            self.rename(path)
        except BaseException:
            self.drop()
            raise
        sync_directory(os.path.dirname(path) or ".")

    def sync(self, path: str | os.PathLike[str]) -> None:
        """Make its bytes durable; ``path`` is what an error names."""
        with storage_errors(path, "write"):
            sync_file(self._descriptor)

    def rename(self, path: str | os.PathLike[str]) -> None:
        """Give the file its name, not durably yet; a file of that name is replaced."""
        with storage_errors(path, "write"):
            os.rename(self.path, path)
            self._close()

    def drop(self) -> None:
        """Remove the file, unless it was published; a fork leaves it to the process that made it."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # nothing that was written has to last
                self._close()
            if self._process == os.getpid():
                remove_if_there(self.path)

    def __del__(self) -> None:
        # A file that is forgotten was not published.
        if getattr(self, "_descriptor", -1) >= 0:
            self.drop()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def stage_together(files: Sequence[tuple[str, bytes]], *, temporary: str) -> None:
    """Put files in place in their order, their bytes durable, their names not yet: the caller syncs the directory.

    The disk begins with all of them before one is waited for: on a file system with a journal, the wait for the first
    mostly covers the others. ``temporary`` is the prefix of the temporary names.
    """
    with contextlib.ExitStack() as stack:
        staged = []
        for path, data in files:
            file = StagedFile(os.path.dirname(path), temporary, target=path)
            stack.callback(file.drop)
            file.write_at(0, [data])
            staged.append((file, path))
        for file, path in staged:
            file.sync(path)
        for file, path in staged:
            file.rename(path)


def write_parts(descriptor: int, start: int, parts: Sequence[bytes | memoryview]) -> int:
    """Write parts into an open file, however little the system takes at a time, and say where they end.

    Raises plain ``OSError``.
    """
    left = deque(memoryview(part) for part in parts if len(part))
    while left:
        count = os.pwritev(descriptor, list(islice(left, _MOST_VECTORS)), start)
        start += count
        while left and count >= len(left[0]):
            count -= len(left.popleft())
        if count:
            left[0] = left[0][count:]
    return start
