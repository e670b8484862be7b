"""Trying again what a store could not do at this moment.

A wrapper with a store's own interface. Every call of a store can be repeated: reading changes nothing, and putting the
same bytes again is putting them once. Attempts are bounded in number and in time, and there are fewer while nothing was
ever heard of the service. A person who waits for long is told. What is refused for good (no access, no bucket, bad
input) is not tried again; an answer that cannot be used is asked for once more.
"""

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from random import SystemRandom
from typing import BinaryIO, Final, TypeVar

from ledger.blobs.stores.requests import pause
from ledger.blobs.stores.spooled import put_file
from ledger.blobs.stores.store import PrunableStore, etag_of, get_into, gets_at_once, puts_at_once, size_of
from ledger.errors import StorageError, StoreUnavailableError
from ledger.notices import tell_user

ATTEMPTS: Final = 12
"""How often a request is made before its failure is believed: with half a minute to a minute of pauses."""

UNHEARD_ATTEMPTS: Final = 6
"""The same where nothing was ever heard of the service, as without a network: with some five seconds of pauses."""

PATIENCE: Final = 300.0
"""Seconds after which no further attempt begins."""

_ATTEMPTS_AT_PARTS = 2  # a proxy that does not have the object yet may answer with all of it, without its length, once
_TOLD_SECONDS = 1.0  # with the pause to come; a shorter wait is not told, nor one that soon after the last line
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0

_Result = TypeVar("_Result")


def pause_before(attempt: int, chance: float) -> float:
    """Seconds to wait after so many attempts: doubled each time up to a limit, half of it by ``chance`` (0 to 1)."""
    whole: float = min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE)
    return whole / 2 + whole / 2 * chance


class RetryingStore:
    """The objects of ``store``, asked for again while it is unavailable."""

    def __init__(
        self,
        store: PrunableStore,
        *,
        attempts: int = ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = pause,
    ) -> None:
        self._store = store
        self._attempts = attempts
        self._is_heard = False
        self._told_at = float("-inf")
        self._clock = clock
        self._sleep = sleep
        self.puts_at_once = puts_at_once(store)
        self.gets_at_once = gets_at_once(store)

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._store.url

    def __repr__(self) -> str:
        return f"RetryingStore({self._store!r})"

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them."""
        return self._persist(lambda: self._store.get(key, start, length))

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fill ``target``; what a failed attempt left in it is overwritten."""
        return self._persist(lambda: get_into(self._store, key, start, target))

    def has(self, key: str) -> bool:
        """Whether there is an object of that key."""
        return self._persist(lambda: self._store.has(key))

    def size(self, key: str) -> int | None:
        """The bytes of an object, or ``None`` where there is none."""
        return self._persist(lambda: size_of(self._store, key))

    def etag(self, key: str, *, just_put: bool = False) -> str | None:
        """What changes when an object is written with other bytes, or ``None`` where that cannot be told."""
        return self._persist(lambda: etag_of(self._store, key, just_put=just_put))

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object; one that a lost answer hid is found and compared."""
        self._persist(lambda: self._store.put(key, parts))

    def put_file(self, key: str, file: BinaryIO) -> None:
        """Publish the bytes of a file, from its beginning each time."""
        self._persist(lambda: put_file(self._store, key, file))

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below a folder; a listing that breaks off begins again, so it is whole before it is given."""
        yield from self._persist(lambda: [*self._store.list(prefix)])

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._persist(lambda: self._store.delete(key))

    def _persist(self, call: Callable[[], _Result]) -> _Result:
        """The result of a call, which is made again after a pause while the store is unavailable, within the bounds."""
        began = self._clock()
        for attempt in range(1, self._attempts + 1):
            try:
                result = call()
            except StoreUnavailableError as error:
                self._is_heard = self._is_heard or "status" in error.facts
                attempts = self._attempts if self._is_heard else min(self._attempts, UNHEARD_ATTEMPTS)
                now = self._clock()
                waited = now - began
                if attempt >= attempts or waited > PATIENCE:
                    often = f", {attempt} times" if attempt > 1 else ""
                    raise StoreUnavailableError(f"{error}{often}", path=self.url) from error
                # Chance spreads those who ask at once, also processes that have seeded ``random`` alike.
                wait = pause_before(attempt, SystemRandom().random())
                if min(waited + wait, now - self._told_at) >= _TOLD_SECONDS:
                    self._told_at = now  # many threads may wait for one service
                    tell_user(f"{error}; asking again, {attempt + 1} of {attempts} times")
            except StorageError as error:
                if error.errno != errno.ENOTSUP or attempt >= min(self._attempts, _ATTEMPTS_AT_PARTS):
                    raise
                wait = _FIRST_PAUSE
            else:
                self._is_heard = True
                return result
            self._sleep(wait)
        raise AssertionError(self._attempts)
