"""A line says of a version what its records say, and no question passes over a line that is an answer."""

import datetime as dt
import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.catalog import Filter, Place, Traits, encode_line, key_of, make_query, matches
from ledger.catalog.lines import COLUMN_LIMIT, METADATA, TAGS, UNKNOWN, decode_metadata, decode_tags, place_of
from ledger.ids import VersionId
from ledger.records import normalise

MOMENT = dt.datetime(2026, 11, 23, 10, 0, 0, 123456, dt.UTC)
PLACE = Place(
    VersionId("018cc251-fb94-76df-9be0-a7f94830c5b5"),
    "project/name:1",
    12,
    "raw_2023+x",
    11,
    VersionId("018cc251-fb94-76df-9be0-a7f94830c5b4"),
)

NUMBERS = st.sampled_from(
    [0, -0.0, 1, 1.0, True, False, 2**53, 2.0**53, 2**53 + 1, 10**22, 1e22, 1e300, 0.1, 1e-7, -1.5]
)
SCALARS = NUMBERS | st.none() | st.sampled_from([math.nan, math.inf, -math.inf]) | st.integers() | st.floats()
TEXTS = st.text(max_size=4) | st.sampled_from(["\t", "\n", "\x1a", "\t\x1a\t", '"', "\\", "$float", "nan", "\x85", " "])
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(bool), inner, max_size=3),
    max_leaves=6,
)
METADATA_OF_ALL_KINDS = st.dictionaries(TEXTS.filter(bool), VALUES, max_size=4).map(normalise)


def line(metadata: dict[str, Any] | None = None, tags: tuple[str, ...] = (), moment: dt.datetime = MOMENT) -> bytes:
    traits = Traits(type="DataArtifact", tags=tags, metadata=metadata or {}, created_at=moment)
    return encode_line(PLACE, traits)


def varied(value: Any, data: st.DataObject) -> Any:
    """The same to a search, or nearly: numbers in another spelling, groups and lists with less or other in them."""
    if isinstance(value, dict):
        kept = {key: child for key, child in value.items() if data.draw(st.booleans())}
        return {key: varied(child, data) for key, child in kept.items()}
    if isinstance(value, list):
        return [varied(child, data) for child in value]
    if isinstance(value, (bool, int)) and abs(value) < 10**300:
        return data.draw(st.sampled_from([value, float(value), int(value), bool(value)]))
    if isinstance(value, float) and value.is_integer():
        return data.draw(st.sampled_from([value, int(value)]))
    return value


@given(METADATA_OF_ALL_KINDS, st.data())
def test_a_line_is_judged_as_its_records_are(metadata: dict[str, Any], data: st.DataObject) -> None:
    """A query finds in the line's metadata what matching finds in the version's, and its needles rule out no answer."""
    wanted = Filter(metadata=varied(metadata, data))
    query = make_query(wanted)
    made = line(metadata)
    expected = matches(wanted, tags=(), type="DataArtifact", metadata=metadata, created_at=MOMENT)
    verdict = query.judge(made.split(b"\t"))
    assert verdict is expected or (verdict is None and len(str(metadata)) > COLUMN_LIMIT // 6)
    assert query.candidates(made) or not expected


@pytest.mark.parametrize("number", [0, 3, 2**53 - 1, 2**53, -(2**53), 2**53 + 2, 10**22])
def test_a_whole_number_is_found_in_either_spelling(number: int) -> None:
    """An int finds the float that equals it, and that the int, also where a line holds them in two spellings."""
    for held, wanted in itertools.product((number, float(number)), repeat=2):
        made, query = line({"n": held}), make_query(Filter(metadata={"n": wanted}))
        assert [made] == query.candidates(made)
        assert query.judge(made.split(b"\t"))


@given(METADATA_OF_ALL_KINDS)
def test_metadata_come_back_equal(metadata: dict[str, Any]) -> None:
    """What a line holds of the metadata is equal to them for every search."""
    column = line(metadata).split(b"\t")[METADATA]
    if column != UNKNOWN:
        found = decode_metadata(column)
        for wanted, held in ((found, metadata), (metadata, found)):
            assert matches(Filter(metadata=wanted), tags=(), type="DataArtifact", metadata=held, created_at=MOMENT)


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5), max_size=4))
def test_tags_come_back(tags: list[str]) -> None:
    """Tags of any characters are held as they are, and each is found."""
    made = line(tags=tuple(tags))
    assert tuple(tags) == decode_tags(made.split(b"\t")[TAGS])
    for tag in tags:
        query = make_query(Filter(tags=(tag,)))
        assert query.candidates(made)
        assert query.judge(made.split(b"\t"))


ZONES = st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


@given(st.datetimes(timezones=ZONES), st.datetimes(timezones=ZONES))
def test_moments_are_compared_as_they_are(moment: dt.datetime, other: dt.datetime) -> None:
    """Whether a line is younger is judged to the microsecond, in any zone, from the first year to the last."""
    assert (moment > other) is make_query(Filter(created_after=other)).judge(line(moment=moment).split(b"\t"))


def test_a_line_is_one_line() -> None:
    """No text makes another column or another line."""
    made = line({"k\t": "a\nb\rc\x1a", "\x1a": 1, "\0": 0}, ("x",))
    assert (9, 1) == (made.count(b"\t"), len(made.splitlines()))
    assert not {0x1A, 0} & set(made)


def test_a_line_says_where_its_version_stands() -> None:
    """The place comes back; the key is what is left when order and traits change."""
    assert PLACE == place_of(line().split(b"\t"))
    other = PLACE._replace(order=PLACE.id)
    assert other == place_of(encode_line(other, None).split(b"\t"))
    assert key_of(line()) == key_of(encode_line(other, None))
    assert key_of(line()) != key_of(encode_line(PLACE._replace(position=13), None))


@given(st.lists(st.lists(st.sampled_from(["x", "y", "xy"]), max_size=2, unique=True), max_size=6), st.booleans())
def test_of_many_lines_the_candidates_come_in_order(tags: list[list[str]], is_last_unread: bool) -> None:  # noqa: FBT001
    """Of a block every line that holds all that is asked is a candidate, and every one that is not known."""
    lines = [line({"n": number}, tuple(each)) for number, each in enumerate(tags)]
    lines += [encode_line(PLACE, None)] * is_last_unread
    for wanted in (("x",), ("x", "y"), ()):
        expected = [made for made, has in zip(lines, [*tags, wanted], strict=False) if set(wanted) <= set(has)]
        assert expected == make_query(Filter(tags=wanted)).candidates(b"\n".join(lines)) or not lines


def test_what_a_line_cannot_hold_is_left_to_the_records() -> None:
    """Metadata or tags beyond the limit, and unreadable records, are neither an answer nor none."""
    large = line({"k": "x" * COLUMN_LIMIT, "n": 1}, ("x",))
    unread = encode_line(PLACE, None)
    for wanted, made, expected in (
        (Filter(metadata={"n": 1}), large, None),
        (Filter(tags=("x",)), large, True),
        (Filter(tags=("y",), metadata={"n": 1}), large, False),
        (Filter(type="ModelArtifact"), unread, None),
        (Filter(created_after=MOMENT), unread, None),
        (Filter(), unread, True),
    ):
        query = make_query(wanted)
        assert expected is query.judge(made.split(b"\t")), wanted
        assert query.candidates(made) or expected is False


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [("project/name:1", None, True), (None, "raw_2023+x", True), ("project/name", None, False), (None, "raw", False)],
)
def test_names_and_versions_are_whole(name: str | None, version: str | None, expected: bool) -> None:  # noqa: FBT001
    """A name or a version string is found as it is, not as a part of another."""
    query = make_query(Filter(), name=name, version=version)
    assert expected is query.judge(line().split(b"\t"))
    assert expected is bool(query.candidates(line()))
