"""Looking after a ledger: checks a part at a time, and what is planned, shown, then executed."""

from ledger.maintenance.rotation import Part, Progress, verify_part

__all__ = ["Part", "Progress", "verify_part"]
