"""A distant store with a cache before it.

Objects are cut into pages of one size, so that two readers of overlapping parts share what they fetched;
neighbouring pages that are missing are fetched with one request. What is put is kept as well, because the next save
is compared with it.

Only what its key describes for ever is cached: chunks and packs. Whether an object is there is always asked of the
store itself, and so are tables and the users' own objects, which may change. Nothing here is checked: whoever reads an
object does that, and calls `forget` where it is bad. The ETag of a pack is kept beside its pages, so that another
process can tell whether the store still has what they were taken from.
"""

import contextlib
import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from ledger.blobs.stores.cache import ObjectCache
from ledger.blobs.stores.layout import kind_of, names_its_bytes
from ledger.blobs.stores.recent import Recent
from ledger.blobs.stores.spooled import blocks_of, put_file
from ledger.blobs.stores.store import PrunableStore, etag_of, get_into, gets_at_once, puts_at_once, size_of
from ledger.errors import StorageError
from ledger.forks import ThreadLock

_REMEMBERED = 4096  # objects, such as packs of 64 MiB

PAGE_SIZE: Final = 256 << 10
"""Bytes of a page; the last one of an object is shorter, or empty."""


class CachedStore:
    """The objects of ``store``, whose parts are read from ``cache`` where it has them."""

    def __init__(self, store: PrunableStore, cache: ObjectCache) -> None:
        self._store = store
        self._cache = cache
        self._own = _OwnPages()
        self._lock = ThreadLock()
        self._unchanged: Recent[str, bool] = Recent(_REMEMBERED)  # whether a pack's ETag was the kept one
        self._is_fresh = False
        self.puts_at_once = puts_at_once(store)
        self.gets_at_once = gets_at_once(store)

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._store.url

    def __repr__(self) -> str:
        return f"CachedStore({self._store!r})"

    @property
    def uncached(self) -> PrunableStore:
        """The store itself."""
        return self._store

    @property
    def fresh(self) -> "CachedStore":
        """The same store, with only those parts from the cache that the store is known to have.

        Either this process has read or put them there, or the object's ETag says that it was not written since another
        process did. So what somebody is going to rely on is looked up in the store, but not again and again.
        """
        other = copy.copy(self)
        other._is_fresh = True  # noqa: SLF001  # ours
        return other

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """A part of an object, from the cache as far as it is there; whole objects are for copying and go past it."""
        if not names_its_bytes(key) or (length is None and start >= 0):
            return self._store.get(key, start, length)
        if start < 0:
            return self._tail(key, start)[:length]
        return b"".join(self._parts(key, start, length or 0))

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fill ``target`` with a part of an object."""
        if not names_its_bytes(key):
            return get_into(self._store, key, start, target)
        done = 0
        for part in self._parts(key, start, len(target)):
            target[done : done + len(part)] = part
            done += len(part)
        return done

    def has(self, key: str) -> bool:
        """Whether the store has an object of that key."""
        return self._store.has(key)

    def size(self, key: str) -> int | None:
        """The bytes of an object, or ``None`` where there is none."""
        return size_of(self._store, key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object in the store, then keep its pages."""
        self._store.put(key, parts)
        self._remember_all(key, _pages_of(parts))

    def put_file(self, key: str, file: BinaryIO) -> None:
        """Publish the bytes of a file in the store, then keep their pages."""
        put_file(self._store, key, file)
        self._remember_all(key, _pages_of(blocks_of(file)))

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below a folder of the store."""
        return self._store.list(prefix)

    def delete(self, key: str) -> None:
        """Remove an object from the store and from the cache."""
        self._store.delete(key)
        self.forget(key)

    def forget(self, key: str) -> None:
        """Drop the pages of an object."""
        self._cache.forget(f"{key}.")

    def _remember_all(self, key: str, pages: Iterable[bytes]) -> None:
        """Remember the pages of an object that was put, if its key says for ever what they are."""
        if names_its_bytes(key):
            self.forget(key)  # the object may have replaced another one, whose pages these are
            for number, page in enumerate(pages):
                self._remember(key, number, page)
            with contextlib.suppress(StorageError):  # without it the next process reads the pack again
                tag = etag_of(self._store, key, just_put=True) if kind_of(key) == "packs" else None
                if tag is not None:
                    self._remember_etag(key, tag)

    def _remember_etag(self, key: str, tag: str) -> None:
        self._cache.remember(f"{key}.etag", tag.encode())

    def _is_unchanged(self, key: str) -> bool:
        """Whether a pack is in the store as it was when its pages were kept; asked once in a process."""
        with self._lock:
            known = self._unchanged.get(key)
        if known is not None or kind_of(key) != "packs":
            return bool(known)
        tag = etag_of(self._store, key)
        is_same = tag is not None and tag.encode() == self._cache.get(f"{key}.etag")
        if tag is not None and not is_same:
            self.forget(key)
            self._remember_etag(key, tag)  # for the pages that are read from now on
        with self._lock:
            self._unchanged.put(key, is_same)
        return is_same

    def _remember(self, key: str, number: int, page: bytes | memoryview) -> None:
        self._cache.remember(_name(key, number), page)
        self._own.note(key, number)

    def _cached(self, key: str, number: int) -> bytes | None:
        """A page from the cache, if it is there and may be used; one that is too long was not written by us."""
        found = self._cache.get(_name(key, number)) if self._may_use(key, number) else None
        return found if found is None or len(found) <= PAGE_SIZE else None

    def _may_use(self, key: str, number: int, *, end: str = "") -> bool:
        """Whether a page of an object may come from the cache, or the end that is kept under the name ``end``."""
        return not self._is_fresh or self._own.has(end or key, number) or self._is_unchanged(key)

    def _tail(self, key: str, start: int) -> bytes:
        """The end of an object, kept by itself: which pages hold it is not known."""
        end = f"{key}.end{-start}"
        found = self._cache.get(end) if self._may_use(key, 0, end=end) else None
        if found is None:
            found = self._store.get(key, start)
            self._cache.remember(end, found)
            self._own.note(end, 0)
        return found

    def _parts(self, key: str, start: int, length: int) -> Iterator[memoryview]:
        """The bytes from ``start`` on, in order, as far as the object goes."""
        if length <= 0:
            return
        first, stop = start // PAGE_SIZE, -(-(start + length) // PAGE_SIZE)
        for number, page in enumerate(self._pages(key, first, stop), first):
            at = number * PAGE_SIZE
            yield memoryview(page)[max(0, start - at) : start + length - at]

    def _pages(self, key: str, first: int, stop: int) -> Iterator[bytes | memoryview]:
        """The pages with these numbers, up to the last one of the object."""
        number = first
        while number < stop:
            cached = self._cached(key, number)
            fetched = [cached] if cached is not None else self._fetch(key, number, stop)
            for page in fetched:
                yield page
                if len(page) < PAGE_SIZE:
                    return
            number += len(fetched)

    def _fetch(self, key: str, first: int, stop: int) -> Sequence[bytes | memoryview]:
        """Pages from the store, up to one that the cache has; at least one, and a short one if the object ends."""
        end = first + 1
        while end < stop and not (self._may_use(key, end) and self._cache.has(_name(key, end))):
            end += 1
        start, size = first * PAGE_SIZE, (end - first) * PAGE_SIZE
        data = memoryview(self._store.get(key, start, size))
        fetched = [data[at : at + PAGE_SIZE] for at in range(0, min(size, len(data) + 1), PAGE_SIZE)]
        for number, page in enumerate(fetched, first):
            self._remember(key, number, page)
        return fetched


class _OwnPages:
    """Which pages of the cache this process has put there itself, of the objects used last; for any thread."""

    def __init__(self) -> None:
        self._lock = ThreadLock()
        self._numbers: Recent[str, int] = Recent(_REMEMBERED)  # as the bits of one integer, because of their number

    def note(self, key: str, number: int) -> None:
        with self._lock:
            self._numbers.put(key, (self._numbers.get(key) or 0) | 1 << number)

    def has(self, key: str, number: int) -> bool:
        with self._lock:
            return bool((self._numbers.get(key) or 0) >> number & 1)


def _name(key: str, number: int) -> str:
    return f"{key}.{number}"


def _pages_of(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The pages of an object that is given in parts; the last one is short."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        while len(waiting) >= PAGE_SIZE:
            yield bytes(memoryview(waiting)[:PAGE_SIZE])
            del waiting[:PAGE_SIZE]
    yield bytes(waiting)
