"""The classes of what the ledger gives can be named in annotations."""

import inspect
import typing
from pathlib import Path

import ledger
from ledger import results
from ledger.blobs import ObjectCache, Store
from ledger.client import Client, Stack
from ledger.core import CacheHit, Workspace
from ledger.core.mapping import MappedCopies
from ledger.core.saving import Request
from ledger.history import Claim, VersionDraft
from ledger.records import Content, Manifest, Producer
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
