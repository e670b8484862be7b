"""The ledger itself: saving, loading, sharing and checking, built from the packages below.

`Ledger` is what users hold, `Transaction` the only way anything is written, `Workspace` what both work with: the
history, the stores, the settings, the clock and the user of one ledger directory. The names of `ledger.lookup` that
its users need are given here as well.
"""

from ledger.core.bodies import given_by_body, running
from ledger.core.caching import CacheHit
from ledger.core.default import ledger_for_reading, ledger_for_writing
from ledger.core.ledger import Ledger
from ledger.core.needing import Needed, needed_by, needed_objects, needed_since
from ledger.core.pending import PendingVersion
from ledger.core.reports import Orphan, Problem, Report
from ledger.core.saving import check_options, check_request
from ledger.core.sharing import Renumbered, SyncReport
from ledger.core.transactions import Transaction
from ledger.core.usage import ArtifactUsage, Usage, VersionUsage
from ledger.core.verifying import Check, Piece
from ledger.core.workspace import Workspace
from ledger.lookup import Artifact, ArtifactVersion, PipelineRun, Presence

__all__ = [
    "Artifact",
    "ArtifactUsage",
    "ArtifactVersion",
    "CacheHit",
    "Check",
    "Ledger",
    "Needed",
    "Orphan",
    "PendingVersion",
    "Piece",
    "PipelineRun",
    "Presence",
    "Problem",
    "Renumbered",
    "Report",
    "SyncReport",
    "Transaction",
    "Usage",
    "VersionUsage",
    "Workspace",
    "check_options",
    "check_request",
    "given_by_body",
    "ledger_for_reading",
    "ledger_for_writing",
    "needed_by",
    "needed_objects",
    "needed_since",
    "running",
]
