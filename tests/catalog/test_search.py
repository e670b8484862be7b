"""What a filter asks of a version, as a pure decision."""

import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.catalog import Filter, matches

MOMENT = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=2), children, max_size=3),
    max_leaves=8,
)
METADATA = st.dictionaries(st.text(min_size=1, max_size=2), VALUES, max_size=4)


def _matches(wanted: Filter, metadata: dict[str, Any], tags: tuple[str, ...] = ()) -> bool:
    return matches(wanted, tags=tags, type="DataArtifact", metadata=metadata, created_at=MOMENT)


@given(METADATA)
def test_a_version_matches_its_own_metadata(metadata: dict[str, Any]) -> None:
    """Whatever a version's metadata is, asking for all of it finds the version."""
    assert _matches(Filter(metadata=metadata), metadata)


@given(METADATA, METADATA)
def test_asking_less_matches_no_less(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Leaving a key out of a filter never loses a match."""
    if _matches(Filter(metadata=wanted), found):
        for key in wanted:
            fewer = {other: value for other, value in wanted.items() if other != key}
            assert _matches(Filter(metadata=fewer), found)


@given(METADATA, st.frozensets(st.text(max_size=2), max_size=3))
def test_an_empty_filter_matches_everything(metadata: dict[str, Any], tags: frozenset[str]) -> None:
    """A filter that asks nothing says so and matches every version."""
    assert Filter().asks_nothing
    assert _matches(Filter(), metadata, tuple(sorted(tags)))


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (1, 1.0, True),
        (math.nan, math.nan, True),
        (math.nan, 0.0, False),
        ([1, {"a": 2}], [1, {"a": 2}], True),
        ([1, 2], [1], False),
        ([True], [1], False),
        ([math.nan], [math.nan], True),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, 1, False),
        (None, None, True),
        ("1", 1, False),
    ],
)
def test_values_match_by_what_they_are(found: object, wanted: object, expected: bool) -> None:  # noqa: FBT001
    """Groups match key by key and lists whole; True is not 1, and NaN is NaN."""
    assert expected == _matches(Filter(metadata={"k": wanted}), {"k": found})


def test_a_missing_key_is_not_none() -> None:
    """Asking for None finds a key that holds None, not one that is missing."""
    assert _matches(Filter(metadata={"k": None}), {"k": None})
    assert not _matches(Filter(metadata={"k": None}), {})


def test_every_tag_is_needed() -> None:
    """All tags asked for have to be there; others may be."""
    assert _matches(Filter(tags=("a", "b")), {}, ("a", "b", "c"))
    assert not _matches(Filter(tags=("a", "d")), {}, ("a", "b", "c"))


def test_a_version_is_younger_than_the_moment() -> None:
    """The moment itself is not after itself."""
    assert _matches(Filter(created_after=MOMENT - dt.timedelta(microseconds=1)), {})
    assert not _matches(Filter(created_after=MOMENT), {})
