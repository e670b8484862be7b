"""A content in, its files out.

`ContentReader` looks the same for bytes that are kept in chunks and for data that was
registered in place. Nothing is handed out that has not been checked against its digest.
"""

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final

from ledger.blobs.chunks.file_lists import whole_files
from ledger.blobs.chunks.stream import ChunkStream
from ledger.blobs.chunks.tables import Table, load_table
from ledger.blobs.files.links import check_size, check_targets
from ledger.blobs.files.readable_files import readable_file
from ledger.blobs.files.restoring import plan_restore, restore_files, split
from ledger.blobs.registering.file_source import FileSource
from ledger.blobs.registering.linked import is_linked_present, linked_source
from ledger.blobs.stores.layout import chunk_key, pack_key, table_key
from ledger.blobs.stores.store import Store, location_of
from ledger.blobs.stores.workers import ask_each
from ledger.errors import ArgumentError, IntegrityError
from ledger.records import Content, FileEntry

_used_last: Final[deque[ChunkStream]] = deque(maxlen=2)
"""The streams used last, so that file after file of two contents can be opened without reading any chunk twice.

A stream that is not among them lives only as long as a file that is open in it: somebody may hold very many versions.
"""


class ContentReader:
    """Gives back a content's files, every byte checked against its digest; for any thread.

    ``label``, such as ``iris@3``, names the content in errors. Raises `IntegrityError`
    where the content, or the table it refers to, contradicts itself.
    """

    files: tuple[FileEntry, ...]
    _source: FileSource

    def __init__(self, store: Store, content: Content, *, label: str) -> None:
        table = load_table(store, content, label=label) if content.has_table else None
        self.files = table.files if table is not None else whole_files(content, label=label)
        self._store = store
        self._content = content
        self.label = label
        self._by_path = {file.path: file for file in self.files}
        if content.linked is not None:
            self._source = linked_source(store, content, self.files, label=label)
        else:
            self._source = _StoredFiles(store, content, table, self.files, label)

    @property
    def location(self) -> str:
        """The URL of the object or path that holds the content, in the store that has it."""
        store, content = self._store, self._content
        if content.linked is not None:
            return f"{store.url}/{content.linked}"
        if content.has_table:
            return location_of(store, table_key(content.digest))
        return next((location_of(store, chunk_key(digest)) for digest, _ in content.chunks or ()), store.url)

    @property
    def is_one(self) -> bool:
        """Whether a file was registered by itself, and not the folder around it, which may have its name."""
        return self._source.is_one

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        blocks = list(self._source.blocks(self._file(path)))
        return bytes(blocks[0]) if len(blocks) == 1 else b"".join(blocks)

    def open(self, path: str) -> BinaryIO:
        """A file to read and seek in, buffered; only the chunks it touches are fetched."""
        return self._source.open(self._file(path))

    def restore(self, target: Path, *, paths: Sequence[str] | None = None, strip: str = "") -> None:
        """Make the folder ``target`` with all files, or those of ``paths``, without the leading folder ``strip``.

        The folder appears when it is complete. Raises `TargetExistsError` where something is there.
        """
        restore_files(target, plan_restore(self.files, paths, strip), self._source.each, label=self.label)

    def check_listing(self) -> None:
        """Raise `IntegrityError` where a file of registered data is missing or was added; no byte is read."""
        self._source.check_listing()

    def check_links(self, *, strip: str = "") -> None:
        """Judge every link as `restore` with the same ``strip`` does; `IntegrityError` at a bad one."""
        links = plan_restore([file for file in self.files if file.kind == "link"], None, strip)
        for file, path in links:
            check_size(path, file.size, self.label)
        each = self._source.each([file for file, _ in links])
        check_targets({path: b"".join(blocks) for (_, path), blocks in zip(links, each, strict=True)}, self.label)

    def check(self) -> None:
        """Read every byte again; raises `IntegrityError` at the first bad one."""
        self._source.check()

    def _file(self, path: str) -> FileEntry:
        file = self._by_path.get(path)
        if file is None:
            raise ArgumentError(f"{self.label} holds no file {path!r}", path=path)
        return file


def is_present(store: Store, content: Content) -> bool:
    """Whether the objects of a content are there, without reading the bytes of its chunks."""
    if content.linked is not None:
        is_there = not content.has_table or store.has(table_key(content.digest))
        return is_there and is_linked_present(store, content)
    if not content.has_table:
        return all(store.has(chunk_key(digest)) for digest, _ in content.chunks or ())
    if not store.has(table_key(content.digest)):
        return False
    try:
        table = load_table(store, content, label=f"content {content.digest}")
    except IntegrityError:
        return False  # a damaged table is as good as none; reading the content says what is wrong
    return all(store.has(pack_key(pack)) for pack in {pack for pack, _, _ in table.runs})


def are_present(store: Store, contents: Iterable[Content]) -> Iterator[bool]:
    """What `is_present` says of each content; a distant store is asked about many at a time."""
    return ask_each(store, partial(is_present, store), contents)


class _StoredFiles:
    """Files that are kept in chunks."""

    is_one = False

    def __init__(
        self, store: Store, content: Content, table: Table | None, files: tuple[FileEntry, ...], label: str
    ) -> None:
        self._new_stream = partial(ChunkStream, store, content, table, label=label)
        self._shared: Callable[[], ChunkStream | None] = lambda: None
        starts = accumulate((file.size for file in files), initial=0)
        self._starts = {file.path: start for file, start in zip(files, starts, strict=False)}

    @property
    def _stream(self) -> ChunkStream:
        """The stream that the files are read by, which all share who read at the same time or right after others."""
        stream = self._shared()
        if stream is None:
            stream = self._new_stream()
            self._shared = weakref.ref(stream)
        _used_last.append(stream)
        return stream

    def blocks(self, file: FileEntry) -> Iterator[memoryview]:
        start = self._starts[file.path]
        return self._stream.blocks(start, start + file.size)

    def each(self, files: Sequence[FileEntry]) -> Iterator[Iterator[memoryview]]:
        stream = self._stream
        for stretch in self._stretches(files):
            stop = self._starts[stretch[-1].path] + stretch[-1].size
            yield from split(stream.blocks(self._starts[stretch[0].path], stop), [file.size for file in stretch])

    def open(self, file: FileEntry) -> BinaryIO:
        return readable_file(file.size, _InStream(self._stream, self._starts[file.path]))

    def check_listing(self) -> None:
        pass  # the list is part of the content

    def check(self) -> None:
        self._new_stream().check()

    def _stretches(self, files: Sequence[FileEntry]) -> Iterator[list[FileEntry]]:
        """The files in order, those together that lie one after another in the stream."""
        stretch: list[FileEntry] = []
        for file in files:
            if stretch and self._starts[file.path] != self._starts[stretch[-1].path] + stretch[-1].size:
                yield stretch
                stretch = []
            stretch.append(file)
        if stretch:
            yield stretch


class _InStream:
    """The bytes of one file, which starts at a position of the stream."""

    def __init__(self, stream: ChunkStream, at: int) -> None:
        self._stream = stream
        self._at = at

    def blocks(self, start: int, stop: int) -> Iterator[memoryview]:
        return self._stream.blocks(self._at + start, self._at + stop)

    def fill(self, start: int, target: memoryview) -> None:
        self._stream.fill(self._at + start, target)
