"""Data registered in place in an object store.

As in a folder, except for what an object store does not have: there are no links, and nothing shows the executable
bits and empty folders of data that came from a folder. A listing says which objects there are; only their bytes say
whether they are still the same, so they are fetched and hashed, in ranges and on all cores. An object that is opened is
first fetched whole into a temporary file and checked, because a later request might be answered otherwise.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import BinaryIO

from ledger.blobs.chunks.tables import Table, put_table
from ledger.blobs.files.paths import parents_of, path_problem
from ledger.blobs.registering.hashing import digests
from ledger.blobs.registering.registered import Registered, checked_blocks, registered_of, reserved_problem
from ledger.blobs.stores.store import FETCH_SIZE, PrunableStore, Store, etag_of, uncached
from ledger.blobs.stores.workers import in_order
from ledger.disk import unnamed_copy
from ledger.errors import OutsideStoreError, StorageError
from ledger.records import INLINE_FILES, Content, FileEntry, FileKind, linked_digest
from ledger.wording import counted


def link_objects(store: Store, linked: str) -> Content:
    """The content of the objects at a path below the store's root, hashed and listed, not copied.

    Raises `OutsideStoreError` where there are none, or where the store keeps its own.
    """
    problem, hint = reserved_problem(linked), "save_artifact(Path(...)) copies local data"
    paths = object_paths(store, linked) if problem is None else []
    if problem is None and not paths:
        problem = "there is no object, and none below it"
    if problem is None:
        problem = next((f"{path!r}: {bad}" for path in paths if (bad := path_problem(path))), None)
    if problem is None:
        problem, hint = _collision(paths), "register one of the two, or give one of them another key"
    if problem is not None:
        raise OutsideStoreError(
            f"cannot register {store.url}/{linked} in the artifact store {store.url}: {problem}",
            hint=hint,
            path=linked,
            store=store.url,
        )
    is_one = paths == [_name(linked)] and is_object(store, linked)
    keys = [object_key(linked, path, is_one=is_one) for path in paths]
    found = digests(keys, partial(_ranges, store))
    files = tuple(
        FileEntry(path=path, size=size, digest=digest) for path, (size, digest) in zip(paths, found, strict=True)
    )
    return listed_content(store, linked, files)


def listed_content(store: Store, linked: str, files: tuple[FileEntry, ...]) -> Content:
    """The content of registered files, which a table in the store lists if they are many."""
    size = sum(file.size for file in files)
    digest = linked_digest(files)
    if len(files) <= INLINE_FILES:
        return Content(digest=digest, size=size, files=files, linked=linked)
    put_table(store, Table(digest=digest, files=files, runs=(), segments=(), size=size))
    return Content(digest=digest, size=size, file_count=len(files), linked=linked)


def has_first_object(store: Store, linked: str, files: Sequence[FileEntry]) -> bool:
    """Whether the first of some registered files is at its place: to list thousands would take many requests."""
    first = next((file.path for file in files if file.kind != "directory"), None)
    if first is None:
        return True
    may_be_one = len(files) == 1 and first == _name(linked)
    return (may_be_one and is_object(store, linked)) or is_object(store, f"{linked}/{first}")


def object_paths(store: Store, linked: str) -> list[str]:
    """The paths of the objects at a place: the name of one object, or the paths below a folder."""
    if is_object(store, linked):
        return [_name(linked)]
    if not isinstance(store, PrunableStore):
        return []
    below = (key.removeprefix(f"{linked}/") for key in store.list(linked) if key.startswith(f"{linked}/"))
    # Some programs mark a folder by an object whose name ends in a slash.
    return [path for path in below if path and not path.endswith("/")]


def is_object(store: Store, key: str) -> bool:
    """Whether there is an object of exactly that key; ``has`` may say yes to a folder."""
    try:
        store.get(key, 0, 1)
    except FileNotFoundError:
        return False
    except StorageError as error:
        if isinstance(error.__cause__, IsADirectoryError):
            return False
        raise
    return True


def object_key(linked: str, path: str, *, is_one: bool) -> str:
    """The key of an object of registered data; ``is_one`` where that was registered by itself."""
    return linked if is_one else f"{linked}/{path}"


class LinkedObjects:
    """The objects of a linked content, each checked before it is trusted."""

    def __init__(self, store: Store, content: Content, files: tuple[FileEntry, ...], *, label: str) -> None:
        self._store = store
        self._linked = content.linked or ""
        self._registered: Registered = registered_of(
            content, files, label=label, location=f"{store.url}/{content.linked}"
        )
        may_be_one = [file.path for file in files] == [_name(self._linked)]
        self.is_one = may_be_one and is_object(store, self._linked)

    def blocks(self, file: FileEntry) -> Iterator[memoryview]:
        """The bytes of an object; the error for a changed one comes before the end."""
        return next(self.each([file]))

    def each(self, files: Sequence[FileEntry]) -> Iterator[Iterator[memoryview]]:
        """The bytes of each of some objects, fetched a little ahead with several requests at once."""
        fetched = in_order(self._fetch, ((file, start) for file in files for start in _starts_of(file)))
        return (checked_blocks(self._registered, file, islice(fetched, len(_starts_of(file)))) for file in files)

    def open(self, file: FileEntry) -> BinaryIO:
        """A checked copy of an object, to read and seek in; it lasts as long as it is open."""
        return unnamed_copy(self.blocks(file))

    def check_listing(self) -> None:
        """Compare which objects are there with those that were registered, as far as a listing shows them."""
        if not isinstance(self._store, PrunableStore):
            return  # a web server lists nothing; whoever reads an object finds out
        registered = self._registered.files
        unseen: dict[str, FileKind] = {path: file.kind for path, file in registered.items() if file.kind == "directory"}
        found: dict[str, FileKind] = {
            path: "executable" if path in registered and registered[path].kind == "executable" else "file"
            for path in object_paths(self._store, self._linked)
        }
        self._registered.compare_listing(unseen | found)

    def check(self) -> None:
        """Compare what is there with what was registered, byte by byte."""
        self.check_listing()
        for blocks in self.each(list(self._registered.files.values())):
            for _ in blocks:
                pass  # checking is the point

    def _fetch(self, part: tuple[FileEntry, int]) -> bytes:
        """A part of an object, the last part with one byte more, so that an object that has grown is noticed."""
        file, start = part
        is_last = start + FETCH_SIZE >= file.size
        length = file.size - start + 1 if is_last else FETCH_SIZE
        try:
            block = self._store.get(object_key(self._linked, file.path, is_one=self.is_one), start, length)
        except FileNotFoundError as error:
            raise self._registered.changed(file.path, "is missing") from error
        if len(block) < length and not is_last:
            # The object ends here, before the size that its record says: nothing is asked for behind its end.
            raise self._registered.changed(
                file.path, f"has {counted(start + len(block), 'byte')}, expected {file.size}"
            )
        return block


def _collision(paths: Sequence[str]) -> str | None:
    """Which two objects no folder could both hold as files, as a problem; ``None`` where there are none."""
    known = set(paths)
    return next(
        (f"{path!r} lies below {above!r}" for path in paths for above in parents_of(path) if above in known), None
    )


def _ranges(store: Store, key: str) -> Iterator[bytes]:
    """The bytes of an object whose size is not known; `StorageError` where it is replaced meanwhile.

    Its ETag tells, in a store that has ETags. It is asked for only if the first request does not fetch all, so that a
    small object takes one request.
    """
    start, block = 0, _range(store, key, 0)
    if len(block) < FETCH_SIZE:
        yield block
        return
    before = etag_of(uncached(store), key)
    yield block
    while len(block) == FETCH_SIZE:
        start += len(block)
        block = _range(store, key, start)
        yield block
    after = etag_of(uncached(store), key)
    if before != after:
        raise StorageError(
            f"{store.url}/{key} changed while it was read: its ETag was {before} at first, and is {after} now",
            hint="register it again when nothing writes to it",
            path=f"{store.url}/{key}",
        )


def _range(store: Store, key: str, start: int) -> bytes:
    """The part of a listed object that one request fetches."""
    try:
        return store.get(key, start, FETCH_SIZE)
    except FileNotFoundError as error:
        raise StorageError(
            f"cannot register {store.url}/{key}: it was listed and cannot be read",
            hint="somebody deletes there at this moment, or its key ends in a slash: give it another one",
            path=f"{store.url}/{key}",
        ) from error


def _starts_of(file: FileEntry) -> range:
    """Where each request for an object starts; none for an empty folder."""
    return range(0, max(file.size, 1) if file.kind != "directory" else 0, FETCH_SIZE)


def _name(linked: str) -> str:
    return linked.rpartition("/")[2]
