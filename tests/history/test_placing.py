"""The decision which position and number a version gets."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import (
    IntegrityError,
    InvalidVersionError,
    NameCollisionError,
    VersionExistsError,
    VersionNotFoundError,
)
from ledger.history import Claim, History, RecordDraft
from ledger.history.git.objects import Objects
from ledger.history.tree.layout import TreePath
from ledger.history.tree.placing import allocate, claims_of, place_all
from ledger.history.tree.snapshot import Snapshot
from ledger.history.tree.trees import GrowingTree
from ledger.ids import VersionId
from ledger.records import MAX_NUMBER, Name, VersionString, check_version, encode
from tests.kit.histories import AUTHOR, NOW, draft, publish, tag, versions_of

IRIS = Name("iris")
ID = VersionId("019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21")
OTHER = VersionId("019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d22")


def allocated(*requested: object) -> list[Claim]:
    """The claims of versions saved one after another, ``None`` for an automatic one."""
    claims: list[Claim] = []
    for version in requested:
        latest = claims[-1] if claims else None
        claims.append(allocate(IRIS, ID, latest, None if version is None else check_version(version)))
    return claims


@pytest.mark.parametrize(
    ("requested", "versions"),
    [
        ([None, "cat", None, 10, None], ["1", "cat", "2", "10", "11"]),
        ([10, None, 5, None], ["10", "11", "5", "12"]),
        (["007", None, "1.0", None], ["007", "1", "1.0", "2"]),
        (["0", None], ["0", "1"]),
        (["1000000000", None], ["1000000000", "1"]),
        ([3, None, "cat", None], ["3", "4", "cat", "5"]),
    ],
)
def test_automatic_versions_count_from_the_highest_number(requested: list[object], versions: list[str]) -> None:
    """Custom versions do not move the counter, explicit numbers do, smaller ones do not take it back."""
    assert versions == [claim.version for claim in allocated(*requested)]


@given(st.lists(st.none() | st.integers(0, 50) | st.sampled_from(["cat", "007"]), max_size=20))
def test_positions_are_dense_and_automatic_numbers_new(requested: list[object]) -> None:
    """Positions are 1, 2, 3…, counters never fall, and no automatic number was there before."""
    claims = allocated(*requested)
    assert list(range(1, len(claims) + 1)) == [claim.position for claim in claims]
    assert sorted(claim.counter for claim in claims) == [claim.counter for claim in claims]
    for index, (version, claim) in enumerate(zip(requested, claims, strict=True)):
        if version is None:
            assert claim.version not in [before.version for before in claims[:index]]


def test_the_numbers_end() -> None:
    """After the greatest number, of nine digits, there is no automatic one; a custom version is still possible."""
    last = allocate(IRIS, ID, Claim(IRIS, 4, VersionString("cat"), 999_999_998, ID), None)
    assert Claim(IRIS, 5, VersionString("999999999"), MAX_NUMBER, ID) == last
    with pytest.raises(InvalidVersionError, match=rf"artifact 'iris' has used number {MAX_NUMBER}"):
        allocate(IRIS, ID, last, None)
    assert Claim(IRIS, 6, VersionString("dog"), MAX_NUMBER, ID) == allocate(IRIS, ID, last, VersionString("dog"))


def test_published_versions_follow_the_rule(history: History) -> None:
    """What the rule decides is what stands in the history."""
    for version in (None, "cat", None, 10, None, 5, None):
        publish(history, draft("iris", version))
    assert ["1", "cat", "2", "10", "11", "5", "12"] == versions_of(history)


def test_drafts_of_one_commit_follow_one_another(history: History) -> None:
    """Many drafts are placed in their order, as if saved one by one, in a single commit."""
    published = publish(history, draft(), draft("iris", "cat"), draft("other"), draft())
    assert ["iris@1", "iris@cat", "other@1", "iris@2"] == [claim.label for claim in published.claims]
    assert 2 == len(list(history.log()))


def test_claims_of_many_names_are_found_name_by_name(history: History) -> None:
    """Those that another writer placed are found in their order, and no draft is looked at for another one's name."""
    compared = 0

    class Counted(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    drafts = [draft(f"n{number % 20}") for number in range(40)]
    published = publish(history, *drafts)
    counted = [msgspec.structs.replace(each, name=Counted(each.name)) for each in drafts]
    assert published.claims == claims_of(counted, history.snapshot())
    assert compared <= 4 * len(drafts)


@pytest.mark.parametrize("version", [1, "cat", 10])
def test_a_version_that_exists_is_never_published_again(history: History, version: object) -> None:
    """The error names the version and the id that has it, and nothing was published."""
    first = publish(history, draft(), draft("iris", "cat"), draft("iris", 10))
    with pytest.raises(VersionExistsError) as caught:
        publish(history, draft("fresh"), draft("iris", version))
    assert first.commit == history.tip()
    taken = next(claim for claim in first.claims if claim.version == str(version))
    assert {"name": "iris", "version": str(version), "id": taken.id} == caught.value.facts


def test_a_version_twice_in_one_commit_is_refused(history: History) -> None:
    """Drafts see the drafts before them."""
    tip = history.tip()
    with pytest.raises(VersionExistsError, match=r"version 'cat' of artifact 'iris' exists already"):
        publish(history, draft("iris", "cat"), draft("iris", "cat"))
    assert tip == history.tip()


@pytest.mark.parametrize("published", [0, 1])
def test_names_that_differ_only_in_case_cannot_coexist(history: History, published: int) -> None:
    """The second spelling is refused, whether the first is published or comes in the same commit."""
    drafts = [draft("Iris"), draft("iris")]
    for first in drafts[:published]:
        publish(history, first)
    with pytest.raises(NameCollisionError, match="artifact name 'iris' differs only in case from 'Iris'") as caught:
        publish(history, *drafts[published:])
    assert {"name": "iris", "existing": "Iris"} == caught.value.facts


def test_an_event_on_a_version_that_is_not_there_is_refused(history: History) -> None:
    """An event's claim has to be in the history, with its id."""
    claim = publish(history).claims[0]._replace(id=OTHER)
    with pytest.raises(VersionNotFoundError, match=rf"iris@1 \(id {OTHER}\) is no longer where it was"):
        history.publish([tag(claim)], author=AUTHOR, now=NOW)


def test_events_sort_after_those_that_are_there(history: History) -> None:
    """Ten events in one commit and one more after it stand in the order in which they were drafted."""
    claim = publish(history).claims[0]
    history.publish([tag(claim)] * 10, author=AUTHOR, now=NOW)
    before = history.snapshot().events(claim)
    history.publish([tag(claim)], author=AUTHOR, now=NOW)
    assert before == history.snapshot().events(claim)[:10]
    assert all(encode({"id": id}) == data for id, data in history.snapshot().events(claim))


class CountingTree(GrowingTree):
    """Counts how often somebody looks through a folder."""

    looked = 0

    def names(self, path: TreePath, start: str = "") -> list[str]:
        self.looked += 1
        return super().names(path, start)


def test_a_version_is_looked_through_once_for_all_its_events(history: History) -> None:
    """A thousand metrics logged in one commit cost as much each as ten."""
    claim = publish(history).claims[0]
    objects = Objects(history.git_dir)
    looked = []
    for count in (10, 1000):
        tree = CountingTree(objects, objects.commit(history.tip()).tree)
        place_all([tag(claim)] * count, tree, time_ms=0)
        looked.append(tree.looked)
        assert count == len(Snapshot(tree).events(claim))
    assert looked[0] == looked[1]


def test_a_record_stands_at_its_path_and_is_never_replaced(history: History) -> None:
    """Other records have paths of their own; a second record for a path is refused."""
    record = RecordDraft(path=("runs", "day", "run", "run.json"), data=b"{}")
    history.publish([record], author=AUTHOR, now=NOW)
    with pytest.raises(IntegrityError, match=r"the history already holds runs/day/run/run.json"):
        history.publish([record], author=AUTHOR, now=NOW)
