"""The classes of what methods and functions return, for annotations.

    from ledger.results import SyncReport, VersionDiff

Nothing here is made by hand: it comes from `Ledger`, `Client`, a version, a run or a step. The plans of
`ledger.maintenance` are there.
"""

from ledger.core import (
    ArtifactUsage,
    Check,
    Orphan,
    PendingVersion,
    Piece,
    Problem,
    Renumbered,
    Report,
    SyncReport,
    Transaction,
    Usage,
    VersionUsage,
)
from ledger.history import Commit
from ledger.lookup import (
    Artifact,
    ArtifactVersion,
    Change,
    FileChange,
    FilesDiff,
    Origin,
    PipelineRun,
    StepRun,
    VersionDiff,
    Visualized,
)
from ledger.records import FileEntry, MetadataEntry, Project
from ledger.runtime import StepContext

__all__ = [
    "Artifact",
    "ArtifactUsage",
    "ArtifactVersion",
    "Change",
    "Check",
    "Commit",
    "FileChange",
    "FileEntry",
    "FilesDiff",
    "MetadataEntry",
    "Origin",
    "Orphan",
    "PendingVersion",
    "Piece",
    "PipelineRun",
    "Problem",
    "Project",
    "Renumbered",
    "Report",
    "StepContext",
    "StepRun",
    "SyncReport",
    "Transaction",
    "Usage",
    "VersionDiff",
    "VersionUsage",
    "Visualized",
]
