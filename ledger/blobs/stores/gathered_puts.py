"""Small objects that wait for each other, to be put at the same time.

With a distant store each costs the time of a request. So whoever publishes many contents at once lets their small
objects wait here, and calls `finish` before anything names them. What could not be put waits on and is tried again:
only `finish` says that all are durable.
"""

from collections.abc import Sequence
from typing import Final

from ledger.blobs.stores.store import Store, puts_at_once, small_at_once
from ledger.blobs.stores.workers import in_order
from ledger.forks import ThreadLock

_MOST_WAITING: Final = 64
_SMALL: Final = 512 << 10  # bytes: any chunk, and most tables


class GatheredPuts:
    """The small objects for a distant store; large ones, and all for a store that puts one at a time, do not wait.

    For any thread.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_distant = puts_at_once(store) > 1
        self._lock = ThreadLock()
        self._waiting: dict[str, Sequence[bytes]] = {}

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Take an object; raises what goes wrong with it or with others that waited."""
        if not self._is_distant or sum(map(len, parts)) > _SMALL:
            self._store.put(key, parts)
            return
        with self._lock:
            self._waiting[key] = parts
            if len(self._waiting) >= _MOST_WAITING:
                self._put_all()

    def holds(self, key: str) -> bool:
        """Whether an object waits here."""
        with self._lock:
            return key in self._waiting

    def finish(self) -> None:
        """Put what is waiting; all objects that were taken are durable on return."""
        with self._lock:
            self._put_all()

    def _put_all(self) -> None:
        for _ in in_order(self._put, self._waiting.items(), threads=small_at_once(self._store)):
            pass  # that all are there is the point
        self._waiting.clear()

    def _put(self, waiting: tuple[str, Sequence[bytes]]) -> None:
        self._store.put(*waiting)
