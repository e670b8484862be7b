"""How far a run and its current step have come, and the records that say so.

The state is data, which `runtime.runner` and its helpers change. Records are made of it here; nothing here is
published.
"""

import datetime as dt
import os
from bisect import bisect_left
from dataclasses import dataclass, field

import msgspec

from ledger.core import ArtifactVersion, Ledger, PendingVersion
from ledger.errors import FormatError
from ledger.notices import warn_user
from ledger.records import (
    EndRecord,
    Project,
    RunRecord,
    Status,
    StepInput,
    StepOutput,
    StepRecord,
    VersionRef,
    encode,
    encode_values,
    format_time,
)
from ledger.runtime.arguments import Inputs
from ledger.runtime.context import StepContext
from ledger.runtime.graph import Graph
from ledger.runtime.plan import PlannedStep
from ledger.runtime.project import ProjectState


@dataclass(kw_only=True)
class Attempt:
    """How far one step has come."""

    planned: PlannedStep
    started: dt.datetime
    source: str | None = None  # the digest of the step's source, where it can be told
    untold: str | None = None  # why the step can have no cache key, where that is so
    inputs: Inputs | None = None
    key: str | None = None  # the cache key, where the step may be served from the cache
    context: StepContext | None = None
    error: str | None = None  # what the step failed with, as its record has it


@dataclass(kw_only=True)
class Run:
    """How far a run has come. ``unpublished`` are records that go with the next commit."""

    ledger: Ledger
    id: str
    graph: Graph
    started: dt.datetime
    project: ProjectState
    plan: tuple[PlannedStep, ...]
    outputs: dict[tuple[str, str], ArtifactVersion] = field(default_factory=dict)
    external: dict[int, ArtifactVersion] = field(default_factory=dict)
    unpublished: list[StepRecord] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)
    """The cache keys for which this run has written an entry."""
    has_begun: bool = False
    """Whether the record of the run's beginning is published."""
    is_over: bool = False
    """Whether nothing more is to be recorded of it."""
    attempt: Attempt | None = None
    """The current step."""
    process: int = field(default_factory=os.getpid)

    @property
    def is_own(self) -> bool:
        """Whether this process runs it: a fork that the body of a step makes does not."""
        return self.process == os.getpid()


def run_record(run: Run, project: Project | None) -> RunRecord:
    """The record of a run's beginning."""
    return RunRecord(
        id=run.id,
        pipeline=run.graph.pipeline,
        started_at=format_time(run.started),
        created_by=run.ledger.author,
        parameters=encode_values(dict(run.graph.parameters)),
        steps=tuple(planned.name for planned in run.plan),
        project=project,
    )


def step_record(
    run: Run, attempt: Attempt, status: Status, outputs: tuple[StepOutput, ...], *, cached_from: str | None = None
) -> StepRecord:
    """The record of a step that ends now; ``cached_from`` is the run whose versions it gives."""
    inputs, context = attempt.inputs, attempt.context
    record = StepRecord(
        run=run.id,
        name=attempt.planned.name,
        status=status,
        started_at=format_time(attempt.started),
        ended_at=format_time(run.ledger.now()),
        parameters=encode_values(inputs.parameters if inputs is not None else {}),
        inputs=inputs.records if inputs is not None else (),
        outputs=outputs,
        saved=(),
        source=attempt.source or "unknown",
        cache_key=attempt.key,
        cached_from=cached_from,
        error=attempt.error,
    )
    return record if context is None else _naming(record, tuple(context.loaded), tuple(context.saved))


def _naming(record: StepRecord, loaded: tuple[StepInput, ...], saved: tuple[VersionRef, ...]) -> StepRecord:
    """The record with what the body loaded and saved by itself, the first of each if it has no room for all.

    A body may load any number of versions, and its work must not be lost because of that.
    """

    def first(most: int) -> StepRecord:
        return msgspec.structs.replace(record, inputs=(*record.inputs, *loaded[:most]), saved=saved[:most])

    most = max(len(loaded), len(saved))
    whole = first(most)
    if most == 0 or _fits(whole):
        return whole
    kept = bisect_left(range(1, most), True, key=lambda count: not _fits(first(count)))
    warn_user(
        f"step {record.name!r} loaded {len(loaded)} and saved {len(saved)} versions by itself: "
        f"its record has room for the first {kept} of each"
    )
    return first(kept)


def _fits(record: StepRecord) -> bool:
    try:
        encode(record)
    except FormatError:
        return False
    return True


def output_record(output: str, version: ArtifactVersion | PendingVersion) -> StepOutput:
    """Which version an output is, as the record of its step says it."""
    return StepOutput(output=output, name=version.name, id=version.claim_id)


def end_record(run: Run, status: Status) -> EndRecord:
    """The record of a run that ends now."""
    return EndRecord(run=run.id, status=status, ended_at=format_time(run.ledger.now()))
