"""A store that can only be read: bytes that others publish over HTTP."""

from collections.abc import Sequence

from ledger.blobs.stores.store import Store, forget, fresh, get_into, gets_at_once, size_of, uncached
from ledger.errors import ReadOnlyError


class ReadOnlyStore:
    """The objects of ``store``, for reading only: nothing is put, listed or deleted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.gets_at_once = gets_at_once(store)

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._store.url

    def __repr__(self) -> str:
        return f"ReadOnlyStore({self._store!r})"

    @property
    def uncached(self) -> "ReadOnlyStore":
        """The same store without a cache."""
        return ReadOnlyStore(uncached(self._store))

    @property
    def fresh(self) -> "ReadOnlyStore":
        """The same store, of whose cache only what the store is known to have counts."""
        return ReadOnlyStore(fresh(self._store))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them."""
        return self._store.get(key, start, length)

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fill ``target`` with a part of an object."""
        return get_into(self._store, key, start, target)

    def has(self, key: str) -> bool:
        """Whether there is an object of that key."""
        return self._store.has(key)

    def size(self, key: str) -> int | None:
        """The bytes of an object, or ``None`` where there is none."""
        return size_of(self._store, key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:  # noqa: ARG002  # refused, whatever it is
        """Raise `ReadOnlyError`."""
        raise ReadOnlyError(
            f"cannot write {self.url}/{key}: a store behind a web address can only be read",
            hint="name a store that can be written, such as a bucket; this one is for reading (specs/stores.md, 6)",
            path=f"{self.url}/{key}",
        )

    def forget(self, key: str) -> None:
        """Drop the copies of an object."""
        forget(self._store, key)
