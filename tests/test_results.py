"""The classes of what the ledger gives can be named in annotations, and their values be looked at."""

import datetime as dt
import inspect
import typing
from pathlib import Path

import pytest

import ledger
from ledger import results
from ledger.blobs import ObjectCache, Store
from ledger.client import Client, Stack
from ledger.core import CacheHit, Workspace
from ledger.core.mapping import MappedCopies
from ledger.core.saving import Request
from ledger.history import Claim, VersionDraft
from ledger.ids import VersionId
from ledger.records import Content, Manifest, Name, Producer, VersionString
from ledger.results import (
    ArtifactUsage,
    Change,
    FileChange,
    FilesDiff,
    Origin,
    Orphan,
    Report,
    SyncReport,
    Usage,
    VersionDiff,
    VersionUsage,
)
from tests.kit.ledgers import run_python

INNER = {
    CacheHit,
    Claim,
    Content,
    Manifest,
    MappedCopies,
    ObjectCache,
    Producer,
    Request,
    Stack,
    Store,
    VersionDraft,
    Workspace,
}
"""Parts of the program that handles are made of; no page tells users of them."""

MANY = tuple(map(str, range(10_000)))
CLAIM = Claim(Name("x"), 1, VersionString("1"), 1, VersionId(""))
ORIGIN = Origin(label="x@1", id="", created_at=dt.datetime.now(dt.UTC), created_by="Ada", run=None, step=None)


def test_whatever_is_returned_is_there() -> None:
    """What public methods and properties return, and what these have, is in `ledger.results`; nothing else is."""
    found: set[type] = set()
    pending: list[type] = [ledger.Ledger, Client]
    while pending:
        new = given_by(pending.pop()) - found - INNER
        found |= new
        pending += new
    names = {kind.__name__ for kind in found if kind.__module__ != "ledger.enums"}
    assert names - {"Ledger"} == set(results.__all__) - {"StepContext"}


def given_by(kind: type) -> set[type]:
    """The classes of ours that a class's public methods, properties and fields give."""
    public = {name: member for name, member in inspect.getmembers_static(kind) if not name.startswith("_")}
    hints = [hint for name, hint in hints_of(kind).items() if name in public]
    for member in public.values():
        function = getattr(member, "fget", None) or getattr(member, "func", None) or inspect.unwrap(member)
        if inspect.isfunction(function):
            hints.append(hints_of(function).get("return"))
    return {each for hint in hints for each in classes_in(hint) if each.__module__.startswith("ledger.")}


def hints_of(thing: typing.Any) -> dict[str, typing.Any]:
    """The annotations as types, those too whose modules import them only for type checkers."""
    try:
        return typing.get_type_hints(thing, localns=vars(results))
    except NameError:
        return {}  # a field that no user sees: a handle's own parts


def classes_in(hint: typing.Any) -> set[type]:
    parts = typing.get_args(hint)
    if parts:
        return {kind for part in parts for kind in classes_in(part)}
    return {hint} if isinstance(hint, type) else set()


def test_they_are_loaded_when_they_are_used(workdir: Path) -> None:
    """`ledger.results` is an attribute of the package, and an import of the package does not load it."""
    program = "import sys, ledger; print('ledger.results' in sys.modules, ledger.results.VersionDiff.__name__)"
    assert "False VersionDiff\n" == run_python(program, workdir).stdout


@pytest.mark.parametrize(
    "returned",
    [
        ArtifactUsage(
            name="x", versions=(VersionUsage(claim=CLAIM, logical=1, stored=1, shared=0),) * 1000, stored=1, shared=0
        ),
        FilesDiff(changes=(FileChange("f", "added", None, None),) * 1000),
        Report(versions=1, problems=(), orphans=(Orphan(object="chunks/f"),) * 1000),
        SyncReport(remote="r", commit="c", pushed=MANY, fetched=(), renumbered=(), other_pushed=0, other_fetched=0),
        Usage(artifacts=(ArtifactUsage(name="x", versions=(), stored=0, shared=0),) * 1000, stored=0),
        VersionDiff(
            old=ORIGIN,
            new=ORIGIN,
            has_same_content=True,
            properties={},
            metadata={(each,): Change(0, 1) for each in MANY},
            added_tags=(),
            removed_tags=(),
            files=None,
        ),
    ],
)
def test_what_holds_very_much_is_shown_in_part(returned: object) -> None:
    """Whoever looks at it, in a notebook or in an interpreter, sees its class and its ends."""
    shown = repr(returned)
    assert shown.startswith(f"{type(returned).__name__}(")
    assert (True, 1005) == (" ... " in shown, len(shown))
