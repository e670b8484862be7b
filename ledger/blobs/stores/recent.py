"""A small cache that forgets what was used longest ago.

Bounds memory by the sum of weights, so that reading a content of any size takes
the same room.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values used last, as many as weigh no more than ``limit`` together, and the newest in any case."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value kept for a key, which is now the newest, or ``None``."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def drop(self, key: Key) -> None:
        """Forget the value of a key, if it is kept."""
        self._weight -= self._values.pop(key, (None, 0))[1]

    def values(self) -> list[Value]:
        """All values kept."""
        return [value for value, _ in self._values.values()]

    def put(self, key: Key, value: Value, *, weight: int = 1) -> None:
        """Keep a value, and forget the oldest ones that no longer fit."""
        self.drop(key)
        self._values[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit and len(self._values) > 1:
            _, (_, forgotten) = self._values.popitem(last=False)
            self._weight -= forgotten
