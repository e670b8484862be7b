"""A store that a save can do without: what others have saved, as far as it can be reached.

A save must work without a network, and to find a chunk in a remote's store only saves room. So a store that cannot be
opened or asked is *away*: it counts as empty for a minute, with one warning. Loading does not use it, since there
bytes that cannot be reached are an error. Knows nothing of digests.
"""

import contextlib
import copy
import functools
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ledger.blobs.stores.store import Store, forget, fresh, get_into, gets_at_once, settle, size_of, uncached
from ledger.errors import ConfigError, FormatError, MissingDependencyError, StorageError, StoreMismatchError
from ledger.forks import ThreadLock
from ledger.notices import warn_user

AWAY_SECONDS: Final = 60.0
"""How long a store that failed is not asked again."""

_Result = TypeVar("_Result")


class AwayError(FileNotFoundError):
    """An object is in no store that can be asked now; a warning has said why."""


def is_away(error: BaseException) -> bool:
    """Whether an error, or what it comes from, only says that a store could not be asked."""
    return isinstance(error, AwayError) or isinstance(error.__cause__, AwayError)


class OptionalStore:
    """The objects of the store that ``open_it`` gives, none while it is away; ``url`` is shown to people."""

    def __init__(self, url: str, open_it: Callable[[], Store], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._open: Callable[[], Store] = functools.cache(open_it)
        self._absence = _Absence(clock)

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._url

    def __repr__(self) -> str:
        return f"OptionalStore({self._url!r})"

    @property
    def gets_at_once(self) -> int | None:
        """How many parts of objects are best asked for at the same time."""
        try:
            return self._ask(gets_at_once)
        except AwayError:
            return None

    @property
    def uncached(self) -> "OptionalStore":
        """The same store without a cache."""
        return self._seen_as(uncached)

    @property
    def fresh(self) -> "OptionalStore":
        """The same store, of whose cache only what the store is known to have counts."""
        return self._seen_as(fresh)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them; raises `AwayError` while the store is away."""
        return self._ask(lambda store: store.get(key, start, length))

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fill ``target`` with a part of an object; raises `AwayError` while the store is away."""
        return self._ask(lambda store: get_into(store, key, start, target))

    def has(self, key: str) -> bool:
        """Whether the store is not away, and has an object of that key."""
        try:
            return self._ask(lambda store: store.has(key))
        except AwayError:
            return False

    def size(self, key: str) -> int | None:
        """The bytes of an object, or ``None`` where there is none or the store is away."""
        try:
            return self._ask(lambda store: size_of(store, key))
        except AwayError:
            return None

    def settle(self, key: str) -> None:
        """Make an object durable; raises `AwayError` while the store is away."""
        self._ask(lambda store: settle(store, key))

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object; a failure is raised as it is."""
        self._open().put(key, parts)

    def forget(self, key: str) -> None:
        """Drop the copies of an object."""
        with contextlib.suppress(AwayError):  # while the store is away nothing is read from its copies either
            self._ask(lambda store: forget(store, key))

    def _seen_as(self, view: Callable[[Store], Store]) -> "OptionalStore":
        """This store in another view; if one is away, both are."""
        other, open_it = copy.copy(self), self._open
        other._open = functools.cache(lambda: view(open_it()))  # noqa: SLF001  # ours
        return other

    def _ask(self, question: Callable[[Store], _Result]) -> _Result:
        if self._absence.lasts:
            raise AwayError(f"the store {self._url} is away")
        try:
            return question(self._open())
        except (StorageError, StoreMismatchError, FormatError, MissingDependencyError, ConfigError) as error:
            if self._absence.begin():
                warn_user(f"going on without what lies in the store {self._url}: {error}")
            raise AwayError(f"the store {self._url} is away") from error


class _Absence:
    """Until when a store is not asked, for any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = ThreadLock()
        self._until = float("-inf")

    @property
    def lasts(self) -> bool:
        return self._clock() < self._until

    def begin(self) -> bool:
        """Note that the store failed; says whether this is the first failure of an absence."""
        with self._lock:
            is_new = not self.lasts
            self._until = self._clock() + AWAY_SECONDS
        return is_new
