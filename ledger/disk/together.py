"""Files that get their names together, with one wait of the disk for all of them.

A journal takes in whatever the disk was told of before it is waited for, so that several files cost
hardly more than one. Which files belong together is set for a context, as how durable they are is (`syncing`): what
writes a file need not know that others follow.
"""

import contextlib
import os
import weakref
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

from ledger.disk.staged import StagedFile
from ledger.disk.syncing import sync_directory
from ledger.disk.writing import TEMPORARY_PREFIX, write_file
from ledger.errors import StorageError
from ledger.forks import ThreadLock

_MOST_OPEN = 16
"""Files that wait at once, each of which is open; more make the waiting ones go first."""

_MOST_IN_PROCESS = 64
"""Files that wait at once in all transactions of a process, from which on the next ones do not wait."""

_MOST_BYTES = 1 << 18
"""Larger files do not wait: their bytes take the disk longer than its journal does."""


_open: "weakref.WeakSet[StagedFile]" = weakref.WeakSet()


class WaitingFiles:
    """Files that are written and have no names yet; threads may share it. What nobody publishes goes."""

    def __init__(self) -> None:
        self._files: list[tuple[StagedFile, str]] = []
        self._folders: dict[str, None] = {}  # in their order
        self._lost = ""
        self._lock = ThreadLock()

    def add(self, path: str, parts: Sequence[bytes | memoryview], *, temporary: str = TEMPORARY_PREFIX) -> None:
        """Write a file, and let the disk begin with it; ``temporary`` is the prefix of its temporary name.

        Its directory must exist.
        """
        folder = os.path.dirname(path)
        file = StagedFile(folder, temporary, target=path)
        try:
            file.write_at(0, parts)
        except BaseException:
            file.drop()
            raise
        _open.add(file)
        with self._lock:
            lost = self._lost
            if not lost:
                self._files.append((file, path))
                self._folders[folder] = None
            is_full = len(self._files) >= _MOST_OPEN
        if lost:
            file.drop()
            raise _gone(lost)
        if is_full:
            self.publish()

    def add_name(self, path: str) -> None:
        """Let the name of a file last that is there already: who gave it may have died before it was durable."""
        with self._lock:
            self._folders[os.path.dirname(path)] = None

    def publish(self) -> None:
        """Give all files their names in the order in which they were added, bytes and names durable.

        Where that fails the files that have no name yet go, what was published stays, and nothing can be published
        any more: whoever added a file relies on it, and need not have heard of the failure.
        """
        with self._lock:  # to the end: whoever finds nothing to publish may rely on what another thread publishes
            if self._lost:
                raise _gone(self._lost)
            if not self._folders:
                return
            self._lost = self._files[0][1] if self._files else next(iter(self._folders))
            with contextlib.ExitStack() as stack:
                for file, _ in self._files:
                    stack.callback(file.drop)
                for file, path in self._files:
                    file.sync(path)
                for file, path in self._files:
                    file.rename(path)
            for folder in self._folders:
                sync_directory(folder)
            self._files, self._folders, self._lost = [], {}, ""

    def drop(self) -> None:
        """Remove the files that wait."""
        with self._lock:
            files, self._files = self._files, []
        for file, _ in files:
            file.drop()


def _gone(path: str) -> StorageError:
    return StorageError(
        f"cannot write {path}: that was given up before, with all that was to be written together",
        hint="begin another transaction, and save everything in it again",
        path=path,
    )


_waiting: ContextVar[WaitingFiles | None] = ContextVar("waiting_files", default=None)


@contextlib.contextmanager
def waiting_in(files: WaitingFiles) -> Iterator[None]:
    """A block in which small files that `put_file` is given wait, until somebody publishes ``files``."""
    before = _waiting.set(files)
    try:
        yield
    finally:
        _waiting.reset(before)


def waiting_files() -> WaitingFiles:
    """The files that wait in this context, or none yet."""
    return _waiting.get() or WaitingFiles()


def put_file(path: str, parts: Sequence[bytes | memoryview]) -> None:
    """Put a file in place, durably and whole, as `write_file` does; or let it wait where small files do.

    None gets its name before one that was put earlier, which it may build on.
    """
    files = _waiting.get()
    if files is None:
        write_file(path, parts)
    elif sum(map(len, parts)) > _MOST_BYTES or len(_open) >= _MOST_IN_PROCESS:
        files.publish()
        write_file(path, parts)
    else:
        files.add(path, parts)


def keep_name(path: str) -> None:
    """Make the name of a file durable that is there already; or let that wait where small files do."""
    files = _waiting.get()
    if files is None:
        sync_directory(os.path.dirname(path))
    else:
        files.add_name(path)
