"""The stream of a stored content, read by range and checked.

`Places` says which chunks cover a range and where they lie; here they are fetched, neighbours with one request,
and every chunk is checked against its digest before a byte of it is handed out. Chunks used last are kept, in bounded
memory. A long part is fetched, decompressed and checked on all cores; where it lies is worked out by the thread that
asks.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from ledger.blobs.chunks.codec import is_plain_chunk, open_chunk
from ledger.blobs.chunks.packs import open_entry
from ledger.blobs.chunks.places import Place, Places
from ledger.blobs.chunks.tables import Table
from ledger.blobs.stores.recent import Recent
from ledger.blobs.stores.sought import Sought
from ledger.blobs.stores.store import FETCH_SIZE, Store, checked_reading, get_into, gets_at_once
from ledger.blobs.stores.workers import PARALLEL_SIZE, in_order
from ledger.forks import ThreadLock
from ledger.ids import Digest
from ledger.meters import advance
from ledger.records import Content

_NEAR_SIZE = 2 << 20  # as `FETCH_SIZE`, for bytes that are held until they are used: a near store is as quick with less
_CACHE_SIZE = 8 << 20  # plain bytes of chunks

_Result = TypeVar("_Result")

ChunkName = tuple[Digest, int]
"""The digest of a chunk and its plain size: a manifest that lies about the size names another chunk."""


class _Scratch(threading.local):
    """Memory of each thread for what it needs only for a moment: fresh memory would cost more than reading."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = memoryview(bytearray(FETCH_SIZE))


_scratch = _Scratch()


class ChunkStream:
    """The bytes of a content by their position in its stream; for any thread."""

    def __init__(self, store: Store, content: Content, table: Table | None, *, label: str) -> None:
        self._store = store
        self._size = content.size
        self._label = label
        self._places = Places(store, content, table, label=label)
        self._in_order = partial(in_order, threads=gets_at_once(store))
        self._ahead_size = _NEAR_SIZE if gets_at_once(store) is None else FETCH_SIZE
        self._lock = ThreadLock()
        self._chunks: Recent[ChunkName, bytes | memoryview] = Recent(_CACHE_SIZE)

    def blocks(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes from ``start`` to ``stop``, in pieces, each checked; `IntegrityError` at the first bad one."""
        groups = _groups(self._places.covering(start, stop), self._ahead_size)
        is_long = stop - start >= PARALLEL_SIZE
        opened_groups = (
            self._in_order(partial(self._checked, self._open_group), groups)
            if is_long
            else map(partial(self._checked, self._open_kept), groups)
        )
        for opened in opened_groups:
            for place, plain in opened:
                piece = memoryview(plain)[max(0, start - place.start) : stop - place.start]
                advance(len(piece))
                yield piece

    def fill(self, start: int, target: memoryview) -> None:
        """Put the bytes from ``start`` into all of ``target``, on all cores; `IntegrityError` at the first bad one.

        What is in ``target`` after an error is of no use.
        """
        groups = _groups(self._places.covering(start, start + len(target)), FETCH_SIZE)
        filling = partial(self._fill_from, start=start, target=target)
        for size in self._in_order(partial(self._checked, filling), groups):
            advance(size)

    def check(self) -> None:
        """Read every byte, on all cores; `IntegrityError` at the first bad one."""
        groups = _groups(self._places.covering(0, self._size), FETCH_SIZE)
        for size in self._in_order(partial(self._checked, self._check_group), groups):
            advance(size)

    def _checked(self, work: Callable[[list[Place], Store], _Result], group: list[Place]) -> _Result:
        """The result of reading neighbouring chunks, from wherever they are sound."""
        return checked_reading(self._store, group[0].key, partial(work, group))

    def _open_kept(self, group: list[Place], store: Store) -> list[tuple[Place, bytes | memoryview]]:
        """The plain bytes of neighbouring chunks, those used last from memory; for the thread that asks."""
        names = [(place.entry.digest, place.entry.plain_size) for place in group]
        with self._lock:
            cached = [self._chunks.get(name) for name in names]
        data = b"" if None not in cached else self._fetch(group, store)
        opened = []
        for place, name, known in zip(group, names, cached, strict=True):
            plain = known
            if plain is None:
                plain = self._open(place, _stored(data, group, place), store)
                with self._lock:
                    self._chunks.put(name, plain, weight=len(plain))
            opened.append((place, plain))
        return opened

    def _open_group(self, group: list[Place], store: Store) -> list[tuple[Place, bytes | memoryview]]:
        """The plain bytes of neighbouring chunks, fetched with one request; for any thread."""
        data = memoryview(self._fetch(group, store))
        return [(place, self._open(place, _stored(data, group, place), store)) for place in group]

    def _check_group(self, group: list[Place], store: Store) -> int:
        """Check neighbouring chunks; how many bytes they are."""
        data = self._fetch_briefly(group, store)
        for place in group:
            self._open(place, _stored(data, group, place), store)
        return group[-1].stop - group[0].start

    def _fill_from(self, group: list[Place], store: Store, *, start: int, target: memoryview) -> int:
        """Put what neighbouring chunks hold of ``target``, which begins at ``start``, into it; how many bytes."""
        first, stop = group[0].start - start, group[-1].stop - start
        is_whole = first >= 0 and stop <= len(target)
        if is_whole and self._places.are_in_packs and all(place.entry.codec == "none" for place in group):
            # Chunks that are stored uncompressed are read to where they belong, and checked there.
            part = target[first:stop]
            part = part[: self._fetch_into(group, store, part)]
            for place in group:
                self._open(place, _stored(part, group, place), store)
            return stop - first
        data = self._fetch_briefly(group, store)
        for place in group:
            plain = memoryview(self._open(place, _stored(data, group, place), store))
            at = place.start - start
            piece = plain[max(0, -at) : len(target) - at]
            target[max(0, at) : max(0, at) + len(piece)] = piece
        return min(stop, len(target)) - max(0, first)

    def _fetch(self, group: list[Place], store: Store) -> bytes:
        try:
            return store.get(group[0].key, group[0].offset, _stored_size(group))
        except FileNotFoundError as error:
            raise self._sought(group[0], store).missing() from error

    def _fetch_briefly(self, group: list[Place], store: Store) -> memoryview:
        """The stored bytes of a group, until the same thread asks for the next."""
        size = _stored_size(group)
        if size > FETCH_SIZE:
            return memoryview(self._fetch(group, store))
        part = _scratch.buffer[:size]
        return part[: self._fetch_into(group, store, part)]

    def _fetch_into(self, group: list[Place], store: Store, part: memoryview) -> int:
        try:
            return get_into(store, group[0].key, group[0].offset, part)
        except FileNotFoundError as error:
            raise self._sought(group[0], store).missing() from error

    def _open(self, place: Place, stored: bytes | memoryview, store: Store) -> bytes | memoryview:
        if place.entry.codec == "none" and is_plain_chunk(stored, place.entry.digest, place.entry.plain_size):
            return stored  # the common case, which needs no `Sought`
        if self._places.are_in_packs:
            return open_entry(stored, place.entry, self._sought(place, store))
        return open_chunk(stored, place.entry.plain_size, self._sought(place, store))

    def _sought(self, place: Place, store: Store) -> Sought:
        return Sought(self._label, "chunk", place.entry.digest, store, place.key)


def _groups(places: Iterable[Place], most: int) -> Iterator[list[Place]]:
    """Groups of chunks in a row in one object, each of at most ``most`` bytes, stored and plain, or of one chunk."""
    group: list[Place] = []
    for place in places:
        if group and not _is_next(group, place, most):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _is_next(group: list[Place], place: Place, most: int) -> bool:
    last = group[-1]
    return (
        place.key == last.key
        and place.offset == last.offset + last.entry.stored_size
        and place.offset + place.entry.stored_size - group[0].offset <= most
        and place.stop - group[0].start <= most
    )


def _stored(data: bytes | memoryview, group: list[Place], place: Place) -> bytes | memoryview:
    """The stored bytes of one chunk of a group, out of those of the group."""
    at = place.offset - group[0].offset
    return data[at : at + place.entry.stored_size]


def _stored_size(group: list[Place]) -> int:
    """The stored bytes of a group, which lie in a row."""
    return group[-1].offset + group[-1].entry.stored_size - group[0].offset
