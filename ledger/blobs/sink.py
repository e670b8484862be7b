"""Where the chunks of a new content go.

Takes complete chunks in order and decides for each: here before, stored already, or
new and into a pack. Chunks are hashed, compared with what is stored and compressed on all
cores, in batches; they are placed in order by the thread that adds them, and a full pack is
written while the next one fills. So memory holds two packs and a few batches. What never
fills a batch needs no threads, and a content of one chunk no pack. Everything is durable when
`finish` returns; until then nothing refers to what was put, so a writer that dies leaves packs
that nobody reads.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from ledger.blobs.codec import Encoder
from ledger.blobs.known import KnownChunks, PackedChunk
from ledger.blobs.layout import chunk_key, pack_key, table_key
from ledger.blobs.packs import PackBuilder
from ledger.blobs.store import Store
from ledger.blobs.stream import ChunkStream
from ledger.blobs.tables import Run, Table, load_table, put_table
from ledger.blobs.workers import PARALLEL_SIZE, Workers
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.ids import Digest, digest_of
from ledger.meters import expect
from ledger.records import INLINE_FILES, SEGMENT_CHUNKS, Content, FileEntry, content_digest, segment_digest, segments_of

OWN_LIMIT: Final = 1 << 20
"""Most chunks of the content itself that are remembered, so that a repeated one is stored once."""


class _Prepared(NamedTuple):
    """A chunk of the stream: its digest, its plain size, and where it is stored or what is to be stored for it."""

    digest: Digest
    size: int
    known: PackedChunk | None
    stored: bytes


class ChunkSink:
    """Collects the chunks of one content and publishes what has to be stored."""

    def __init__(self, store: Store, similar: Iterable[Content]) -> None:
        self._store = store
        self._known = KnownChunks(store, similar)
        self._encoder = Encoder()
        self._batch: list[memoryview] = []
        self._batch_size = 0
        self._is_known_loaded = False
        self._preparing: Workers[list[_Prepared]] = Workers()
        self._writing: Workers[None] = Workers()
        self._pack = PackBuilder()
        self._packs: list[str] = []  # finished ones; a run in the current pack says its number in this list
        self._runs: list[tuple[str | int, int, int]] = []
        self._own: dict[Digest, tuple[str | int, int]] = {}
        self._segment: list[tuple[Digest, int]] = []
        self._segments: list[str] = []
        self._size = 0

    def add(self, chunk: memoryview) -> None:
        """Take the next chunk of the stream, memory that does not change; raises what went wrong with earlier ones."""
        self._batch.append(chunk)
        self._batch_size += len(chunk)
        self._size += len(chunk)
        if self._batch_size >= PARALLEL_SIZE:
            if self._preparing.is_full:
                self._place(self._preparing.take())
            self._preparing.give(partial(self._prepare, self._next_batch()))

    def finish(self, files: Sequence[FileEntry]) -> Content:
        """Make everything durable; the content of these files and the chunks taken."""
        if self._size != sum(file.size for file in files):
            raise FormatError(f"files of {sum(file.size for file in files)} bytes in a stream of {self._size}")
        is_one_chunk = len(self._batch) <= 1 and self._size == self._batch_size
        if is_one_chunk and len(files) <= INLINE_FILES:
            return self._finish_small(files)
        try:
            last = self._prepare(self._next_batch())
            while self._preparing:
                self._place(self._preparing.take())
            self._place(last)
            return self._finish_large(files)
        finally:
            self.close()

    def close(self) -> None:
        """End all threads; nothing may be added afterwards."""
        self._batch.clear()
        self._preparing.close()
        self._writing.close()

    def _finish_small(self, files: Sequence[FileEntry]) -> Content:
        chunks: tuple[tuple[Digest, int], ...] = ()
        for plain in self._batch:
            digest = digest_of(plain)
            self._store.put(chunk_key(digest), [self._encoder.encode(plain)])
            chunks = ((digest, len(plain)),)
        digest = content_digest(files, segments_of(chunks))
        return Content(digest=digest, size=self._size, files=tuple(files), chunks=chunks)

    def _next_batch(self) -> list[memoryview]:
        """The chunks collected so far; what they are to be compared with is known afterwards."""
        if not self._is_known_loaded:
            self._is_known_loaded = True
            self._known.load()
        batch, self._batch, self._batch_size = self._batch, [], 0
        return batch

    def _prepare(self, batch: Sequence[memoryview]) -> list[_Prepared]:
        """Everything about a batch that needs its bytes; for any thread."""
        chunks = [(digest_of(plain), plain) for plain in batch]
        return [
            _Prepared(digest, len(plain), known, b"" if known or digest in self._own else self._encoder.encode(plain))
            for (digest, plain), known in zip(chunks, self._known.find(chunks), strict=True)
        ]

    def _place(self, prepared: Iterable[_Prepared]) -> None:
        """Put the next chunks of the stream where they belong."""
        for chunk in prepared:
            self._segment.append((chunk.digest, chunk.size))
            if len(self._segment) == SEGMENT_CHUNKS:
                self._segments.append(segment_digest(self._segment))
                self._segment.clear()
            self._extend_runs(*(self._own.get(chunk.digest) or chunk.known or self._pack_chunk(chunk)))

    def _pack_chunk(self, chunk: _Prepared) -> tuple[int, int]:
        if not self._pack.has_room(len(chunk.stored)):
            self._put_pack()
        place = (len(self._packs), self._pack.add(chunk.digest, chunk.size, chunk.stored))
        if len(self._own) < OWN_LIMIT:
            self._own[chunk.digest] = place
        return place

    def _finish_large(self, files: Sequence[FileEntry]) -> Content:
        if self._segment:
            self._segments.append(segment_digest(self._segment))
        digest = content_digest(files, self._segments)
        content = Content(digest=digest, size=self._size, file_count=len(files))
        nothing_put = not self._packs
        if len(self._pack) and nothing_put and self._is_stored(content):
            return content
        self._put_last_pack()
        table = Table(
            digest=digest, files=tuple(files), runs=self._named_runs(), segments=tuple(self._segments), size=self._size
        )
        put_table(self._store, table, self._encoder)
        return content

    def _is_stored(self, content: Content) -> bool:
        """Whether an equal content is in the store, whole: every chunk of it is read before it is relied on."""
        try:
            if not self._store.has(table_key(content.digest)):
                return False
            table = load_table(self._store, content, label=f"content {content.digest}")
            stream = ChunkStream(self._store, content, table, label=f"content {content.digest}")
            expect(content.size)
            return sum(map(len, stream.blocks(0, content.size))) == content.size
        except (IntegrityError, StorageError):
            # Whatever is wrong with it, it is written again.
            return False

    def _extend_runs(self, pack: str | int, number: int) -> None:
        if self._runs:
            last, first, count = self._runs[-1]
            if last == pack and first + count == number:
                self._runs[-1] = (last, first, count + 1)
                return
        self._runs.append((pack, number, 1))

    def _put_pack(self) -> None:
        """Start writing the pack, once the one before is written."""
        name, parts = self._pack.build()
        while self._writing:
            self._writing.take()
        self._writing.give(partial(self._store.put, pack_key(name), parts))
        self._packs.append(name)
        self._pack = PackBuilder()

    def _put_last_pack(self) -> None:
        """Write what is left, and wait for the pack before."""
        if len(self._pack):
            name, parts = self._pack.build()
            self._store.put(pack_key(name), parts)
            self._packs.append(name)
        while self._writing:
            self._writing.take()

    def _named_runs(self) -> tuple[Run, ...]:
        return tuple(
            (self._packs[pack] if isinstance(pack, int) else pack, first, count) for pack, first, count in self._runs
        )
