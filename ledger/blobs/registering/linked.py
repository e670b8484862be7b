"""Data registered in place: hashed when it is registered, checked when it is read.

Linked data lies in a store beside the store's own objects and belongs to the user, who may change it: then reading is
an error, and hands out no changed file as whole (specs/format.md, 5.4). This module is for local folders,
`linked_objects` for object stores. Paths come from manifests that others may have written, so a path is followed only
if no part of it is a symbolic link.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from ledger.blobs.chunks.file_lists import listed_files
from ledger.blobs.files.folders import FolderFile, refuse, scan_folder
from ledger.blobs.files.paths import key_problem, path_problem
from ledger.blobs.files.readable_files import readable_file
from ledger.blobs.files.sources import read_link, read_source
from ledger.blobs.registering.file_source import FileSource
from ledger.blobs.registering.hashing import digests
from ledger.blobs.registering.linked_objects import LinkedObjects, has_first_object, listed_content
from ledger.blobs.registering.registered import CHANGED_IN_PLACE, checked_blocks, registered_of
from ledger.blobs.stores.layout import is_own
from ledger.blobs.stores.local import LocalStore
from ledger.blobs.stores.store import Store
from ledger.disk import absolute, is_folder, mode_of, read_file, settle_files, storage_errors, unnamed_copy
from ledger.errors import ArgumentError, IntegrityError, OutsideStoreError, StorageError, UnsupportedFileError
from ledger.meters import expect
from ledger.records import Content, FileEntry, FileKind
from ledger.system_errors import raise_if_access_denied, raise_if_inconclusive

_BLOCK_SIZE = 1 << 20


def link_content(store: LocalStore, path: Path) -> Content:
    """The content of a file or folder that lies in the store, hashed and listed, not copied.

    Raises `OutsideStoreError`, a ``FileNotFoundError``, unless it exists strictly below the store's root, apart from
    the store's own objects, and is reached without a symbolic link; and `UnsupportedFileError` for names that would
    stop every later sync with a bucket.
    """
    linked = _path_in_store(store, path)
    found = _scan(_full_path(store, linked))
    keys = [linked, *(file.path for file in found)]
    refuse(path, [f"{key!r}: {problem}" for key in keys if (problem := key_problem(key)) is not None])
    expect(sum(file.size for file in found))
    hashed = digests(found, _bytes_of, size_of=lambda file: file.size)
    files = tuple(
        FileEntry(path=file.path, size=size, kind=file.kind, digest=digest)
        for file, (size, digest) in zip(found, hashed, strict=True)
    )
    _settle(store, found)
    return listed_content(store, linked, files)


def linked_path(store: Store, content: Content, *, label: str) -> Path:
    """Where registered data lies on the local disk, every file of it checked.

    Raises `IntegrityError` that names the first file that is missing, changed or new.
    """
    if not isinstance(store, LocalStore):
        raise ArgumentError(f"{label}: {content.linked!r} lies in {store.url}, which has no local path")
    source = LinkedFiles(store, content, listed_files(store, content, label=label), label=label)
    source.check()
    return Path(source.path)


def linked_source(store: Store, content: Content, files: tuple[FileEntry, ...], *, label: str) -> FileSource:
    """The files of a linked content, whatever its store is."""
    if isinstance(store, LocalStore):
        return LinkedFiles(store, content, files, label=label)
    return LinkedObjects(store, content, files, label=label)


def is_linked_present(store: Store, content: Content) -> bool:
    """Whether something lies where a content was registered; in an object store, whether its first object is there."""
    if content.linked is None or path_problem(content.linked):
        return False
    if isinstance(store, LocalStore):
        return bool(mode_of(_full_path(store, content.linked)))
    try:
        files = listed_files(store, content, label="registered data")
    except IntegrityError:
        return False  # a damaged table is as good as none; reading the content says what is wrong
    return has_first_object(store, content.linked, files)


class LinkedFiles:
    """The files of a linked content in a local store; ``is_one`` where a file was registered by itself."""

    path: str
    is_one: bool

    def __init__(self, store: LocalStore, content: Content, files: tuple[FileEntry, ...], *, label: str) -> None:
        self.path = _full_path(store, content.linked or "")
        self._label = label
        self._is_of_others = store.is_of_others
        self._registered = registered_of(content, files, label=label, location=self.path)
        if os.path.realpath(self.path) != self.path:
            raise self._changed(f"invalid path {content.linked!r} in the store: a symbolic link leads elsewhere")
        self.is_one = len(files) == 1 and not is_folder(self.path)

    def blocks(self, file: FileEntry) -> Iterator[memoryview]:
        """The bytes of a file; the error for a changed one comes before the end."""
        return checked_blocks(self._registered, file, self._raw(file))

    def each(self, files: Sequence[FileEntry]) -> Iterator[Iterator[memoryview]]:
        """The bytes of each of some files."""
        return map(self.blocks, files)

    def open(self, file: FileEntry) -> BinaryIO:
        """A file to read and seek in, checked as a whole first and whenever it was touched; of a link, its target."""
        if file.kind == "link":
            return unnamed_copy(self.blocks(file))
        with self._looking():
            return readable_file(file.size, _InPlace(self._source(file), partial(self._check_file, file)))

    def check(self) -> None:
        """Compare what lies there with what was registered, byte by byte, on all cores."""
        self.check_listing()
        files = list(self._registered.files.values())
        read = partial(self._raw, real_path=cache(os.path.realpath))  # a folder may have very many files
        for file, each in zip(files, digests(files, read, size_of=lambda file: file.size), strict=True):
            self._registered.compare(file, *each)

    def check_listing(self) -> None:
        """Compare which files lie there with those that were registered."""
        self._registered.compare_listing({file.path: file.kind for file in self._scan()})

    def _check_file(self, file: FileEntry) -> None:
        for _ in self.blocks(file):
            pass  # checking is the point

    def _scan(self) -> list[FolderFile]:
        if not mode_of(self.path, follow=False):
            raise self._changed(f"{self.path} is missing")
        try:
            with self._looking():
                return _scan(self.path)
        except UnsupportedFileError as error:
            raise self._changed(f"changed since it was registered: {error}") from error

    def _changed(self, what: str) -> IntegrityError:
        """The error for a place where something else lies than what was registered, or nothing."""
        return IntegrityError(f"{self._label}: {what}", hint=CHANGED_IN_PLACE, location=self.path)

    def _source(self, file: FileEntry) -> str:
        return self.path if self.is_one else os.path.join(self.path, file.path)

    def _raw(self, file: FileEntry, real_path: Callable[[str], str] = os.path.realpath) -> Iterator[bytes]:
        if file.kind == "directory":
            return
        source = self._source(file)
        if file.kind == "link":
            yield self._link_target(file)
            return
        if real_path(os.path.dirname(source)) != os.path.dirname(source):
            raise self._registered.changed(file.path, "lies behind a symbolic link")
        try:
            with self._looking():
                yield from read_source(source, follow=False)
        except (StorageError, UnsupportedFileError) as error:
            _raise_if_untold(error)
            cause, hint = error.__cause__, error.hint if isinstance(error.__cause__, PermissionError) else ""
            reason = f"cannot be read: {cause.strerror if isinstance(cause, OSError) else error}"
            what = "is missing" if isinstance(cause, FileNotFoundError) else reason
            raise self._registered.changed(file.path, what, hint) from error

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """A block that looks at files; in somebody else's store, one that is closed to this user was not changed."""
        try:
            yield
        except StorageError as error:
            if self._is_of_others:
                raise_if_access_denied(error)
            raise

    def _link_target(self, file: FileEntry) -> bytes:
        source = self._source(file)
        try:
            with self._looking(), storage_errors(source, "read"):
                return os.fsencode(os.readlink(source))
        except OSError as error:
            _raise_if_untold(error)
            raise self._registered.changed(file.path, "is no link any more") from error


def _raise_if_untold(error: Exception) -> None:
    """Raise an error again if it does not tell whether something was changed: a failing disk's, or a shortage."""
    raise_if_inconclusive(error)
    if isinstance(error, OSError) and error.errno == errno.EIO:
        raise error


def _path_in_store(store: LocalStore, path: Path) -> str:
    """The path of a file or folder relative to the store's root, if it may be registered."""
    root = os.path.realpath(store.root)
    given = os.path.abspath(absolute(path))
    linked = next(
        (given.removeprefix(f"{base}/") for base in (str(store.root), root) if given.startswith(f"{base}/")), None
    )
    problem = None
    if linked is None:
        problem = "it does not lie inside"
    elif not mode_of(given, follow=False):
        problem = "it does not exist"
    elif os.path.realpath(path) != os.path.join(root, linked):
        problem = "a symbolic link leads elsewhere"
    elif is_own(linked):
        problem = "that is where the store keeps its own objects"
    else:
        problem = path_problem(linked)
    if linked is None or problem is not None:
        raise OutsideStoreError(
            f"cannot register {path} in the artifact store {store.root}: {problem}",
            hint="save_artifact(Path(...)) copies it",
            path=str(path),
            store=str(store.root),
        )
    return linked


def _full_path(store: LocalStore, linked: str) -> str:
    return os.path.join(os.path.realpath(store.root), linked)


def _scan(path: str) -> list[FolderFile]:
    """The files of a folder, or the one file."""
    mode = mode_of(path)
    if stat.S_ISDIR(mode):
        return scan_folder(Path(path))
    kind: FileKind = "executable" if mode & stat.S_IXUSR else "file"
    with storage_errors(path, "read"):
        return [FolderFile(os.path.basename(path), kind, *os.path.split(path), os.stat(path).st_size)]


def _settle(store: LocalStore, found: Sequence[FolderFile]) -> None:
    """Make durable what is going to be registered: the program that wrote it has probably not done so."""
    files = [Path(file.source) for file in found if file.kind in ("file", "executable")]
    lowest = {Path(file.source if file.kind == "directory" else file.folder) for file in found}
    root = os.path.realpath(store.root)  # as the paths of what was found
    above = {folder for low in lowest for folder in (low, *low.parents) if folder.is_relative_to(root)}
    settle_files(files, sorted(above, reverse=True))


def _bytes_of(file: FolderFile) -> Iterator[bytes]:
    """What a file's digest is about: its bytes, or the target of a link."""
    if file.kind == "link":
        yield read_link(file)
    elif file.kind != "directory":
        yield from read_source(file.source, follow=False)


class _InPlace:
    """The bytes of a file where it lies, which ``check`` checks as a whole, once more whenever it was touched."""

    def __init__(self, path: str, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._checked = _state(path)
        check()

    def blocks(self, start: int, stop: int) -> Iterator[memoryview]:
        while start < stop:
            block = self._read(start, min(_BLOCK_SIZE, stop - start))
            start += len(block)
            yield memoryview(block)

    def fill(self, start: int, target: memoryview) -> None:
        done = 0
        for block in self.blocks(start, start + len(target)):
            target[done : done + len(block)] = block
            done += len(block)

    def _read(self, start: int, length: int) -> bytes:
        """A part of the file, read while the file is as it was when it was checked; else it is checked again."""
        block = self._part(start, length)
        while (state := _state(self._path)) != self._checked:
            self._check()
            self._checked = state
            block = self._part(start, length)
        if not block:
            raise IntegrityError(f"{self._path} became shorter while it was read", location=self._path)
        return block

    def _part(self, start: int, length: int) -> bytes:
        try:
            return read_file(self._path, start=start, length=length)
        except FileNotFoundError:
            return b""  # the check reports it


def _state(path: str) -> tuple[int, ...]:
    """What ``lstat`` says of a file that changes whenever the file does; empty if there is no file."""
    with storage_errors(path, "read"):
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
