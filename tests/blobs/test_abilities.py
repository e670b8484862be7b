"""What stores offer besides is found by name, so that names and parameters have to be right."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import ledger.blobs
from ledger.blobs.stores import spooled
from ledger.blobs.stores import store as abilities

PROTOCOLS = (
    abilities.Store,
    abilities.PrunableStore,
)
ASKED: dict[str, Callable[..., Any]] = {
    "size": abilities.size_of,
    "etag": abilities.etag_of,
    "get_into": abilities.get_into,
    "settle": abilities.settle,
    "location_of": abilities.location_of,
    "puts_at_once": abilities.puts_at_once,
    "gets_at_once": abilities.gets_at_once,
    "from_any": abilities.from_any,
    "uncached": abilities.uncached,
    "fresh": abilities.fresh,
    "forget": abilities.forget,
    "stage": spooled.stage,
    "put_file": spooled.put_file,
}
"""The function that looks for each ability; it takes the store, and then what the ability takes."""

OF_ITS_OWN = {"FallbackStore": {"first_of"}, "LocalStore": {"make_folders"}}


def public(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def stores() -> Iterator[type]:
    for module in pkgutil.walk_packages(ledger.blobs.__path__, "ledger.blobs."):
        for kind in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(kind) and kind.__module__ == module.name and kind not in PROTOCOLS:
                yield from [kind] if {"get", "has", "put"} <= public(kind).keys() else []


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """All but the first, which is the store."""
    found = list(inspect.signature(function).parameters.values())[1:]
    return [(each.name, each.kind, each.default) for each in found]


def test_a_store_offers_what_somebody_asks_for() -> None:
    """A method of another name would never be found, and what makes do without it would go unnoticed."""
    known = {name: each for protocol in PROTOCOLS for name, each in public(protocol).items()} | ASKED
    found = list(stores())
    assert {"BucketStore", "CachedStore", "FallbackStore", "LocalStore"} <= {kind.__name__ for kind in found}
    for kind in found:
        for name, offered in public(kind).items():
            if name not in OF_ITS_OWN.get(kind.__name__, ()):
                assert name in known, kind
                if inspect.isfunction(offered):
                    assert parameters(known[name]) == parameters(offered), kind
