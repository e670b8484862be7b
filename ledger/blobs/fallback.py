"""A store in front of others: reads from the first that has an object, writes to its own.

So that what other people saved is read where they put it, and nothing is fetched before
somebody asks for it. Knows nothing of digests: whoever reads an object checks it.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from ledger.blobs.optional import AwayError
from ledger.blobs.spooled import stage
from ledger.blobs.store import (
    CachingStore,
    StagedObject,
    Store,
    fresh,
    get_into,
    gets_at_once,
    keep,
    location_of,
    puts_at_once,
    size_of,
    uncached,
)
from ledger.errors import StorageError, StoreMismatchError
from ledger.system_errors import raise_unjudged

_Result = TypeVar("_Result")


class FallbackStore:
    """The objects of ``own``, and of ``others`` where it lacks them.

    ``missed`` is called before an object is said to be in none of them, or not to be readable in one of the others, and
    may raise: a store may be away.
    """

    def __init__(self, own: Store, others: Sequence[Store], missed: Callable[[], None] = lambda: None) -> None:
        self._own = own
        self._stores = (own, *others)
        self._missed = missed
        self.puts_at_once = puts_at_once(own)

    @property
    def url(self) -> str:
        """The URL of the own store."""
        return self._own.url

    def __repr__(self) -> str:
        return f"FallbackStore({', '.join(map(repr, self._stores))})"

    @property
    def gets_at_once(self) -> int | None:
        """As many as the store that takes longest to answer is best asked for."""
        return max((each for each in map(gets_at_once, self._stores) if each is not None), default=None)

    @property
    def uncached(self) -> "FallbackStore":
        """The same stores, each without its cache."""
        own, *others = map(uncached, self._stores)
        return FallbackStore(own, others, self._missed)

    @property
    def fresh(self) -> "FallbackStore":
        """The same stores, of each one's cache only what this process has put there."""
        own, *others = map(fresh, self._stores)
        return FallbackStore(own, others, self._missed)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them, from the first store that has it."""
        return self._first(key, lambda store: store.get(key, start, length))

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fill ``target`` with a part of an object, from the first store that has it."""
        return self._first(key, lambda store: get_into(store, key, start, target))

    def has(self, key: str) -> bool:
        """Whether any of the stores has an object of that key."""
        is_there = any(self._has(store, key) for store in self._stores)
        if not is_there:
            self._missed()
        return is_there

    def size(self, key: str) -> int | None:
        """The bytes of an object in the first store that has it, or ``None``."""
        found = (self._ask(store, lambda each: size_of(each, key), None) for store in self._stores)
        size = next((size for size in found if size is not None), None)
        if size is None:
            self._missed()
        return size

    def location_of(self, key: str) -> str:
        """The URL of an object in the first store that has it, or where it would be in the own one."""
        for store in self._stores:
            with contextlib.suppress(StorageError, StoreMismatchError):  # what is told about is another failure
                if store.has(key):
                    return location_of(store, key)
        return location_of(self._own, key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object in the own store."""
        self._own.put(key, parts)

    def keep(self, key: str) -> None:
        """Make an object last in the first store that has it, where it is read from."""
        store = next((store for store in self._stores if self._has(store, key)), None)
        if store is not None:
            keep(store, key)

    def stage(self) -> StagedObject | None:
        """A new object of the own store, ``None`` where that takes only whole ones."""
        return stage(self._own)

    def forget(self, key: str) -> None:
        """Drop the copies of an object that the stores may have."""
        for store in self._stores:
            if isinstance(store, CachingStore):
                store.forget(key)

    def _has(self, store: Store, key: str) -> bool:
        return self._ask(store, lambda each: each.has(key), otherwise=False)

    def _ask(self, store: Store, question: Callable[[Store], _Result], otherwise: _Result) -> _Result:
        """What a store says of an object; ``otherwise`` where it is one of the others and its bucket is gone."""
        try:
            return question(store)
        except StoreMismatchError:
            if store is self._own:
                raise
            return otherwise
        except StorageError as error:
            self._look_for_it(store, error)
            raise

    def _first(self, key: str, read: Callable[[Store], _Result]) -> _Result:
        """What reading an object gives from the first store that has it."""
        away: AwayError | None = None
        for store in self._stores:
            try:
                return read(store)
            except AwayError as error:
                away = error  # it may be there, unless another one has it
            except FileNotFoundError:
                continue  # the next one may have it; the error below says that none has
            except StoreMismatchError:
                if store is self._own:
                    raise  # of another one whose bucket is gone, `missed` knows whether it should be there
            except StorageError as error:
                self._look_for_it(store, error)
                raise
        if away is not None:
            raise away
        self._missed()
        raise FileNotFoundError(f"{key} is in none of {', '.join(store.url for store in self._stores)}")

    def _look_for_it(self, store: Store, error: StorageError) -> None:
        """Where another store failed, see whether all of it is away: then it says nothing about what it holds."""
        if store is not self._own:
            raise_unjudged(error)
            self._missed()
