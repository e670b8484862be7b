"""The classes of what methods and functions return, for annotations.

    from ledger.results import SyncReport, VersionDiff

You do not construct these classes yourself: `Ledger`, `Client`, versions, runs and steps return them. The classes of
plans are in `ledger.maintenance`.
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
