"""A Git-backed, file-only artifact ledger.

    from ledger import load_artifact, save_artifact

    save_artifact({"accuracy": 0.97}, "metrics")
    load_artifact("metrics")

Saving a value gives it a name and the next version number; loading checks every byte. Steps and
pipelines do both for you. The names below are imported only when they are first used, so that
``import ledger`` takes no longer than a bare interpreter's start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Imported as `errors as errors`, by which type checkers know that users may use the name.
    from ledger import client as client
    from ledger import enums as enums
    from ledger import errors as errors
    from ledger import maintenance as maintenance
    from ledger import materializers as materializers
    from ledger import results as results
    from ledger import types as types
    from ledger.api import load_artifact, log_artifact_metadata, register_artifact, save_artifact
    from ledger.core import Artifact, ArtifactVersion, Ledger, PipelineRun, ledger_for_writing
    from ledger.meters import Progress, progress
    from ledger.runtime import ArtifactConfig, ExternalArtifact, get_step_context, pipeline, step

__version__ = "0.1.0"

_HOMES = {
    "Artifact": "ledger.core",
    "ArtifactConfig": "ledger.runtime",
    "ArtifactVersion": "ledger.core",
    "ExternalArtifact": "ledger.runtime",
    "Ledger": "ledger.core",
    "PipelineRun": "ledger.core",
    "Progress": "ledger.meters",
    "get_step_context": "ledger.runtime",
    "ledger_for_writing": "ledger.core",
    "load_artifact": "ledger.api",
    "log_artifact_metadata": "ledger.api",
    "pipeline": "ledger.runtime",
    "progress": "ledger.meters",
    "register_artifact": "ledger.api",
    "save_artifact": "ledger.api",
    "step": "ledger.runtime",
}

# Submodules, reachable as in ``ledger.errors`` without an import of their own; each is loaded when it is first used.
_PARTS = ("client", "enums", "errors", "maintenance", "materializers", "results", "types")

__all__ = [
    "Artifact",
    "ArtifactConfig",
    "ArtifactVersion",
    "ExternalArtifact",
    "Ledger",
    "PipelineRun",
    "Progress",
    "__version__",
    "get_step_context",
    "ledger_for_writing",
    "load_artifact",
    "log_artifact_metadata",
    "pipeline",
    "progress",
    "register_artifact",
    "save_artifact",
    "step",
]


if not TYPE_CHECKING:
    # Hidden from type checkers, which would take every name for one that exists.

    def __getattr__(name: str) -> Any:
        if name in _PARTS:
            return import_module(f"{__name__}.{name}")
        if name not in _HOMES:
            raise import_module(f"{__name__}.elsewhere").no_attribute(__name__, name)
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_PARTS])
