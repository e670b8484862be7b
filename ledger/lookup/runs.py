"""Runs as look-ups return them: what ran, with which inputs, giving which outputs.

Handles over the records of a run, as the history held them when they were looked up.
"""

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

from ledger.errors import IntegrityError, RunNotFoundError, StepInterfaceError
from ledger.forks import cached_property
from ledger.history import Snapshot
from ledger.ids import VersionId
from ledger.lookup.handles import ArtifactVersion, refuse_other_than_version
from ledger.lookup.notebook import as_table, some_rows
from ledger.lookup.presence import is_orphaned
from ledger.records import EndRecord, Name, Project, RunRecord, StepRecord, decode_values, parse_time
from ledger.wording import bounded, shown

if TYPE_CHECKING:
    from ledger.lookup.view import View

_Thing = TypeVar("_Thing")


class _ByName(dict[str, _Thing]):
    """What a run or a step has, by name; the error of a name that it does not have lists those that it has."""

    def __init__(self, owner: str, kind: str, things: Iterable[tuple[str, _Thing]]) -> None:
        super().__init__(things)
        self._owner = owner
        self._kind = kind

    def __missing__(self, name: object) -> NoReturn:
        import difflib

        near = difflib.get_close_matches(name, self, n=1) if isinstance(name, str) else []
        raise RunNotFoundError(
            f"{self._owner} has no {self._kind} {shown(name)}",
            hint=f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self) or 'none'}",
            name=name,
        )


class StepRun:
    """What one step of a run did."""

    def __init__(self, view: "View", snapshot: Snapshot, record: StepRecord) -> None:
        self._view = view
        self._snapshot = snapshot
        self._record = record

    @property
    def name(self) -> str:
        """The step's name in its run."""
        return self._record.name

    @property
    def run_id(self) -> UUID:
        """The id of the run."""
        return UUID(self._record.run)

    @property
    def status(self) -> str:
        """``completed``, ``cached`` or ``failed``."""
        return self._record.status

    @property
    def started_at(self) -> dt.datetime:
        """When the step began, in UTC."""
        return parse_time(self._record.started_at)

    @property
    def ended_at(self) -> dt.datetime:
        """When the step ended, in UTC."""
        return parse_time(self._record.ended_at)

    @property
    def parameters(self) -> dict[str, Any]:
        """The plain arguments."""
        return dict(decode_values(self._record.parameters))

    @cached_property
    def inputs(self) -> dict[str, ArtifactVersion]:
        """The versions that the step took, by argument."""
        arguments = (input for input in self._record.inputs if input.argument)
        return self._by_name("input", ((input.argument, self._version(input.name, input.id)) for input in arguments))

    @cached_property
    def loaded(self) -> tuple[ArtifactVersion, ...]:
        """The versions that the step's body loaded by itself."""
        return tuple(self._version(input.name, input.id) for input in self._record.inputs if not input.argument)

    @cached_property
    def outputs(self) -> dict[str, ArtifactVersion]:
        """The versions that the step gave, by output."""
        versions = ((output.output, self._version(output.name, output.id)) for output in self._record.outputs)
        return self._by_name("output", versions)

    @property
    def output(self) -> ArtifactVersion:
        """The only output; raises `StepInterfaceError` (a ``ValueError``) if there are none or several."""
        if len(self.outputs) != 1:
            what = f"{len(self.outputs)} outputs ({', '.join(self.outputs)})" if self.outputs else "no outputs"
            raise StepInterfaceError(
                f"step {self.name!r} has {what}, so .output means none of them", hint="use .outputs", step=self.name
            )
        return next(iter(self.outputs.values()))

    @cached_property
    def saved(self) -> tuple[ArtifactVersion, ...]:
        """The versions that the step's body saved by itself."""
        return tuple(self._version(saved.name, saved.id) for saved in self._record.saved)

    @property
    def cache_key(self) -> str | None:
        """The key by which the step's outputs are found again, or ``None`` if it is never served from the cache."""
        return self._record.cache_key

    @property
    def cached_from(self) -> UUID | None:
        """The run whose outputs were used again, or ``None``."""
        return UUID(self._record.cached_from) if self._record.cached_from is not None else None

    @property
    def error(self) -> str | None:
        """What the step failed with."""
        return self._record.error

    @property
    def source_digest(self) -> str:
        """The digest of the step's source."""
        return self._record.source

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt_step, (self._view, self._record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StepRun) and (self.run_id, self.name) == (other.run_id, other.name)

    def __hash__(self) -> int:
        return hash((self.run_id, self.name))

    def __repr__(self) -> str:
        return f"<StepRun {self.name} {self.status} outputs={list(self.outputs)}>"

    def _by_name(self, kind: str, things: Iterable[tuple[str, ArtifactVersion]]) -> dict[str, ArtifactVersion]:
        return _ByName(f"step {self.name!r}", kind, things)

    def _version(self, name: str, id: VersionId) -> ArtifactVersion:
        claim = self._snapshot.claim_by_id(Name(name), id)
        if claim is None:
            raise IntegrityError(f"step {self.name!r} names {name} (id {id}), which is not in the history", name=name)
        return ArtifactVersion(claim, self._view, self._snapshot)


class PipelineRun:
    """One run of a pipeline; ``steps`` are its steps by name, each with what it took and gave (`StepRun`)."""

    def __init__(
        self,
        view: "View",
        snapshot: Snapshot,
        record: RunRecord,
        end: EndRecord | None,
        steps: Iterable[StepRecord],
        *,
        is_recorded: bool = True,
    ) -> None:
        self._view = view
        self._record = record
        self._end = end
        self.is_recorded = is_recorded
        """Whether the history has the run; one that has published nothing yet is known only where it runs."""
        # Seen at a revision, a run without an end was still running.
        self.is_interrupted = end is None and view.revision is None and is_orphaned(view.path, record.id)
        """Whether the run has no end, and none is to come: its process died, or could not record it."""
        order = {name: place for place, name in enumerate(record.steps)}
        self._steps = sorted(steps, key=lambda step: order.get(step.name, len(order)))
        of_steps = ((step.name, StepRun(view, snapshot, step)) for step in self._steps)
        self.steps: dict[str, StepRun] = _ByName(f"run {record.id}", "step", of_steps)
        """The steps that ran or were reused, by name, in order."""

    @property
    def id(self) -> UUID:
        """The run's id."""
        return UUID(self._record.id)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._record.pipeline

    @property
    def pipeline_name(self) -> str:
        """The same as ``name``, under the word that a step's context has for it."""
        return self._record.pipeline

    @property
    def status(self) -> str:
        """``completed``, ``failed`` or ``running``; one without an end runs, unless its process is known to be dead."""
        if self._end is not None:
            return self._end.status
        return "failed" if self.is_interrupted else "running"

    @property
    def started_at(self) -> dt.datetime:
        """When the run began, in UTC."""
        return parse_time(self._record.started_at)

    @property
    def ended_at(self) -> dt.datetime | None:
        """When the run ended, in UTC, or ``None`` while no end is recorded."""
        return parse_time(self._end.ended_at) if self._end is not None else None

    @property
    def created_by(self) -> str:
        """Who ran it, by their own account."""
        return self._record.created_by

    @property
    def parameters(self) -> dict[str, Any]:
        """The pipeline's own arguments."""
        return dict(decode_values(self._record.parameters))

    @property
    def project(self) -> Project | None:
        """The Git commit of the code around the run, and whether tracked files had changes."""
        return self._record.project

    @property
    def planned_steps(self) -> tuple[str, ...]:
        """The steps that were to run, in order; after a failure not all of them did."""
        return self._record.steps

    @property
    def artifact_versions(self) -> list[ArtifactVersion]:
        """Every version that the run's steps gave or saved, cached ones included."""
        versions = (version for step in self.steps.values() for version in (*step.outputs.values(), *step.saved))
        return list(dict.fromkeys(versions))

    def uses(self, version: ArtifactVersion) -> bool:
        """Whether one of its steps took the version as an argument, or loaded it in its body."""
        refuse_other_than_version(version)
        return any(input.id == version.claim_id for step in self._steps for input in step.inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        rebuilt = functools.partial(_rebuilt_run, is_recorded=self.is_recorded)
        return rebuilt, (self._view, self._record, self._end, self._steps)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PipelineRun) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self._record.id)

    def __repr__(self) -> str:
        return bounded(f"<PipelineRun {self.name} {self.status} id={self.id} steps={list(self.steps)}>")

    def _repr_html_(self) -> str:
        headers = ("step", "status", "time", "takes", "gives")
        rows = some_rows(list(self.steps.values()), _row)
        return as_table(f"{self.name} {self.status} ({self.id})", headers, rows)


def _row(step: StepRun) -> tuple[str, ...]:
    return (
        step.name,
        f"cached from {step.cached_from}" if step.cached_from is not None else step.status,
        f"{(step.ended_at - step.started_at).total_seconds():.2f} s",
        _labelled(step.inputs),
        step.error or _labelled(step.outputs),
    )


def _labelled(versions: Mapping[str, ArtifactVersion]) -> str:
    return ", ".join(f"{key} = {version.claim.label}" for key, version in versions.items())


def _rebuilt_step(view: "View", record: StepRecord) -> StepRun:
    return StepRun(view, view.snapshot(), record)


def _rebuilt_run(
    view: "View", record: RunRecord, end: EndRecord | None, steps: list[StepRecord], *, is_recorded: bool
) -> PipelineRun:
    return PipelineRun(view, view.snapshot(), record, end, steps, is_recorded=is_recorded)
