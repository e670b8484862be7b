"""Tags that one version of an artifact has at a time: they move in one commit, whoever moves them at once."""

import datetime as dt
import itertools

import pytest

from ledger import Ledger
from ledger.core.workspace import Workspace, utc_now
from ledger.errors import ArgumentError, InvalidTagError, ReadOnlyError, VersionNotFoundError
from ledger.lookup.cataloguing import FEW
from tests.kit.histories import unlocked


@pytest.fixture
def models(ledger: Ledger) -> Ledger:
    """A ledger with three versions of a model, the first of which is in use, and another artifact with the same tag."""
    ledger.save(1, "model", tags=["production", "small"])
    ledger.save(2, "model")
    ledger.save(3, "model")
    ledger.save(1, "other", tags=["production"])
    return ledger


def holders(ledger: Ledger) -> list[str]:
    """The versions of the model that are in production."""
    return [version.version for version in ledger.search(name="model", tag="production")]


def test_an_exclusive_tag_moves_in_one_commit(models: Ledger) -> None:
    """It is put on one version and taken off the other by one commit, which says so; all else stays."""
    before = models.revision
    models.tag("model", ["production"], 2, exclusive=True)
    assert ["2"] == holders(models)
    assert ("small",) == models.get("model", 1).tags
    assert ["1"] == [version.version for version in models.search(name="other", tag="production")]
    assert before == models.at("HEAD~1").revision
    said = next(models._workspace.history.log()).message.splitlines()[0]
    assert "untag model@1: production; tag model@2: production" == said


def test_exclusive_tags_come_off_whoever_has_one_of_them(models: Ledger) -> None:
    """Of several tags each comes off the version that has it; what is to be removed goes off the one that is meant."""
    models.tag("model", ["candidate"], 2)
    models.tag("model", ["production", "candidate"], 1, remove=["small"], exclusive=True)
    assert ("candidate", "production") == models.get("model", 1).tags
    assert () == models.get("model", 2).tags


def test_an_exclusive_tag_is_found_among_many_versions(ledger: Ledger) -> None:
    """With more versions than are walked through, the one that has the tag is found by the catalog."""
    with ledger.transaction() as transaction:
        for number in range(FEW + 2):
            transaction.save(number, "model", tags=["production"] if number == 3 else None)
    ledger.tag("model", ["production"], exclusive=True)
    assert [str(FEW + 2)] == holders(ledger)


@pytest.mark.parametrize("moment", range(1, 6))
def test_an_exclusive_tag_comes_off_whoever_got_it_meanwhile(models: Ledger, moment: int) -> None:
    """Another writer that moves it at whatever moment of the work leaves it on one version at every commit."""
    looks = itertools.count(1)

    def clock() -> dt.datetime:
        if next(looks) == moment:
            rival.tag("model", ["production"], 3, exclusive=True)
        return utc_now()

    history = models._workspace.history
    rival = Ledger(Workspace(models.path, history=unlocked(history)))
    Ledger(Workspace(models.path, clock=clock)).tag("model", ["production"], 2, exclusive=True)
    assert moment < next(looks), "nothing happened at that moment"
    (tag, rivals, *_) = [commit.id for commit in history.log()]
    assert [["2"], ["3"]] == [holders(models.at(commit)) for commit in (tag, rivals)]


def test_an_exclusive_tag_needs_a_version_that_is_there(models: Ledger) -> None:
    """A version that does not exist, or is not published yet, a past ledger, and a bad tag publish nothing."""
    before = models.revision
    with pytest.raises(VersionNotFoundError, match="model"):
        models.tag("model", ["production"], 9, exclusive=True)
    with pytest.raises(InvalidTagError, match="production"):
        models.tag("model", ["production"], 2, remove=["production"], exclusive=True)
    with pytest.raises(ReadOnlyError):
        models.at("HEAD").tag("model", ["production"], 2, exclusive=True)
    with models.transaction() as transaction:
        pending = transaction.save(4, "model")
        with pytest.raises(ArgumentError, match="has not published it"):
            models.tag(pending, ["production"], exclusive=True)
    assert before == models.at("HEAD~1").revision
    assert ["1"] == holders(models)
