"""Where the chunks of a new content go.

Takes the stream in blocks of complete chunks and decides for each chunk whether it occurred in this content before, is
stored already, or is new and goes into a pack. All cores hash blocks, compare them with what is stored and compress
them; the thread that adds blocks places their chunks in order, and others write them (`ledger.blobs.chunks.packing`).
So memory holds a few blocks, whatever the size of the content. A content that fills no block needs no threads, and one
of a single chunk no pack.

Everything is durable when `finish` returns, except a single chunk or a table that the caller gathers with others. Until
then nothing refers to what was put, so a writer that dies leaves only packs that nobody reads.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from ledger.blobs.chunks.chunking import Block, Memory
from ledger.blobs.chunks.codec import encode_chunk, shrinks
from ledger.blobs.chunks.known import KnownChunks
from ledger.blobs.chunks.packing import PackWriter
from ledger.blobs.chunks.packs import MOST_CHUNKS, PackedChunk
from ledger.blobs.chunks.stream import ChunkStream
from ledger.blobs.chunks.tables import Run, Table, extend_runs, load_table, put_table
from ledger.blobs.reader import is_present
from ledger.blobs.stores.gathered_puts import GatheredPuts
from ledger.blobs.stores.layout import chunk_key, pack_key, table_key
from ledger.blobs.stores.optional import is_away
from ledger.blobs.stores.store import Store, fresh, settle
from ledger.blobs.stores.workers import Workers
from ledger.errors import FormatError, IntegrityError, StorageError, StoreAccessError, StoreUnavailableError
from ledger.ids import Digest, bytes_of, digest_of
from ledger.meters import expect
from ledger.notices import warn_user
from ledger.records import INLINE_FILES, SEGMENT_CHUNKS, Content, FileEntry, content_digest, segment_digest, segments_of

OWN_LIMIT: Final = 1 << 17
"""Most chunks of the content itself that are remembered, some 20 MiB, so that a repeated one is stored once."""


class _Prepared(NamedTuple):
    """A chunk of the stream: its digest, its plain size, and where it is stored or what is to be stored for it."""

    digest: Digest
    size: int
    known: PackedChunk | None
    stored: bytes | memoryview


class ChunkSink:
    """Collects the chunks of one content and publishes what has to be stored.

    ``give_back`` is called when the memory of a block is free again, from any thread. ``gathered`` takes the chunk of a
    content that has only one, and tables.
    """

    def __init__(
        self,
        store: Store,
        similar: Iterable[Content],
        give_back: Callable[[Memory], None],
        *,
        gathered: GatheredPuts | None,
    ) -> None:
        self._store = store
        self._gathered = gathered or store
        self._give_back = give_back
        self._known = KnownChunks(store, similar)
        self._preparing: Workers[tuple[list[_Prepared], Memory]] = Workers()
        self._packs: PackWriter | None = None
        self._runs: list[tuple[str | int, int, int]] = []  # a new pack by its number, until it has a name
        self._own: dict[bytes, int] = {}  # the number of a pack, times `MOST_CHUNKS`, plus that of a chunk in it
        self._segment: list[tuple[Digest, int]] = []
        self._segments: list[str] = []
        self._size = 0

    def add(self, block: Block) -> None:
        """Take the next block of the stream; raises what went wrong with earlier ones."""
        packs = self._begin(is_large=True)
        self._size += block.size
        if self._preparing.is_full:
            self._place(packs, *self._preparing.take())
        self._preparing.give(partial(self._prepare, block))

    def finish(self, last: Block, files: Sequence[FileEntry]) -> Content:
        """Take the last block and make everything durable; the content of these files and all chunks taken."""
        self._size += last.size
        if self._size != sum(file.size for file in files):
            raise FormatError(f"files of {sum(file.size for file in files)} bytes in a stream of {self._size}")
        if self._packs is None and len(last.chunks) <= 1 and len(files) <= INLINE_FILES:
            return self._finish_small(last, files)
        try:
            packs = self._begin(is_large=False)
            prepared = self._prepare(last)
            while self._preparing:
                self._place(packs, *self._preparing.take())
            self._place(packs, *prepared)
            return self._finish_large(packs, files)
        finally:
            self.close()

    def close(self) -> None:
        """End all threads, however often an interrupt comes; nothing may be added afterwards."""
        try:
            self._preparing.close()
        finally:
            if self._packs is not None:
                self._packs.close()

    def _finish_small(self, last: Block, files: Sequence[FileEntry]) -> Content:
        chunks: tuple[tuple[Digest, int], ...] = ()
        for plain in last.chunks:
            digest = digest_of(plain)
            self._gathered.put(chunk_key(digest), [bytes(encode_chunk(plain))])
            chunks = ((digest, len(plain)),)
        digest = content_digest(files, segments_of(chunks))
        return Content(digest=digest, size=self._size, files=tuple(files), chunks=chunks)

    def _begin(self, *, is_large: bool) -> PackWriter:
        """Where chunks go; the first call makes it, and reads which stored chunks they may be equal to."""
        if self._packs is None:
            self._known.load()
            self._packs = PackWriter(self._store, is_large=is_large)
        return self._packs

    def _prepare(self, block: Block) -> tuple[list[_Prepared], Memory]:
        """Do everything with a block that needs its bytes; for any thread."""
        chunks = [(digest_of(plain), plain) for plain in block.chunks]
        is_promising: bool | None = None
        prepared = []
        for (digest, plain), known in zip(chunks, self._known.find(chunks), strict=True):
            stored: bytes | memoryview = b""
            if known is None and bytes_of(digest) not in self._own:
                if is_promising is None:
                    # The first chunk, compressed as a whole, speaks for its block: a sample shows no repetition that is
                    # far apart.
                    is_promising = shrinks(block.chunks[0])
                stored = encode_chunk(plain, is_promising=is_promising)
            prepared.append(_Prepared(digest, len(plain), known, stored))
        return prepared, block.memory

    def _place(self, packs: PackWriter, prepared: Iterable[_Prepared], memory: Memory) -> None:
        """Enter the next chunks of the stream into segments and runs, and new ones into a pack."""
        for chunk in prepared:
            self._segment.append((chunk.digest, chunk.size))
            if len(self._segment) == SEGMENT_CHUNKS:
                self._segments.append(segment_digest(self._segment))
                self._segment.clear()
            extend_runs(self._runs, *self._place_of(packs, chunk))
        packs.write(partial(self._give_back, memory))

    def _place_of(self, packs: PackWriter, chunk: _Prepared) -> tuple[str | int, int]:
        """Where a chunk is, or is now put: the name of a pack, or the number of a new one, and the number in it."""
        name = bytes_of(chunk.digest)
        own = self._own.get(name)
        if own is not None:
            return divmod(own, MOST_CHUNKS)
        if chunk.known is not None:
            return chunk.known
        pack, number = packs.add(chunk.digest, chunk.size, chunk.stored)
        if len(self._own) < OWN_LIMIT:
            self._own[name] = pack * MOST_CHUNKS + number
        return pack, number

    def _finish_large(self, packs: PackWriter, files: Sequence[FileEntry]) -> Content:
        if self._segment:
            self._segments.append(segment_digest(self._segment))
        digest = content_digest(files, self._segments)
        content = Content(digest=digest, size=self._size, file_count=len(files))
        if packs.is_first_pending and self._is_stored(content):
            return content
        names = packs.finish()
        runs: tuple[Run, ...] = tuple(
            (names[pack] if isinstance(pack, int) else pack, first, count) for pack, first, count in self._runs
        )
        table = Table(digest=digest, files=tuple(files), runs=runs, segments=tuple(self._segments), size=self._size)
        put_table(self._gathered, table)
        return content

    def _is_stored(self, content: Content) -> bool:
        """Whether an equal content is in the store, sound and durable: each chunk is read before it is relied on."""
        if isinstance(self._gathered, GatheredPuts) and self._gathered.holds(table_key(content.digest)):
            return True  # the same caller has put its packs: a table comes last
        store = fresh(self._store)
        try:
            if not is_present(store, content):
                return False
            table = load_table(store, content, label=f"content {content.digest}")
            expect(content.size)
            ChunkStream(store, content, table, label=f"content {content.digest}").check()
            for key in (table_key(content.digest), *map(pack_key, sorted({pack for pack, _, _ in table.runs}))):
                settle(store, key)
        except (StoreAccessError, StoreUnavailableError):
            raise  # writing it again would go no better
        except (IntegrityError, StorageError) as error:
            if not is_away(error):
                warn_user(f"an equal content cannot be relied on and is written again: {error}")
            return False
        return True
