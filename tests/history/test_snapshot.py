"""Look-ups over one commit, and over one that is being built."""

import pytest

from ledger.errors import FormatError, IntegrityError
from ledger.history import Claim, History, Snapshot
from ledger.history.git.objects import Objects
from ledger.history.tree.layout import MANIFEST, MAX_POSITION, artifact_path
from ledger.history.tree.trees import GrowingTree
from ledger.history.upkeep import check_artifact, check_place
from ledger.ids import VersionId, new_uuid
from ledger.records import VersionString, check_name
from tests.kit.clones import MemoryTree
from tests.kit.histories import draft, publish, versions_of

IRIS = check_name("iris")


def test_versions_are_found_by_position_number_word_and_id(history: History) -> None:
    """Each way of naming a version leads to its claim, whether or not its number is its position."""
    claims = publish(history, *(draft("iris", version) for version in (None, "cat", None, 10, None, 3))).claims
    snapshot = history.snapshot()
    for claim in claims:
        assert claim == snapshot.claim_at(IRIS, claim.position)
        assert claim == snapshot.claim_of(IRIS, claim.version)
        assert claim == snapshot.claim_by_id(IRIS, claim.id)
        assert ([claim], 1) == snapshot.claims_with_id(claim.id.replace("-", ""))
    assert claims[-1] == snapshot.latest(IRIS)


@pytest.mark.parametrize("version", ["4", "5", "6", "007", "Cat", "0", "999999999"])
def test_a_version_that_is_not_there_is_none(history: History, version: str) -> None:
    """A position is no number: where another version has it, the number is still free."""
    publish(history, *(draft("iris", wanted) for wanted in (None, "cat", None, 10, None, 3)))
    assert history.snapshot().claim_of(IRIS, version) is None


@pytest.mark.parametrize("position", [-1, 0, 2, MAX_POSITION, MAX_POSITION + 1])
def test_a_position_that_is_not_taken_is_none(history: History, position: int) -> None:
    """Out of range is not there, too."""
    publish(history)
    assert history.snapshot().claim_at(IRIS, position) is None


def test_a_name_without_versions_has_nothing(history: History) -> None:
    """A name that was never saved has no latest version, no claims, and is no artifact."""
    snapshot = history.snapshot()
    assert [None, [], False, [], ([], 0)] == [
        *[snapshot.latest(IRIS), list(snapshot.claims(IRIS)), snapshot.has_artifact(IRIS), snapshot.artifact_names()],
        snapshot.claims_with_id(new_uuid(0).replace("-", "")),
    ]


def test_folders_that_nest_without_end_are_told_in_one_finding(history: History) -> None:
    """A check of records goes no deeper than a sync does."""
    tree = GrowingTree(history.objects, None)
    tree.add(("runs", "2026-01-01", *["d"] * 5000), b"{}")
    ((place, error),) = check_place(tree, ("runs", "2026-01-01"))
    assert ("runs/2026-01-01", True) == (place, "folders nest deeper than 12" in str(error))


@pytest.mark.parametrize("below", [(), ("0000",), ("0000", "00"), ("names",), ("names", "98")])
def test_a_file_where_an_artifact_has_a_folder_is_found(below: tuple[str, ...]) -> None:
    """Such a file hides what belongs in the folder, so a check of the artifact tells it."""
    path = (*artifact_path(IRIS), *below)
    ((name, error),) = check_artifact(MemoryTree({path: b""}), IRIS)
    assert ("iris", True) == (name, f"{'/'.join(path)}: a file where a folder belongs" in str(error))


@pytest.mark.parametrize("top", ["artifacts", "runs", "cache"])
def test_a_file_where_the_records_of_one_kind_belong_is_found(top: str) -> None:
    """A check of the root tells a file that stands for all artifacts, all runs or the whole cache."""
    assert [top] == [place for place, _ in check_place(MemoryTree({(top,): b""}), ())]


def test_names_in_other_cases_are_found(history: History) -> None:
    """The one existing name that differs in case only is known by any spelling."""
    publish(history, draft("Team/Iris"))
    assert ["Team/Iris"] == history.snapshot().names_like(check_name("team/iris"))


def test_hundreds_of_versions_are_in_order_over_pages(history: History) -> None:
    """Claims come in the order of publication in both directions, across the pages of a hundred."""
    publish(history, *(draft() for _ in range(205)))
    publish(history)
    snapshot = history.snapshot()
    numbers = [claim.position for claim in snapshot.claims(IRIS)]
    assert list(range(1, 207)) == numbers
    assert numbers[::-1] == [claim.position for claim in snapshot.claims(IRIS, newest_first=True)]
    assert "206" == versions_of(history)[-1]


def test_any_number_of_versions_is_in_order_over_folders_of_pages() -> None:
    """Where pages themselves fill several folders, the newest version is the one of the highest position."""
    positions = (1, 99, 100, 9_999, 10_000, 20_001, 9_999_999)
    claims = [Claim(IRIS, number, VersionString(str(number)), number, VersionId(new_uuid(0))) for number in positions]
    snapshot = Snapshot(MemoryTree({(*claim.path, MANIFEST): b"" for claim in reversed(claims)}))
    assert claims == list(snapshot.claims(IRIS))
    assert claims[::-1] == list(snapshot.claims(IRIS, newest_first=True))
    assert claims[-1] == snapshot.latest(IRIS)


def test_a_claim_without_a_manifest_is_damage(history: History) -> None:
    """Asking for the manifest of a claim that is not there is an IntegrityError that names the version."""
    claim = publish(history).claims[0]
    gone = claim._replace(position=2, version=VersionString("2"))
    assert (True, False) == (history.snapshot().holds(claim), history.snapshot().holds(gone))
    with pytest.raises(IntegrityError, match="iris@2 has no manifest in the history"):
        history.snapshot().manifest(gone)


def test_a_pointer_that_misleads_is_an_error(history: History) -> None:
    """A pointer to a position that holds another version is a FormatError, not another version."""
    claim = publish(history).claims[0]
    tree = GrowingTree(Objects(history.git_dir), None)
    tree.add((*claim.path, "version.json"), b"{}")
    wrong = Claim(IRIS, 1, VersionString("cat"), 1, claim.id).pointer
    assert wrong is not None
    tree.add(wrong, b"")
    with pytest.raises(
        FormatError, match=f"the pointer of version 'cat' names position 1, which is that of iris@1 .id {claim.id}"
    ):
        Snapshot(tree).claim_of(IRIS, "cat")


def test_two_claims_side_by_side_are_both_told(history: History) -> None:
    """Where a plain merge left two versions at one position, a word that leads there names both, and the way out."""
    first = publish(history, draft("iris", "cat")).claims[0]
    second = first._replace(version=VersionString("dog"), id=VersionId("f" * 8 + first.id[8:]))
    tree = GrowingTree(Objects(history.git_dir), None)
    for claim in (first, second):
        assert claim.pointer is not None
        tree.add((*claim.path, MANIFEST), b"{}")
        tree.add(claim.pointer, b"")
    told = rf"names position 1, which iris@cat \(id {first.id}\) and iris@dog \(id {second.id}\) claim, as a plain"
    with pytest.raises(FormatError, match=told) as caught:
        Snapshot(tree).claim_of(IRIS, "dog")
    assert "look each up by its id; `ledger sync` merges" in caught.value.hint
    assert first == Snapshot(tree).claim_of(IRIS, "cat")
