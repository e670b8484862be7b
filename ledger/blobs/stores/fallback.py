"""A store in front of others: reads from the first that has an object, writes to its own.

So what other people saved is read where they put it, and only when somebody asks for it. Where one of the others
fails, the next may have the object: the failure is an error only if none has. Knows nothing of digests: whoever reads
an object checks it, and may look for a sound copy in each store.
"""

import contextlib
import copy
import functools
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, NoReturn, TypeVar

from ledger.blobs.stores.optional import AwayError
from ledger.blobs.stores.spooled import stage
from ledger.blobs.stores.store import (
    StagedObject,
    Store,
    forget,
    fresh,
    get_into,
    gets_at_once,
    location_of,
    puts_at_once,
    settle,
    size_of,
    uncached,
)
from ledger.errors import (
    ConfigError,
    FormatError,
    IntegrityError,
    MissingDependencyError,
    StorageError,
    StoreAccessError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ledger.system_errors import raise_if_access_denied, raise_if_inconclusive

SILENT_SECONDS: Final = 10.0
"""How long, at most, a store that did not answer is left alone, so that not each of many objects costs a wait.

It is never longer than the store was waited for.
"""

WAITED_SECONDS: Final = 1.0
"""How long a failure must have taken for its store to be left alone: a quicker one may be of one archived object."""

_Result = TypeVar("_Result")

_Failure = AwayError | StorageError | MissingDependencyError | ConfigError
_FAILURES = (StorageError, StoreMismatchError, MissingDependencyError, ConfigError)


class _Silence(NamedTuple):
    """Until when a store is left alone, and what makes its failure once more."""

    until: float
    again: Callable[[], StorageError]


class FallbackStore:
    """The objects of ``own``, and of ``others`` where it lacks them.

    ``missed`` is called before an object is said to be in none of them, or not to be readable in one of the others; it
    may raise, as a store may be away. A store that did not answer, or let nobody in, is asked last from then on. If
    that took `WAITED_SECONDS` or more, it is not asked at all for as long as it took, at most for `SILENT_SECONDS`.

    ``tries_all`` is for readers: an object that is damaged in one store may be sound in another. Whoever judges an
    object or relies on it takes it from the first store that has it.
    """

    def __init__(
        self,
        own: Store,
        others: Sequence[Store],
        missed: Callable[[], None] = lambda: None,
        *,
        tries_all: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._others = tuple(others)
        self._missed = missed
        self._clock = clock
        self._silent: dict[int, _Silence] = {}  # by the place of a store, which is the same in each view
        self._tries_all = tries_all
        self.puts_at_once = puts_at_once(own)

    @property
    def _stores(self) -> tuple[Store, ...]:
        return self._own, *self._others

    @property
    def url(self) -> str:
        """The URL of the own store."""
        return self._own.url

    def __repr__(self) -> str:
        return f"FallbackStore({', '.join(map(repr, self._stores))})"

    @property
    def gets_at_once(self) -> int | None:
        """The most that one of the distant stores is best asked for; ``None`` without any."""
        return max((each for each in map(gets_at_once, self._stores) if each is not None), default=None)

    @property
    def uncached(self) -> "FallbackStore":
        """The same stores, each without its cache."""
        return self._seen_as(uncached)

    @property
    def fresh(self) -> "FallbackStore":
        """The same stores, of whose caches only what a store is known to have counts."""
        return self._seen_as(fresh)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them, from the first store that has it."""
        return self._read(key, lambda store: store.get(key, start, length))

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fill ``target`` with a part of an object, from the first store that has it."""
        return self._read(key, lambda store: get_into(store, key, start, target))

    def has(self, key: str) -> bool:
        """Whether any of the stores has an object of that key."""
        return self.first_of(lambda store: store.has(key)) is not None

    def size(self, key: str) -> int | None:
        """The bytes of an object in the first store that has it, or ``None``."""
        return self._first(lambda store: size_of(store, key))

    def first_of(self, holds: Callable[[Store], bool]) -> Store | None:
        """The first store that ``holds`` something; ``None`` where none does, and all could be asked."""
        return self._first(lambda store: store if holds(store) else None)

    def location_of(self, key: str) -> str:
        """The URL of an object in the first store that has it, or where it would be in the own one."""
        for store in (self._own, *self._others_in_order()):
            # The caller is telling of another failure already, and only wants to name the place.
            with contextlib.suppress(*_FAILURES):
                if self._asked(store, lambda store: store.has(key)):
                    return location_of(store, key)
        return location_of(self._own, key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object in the own store."""
        self._own.put(key, parts)

    def settle(self, key: str) -> None:
        """Make an object durable in the first store that has it, which is the one that it is read from."""
        store = self.first_of(lambda store: store.has(key))
        if store is not None:
            settle(store, key)

    def stage(self) -> StagedObject:
        """A new object of the own store."""
        return stage(self._own)

    def forget(self, key: str) -> None:
        """Drop the copies of an object that the stores may have."""
        for store in self._stores:
            forget(store, key)

    def from_any(self, read: Callable[[Store], _Result]) -> tuple[_Result, Store] | None:
        """The result of ``read`` from the first store with which it succeeds, and that store; if ``tries_all``."""
        for store in (self._own, *self._others_in_order()) if self._tries_all else ():
            with contextlib.suppress(IntegrityError, FormatError, *_FAILURES):
                return self._asked(store, read), store
        return None

    def _seen_as(self, view: Callable[[Store], Store]) -> "FallbackStore":
        other = copy.copy(self)
        other._own, *others = map(view, self._stores)  # noqa: SLF001  # ours
        other._others, other._tries_all = tuple(others), False  # noqa: SLF001
        return other

    def _read(self, key: str, read: Callable[[Store], _Result]) -> _Result:
        """The result of ``read`` from the first store that has the object."""
        found = self._first(read)
        if found is None:
            raise FileNotFoundError(f"{key} is in none of {', '.join(store.url for store in self._stores)}")
        return found

    def _first(self, ask: Callable[[Store], _Result | None]) -> _Result | None:
        """The first answer of a store that has one; ``None`` where none has, and all could be asked."""
        try:
            answer = ask(self._own)
        except FileNotFoundError:
            answer = None
        return self._first_of_others(ask) if answer is None else answer

    def _first_of_others(self, ask: Callable[[Store], _Result | None]) -> _Result | None:
        failure: _Failure | None = None
        for store in self._others_in_order():
            try:
                answer = self._asked(store, ask)
            except (AwayError, StorageError, MissingDependencyError, ConfigError) as error:
                failure = failure or error  # the object may be there, unless another store has it
            except (FileNotFoundError, StoreMismatchError):
                continue  # whether a store should be where there is none now, `missed` knows
            else:
                if answer is not None:
                    return answer
        if failure is not None:
            self._raise(failure)
        self._missed()
        return None

    def _asked(self, store: Store, ask: Callable[[Store], _Result]) -> _Result:
        """What a store answers; while it is left alone, its last failure is raised at once."""
        place = self._stores.index(store)
        silence = self._silent.get(place)
        began = self._clock()
        if silence is not None and began < silence.until:
            raise silence.again()
        try:
            return ask(store)
        except (StoreAccessError, StoreUnavailableError) as error:
            waited = (now := self._clock()) - began
            silent = min(waited, SILENT_SECONDS) if waited >= WAITED_SECONDS else 0.0
            # Made anew from its parts: the error itself would keep the frames that it was raised in.
            again = functools.partial(type(error), str(error), hint=error.hint, **error.facts)
            self._silent[place] = _Silence(now + silent, again)
            raise

    def _others_in_order(self) -> list[Store]:
        return sorted(self._others, key=lambda store: self._stores.index(store) in self._silent)

    def _raise(self, failure: _Failure) -> NoReturn:
        """Raise the failure of another store, as one of access or availability where it says nothing of the object."""
        if isinstance(failure, StorageError):
            raise_if_inconclusive(failure)
            self._missed()
            raise_if_access_denied(failure)
        raise failure
