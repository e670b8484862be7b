"""The tree of JSON is undone by its decoder, whatever is nested in it."""

import dataclasses
import enum
from collections import OrderedDict, deque
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder


class Color(enum.Enum):
    RED = "red"
    GREEN = 2


class Point(NamedTuple):
    x: int
    y: Any


@dataclasses.dataclass
class Settings:
    rate: float
    layers: tuple[int, ...]
    extra: Any = None


_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Lu"]))
    | st.binary()
    | st.complex_numbers()
    | st.uuids()
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.decimals()
    | st.sampled_from(Color)
)
_keys = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.tuples(st.integers(), st.text())
_trees: st.SearchStrategy[Any] = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_keys, inner)
        | st.dictionaries(st.text(alphabet="$ab"), inner)
        | st.dictionaries(_keys, inner).map(OrderedDict)
        | st.tuples(st.lists(inner), st.none() | st.integers(0, 9)).map(lambda held: deque(*held))
        | st.builds(Point, st.integers(), inner)
        | st.builds(Settings, st.floats(), st.tuples(), inner)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=200)
@given(_trees)
def test_any_tree_comes_back_the_same(value: Any) -> None:
    """Any nesting of plain values comes back with every type, order and NaN it had."""
    encoded = TreeEncoder(None).encode(value)
    assert repr(value) == repr(TreeDecoder(None).decode(encoded))


@settings(deadline=None, max_examples=100)
@given(st.sets(_keys) | st.frozensets(_keys))
def test_sets_come_back_the_same(value: Any) -> None:
    """Sets and frozen sets keep their elements and which of the two they are."""
    loaded = TreeDecoder(None).decode(TreeEncoder(None).encode(value))
    assert type(value) is type(loaded)
    assert sorted(map(repr, value)) == sorted(map(repr, loaded))
