"""A ledger at a revision or a moment: as it was, and read-only."""

import datetime as dt
import time
from collections.abc import Callable

import pytest

from ledger import Ledger
from ledger.errors import (
    ArgumentTypeError,
    ArtifactNotFoundError,
    LedgerError,
    ReadOnlyError,
    RevisionNotFoundError,
    VersionNotFoundError,
)
from ledger.maintenance import (
    Source,
    execute_gc,
    execute_packing,
    execute_repair,
    plan_gc,
    plan_packing,
    plan_repair,
)
from tests.kit.ledgers import git, state_of


def test_a_commit_shows_what_was_there(ledger: Ledger) -> None:
    """At a commit, versions, tags and metadata are as they were then."""
    ledger.save("one", "x", tags=["first"])
    then = git(ledger, "rev-parse", "main")
    ledger.save("two", "x")
    ledger.save("new", "y")
    ledger.tag("x", ["late"], 1)
    ledger.log_metadata({"late": True}, "x", 1)
    past = ledger.at(then)
    assert "one" == past.load("x")
    assert ["x"] == [artifact.name for artifact in past.artifacts()]
    assert [("first",)] == [version.tags for version in past.versions("x")]
    assert "late" not in past.get("x").metadata
    with pytest.raises(VersionNotFoundError):
        past.get("x", 2)
    with pytest.raises(ArtifactNotFoundError):
        past.get("y")


@pytest.mark.parametrize("form", [lambda id: id, lambda id: id[:8], lambda id: f"{id}~0", lambda _: "HEAD~1"])
def test_a_revision_has_many_forms(ledger: Ledger, form: Callable[[str], str]) -> None:
    """A whole commit id, its beginning, and steps back from one are revisions."""
    ledger.save("one", "x")
    then = git(ledger, "rev-parse", "main")
    ledger.save("two", "x")
    assert "one" == ledger.at(form(then)).load("x")
    assert then == ledger.at(form(then)).revision


def test_a_moment_between_two_saves_shows_the_first(ledger: Ledger) -> None:
    """A datetime between two saves, in any time zone, shows the ledger with the first alone."""
    ledger.save("one", "x")
    moment = dt.datetime.now(dt.UTC)
    time.sleep(0.002)
    ledger.save("two", "x")
    zones = [moment, moment.astimezone(dt.timezone(dt.timedelta(hours=5))), moment.astimezone().replace(tzinfo=None)]
    assert ["one"] * 3 == [ledger.at(each).load("x") for each in zones]
    assert "two" == ledger.at(dt.datetime.now(dt.UTC)).load("x")


def test_the_moment_of_a_save_shows_it(ledger: Ledger) -> None:
    """The time a version says it was created at finds no less than everything before it."""
    first = ledger.save("one", "x")
    second = ledger.save("two", "x")
    assert first.created_at <= second.created_at
    assert [first] == ledger.at(second.created_at - dt.timedelta(microseconds=1)).versions("x")


@pytest.mark.parametrize("revision", ["nonsense", "0" * 40, "deadbeef", "HEAD~99", "--help", "main:ledger.json", ""])
def test_an_unknown_revision_is_a_key_error(ledger: Ledger, revision: str) -> None:
    """What is no commit of this ledger is an error that quotes it."""
    with pytest.raises(KeyError) as caught:
        ledger.at(revision)
    assert RevisionNotFoundError is type(caught.value)
    assert repr(revision) in str(caught.value)


@pytest.mark.parametrize("text", ["2026-01-31", "20260131", "2026-01-31T12:30:00+01:00"])
def test_a_moment_as_text_says_how_to_give_it(ledger: Ledger, text: str) -> None:
    """A text is a commit; one that reads like a moment gets what makes a moment of it as its hint."""
    ledger.save("one", "x")
    with pytest.raises(RevisionNotFoundError) as caught:
        ledger.at(text)
    assert f"a moment is given as a datetime: at(datetime.fromisoformat({text!r}))" == caught.value.hint


def test_a_moment_before_the_beginning_is_an_error(ledger: Ledger) -> None:
    """Before its first commit there was no ledger."""
    with pytest.raises(RevisionNotFoundError, match="begins later"):
        ledger.at(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(ArgumentTypeError):
        ledger.at(7)  # type: ignore[arg-type]


NO_SOURCE = Source(where="nowhere", store=None, git_dir=None)
WRITES: dict[str, Callable[[Ledger], object]] = {
    "save": lambda past: past.save(1, "x"),
    "register": lambda past: past.register(past.path / "store", "x"),
    "tag": lambda past: past.tag("x", ["t"]),
    "untag": lambda past: past.untag("x", ["t"]),
    "log": lambda past: past.log_metadata({"a": 1}, "x"),
    "pack": lambda past: execute_packing(past, plan_packing(past)),
    "gc": lambda past: execute_gc(past, plan_gc(past)),
    "repair": lambda past: execute_repair(past, plan_repair(past, NO_SOURCE), now=past.now()),
    "transaction": lambda past: past.transaction(),
}


@pytest.mark.parametrize("write", WRITES)
def test_the_past_is_read_only(ledger: Ledger, write: str) -> None:
    """Every write at a past revision is refused, and nothing is written."""
    ledger.save("one", "x")
    past = ledger.at("HEAD")
    before = state_of(ledger)
    with pytest.raises(PermissionError, match="can only be read") as caught:
        WRITES[write](past)
    assert ReadOnlyError is type(caught.value)
    assert isinstance(caught.value, LedgerError)
    assert before == state_of(ledger)


def test_the_past_does_not_move(ledger: Ledger) -> None:
    """What was opened at a revision stays there, whatever is saved meanwhile."""
    ledger.save("one", "x")
    past = ledger.at("HEAD")
    ledger.save("two", "x")
    assert "one" == past.load("x")
    assert 1 == len(past.search())
    assert past != ledger
    assert past.revision[:10] in repr(past)
