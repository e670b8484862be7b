"""One logged value as readers get it, and its raw value.

Pure. An entry stands for its value wherever one is taken: in comparisons, as metadata, as an argument of a step.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec


class MetadataEntry(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One logged value, and when and by whom it was last logged.

    It compares, converts, iterates and prints as its plain value does, so that code may leave `.value` out.
    """

    value: Any
    recorded_at: dt.datetime
    recorded_by: str

    def __eq__(self, other: object) -> bool:
        return bool(self.value == raw_value(other))

    def __ne__(self, other: object) -> bool:
        # Without this, msgspec's own `__ne__` would compare identities.
        return not self == other

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: object) -> bool:
        return bool(self.value < raw_value(other))

    def __le__(self, other: object) -> bool:
        return bool(self.value <= raw_value(other))

    def __gt__(self, other: object) -> bool:
        return bool(self.value > raw_value(other))

    def __ge__(self, other: object) -> bool:
        return bool(self.value >= raw_value(other))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __getitem__(self, key: Any) -> Any:
        """A member of a group, or an element of a list."""
        return self.value[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __contains__(self, item: object) -> bool:
        return item in self.value

    def __len__(self) -> int:
        return len(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


def raw_value(value: Any) -> Any:
    """The value that an entry holds; anything else as it is."""
    return value.value if isinstance(value, MetadataEntry) else value
