"""A store that could not be opened: whoever asks it for an object gets the reason, and everybody else goes on.

Opening fails without credentials or a library, or while a host is down that is asked on opening. Each call tries it
again, so that the store is there as soon as it can be opened. Knows nothing of what keeps it from that.
"""

import functools
from collections.abc import Callable, Sequence

from ledger.blobs.stores.store import Store


class UnopenedStore:
    """The objects of the store that ``open_it`` gives, or raises why it cannot; ``url`` is shown to people."""

    def __init__(self, url: str, open_it: Callable[[], Store]) -> None:
        self._url = url
        self._open = functools.cache(open_it)

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self._url

    def __repr__(self) -> str:
        return f"UnopenedStore({self._url!r})"

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them."""
        return self._open().get(key, start, length)

    def has(self, key: str) -> bool:
        """Whether there is an object of that key."""
        return self._open().has(key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Publish an object."""
        self._open().put(key, parts)
