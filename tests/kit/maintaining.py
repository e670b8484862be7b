"""Repair and gc by a ledger that is opened anew for it."""

from typing import Any

from ledger import Ledger
from ledger.maintenance import Collected, Repaired, execute_gc, execute_repair, find_source, plan_gc, plan_repair
from tests.kit.contents import noise
from tests.kit.histories import NOW

LARGE = noise(700_000)  # enough for chunks and a pack


def repair(ledger: Ledger, where: str | None = None) -> Repaired:
    """Repair a ledger, of which something is wrong, from a source.

    Unless one is given, it is the copy that the fixture ``kept`` put beside it.
    """
    fresh = Ledger.open(ledger.path)
    plan = plan_repair(fresh, find_source(fresh, where or str(ledger.path.parent / "copy")))
    assert plan.problems
    return execute_repair(fresh, plan, now=NOW)


def collect(ledger: Ledger, **options: Any) -> Collected:
    """Remove from the store of a ledger what nobody needs."""
    fresh = Ledger.open(ledger.path)
    return execute_gc(fresh, plan_gc(fresh, **options))
