"""Lists and searches: everything that matches, however much there is."""

import datetime as dt
import math
import time
import warnings
from typing import Any

import pytest

from ledger import Ledger
from ledger.enums import ArtifactType
from ledger.errors import ArgumentError, ArgumentTypeError, ArtifactNotFoundError, InvalidNameError


def _labels(found: list[Any]) -> list[str]:
    return [f"{version.name}@{version.version}" for version in found]


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Five versions that differ in name, tags, type and metadata."""
    with ledger.transaction() as transaction:
        transaction.save(1, "a", tags=["x"], run_metadata={"m": {"acc": 0.9, "by": {"k": 1}}, "n": 1})
        transaction.save(2, "a", tags=["x", "y"], artifact_type=ArtifactType.MODEL, run_metadata={"n": True})
        transaction.save(3, "a", "cat", tags=["y"], run_metadata={"n": None, "loss": math.nan})
        transaction.save(4, "b/c", tags=["x"], run_metadata={"m": {"acc": 0.9}})
        transaction.save(5, "d", artifact_type="ModelArtifact")
    return ledger


SEARCHES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["a@1", "a@2", "a@cat", "b/c@1", "d@1"]),
    ({"name": "a"}, ["a@1", "a@2", "a@cat"]),
    ({"name": "a", "version": "cat"}, ["a@cat"]),
    ({"version": 1}, ["a@1", "b/c@1", "d@1"]),
    ({"name": "a", "version": 7}, []),
    ({"name": "nope"}, []),
    ({"tag": "x"}, ["a@1", "a@2", "b/c@1"]),
    ({"tag": ["x", "y"]}, ["a@2"]),
    ({"tag": "nope"}, []),
    ({"type": ArtifactType.MODEL}, ["a@2", "d@1"]),
    ({"type": "ModelArtifact", "tag": "x"}, ["a@2"]),
    ({"run_metadata": {"m": {"acc": 0.9}}}, ["a@1", "b/c@1"]),
    ({"run_metadata": {"m": {"by": {"k": 1}}}}, ["a@1"]),
    ({"run_metadata": {"n": 1}}, ["a@1"]),
    ({"run_metadata": {"n": True}}, ["a@2"]),
    ({"run_metadata": {"n": None}}, ["a@cat"]),
    ({"run_metadata": {"loss": math.nan}}, ["a@cat"]),
    ({"run_metadata": {"m": {}}}, ["a@1", "b/c@1"]),
    ({"run_metadata": {"m": {"acc": 0.8}}}, []),
    ({"run_metadata": {"acc": 0.9}}, []),
    ({"limit": 2}, ["b/c@1", "d@1"]),
    ({"name": "a", "limit": 2}, ["a@2", "a@cat"]),
    ({"tag": "x", "limit": 1}, ["b/c@1"]),
    ({"limit": 0}, []),
    ({"limit": 10**30}, ["a@1", "a@2", "a@cat", "b/c@1", "d@1"]),
    ({"name": "a", "tag": "x", "limit": 10**30}, ["a@1", "a@2"]),
]


def test_a_search_finds_what_matches_all_of_it(filled: Ledger) -> None:
    """Every filter narrows the search, dicts match nested, the oldest comes first, `limit` keeps the newest."""
    for asked, expected in SEARCHES:
        assert expected == _labels(filled.search(**asked)), asked


def test_created_after_is_a_moment(ledger: Ledger) -> None:
    """Only what was saved after the moment is found, in whatever time zone it is given."""
    first = ledger.save(1, "x")
    time.sleep(0.002)
    second = ledger.save(2, "x")
    assert [second] == ledger.search(created_after=first.created_at)
    assert [second] == ledger.search(created_after=first.created_at.astimezone(dt.timezone(dt.timedelta(hours=-9))))
    assert [] == ledger.search(created_after=second.created_at)


@pytest.mark.parametrize("hours", [None, 14, -12])
@pytest.mark.parametrize(("edge", "count"), [(dt.datetime.min, 2), (dt.datetime.max, 0)])  # noqa: DTZ901  # below
def test_created_after_reaches_from_the_first_moment_to_the_last(
    ledger: Ledger, edge: dt.datetime, count: int, *, hours: int | None
) -> None:
    """Also where such a moment is in no year that UTC has."""
    ledger.save(1, "x")
    ledger.save(2, "x")
    zone = dt.timezone(dt.timedelta(hours=hours)) if hours is not None else None
    assert count == len(ledger.search(created_after=edge.replace(tzinfo=zone)))


def test_created_after_may_be_a_timestamp_of_pandas(ledger: Ledger) -> None:
    """A Timestamp without a zone is local time, as a datetime is; NaT is refused and does not match nothing."""
    pd = pytest.importorskip("pandas")
    saved = ledger.save(1, "x")
    wall = pd.Timestamp(saved.created_at.astimezone().replace(tzinfo=None))
    assert [saved] == ledger.search(created_after=wall - pd.Timedelta(1, "us"))
    assert [] == ledger.search(created_after=wall)
    with pytest.raises(ArgumentError, match="NaT is no moment"):
        ledger.search(created_after=pd.NaT)


def test_later_tags_and_metadata_are_searched(filled: Ledger) -> None:
    """A search sees tags and metadata as they are by now, not as they were saved."""
    filled.untag("a", ["x"], 1)
    filled.tag("d", ["x"])
    filled.log_metadata({"m": {"acc": 0.5}}, "b/c")
    assert ["a@2", "b/c@1", "d@1"] == _labels(filled.search(tag="x"))
    assert ["a@1"] == _labels(filled.search(run_metadata={"m": {"acc": 0.9}}))


def test_a_hundred_and_twenty_of_them_are_all_there(ledger: Ledger) -> None:
    """Lists have no pages: of 120 versions and 120 artifacts, all are returned."""
    with ledger.transaction() as transaction:
        for number in range(120):
            transaction.save(number, "many", tags=["t"])
            transaction.save(0, f"name-{number:03d}")
    assert [str(number) for number in range(1, 121)] == [version.version for version in ledger.versions("many")]
    assert 120 == len(ledger.search(tag="t")) == len(ledger.search(name="many"))
    assert 121 == len(ledger.artifacts())
    assert 240 == len(ledger.search())
    assert 119 == ledger.load("many")


def test_artifacts_are_listed_by_name(filled: Ledger) -> None:
    """Every artifact once, in the order of names, each with its versions, the latest, and its value."""
    found = filled.artifacts()
    assert ["a", "b/c", "d"] == [artifact.name for artifact in found]
    assert ["a@1", "a@2", "a@cat"] == _labels(found[0].versions)
    assert ("cat", 3) == (found[0].latest.version, found[0].load())


def test_an_empty_ledger_lists_nothing(ledger: Ledger) -> None:
    """Without versions, lists are empty, and a name is unknown."""
    assert ([], []) == (ledger.artifacts(), ledger.search())
    with pytest.raises(ArtifactNotFoundError):
        ledger.versions("x")


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"limit": -1}, ArgumentError),
        ({"limit": True}, ArgumentError),
        ({"limit": "3"}, ArgumentError),
        ({"type": "Model"}, ArgumentError),
        ({"created_after": "yesterday"}, ArgumentTypeError),
        ({"name": ""}, InvalidNameError),
        ({"tag": [1]}, ArgumentTypeError),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(filled: Ledger, asked: dict[str, Any], kind: type[Exception]) -> None:
    """A filter is checked; it is never ignored, so that nobody takes everything for a match."""
    with pytest.raises(kind):
        filled.search(**asked)


def test_a_search_warns_of_nothing(filled: Ledger) -> None:
    """A sound ledger is searched without a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filled.search(tag="x", run_metadata={"n": 1})
    assert [] == caught


def test_artifacts_with_a_tag_come_by_name(ledger: Ledger) -> None:
    """In the order of all artifacts, whatever order they were found in."""
    with ledger.transaction() as transaction:
        for name in "hbgcfdae":
            transaction.save(1, name, tags=["x"])
    assert list("abcdefgh") == [artifact.name for artifact in ledger.artifacts(tag="x")]
