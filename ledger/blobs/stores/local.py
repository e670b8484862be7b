"""A store in a folder of the local file system.

Every write goes through `ledger.disk`: temporary name, fsync, rename, fsync of the
folder. An object that is there already is compared, never trusted; an error of the
operating system is an error, never an absence. Knows nothing of fsspec, whose import
costs more than a small save.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ledger.blobs.stores.layout import STORE_KEY, names_its_bytes
from ledger.blobs.stores.store import StagedObject
from ledger.disk import (
    TEMPORARY_PREFIX,
    StagedFile,
    create_file,
    is_folder,
    make_directory,
    read_file,
    read_into,
    settle_file,
    status_of,
    storage_errors,
    sync_directory,
    walk,
    write_file,
)
from ledger.errors import StorageError
from ledger.notices import warn_user

_COMPARE_SIZE = 1 << 20
_STAGING = "packs"


class LocalStore:
    """Objects as files below ``root``; see `Store` for what each call promises.

    ``is_of_others`` says that somebody else keeps the store: a file that this user may not read is not damaged then.
    """

    root: Path

    def __init__(self, root: Path, *, is_of_others: bool = False) -> None:
        self.root = root.absolute()
        self.is_of_others = is_of_others

    @property
    def url(self) -> str:
        """The root as a ``file://`` URL."""
        return f"file://{self.root}"

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file, or a part of them."""
        return read_file(self._path(key), start=start, length=length)

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Read a part of a file into ``target``."""
        return read_into(self._path(key), start, target)

    def make_folders(self, paths: Iterable[str]) -> None:
        """Make folders durably, all of one parent, so that no later `put` has to."""
        folders = [self._path(path) for path in paths]
        parent = os.path.dirname(folders[0])
        make_directory(parent)
        with storage_errors(parent, "make folders in"):
            for folder in folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder)
        sync_directory(parent)

    def has(self, key: str) -> bool:
        """Whether there is a file of that key."""
        return self.size(key) is not None

    def size(self, key: str) -> int | None:
        """The bytes of a file, or ``None`` where there is none."""
        status = status_of(self._path(key))
        return status.st_size if status is not None else None

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Write a file, fsync it, and give it its name; one with the same bytes that lies there is only made durable.

        A ``store.json`` that lies there always stays: whoever made the store first gave it its id.
        """
        path = self._path(key)
        if key == STORE_KEY:
            create_file(path, parts)
            return
        if self._holds(key, parts):
            settle_file(path)
            return
        _report_other_bytes(key, path, lambda: self._holds(key, parts))
        try:
            write_file(path, parts)
        except StorageError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            make_directory(os.path.dirname(path))
            write_file(path, parts)

    def settle(self, key: str) -> None:
        """Make a file that is there durable, with its name: whoever put it may not have done so."""
        if self.has(key):
            settle_file(self._path(key))

    def stage(self) -> StagedObject:
        """A file that gets its name later. It lies in the folder of the packs, as only packs are staged."""
        folder = self._path(_STAGING)
        make_directory(folder)
        return _StagedFile(StagedFile(folder), self._path)

    def list(self, prefix: str) -> Iterator[str]:
        """The keys of the files below a folder, in order; none below a file. Temporary files are no objects."""
        top = self._path(prefix.rstrip("/"))
        for folder, folders, names in walk(top) if is_folder(top) else ():
            folders.sort()
            for name in sorted(names):
                if not name.startswith(TEMPORARY_PREFIX):
                    yield os.path.relpath(os.path.join(folder, name), self.root)

    def delete(self, key: str) -> None:
        """Remove a file; its folder stays."""
        path = self._path(key)
        with storage_errors(path, "delete"), contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            sync_directory(os.path.dirname(path))

    def _path(self, key: str) -> str:
        return os.path.join(self.root, key)

    def _holds(self, key: str, parts: Sequence[bytes]) -> bool:
        """Whether a file holds exactly these bytes: presence alone is never trusted."""
        if self.size(key) != sum(map(len, parts)):
            return False
        offset = 0
        try:
            for part in parts:
                for start in range(0, len(part), _COMPARE_SIZE):
                    expected = part[start : start + _COMPARE_SIZE]
                    if self.get(key, offset + start, len(expected)) != expected:
                        return False
                offset += len(part)
        except (FileNotFoundError, StorageError):
            return False  # unreadable is as good as damaged: it is written again
        return True


class _StagedFile:
    """A file of a store that has no name yet."""

    def __init__(self, file: StagedFile, path_of: Callable[[str], str]) -> None:
        self._file = file
        self._path_of = path_of

    def write_at(self, start: int, parts: Sequence[bytes | memoryview]) -> None:
        """Write parts of the file."""
        self._file.write_at(start, parts)

    def publish(self, key: str) -> None:
        """Give the file its name, unless a file with the same bytes has it."""
        path = self._path_of(key)
        try:
            if self._file.holds_what(path):
                settle_file(path)
                return
            _report_other_bytes(key, path, lambda: self._file.holds_what(path))
            make_directory(os.path.dirname(path))
            self._file.publish(path)
        finally:
            self.drop()

    def drop(self) -> None:
        """Remove the file."""
        self._file.drop()


def _report_other_bytes(key: str, path: str, is_right: Callable[[], bool]) -> None:
    """Warn that a chunk or pack with other bytes is about to be replaced; a table may rightly differ.

    ``is_right`` looks at it once more: another writer may have put the same bytes there meanwhile.
    """
    if names_its_bytes(key) and os.path.lexists(path) and not is_right():
        warn_user(f"{path} does not hold what its name says, and is written again")
