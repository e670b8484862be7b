"""Packing the history by hand: plan, show, execute.

How it is done, `ledger.history` knows; here is what a program or a person asks for.
"""

from ledger.core import Ledger
from ledger.errors import ReadOnlyError
from ledger.history import Packed, PackingPlan
from ledger.history import execute_packing as execute
from ledger.history import plan_packing as plan
from ledger.meters import advance, task


def plan_packing(ledger: Ledger) -> PackingPlan:
    """What packing the history of a ledger would do; nothing is written."""
    return plan(ledger.workspace.history)


def execute_packing(ledger: Ledger, plan: PackingPlan) -> Packed:
    """Do what was planned, while others go on saving; `ledger.progress` is told how far it is.

    Nothing is lost if it is killed: what is half done is thrown away by whoever saves or packs next. Raises
    `ReadOnlyError` for a ledger that is open at a revision.
    """
    if ledger.workspace.revision is not None:
        raise ReadOnlyError(
            f"the ledger {ledger.path} is open at a revision, where it can only be read",
            hint="open it without a revision to pack it",
        )
    most = max(plan.objects, 1)
    with task("pack the history", plan.bytes):
        # An object's even share of the bytes is near enough for a bar.
        return execute(ledger.workspace.history, plan, lambda objects: advance(objects * plan.bytes // most))
