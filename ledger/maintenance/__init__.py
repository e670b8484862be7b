"""Looking after a ledger: checks a part at a time, and what is planned, shown, then executed."""

from ledger.maintenance.collection import GRACE_DAYS, Collected, GcPlan, execute_gc, plan_gc
from ledger.maintenance.repair import QUARANTINE, Repaired, RepairPlan, Source, execute_repair, find_source, plan_repair
from ledger.maintenance.rotation import Part, verify_part

__all__ = [
    "GRACE_DAYS",
    "QUARANTINE",
    "Collected",
    "GcPlan",
    "Part",
    "RepairPlan",
    "Repaired",
    "Source",
    "execute_gc",
    "execute_repair",
    "find_source",
    "plan_gc",
    "plan_repair",
    "verify_part",
]
