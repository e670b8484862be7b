"""The one rule for metadata."""

import datetime as dt
import math
import uuid
from collections.abc import Callable
from enum import Enum, IntEnum, IntFlag, StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MetadataError
from ledger.records import decode, decode_values, encode, encode_values, merge, merge_encoded, normalise

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(
    ["$", "$$", "$float", "$int", "$$float", "a.b"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**4000) + 1, 10**4000 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["nan", "inf", "$float"])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
METADATA = st.dictionaries(KEYS, VALUES, max_size=4)


def groups(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Metadata in which a key is always a group or always a leaf: upper case for groups."""
    leaves = st.dictionaries(st.sampled_from("abc"), st.integers(0, 5), max_size=3)
    if not depth:
        return leaves
    below = st.dictionaries(st.sampled_from("ABC"), groups(depth - 1), max_size=3)
    return st.tuples(leaves, below).map(lambda pair: {**pair[0], **pair[1]})


class Shade(Enum):
    DARK = "dark"
    LIGHT = 2


class Level(IntEnum):
    HIGH = 3


class Access(IntFlag):
    READ = 1


class Colour(StrEnum):
    RED = "red"


class Foreign:
    """A scalar like numpy's, of another library."""

    dtype = np.dtype("f8")
    shape = ()

    def __float__(self) -> float:
        return 1.0


def show(value: object) -> str:
    """A text that tells NaN from NaN, -0.0 from 0.0, 1 from 1.0 and from True apart, but not the order of keys."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{show(child)}" for key, child in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    return hex(value) if type(value) is int else repr(value)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (1.5, 1.5),
        ("text", "text"),
        ((2, 3), [2, 3]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({1, "a", None, 2.5, (1, 2), "x"}, [1, 2.5, "a", "x", None, [1, 2]]),
        ({10, 9, 9.5, -1, False}, [-1, 9, 9.5, 10, False]),
        ({(1, "a"), ("b", 2)}, [["b", 2], [1, "a"]]),
        ({2, math.nan, 1, "x"}, [1, 2, math.nan, "x"]),
        (dt.date(2026, 11, 23), "2026-11-23"),
        (dt.datetime(2026, 11, 23, 10, 0, 0, 5, dt.UTC), "2026-11-23T10:00:00.000005+00:00"),
        (dt.time(10, 30), "10:30:00"),
        (Path("/data/x"), "/data/x"),
        (PurePosixPath("a/b"), "a/b"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Shade.DARK, "dark"),
        (Shade.LIGHT, "LIGHT"),
        (Level.HIGH, "HIGH"),
        (Access.READ, "READ"),
        (Access(0), 0),
        (Colour.RED, "red"),
        ({"a": {"b": (1,)}}, {"a": {"b": [1]}}),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array(3), 3),
        (np.datetime64("2026-11-23"), "2026-11-23"),
        (np.datetime64("2026-11-23T10:00:00.000000001"), "2026-11-23T10:00:00.000000001"),
    ],
)
def test_values_are_normalised_to_plain_ones(given_value: object, expected: object) -> None:
    """Each allowed value has one plain form, of exactly a plain type."""
    found = normalise({"k": given_value})
    assert show({"k": expected}) == show(found)
    assert type(expected) is type(found["k"])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {1, 2},
        np.float64(0.5),
        np.float32(0.5),
        np.int64(1),
        dt.datetime.now(dt.UTC),
        math.nan,
        math.inf,
        {"a": None},
        [2**53 - 1, 2**53, -(2**53) + 1, -(2**53)],
    ],
)
def test_what_the_reference_loses_is_kept(value: object) -> None:
    """Values that the reference system skips or fails on come back from a record too."""
    plain = normalise({"k": value})
    held = decode(encode({"metadata": encode_values(plain)}), dict, where="r")["metadata"]
    assert show(plain) == show(decode_values(held))


@pytest.mark.parametrize(
    ("metadata", "place"),
    [
        ({"a": object()}, "a"),
        ({"a": b"bytes"}, "a"),
        ({"a": {"b": [1, {"c": object()}]}}, "a.b.1.c"),
        ({"a": 1j}, "a"),
        ({"a": dt.timedelta(1)}, "a"),
        ({"a": np.zeros(3)}, "a"),
        ({"a": np.timedelta64(5, "ns")}, "a"),
        ({"a": np.datetime64("NaT", "ns")}, "a"),
        ({"a": pd.NaT}, "a"),
        ({"a": np.complex64(1)}, "a"),
        ({"a": np.bytes_(b"x")}, "a"),
        ({"a": np.zeros((), "i4,i4")[()]}, "a"),
        ({"a": Foreign()}, "a"),
        ({"a": range(3)}, "a"),
        ({"a": {1: "x"}}, "a.1"),
        ({1: "x"}, "1"),
        ({None: "x"}, "None"),
        ({"": 1}, ""),
        ({"x" * 256: 1}, "x" * 256),
        ({"a": {"": 1}}, "a."),
        ({"a": "\ud800"}, "a"),
        ({"a": 10**4000}, "a"),
        ({"a": -(10**4000)}, "a"),
        ({"a": {(1, b"x")}}, "a.{}.1"),
    ],
)
def test_everything_else_is_refused_with_its_key_path(metadata: dict[Any, Any], place: str) -> None:
    """A value or key that is no metadata is a MetadataError that says where it stands."""
    with pytest.raises(MetadataError) as caught:
        normalise(metadata)
    assert {"path": place} == caught.value.facts
    assert f"metadata {place!r}: " == str(caught.value)[: len(f"metadata {place!r}: ")]


@pytest.mark.parametrize(
    ("metadata", "hint"),
    [
        ({"f1": {0: 0.9}}, "{str(key): value}"),
        ({"": 1}, "name the value"),
        ({"loss": np.zeros(3)}, ".tolist()"),
        ({"loss": pd.Series([1.0])}, ".tolist()"),
        ({"z": np.complex64(1)}, "save anything else"),
    ],
)
def test_the_hint_fits_what_was_refused(metadata: dict[Any, Any], hint: str) -> None:
    """Keys that are classes, and arrays where a number was meant, are what most often comes."""
    with pytest.raises(MetadataError) as caught:
        normalise(metadata)
    assert hint in caught.value.hint


def test_a_key_that_is_no_unicode_is_refused() -> None:
    """Half a surrogate pair cannot stand in a record, in a key as little as in a value."""
    with pytest.raises(MetadataError, match="not valid Unicode") as caught:
        normalise({"a": {"\ud800": 1}})
    assert {"path": r"a.'\ud800'"} == caught.value.facts


def test_a_key_that_is_too_long_is_not_shown_whole() -> None:
    """An error is no longer for a key that is."""
    with pytest.raises(MetadataError, match="got 1000000") as caught:
        normalise({"k" * 1_000_000: 1})
    assert len(str(caught.value)) < 1000


def test_the_longest_key_is_taken() -> None:
    """A key has up to 255 characters, however many bytes they are."""
    assert {"ü" * 255: 1} == normalise({"ü" * 255: 1})


@pytest.mark.parametrize("metadata", ["text", [("a", 1)], 5, {1, 2}])
def test_metadata_is_a_dict(metadata: object) -> None:
    """Only a mapping is metadata; ``None`` is none of it."""
    with pytest.raises(MetadataError, match="metadata is a dict, got"):
        normalise(metadata)
    assert {} == normalise(None)


def nested(levels: int, wrap: Callable[[Any], Any]) -> object:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


WRAPS: list[Callable[[Any], Any]] = [
    lambda value: [value],
    lambda value: {"k": value},
    lambda value: frozenset([value]),
]


@pytest.mark.parametrize("wrap", WRAPS, ids=["list", "dict", "set"])
def test_the_deepest_metadata_can_be_read_again(wrap: Callable[[Any], Any]) -> None:
    """What is let in fits into a record; one level more is refused, in lists, dicts and sets alike."""
    deepest = normalise({"k": nested(55, wrap)})
    record = {"kind": "x", "events": [{"metadata": encode_values({"n": math.nan, **deepest})}]}
    assert record == decode(encode(record), object, where="r")
    for levels in (57, 5000):
        with pytest.raises(MetadataError, match="nested deeper than 56 levels, or it contains itself"):
            normalise({"k": nested(levels, wrap)})


def test_metadata_that_holds_itself_is_refused() -> None:
    """A cycle is nesting without end."""
    metadata: dict[str, Any] = {}
    metadata["self"] = metadata
    with pytest.raises(MetadataError, match="or it contains itself"):
        normalise(metadata)


@given(METADATA)
def test_normalising_twice_changes_nothing(metadata: dict[str, Any]) -> None:
    """Normalising is idempotent, and leaves plain values alone."""
    once = normalise(metadata)
    assert show(metadata) == show(once) == show(normalise(once))


@given(METADATA)
def test_decoding_gives_the_encoded_values_back(metadata: dict[str, Any]) -> None:
    """Through a record and back: NaN, infinities, large integers and keys that begin with ``$`` included."""
    held = decode(encode(encode_values(metadata)), dict, where="r")
    assert show(metadata) == show(decode_values(held))


@pytest.mark.parametrize(
    "held",
    [
        {"$float": "1.5"},
        {"$float": "NaN"},
        {"$float": 1},
        {"$float": "nan", "x": 1},
        {"$int": 5},
        {"$int": "5"},
        {"$int": str(2**53 - 1)},
        {"$int": str(-(2**53) + 1)},
        {"$int": "1_000_000_000_000_000_000_000"},
        {"$int": " 10000000000000000000000"},
        {"$int": "010000000000000000000000"},
        {"$int": "1" * 4001},
        {"$int": "٣" * 30},
        {"$path": "x"},
        {"a": [{"$later": 1}]},
        {"$": 1},
    ],
)
def test_encodings_that_nobody_writes_are_refused(held: dict[str, Any]) -> None:
    """Each value has one encoding: what a writer would not have written is an error, never a guess."""
    with pytest.raises(ValueError, match="in metadata"):
        decode_values(held)


@given(groups(), groups(), groups())
def test_merging_is_associative(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]) -> None:
    """Where a key keeps being a group or a leaf, it does not matter in which order pieces are joined."""
    assert merge(merge(first, second), third) == merge(first, merge(second, third))


@given(METADATA, METADATA)
def test_the_later_leaf_wins(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """Every leaf of the later metadata is there, and nothing appears that neither had."""
    merged = merge(earlier, later)
    assert earlier.keys() | later.keys() == merged.keys()
    for key, value in later.items():
        if not isinstance(value, dict):
            assert show(value) == show(merged[key])
        elif isinstance(earlier.get(key), dict):
            assert show(merge(earlier[key], value)) == show(merged[key])


@given(METADATA, METADATA)
def test_what_a_record_holds_merges_as_the_values_do(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """Encoded first and merged then, or the other way round: the record holds the same."""
    assert encode(encode_values(merge(earlier, later))) == encode(merge_encoded(encode_values(earlier), later))


@given(METADATA)
def test_nothing_is_the_neutral_element(metadata: dict[str, Any]) -> None:
    """Merging with nothing, on either side, changes nothing."""
    assert show(metadata) == show(merge(metadata, {})) == show(merge({}, metadata)) == show(merge(metadata, metadata))


def test_groups_merge_and_other_values_replace() -> None:
    """``metrics.acc`` and ``metrics.loss`` logged apart are there together; lists replace each other."""
    earlier = {"metrics": {"acc": 0.9}, "shape": [1, 2], "note": "x"}
    later = {"metrics": {"loss": 0.1}, "shape": [3], "note": {"text": "y"}}
    assert {"metrics": {"acc": 0.9, "loss": 0.1}, "shape": [3], "note": {"text": "y"}} == merge(earlier, later)
    assert {"acc": 0.9} == earlier["metrics"]
