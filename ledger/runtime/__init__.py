"""Steps and pipelines: a call records a graph of inert values, a pure plan says what runs, a runner runs it."""

from ledger.runtime.configuration import ArtifactConfig, ExternalArtifact
from ledger.runtime.context import StepContext, current_step, get_step_context
from ledger.runtime.lazy import lazy_lookup
from ledger.runtime.pipelines import Pipeline, pipeline
from ledger.runtime.recording import current_recording
from ledger.runtime.steps import Step, step

__all__ = [
    "ArtifactConfig",
    "ExternalArtifact",
    "Pipeline",
    "Step",
    "StepContext",
    "current_recording",
    "current_step",
    "get_step_context",
    "lazy_lookup",
    "pipeline",
    "step",
]
