"""What a store can do, as small protocols.

A store keeps objects: immutable bytes under a key (`ledger.blobs.stores.layout`). A function asks for the smallest
power it needs; only maintenance deletes. Errors: ``FileNotFoundError`` for an object that is not there, and
`StorageError` or one of its kinds for everything else. Calls may come from any thread.

What only some stores can do is reached through the functions below, which make do without it: `get_into`, `size_of`,
`etag_of`, `location_of`, `settle`, `puts_at_once`, `gets_at_once`, `from_any`, `uncached`, `fresh` and `forget`, and
`stage` and `put_file` of `ledger.blobs.stores.spooled`. They look for a method or attribute of the store by its name:
to ask whether the store fulfils a protocol would take a twentieth of a small load. `tests/blobs/test_abilities.py`
checks that the stores here offer no other names. There is no base class for stores in front of others, because each
does something of its own in nearly every call.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, TypeVar, runtime_checkable

from ledger.errors import IntegrityError, StorageError
from ledger.notices import warn_user
from ledger.system_errors import raise_if_inconclusive

_Result = TypeVar("_Result")

FETCH_SIZE: Final = 8 << 20
"""Most bytes that one request to a store asks for, unless a single chunk is larger."""

_SMALL_AT_ONCE = 16


class Store(Protocol):
    """A place that keeps objects whole."""

    @property
    def url(self) -> str:
        """The URL of the store's root, without credentials and without a slash at its end."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or at most ``length`` of them from ``start``.

        A negative ``start`` counts from the end. A part beyond the end is empty.
        """

    def has(self, key: str) -> bool:
        """Whether there is an object of that key; an error is an error, never "no"."""

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object, whole or not at all, and durable on return.

        An object that is there with the same bytes stays as it is; one with other
        bytes is replaced in one move, because its name says what it should hold.
        """


class StagedObject(Protocol):
    """An object that is being written and has no key yet.

    What was written goes if it cannot be published, and with the last reference to it.
    """

    def write_at(self, start: int, parts: Sequence[bytes | memoryview]) -> None:
        """Write some parts one after another from ``start`` on; from any thread, in any order."""

    def publish(self, key: str) -> None:
        """Publish what was written as an object, which is durable on return, as with `Store.put`."""

    def drop(self) -> None:
        """Give up what was written."""


@runtime_checkable
class PrunableStore(Store, Protocol):
    """A store whose objects can be listed and deleted."""

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below a folder of the store, in order."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is gone already is no error."""


def size_of(store: Store, key: str) -> int | None:
    """The bytes of an object as it is stored, or ``None`` where there is none; by ``size(key)``, else by reading it."""
    size: Callable[[str], int | None] | None = getattr(store, "size", None)
    if size is not None:
        return size(key)
    try:
        return len(store.get(key))
    except FileNotFoundError:
        return None


def etag_of(store: Store, key: str, *, just_put: bool = False) -> str | None:
    """A text that changes when an object is written with other bytes; ``None`` where the store has none.

    ``just_put`` says that this thread has just put the object: what the service answered then is not asked again.
    """
    etag: Callable[..., str | None] | None = getattr(store, "etag", None)
    return etag(key, just_put=just_put) if etag is not None else None


def get_into(store: Store, key: str, start: int, target: memoryview) -> int:
    """Fill ``target`` with the bytes of an object from ``start``; how many there were, at most its length.

    A store with a ``get_into`` of its own reads to where the bytes belong, without a copy.
    """
    fill: Callable[[str, int, memoryview], int] | None = getattr(store, "get_into", None)
    if fill is not None:
        return fill(key, start, target)
    data = store.get(key, start, len(target))
    target[: len(data)] = data
    return len(data)


def settle(store: Store, key: str) -> None:
    """Make an object durable that is there already, before it is relied on.

    Whoever put it may have died before that, or be about to do it. In a store without a ``settle`` whatever is there
    is durable.
    """
    settle_in: Callable[[str], None] | None = getattr(store, "settle", None)
    if settle_in is not None:
        settle_in(key)


def puts_at_once(store: Store) -> int:
    """How many objects are best put at the same time."""
    count: int = getattr(store, "puts_at_once", 1)
    return count


def gets_at_once(store: Store) -> int | None:
    """How many parts of objects are best asked for at the same time; ``None``: as many as threads can check."""
    count: int | None = getattr(store, "gets_at_once", None)
    return count


def small_at_once(store: Store) -> int | None:
    """How many small objects are best asked for or put at the same time; ``None``: as many as threads can check.

    With a distant store each costs the time of a request, and little memory.
    """
    return _SMALL_AT_ONCE if gets_at_once(store) is not None else None


def location_of(store: Store, key: str) -> str:
    """The URL of an object; where ``store`` stands for several, in the one that has it."""
    locate: Callable[[str], str] | None = getattr(store, "location_of", None)
    return locate(key) if locate is not None else f"{store.url}/{key}"


def uncached(store: Store) -> Store:
    """The store itself, without a cache: for finding out what it really holds."""
    itself: Store = getattr(store, "uncached", store)
    return itself


def fresh(store: Store) -> Store:
    """The store for whoever will rely on what it holds: a cached copy counts only if the store is known to have it."""
    other: Store = getattr(store, "fresh", store)
    return other


def forget(store: Store, key: str) -> bool:
    """Drop the cached copies of an object, so that it is read anew; says whether the store may have had any."""
    drop: Callable[[str], None] | None = getattr(store, "forget", None)
    if drop is not None:
        drop(key)
    return drop is not None


def from_any(store: Store, read: Callable[[Store], _Result]) -> tuple[_Result, Store] | None:
    """The result of ``read`` from the first of several stores with which it succeeds, and that store.

    ``None`` where it fails with each, or where ``store`` stands for no others that may be asked.
    """
    find: Callable[[Callable[[Store], _Result]], tuple[_Result, Store] | None] | None = getattr(store, "from_any", None)
    return find(read) if find is not None else None


def checked_reading(store: Store, key: str, read: Callable[[Store], _Result]) -> _Result:
    """The result of ``read``, which reads an object of a store and checks it.

    If the check fails, cached copies are dropped and the object is read again; without a cache, only that of a distant
    store is. If it is damaged or cannot be read then, the first sound copy in the stores that may be asked is taken,
    with a warning.
    """
    try:
        return _read_past_cache(store, key, read)
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        if _is_missing(error):
            raise
        found = from_any(store, read)
        if found is None:
            raise  # where all of them fail, the damage of the first one is reported
        result, other = found
        # The warning names the object and no chunk of it: Python shows it once, however many chunks are read.
        what = f"{error.facts['location']} is damaged" if "location" in error.facts else error
        warn_user(f"{what}: it was read from {other.url}; {IntegrityError.usual_hint}")
        return result


def _read_past_cache(store: Store, key: str, read: Callable[[Store], _Result]) -> _Result:
    try:
        return read(store)
    except IntegrityError as error:
        if _is_missing(error):
            raise
        if not forget(store, key) and gets_at_once(store) is None:
            raise
    # Not in the block above, where the first error would keep what was read in memory.
    return read(store)


def _is_missing(error: Exception) -> bool:
    return isinstance(error.__cause__, FileNotFoundError)
