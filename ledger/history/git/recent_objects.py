"""Objects kept at hand under any keys, up to a number of bytes."""

from collections.abc import Hashable

from ledger.history.git.kinds import RawObject


class RecentObjects:
    """The kind and bytes of the objects that were met last. Threads may share it.

    When the next object would exceed the limit, all others are dropped; one that is larger than the limit stays alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: dict[Hashable, RawObject] = {}

    def get(self, key: Hashable) -> RawObject | None:
        """The kind and bytes of an object, or ``None`` if it is not kept."""
        return self._kept.get(key)

    def put(self, key: Hashable, kind: int, data: bytes) -> None:
        """Keep an object."""
        if key in self._kept:
            return
        if self._size + len(data) > self._limit:
            self._kept = {}
            self._size = 0
        self._kept[key] = (kind, data)
        self._size += len(data)
