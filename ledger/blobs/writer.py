"""Files in, a content out.

`ContentWriter` takes files one after another as one stream, cuts it and hands the
chunks to a `ChunkSink`. Files that are written at the same time wait for their turn
outside of the stream. Paths are checked before a byte is taken.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from ledger.blobs.chunks.chunking import Cutter
from ledger.blobs.files.batches import Batch, in_batches
from ledger.blobs.files.folders import FolderFile, scan_folder
from ledger.blobs.files.paths import are_usual, parents_of, path_problem
from ledger.blobs.files.sources import read_link, read_source
from ledger.blobs.files.writable_files import Spool, writable_file
from ledger.blobs.sink import ChunkSink
from ledger.blobs.stores.gathered_puts import GatheredPuts
from ledger.blobs.stores.store import Store
from ledger.errors import ArgumentError, SourceNotFoundError
from ledger.meters import advance, expect
from ledger.records import Content, FileEntry, FileKind
from ledger.system_errors import storage_error


class ContentWriter:
    """Takes files one after another as one stream and makes them durable in the store.

    ``similar`` are contents whose chunks are not stored again where they occur: the newest
    versions of the name, a step's inputs. ``without`` is a folder that is left out of the folders
    that hold it: a ledger does not save itself. ``gathered`` takes the chunk of a content that has
    only one, and tables: they are durable once it is finished. After an error the writer is to be
    aborted.
    """

    def __init__(
        self,
        store: Store,
        *,
        similar: Iterable[Content] = (),
        without: Path | None = None,
        gathered: GatheredPuts | None = None,
    ) -> None:
        self._without = without
        self._cutter = Cutter()
        self._sink = ChunkSink(store, similar, self._cutter.give_back, gathered=gathered)
        self._files: list[FileEntry] = []
        self._taken: set[str] = set()
        self._folders: set[str] = set()
        self._current: _Direct | None = None
        self._waiting: list[Spool] = []
        self._over = ""  # how the writer ended, in the words of an error

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The files that are complete so far, in the order of the stream."""
        return tuple(self._files)

    def open(self, path: str, *, executable: bool = False) -> BinaryIO:
        """A new file for writing, which cannot seek.

        Its bytes go straight into the stream, or, while another one is open, wait outside of it.
        """
        self._reserve(path)
        kind: FileKind = "executable" if executable else "file"
        if self._current is not None:
            return writable_file(self._new_spool(path, kind))
        self._current = _Direct(path, kind, self._take_direct, self._close)
        return writable_file(self._current)

    def add_file(self, path: str, source: Path) -> None:
        """Add a copy of a file, streaming, with its executable bit.

        Raises `SourceNotFoundError`, `UnsupportedFileError` if it is no regular file, and
        `StorageError` if it changes while it is read.
        """
        try:
            status = os.stat(source)
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"no file {source} to save", path=str(source)) from error
        except OSError as error:
            raise storage_error(error, source, "read") from error
        kind: FileKind = "executable" if status.st_mode & stat.S_IXUSR else "file"
        expect(status.st_size)
        self._copy(FolderFile(path, kind, *os.path.split(source)), follow=True)

    def add_folder(self, prefix: str, folder: Path) -> None:
        """Add a folder with everything in it, below ``prefix``; empty folders, executable bits and links are kept.

        Raises `UnsupportedFileError` with everything that cannot be saved, before a byte is read.
        """
        self._check_usable()
        files = scan_folder(folder, without=self._without, portable=True)
        expect(sum(file.size for file in files))
        lead = f"{prefix.rstrip('/')}/" if prefix else ""
        if prefix and not files:
            self._copy(FolderFile(prefix.rstrip("/"), "directory", *os.path.split(folder)), follow=False)
        with self._broken_by_errors():
            for entry in in_batches(files) if self._current is None else files:
                if isinstance(entry, Batch):
                    self._add_batch(lead, entry)
                else:
                    self._copy(msgspec.structs.replace(entry, path=lead + entry.path), follow=False)

    def finish(self) -> Content:
        """The content of all files; everything is durable that ``gathered`` does not have. The writer is used up."""
        self._check_usable()
        if self._current is not None or self._waiting:
            path = (self._current or self._waiting[0]).path
            raise ArgumentError(f"the file {path!r} is still open", hint="close every file before finishing", path=path)
        self._over = "finished"
        last = self._cutter.finish()
        advance(last.size)
        return self._sink.finish(last, self._files)

    def abort(self) -> None:
        """Drop everything that is not in the store yet; nothing refers to the rest."""
        self._over = self._over or "aborted"
        for spool in self._waiting:
            spool.drop()
        self._waiting.clear()
        self._sink.close()

    def _check_usable(self) -> None:
        if self._over:
            raise ArgumentError(f"this writer is {self._over} and takes nothing more")

    @contextlib.contextmanager
    def _broken_by_errors(self) -> Iterator[None]:
        """A block whose error ends the writer: a part of a file, or of a content, must not pass for all of it."""
        try:
            yield
        except BaseException:
            self._over = "broken by an error"
            raise

    def _reserve(self, path: str) -> None:
        """Check a new path and keep it; `ArgumentError` where the content cannot hold it."""
        self._check_usable()
        problem = path_problem(path) or self._collision(path)
        if problem is not None:
            raise ArgumentError(f"cannot add the file {path!r}: {problem}", path=path)
        self._folders.update(parents_of(path))
        self._taken.add(path)

    def _collision(self, path: str) -> str | None:
        """Why there can be no such file beside the others, or ``None``."""
        if path in self._taken:
            return "it is there already"
        if path in self._folders:
            return "other files lie below it"
        above = next((parent for parent in parents_of(path) if parent in self._taken), None)
        return f"it lies below the file {above!r}" if above is not None else None

    def _reserve_all(self, paths: Sequence[str]) -> None:
        """Reserve paths, all together where there is certainly nothing wrong with any of them."""
        new = set(paths)
        folders = {path.rpartition("/")[0] for path in paths} - self._folders - {""}
        folders.update(*map(parents_of, folders))
        is_free = len(new) == len(paths) and new.isdisjoint(self._taken) and new.isdisjoint(self._folders)
        is_below_none = folders.isdisjoint(self._taken) and folders.isdisjoint(new)
        if self._over or not (is_free and is_below_none and are_usual(paths)):
            for path in paths:
                self._reserve(path)
            return
        self._folders |= folders
        self._taken |= new

    def _copy(self, file: FolderFile, *, follow: bool) -> None:
        """Add one file of a folder: an empty folder, a link by its target, or a file by its bytes."""
        if file.kind == "directory" and file.path in self._folders:
            return  # empty in the folder it is copied from, but files below it were added otherwise
        if file.kind in ("directory", "link"):
            self._reserve(file.path)
            self._add_link_or_folder(file)
            return
        blocks = read_source(file.source, follow=follow)
        if self._current is not None:
            with self.open(file.path, executable=file.kind == "executable") as copy:
                self._pour(blocks, copy.write)
            return
        # Without a buffer in between: a folder may hold many small files.
        self._reserve(file.path)
        size = self._pour(blocks, self._take)
        self._files.append(FileEntry(path=file.path, size=size, kind=file.kind))

    def _add_batch(self, lead: str, batch: Batch) -> None:
        """Add small files whose bytes were read already."""
        paths = [lead + file.path for file in batch.files]
        self._reserve_all(paths)
        self._take(batch.data)
        self._files += [
            FileEntry(path=path, size=size, kind=file.kind)
            for path, size, file in zip(paths, batch.sizes, batch.files, strict=True)
        ]

    def _pour(self, blocks: Iterable[bytes], take: Callable[[bytes], object]) -> int:
        """Pass on the bytes of a source; how many they are."""
        size = 0
        with self._broken_by_errors():
            for block in blocks:
                take(block)
                size += len(block)
        return size

    def _add_link_or_folder(self, file: FolderFile) -> None:
        data = read_link(file) if file.kind == "link" else b""
        if self._current is None:
            self._take(data)
            self._files.append(FileEntry(path=file.path, size=len(data), kind=file.kind))
            return
        spool = self._new_spool(file.path, file.kind)
        spool.take(data)
        spool.close(len(data))

    def _take(self, data: bytes | memoryview) -> None:
        with self._broken_by_errors():
            for block in self._cutter.take(data):
                self._sink.add(block)
                advance(block.size)

    def _take_direct(self, data: bytes | memoryview) -> None:
        # After an abort, closing a file flushes what it still holds: nobody wants it.
        if not self._over:
            self._take(data)

    def _close(self, direct: "_Direct", size: int) -> None:
        """Note that the file which was being written into the stream is complete."""
        if self._over:
            return  # closed by the garbage collector after an abort
        self._files.append(FileEntry(path=direct.path, size=size, kind=direct.kind))
        self._current = None
        self._join_complete()

    def _new_spool(self, path: str, kind: FileKind) -> Spool:
        """A file that waits outside of the stream until it is complete, and no other one is written into the stream."""
        spool = Spool(path, kind, self._join_complete, self._broken_by_errors)
        self._waiting.append(spool)
        return spool

    def _join_complete(self) -> None:
        """Let the waiting files that are complete into the stream, if it is free, in the order they were opened."""
        if self._current is not None or self._over:
            return
        for spool in [spool for spool in self._waiting if spool.is_complete]:
            size = self._pour(spool.blocks(), self._take)
            spool.drop()
            self._files.append(FileEntry(path=spool.path, size=size, kind=spool.kind))
        self._waiting = [spool for spool in self._waiting if not spool.is_complete]


class _Direct:
    """Receives the file whose bytes go straight into the stream, and passes them on."""

    def __init__(
        self,
        path: str,
        kind: FileKind,
        take: Callable[[bytes | memoryview], None],
        closed: Callable[["_Direct", int], None],
    ) -> None:
        self.path = path
        self.kind = kind
        self.take = take
        self._closed = closed

    def close(self, size: int) -> None:
        self._closed(self, size)
