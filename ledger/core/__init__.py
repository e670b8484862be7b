"""The parts together: the ledger, its transactions, and the handles that look-ups return."""

from ledger.core.default import ledger_for_reading, ledger_for_writing
from ledger.core.discovery import place_for_new
from ledger.core.facts import MetadataEntry, leaves
from ledger.core.handles import Artifact, ArtifactVersion
from ledger.core.ledger import Ledger
from ledger.core.runs import CacheHit, PipelineRun, StepRun
from ledger.core.saving import check_request, check_type
from ledger.core.transactions import PendingVersion, Transaction

__all__ = [
    "Artifact",
    "ArtifactVersion",
    "CacheHit",
    "Ledger",
    "MetadataEntry",
    "PendingVersion",
    "PipelineRun",
    "StepRun",
    "Transaction",
    "check_request",
    "check_type",
    "leaves",
    "ledger_for_reading",
    "ledger_for_writing",
    "place_for_new",
]
