"""Looking after a ledger: checks a part at a time, and what is planned, shown, then executed."""

from ledger.maintenance.repair import QUARANTINE, Repaired, RepairPlan, Source, execute_repair, find_source, plan_repair
from ledger.maintenance.rotation import Part, verify_part

__all__ = [
    "QUARANTINE",
    "Part",
    "RepairPlan",
    "Repaired",
    "Source",
    "execute_repair",
    "find_source",
    "plan_repair",
    "verify_part",
]
