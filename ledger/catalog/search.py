"""Which versions a search wants. Pure: it judges facts and reads nothing."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import msgspec


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a version; what is left empty asks nothing."""

    tags: tuple[str, ...] = ()
    type: str | None = None
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)
    created_after: dt.datetime | None = None

    @property
    def asks_nothing(self) -> bool:
        """Whether every version matches, so that no record need be read."""
        return not self.tags and self.type is None and not self.metadata and self.created_after is None


def matches(
    wanted: Filter, *, tags: tuple[str, ...], type: str, metadata: Mapping[str, Any], created_at: dt.datetime
) -> bool:
    """Whether a version has all that is asked: every tag, the type, every metadata value, and is younger."""
    return (
        set(wanted.tags) <= set(tags)
        and wanted.type in (None, type)
        and _contains(metadata, wanted.metadata)
        and (wanted.created_after is None or created_at > wanted.created_after)
    )


def _contains(found: object, wanted: object) -> bool:
    """Groups match key by key, lists element by element, everything else by value.

    ``True`` and 1 are different values; NaN is one value, though it does not equal itself.
    """
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(key in found and _contains(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_contains, found, wanted))
    if isinstance(found, float) and isinstance(wanted, float) and math.isnan(found):
        return math.isnan(wanted)
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
