"""Packing the history on request: plan, show, execute.

The work is done in `ledger.history`; this is the interface for programs and for the command line.
"""

from ledger.core import Ledger
from ledger.disk import locks_end_here
from ledger.history.upkeep import Packed, PackingPlan
from ledger.history.upkeep import execute_packing as pack_history
from ledger.history.upkeep import plan_packing as plan_of_history
from ledger.maintenance.given import refuse_other_than_ledger, refuse_other_than_made
from ledger.meters import advance, task


def plan_packing(ledger: Ledger) -> PackingPlan:
    """What packing the history of a ledger would do; nothing is written."""
    refuse_other_than_ledger(ledger)
    return plan_of_history(ledger.workspace.history)


@locks_end_here()
def execute_packing(ledger: Ledger, plan: PackingPlan) -> Packed:
    """Do what was planned, while others go on saving; `ledger.progress` is told how far it is.

    Nothing is lost if it is killed: what is half done is thrown away by whoever saves or packs next. Raises
    `ReadOnlyError` for a ledger that is open at a revision.
    """
    refuse_other_than_ledger(ledger)
    refuse_other_than_made(PackingPlan, plan, by="plan_packing")
    ledger.workspace.refuse_past("pack it")
    count = max(plan.objects, 1)
    with task("pack the history", plan.bytes):
        # Bytes are counted as if all objects had the same size, which is near enough for a bar.
        return pack_history(ledger.workspace.history, plan, lambda objects: advance(objects * plan.bytes // count))
