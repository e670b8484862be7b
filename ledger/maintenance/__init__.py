"""Looking after a ledger: checks a part at a time; repair, gc and packing, which are planned, shown, then executed."""

from ledger.history.upkeep import Packed, PackingPlan
from ledger.maintenance.collection import GRACE_DAYS, Collected, GcPlan, execute_gc, plan_gc
from ledger.maintenance.packing import execute_packing, plan_packing
from ledger.maintenance.repair import QUARANTINE, Repaired, RepairPlan, Source, execute_repair, find_source, plan_repair
from ledger.maintenance.rotation import Part, verify_part

__all__ = [
    "GRACE_DAYS",
    "QUARANTINE",
    "Collected",
    "GcPlan",
    "Packed",
    "PackingPlan",
    "Part",
    "RepairPlan",
    "Repaired",
    "Source",
    "execute_gc",
    "execute_packing",
    "execute_repair",
    "find_source",
    "plan_gc",
    "plan_packing",
    "plan_repair",
    "verify_part",
]
