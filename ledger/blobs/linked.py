"""Data registered in place: hashed when it is registered, checked when it is read.

Linked data lies in a local store beside the store's own objects and belongs to the
user, who may change it: then reading says so and hands nothing out
(specs/format.md, 5.4). Paths come from manifests that others may have written, so a
path is followed only where it leads to without any symbolic link.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from ledger.blobs.codec import Encoder
from ledger.blobs.layout import RESERVED
from ledger.blobs.local import LocalStore
from ledger.blobs.outgoing import readable_file
from ledger.blobs.paths import path_problem
from ledger.blobs.store import Store
from ledger.blobs.tables import Table, load_table, put_table
from ledger.blobs.trees import TreeFile, read_source, scan_tree
from ledger.disk import mode_of, read_file, storage_errors
from ledger.errors import ArgumentError, IntegrityError, OutsideStoreError, StorageError, UnsupportedFileError
from ledger.ids import Digest, digest_of
from ledger.records import INLINE_FILES, Content, FileEntry, linked_digest

_BLOCK_SIZE = 1 << 20


def link_content(store: LocalStore, path: Path) -> Content:
    """The content of a file or folder that lies in the store, hashed and listed, not copied.

    Raises `OutsideStoreError`, a ``FileNotFoundError``, unless it exists strictly below the
    store's root, reached without a symbolic link, apart from the store's own objects.
    """
    linked = _path_in_store(store, path)
    files = tuple(_entry(file) for file in _scan(_full_path(store, linked)))
    size = sum(file.size for file in files)
    digest = linked_digest(files)
    if len(files) <= INLINE_FILES:
        return Content(digest=digest, size=size, files=files, linked=linked)
    put_table(store, Table(digest=digest, files=files, runs=(), segments=(), size=size), Encoder())
    return Content(digest=digest, size=size, file_count=len(files), linked=linked)


def linked_path(store: Store, content: Content, *, label: str) -> Path:
    """Where registered data lies, every file of it checked.

    Raises `IntegrityError` that names the first file that is missing, changed or new.
    """
    files = load_table(store, content, label=label).files if content.has_table else content.files or ()
    source = LinkedFiles(store, content, files, label=label)
    source.check()
    return Path(source.path)


def is_linked_present(store: Store, content: Content) -> bool:
    """Whether something lies where a content was registered, without reading it."""
    if content.linked is None or path_problem(content.linked) or not isinstance(store, LocalStore):
        return False
    return bool(mode_of(_full_path(store, content.linked)))


class LinkedFiles:
    """The files of a linked content, each checked before it is trusted."""

    path: str

    def __init__(self, store: Store, content: Content, files: tuple[FileEntry, ...], *, label: str) -> None:
        self._label = label
        self._files = files
        linked = content.linked or ""
        if not isinstance(store, LocalStore):
            raise ArgumentError(f"{label}: {linked!r} was registered in a local store, this one is {store.url}")
        found = linked_digest(files)
        if found != content.digest:
            raise IntegrityError(
                f"{label}: the files listed are the content {found}, expected {content.digest}",
                digest=content.digest,
                found=found,
            )
        self.path = _full_path(store, linked)
        problem = path_problem(linked) or ("it is the store's own" if linked.split("/")[0] in RESERVED else None)
        if problem is None and os.path.realpath(self.path) != self.path:
            problem = "a symbolic link leads elsewhere"
        if problem is not None:
            raise IntegrityError(f"{label}: invalid path {linked!r} in the store: {problem}", location=self.path)
        self._is_file = len(files) == 1 and not stat.S_ISDIR(mode_of(self.path))

    def blocks(self, file: FileEntry) -> Iterator[memoryview]:
        """The bytes of a file; the error for a changed one comes before the end."""
        if file.kind == "link":
            data = self._link_target(file)
            self._compare(file, len(data), digest_of(data))
            yield memoryview(data)
            return
        size, digest = 0, hashlib.sha256()
        last = memoryview(b"")
        for block in self._raw(file):
            size += len(block)
            digest.update(block)
            yield last
            last = memoryview(block)
        self._compare(file, size, Digest(f"sha256:{digest.hexdigest()}"))
        yield last

    def each(self, files: Sequence[FileEntry]) -> Iterator[Iterator[memoryview]]:
        """The bytes of each of some files."""
        return map(self.blocks, files)

    def open(self, file: FileEntry) -> BinaryIO:
        """A file to read and seek in, checked as a whole first."""
        for _ in self.blocks(file):
            pass  # checking is the point
        source = self._source(file)
        return readable_file(file.size, _InPlace(source))

    def separate(self) -> Self:
        """These files themselves: nothing is kept between two reads."""
        return self

    def check(self) -> None:
        """Compare what lies there with what was registered, byte by byte."""
        expected = {file.path: file for file in self._files}
        found = {file.path: file for file in self._scan()}
        # What is missing comes first: it may be why a folder is empty now, which counts as added.
        for path in sorted(expected.keys() | found.keys(), key=lambda path: (path in found, path)):
            if path not in found:
                raise self._changed(path, "is missing")
            if path not in expected:
                raise self._changed(path, "was added")
            if found[path].kind != expected[path].kind:
                raise self._changed(path, f"is of kind {found[path].kind}, expected {expected[path].kind}")
            for _ in self.blocks(expected[path]):
                pass  # each block was checked on its way

    def _scan(self) -> list[TreeFile]:
        if not mode_of(self.path, follow=False):
            raise IntegrityError(f"{self._label}: {self.path} is missing", location=self.path)
        try:
            return _scan(self.path)
        except UnsupportedFileError as error:
            raise IntegrityError(
                f"{self._label}: changed since it was registered: {error}", location=self.path
            ) from error

    def _source(self, file: FileEntry) -> str:
        return self.path if self._is_file else os.path.join(self.path, file.path)

    def _raw(self, file: FileEntry) -> Iterator[bytes]:
        if file.kind == "directory":
            return
        source = self._source(file)
        if os.path.realpath(os.path.dirname(source)) != os.path.dirname(source):
            raise self._changed(file.path, "lies behind a symbolic link")
        try:
            yield from read_source(source, follow=False)
        except (StorageError, UnsupportedFileError) as error:
            raise self._changed(file.path, f"cannot be read: {error}") from error

    def _link_target(self, file: FileEntry) -> bytes:
        try:
            return os.fsencode(os.readlink(self._source(file)))
        except OSError as error:
            raise self._changed(file.path, "is no link any more") from error

    def _compare(self, file: FileEntry, size: int, digest: Digest) -> None:
        if (size, digest) != (file.size, file.digest):
            raise self._changed(
                file.path, f"has {size} bytes, {digest}, expected {file.size} bytes, {file.digest}", digest=file.digest
            )

    def _changed(self, path: str, what: str, *, digest: Digest | None = None) -> IntegrityError:
        return IntegrityError(
            f"{self._label}: the file {path!r} {what}, in {self.path}",
            hint="registered data was changed in place; register it again as a new version",
            digest=digest,
            location=self.path,
            path=path,
        )


def _path_in_store(store: LocalStore, path: Path) -> str:
    """The path of a file or folder relative to the store's root, if it may be registered."""
    root = os.path.realpath(store.root)
    given = os.path.abspath(path)
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
    elif linked.split("/")[0] in RESERVED:
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


def _scan(path: str) -> list[TreeFile]:
    """The files of a folder, or the one file."""
    mode = mode_of(path)
    if stat.S_ISDIR(mode):
        return scan_tree(Path(path))
    is_executable = bool(mode & stat.S_IXUSR)
    return [TreeFile(os.path.basename(path), "executable" if is_executable else "file", path)]


def _entry(file: TreeFile) -> FileEntry:
    """A file with the digest of its bytes, streaming."""
    size, digest = 0, hashlib.sha256()
    for block in _bytes_of(file):
        size += len(block)
        digest.update(block)
    return FileEntry(path=file.path, size=size, kind=file.kind, digest=Digest(f"sha256:{digest.hexdigest()}"))


def _bytes_of(file: TreeFile) -> Iterator[bytes]:
    if file.kind == "link":
        with storage_errors(file.source, "read"):
            yield os.readlink(file.source).encode()
    elif file.kind != "directory":
        yield from read_source(file.source, follow=False)


class _InPlace:
    """The bytes of a file where it lies; it was checked as a whole."""

    def __init__(self, path: str) -> None:
        self._path = path

    def blocks(self, start: int, stop: int) -> Iterator[memoryview]:
        while start < stop:
            block = read_file(self._path, start=start, length=min(_BLOCK_SIZE, stop - start))
            if not block:
                raise IntegrityError(f"{self._path} became shorter while it was read", location=self._path)
            start += len(block)
            yield memoryview(block)

    def fill(self, start: int, target: memoryview) -> None:
        done = 0
        for block in self.blocks(start, start + len(target)):
            target[done : done + len(block)] = block
            done += len(block)
