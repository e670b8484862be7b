"""Where the chunks of a new content go.

Takes complete chunks in order and decides for each: here before, stored already, or
new and into a pack. A first chunk is held back, because a content of one chunk needs
no pack. Everything is durable when `finish` returns; until then nothing refers to what
was put, so a writer that dies leaves packs that nobody reads.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ledger.blobs.codec import Encoder
from ledger.blobs.known import KnownChunks
from ledger.blobs.layout import chunk_key, pack_key, table_key
from ledger.blobs.packs import PackBuilder
from ledger.blobs.store import Store
from ledger.blobs.stream import ChunkStream
from ledger.blobs.tables import Run, Table, load_table, put_table
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.ids import Digest, digest_of
from ledger.records import INLINE_FILES, SEGMENT_CHUNKS, Content, FileEntry, content_digest, segment_digest, segments_of

OWN_LIMIT: Final = 1 << 20
"""Most chunks of the content itself that are remembered, so that a repeated one is stored once."""


class ChunkSink:
    """Collects the chunks of one content and publishes what has to be stored."""

    def __init__(self, store: Store, similar: Iterable[Content]) -> None:
        self._store = store
        self._known = KnownChunks(store, similar)
        self._encoder = Encoder()
        self._held: tuple[Digest, bytes] | None = None
        self._pack = PackBuilder()
        self._packs: list[str] = []  # finished ones; a run in the current pack says its number in this list
        self._runs: list[tuple[str | int, int, int]] = []
        self._own: dict[Digest, tuple[str | int, int]] = {}
        self._segment: list[tuple[Digest, int]] = []
        self._segments: list[str] = []
        self._size = 0

    def add(self, chunk: memoryview) -> None:
        """Take the next chunk of the stream."""
        digest = digest_of(chunk)
        if self._size == 0:
            self._held = (digest, bytes(chunk))
        else:
            self._store_held()
            self._store_chunk(digest, chunk)
        self._size += len(chunk)

    def finish(self, files: Sequence[FileEntry]) -> Content:
        """Make everything durable; the content of these files and the chunks taken."""
        if self._size != sum(file.size for file in files):
            raise FormatError(f"files of {sum(file.size for file in files)} bytes in a stream of {self._size}")
        is_one_chunk = self._held is not None or self._size == 0
        if is_one_chunk and len(files) <= INLINE_FILES:
            return self._finish_small(files)
        self._store_held()
        return self._finish_large(files)

    def _finish_small(self, files: Sequence[FileEntry]) -> Content:
        chunks: tuple[tuple[Digest, int], ...] = ()
        if self._held is not None:
            digest, plain = self._held
            self._store.put(chunk_key(digest), [self._encoder.encode(plain)])
            chunks = ((digest, len(plain)),)
        digest = content_digest(files, segments_of(chunks))
        return Content(digest=digest, size=self._size, files=tuple(files), chunks=chunks)

    def _finish_large(self, files: Sequence[FileEntry]) -> Content:
        if self._segment:
            self._segments.append(segment_digest(self._segment))
        digest = content_digest(files, self._segments)
        content = Content(digest=digest, size=self._size, file_count=len(files))
        nothing_put = not self._packs
        if len(self._pack) and nothing_put and self._is_stored(content):
            return content
        self._put_pack()
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
            return sum(map(len, stream.blocks(0, content.size))) == content.size
        except (IntegrityError, StorageError):
            # Whatever is wrong with it, it is written again.
            return False

    def _store_held(self) -> None:
        if self._held is not None:
            digest, plain = self._held
            self._held = None
            self._store_chunk(digest, plain)

    def _store_chunk(self, digest: Digest, plain: bytes | memoryview) -> None:
        self._segment.append((digest, len(plain)))
        if len(self._segment) == SEGMENT_CHUNKS:
            self._segments.append(segment_digest(self._segment))
            self._segment.clear()
        place = self._own.get(digest) or self._known.find(digest) or self._pack_chunk(digest, plain)
        self._extend_runs(*place)

    def _pack_chunk(self, digest: Digest, plain: bytes | memoryview) -> tuple[int, int]:
        stored = self._encoder.encode(plain)
        if not self._pack.has_room(len(stored)):
            self._put_pack()
        place = (len(self._packs), self._pack.add(digest, len(plain), stored))
        if len(self._own) < OWN_LIMIT:
            self._own[digest] = place
        return place

    def _extend_runs(self, pack: str | int, number: int) -> None:
        if self._runs:
            last, first, count = self._runs[-1]
            if last == pack and first + count == number:
                self._runs[-1] = (last, first, count + 1)
                return
        self._runs.append((pack, number, 1))

    def _put_pack(self) -> None:
        if len(self._pack):
            name, parts = self._pack.build()
            self._store.put(pack_key(name), parts)
            self._packs.append(name)
            self._pack = PackBuilder()

    def _named_runs(self) -> tuple[Run, ...]:
        return tuple(
            (self._packs[pack] if isinstance(pack, int) else pack, first, count) for pack, first, count in self._runs
        )
