"""Which run is meant by an id, and the runs that a list asks for.

Reads the records of runs and checks that each stands where its own fields say. A damaged record hides its own run from
a list, and no other.
"""

import heapq
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.errors import (
    AmbiguousIdError,
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    IntegrityError,
    RunNotFoundError,
)
from ledger.history import Snapshot, run_file, step_file
from ledger.ids import CommitId, is_uuid, undashed
from ledger.lookup.handles import ArtifactVersion, refuse_other_than_version
from ledger.lookup.presence import begun_run, begun_runs
from ledger.lookup.runs import PipelineRun, StepRun
from ledger.notices import warn_of_record
from ledger.records import Name, Producer, RunRecord, StepRecord, check_limit, decode_end, decode_run, decode_step
from ledger.wording import shown, shown_with_type

if TYPE_CHECKING:
    from ledger.lookup.view import View

_PREFIX = re.compile(r"[0-9a-f-]{4,36}")
RUN_STATUSES: Final = ("completed", "failed", "running")
"""The statuses of a run; only a step can be ``cached``."""


def find_run(view: "View", wanted: str | UUID) -> PipelineRun:
    """The run of an id, or of the beginning of one; raises `RunNotFoundError`."""
    if not isinstance(wanted, (str, UUID)):
        raise ArgumentTypeError(f"a run is found by a str or a UUID, got {shown_with_type(wanted)}")
    text = str(wanted).lower()
    if is_uuid(text) or not _PREFIX.fullmatch(text):
        begun = _begun(view, text)
        return _read_run(view, view.snapshot(), text, begun)
    begun = _begun(view)
    snapshot = view.snapshot()
    runs = dict.fromkeys((*snapshot.runs(), *sorted(begun)))
    matches = [run for run in runs if run.startswith(text) or undashed(run).startswith(text)]
    if len(matches) > 1:
        raise AmbiguousIdError(f"run id {text!r} fits {len(matches)} runs: {', '.join(matches[:5])}")
    return _read_run(view, snapshot, matches[0] if matches else text, begun)


def list_runs(
    view: "View", *, pipeline: str | None, status: object, using: ArtifactVersion | None, limit: int | None
) -> list[PipelineRun]:
    """The runs, oldest first; ``limit`` keeps the newest."""
    if pipeline is not None and not isinstance(pipeline, str):
        raise ArgumentTypeError(f"a pipeline name is a str, got {shown_with_type(pipeline)}")
    if status is not None and not (isinstance(status, str) and status in RUN_STATUSES):
        raise ArgumentError(f"no run has the status {shown(status)}", hint=f"a run is {' or '.join(RUN_STATUSES)}")
    if using is not None:
        refuse_other_than_version(using)
    begun = _begun(view)
    matches = (
        run
        for run in _readable_runs(view, view.snapshot(), begun)
        if pipeline in (None, run.name) and status in (None, run.status) and (using is None or run.uses(using))
    )
    return list(itertools.islice(matches, check_limit(limit)))[::-1]


class ProducerFinder:
    """Finds what made a version. For versions of one run in a row, the records of the run are read once."""

    def __init__(self) -> None:
        # The run that was found last, with the commit that it was read at; none if it goes on, and so may change.
        self._last: tuple[CommitId, PipelineRun] | None = None

    def find(self, view: "View", producer: Producer) -> tuple[PipelineRun | None, StepRun | None]:
        """The run and the step that made a version, as they are now; ``None`` for what has not been recorded yet."""
        run = self._found_before(view, producer.run) or self._find(view, producer.run)
        return (run, run.steps.get(producer.step)) if run is not None else (None, None)

    def _found_before(self, view: "View", run: str) -> PipelineRun | None:
        last = self._last
        return last[1] if last is not None and (last[0], str(last[1].id)) == (view.commit(), run) else None

    def _find(self, view: "View", run: str) -> PipelineRun | None:
        begun, commit = _begun(view, run), view.commit()
        try:
            found = _read_run(view, view.snapshot_at(commit), run, begun)
        except RunNotFoundError:
            # A step that is still running may have saved versions: other ledgers hear nothing else of its run until it
            # ends.
            return None
        self._last = (commit, found) if found.ended_at is not None else None
        return found


def _read_run(view: "View", snapshot: Snapshot, run: str, begun: Mapping[str, RunRecord]) -> PipelineRun:
    """The run of an id, also one that has ``begun`` and published nothing; raises `RunNotFoundError`."""
    files = snapshot.run_records(run) if _can_be_run(run) else {}
    begin, end = (run_file(run, part)[-1] if files else "" for part in ("run", "end"))
    if begin not in files:
        if run in begun:
            return PipelineRun(view, snapshot, begun[run], None, [], is_recorded=False)
        raise RunNotFoundError(f"no run has the id {shown(run)}", id=run)
    where = f"run {run}"
    record = decode_run(files[begin], where=where)
    if record.id != run:
        raise FormatError(f"{where}: its record has the id {record.id!r}, its path {run!r}", where=where)
    steps = [_read_step(run, name, data) for name, data in files.items() if name not in (begin, end)]
    ended = decode_end(files[end], where=f"the end of {where}") if end in files else None
    return PipelineRun(view, snapshot, record, ended, steps)


def _can_be_run(run: str) -> bool:
    """Whether an id can be a run's: a UUID that begins with a moment of the calendar."""
    try:
        return is_uuid(run) and bool(run_file(run, "run"))
    except (ValueError, OverflowError, OSError):
        return False  # a random UUID may begin with a time after the year 9999


def _read_step(run: str, file: str, data: bytes) -> StepRecord:
    record = decode_step(data, where=f"run {run}, {file}")
    if (record.run, step_file(run, Name(record.name))[-1]) != (run, file):
        raise FormatError(
            f"run {run}, {file}: its record is of step {record.name!r} of run {record.run}", where=f"run {run}, {file}"
        )
    return record


def _begun(view: "View", run: str | None = None) -> Mapping[str, RunRecord]:
    """The beginnings of runs that may have published nothing, by id.

    To be asked before the history is read: a run that publishes and ends in between is then in both, not in neither.
    """
    if view.revision is not None:
        return {}
    if run is None:
        return begun_runs(view.path)
    record = begun_run(view.path, run) if is_uuid(run) else None
    return {run: record} if record is not None else {}


def _readable_runs(view: "View", snapshot: Snapshot, begun: Mapping[str, RunRecord]) -> Iterator[PipelineRun]:
    """The runs, newest first; a damaged record costs its run, not the list."""
    # Both are in the order in which the runs began, since an id begins with the moment when it was made.
    runs = heapq.merge(snapshot.runs(newest_first=True), sorted(begun, reverse=True), reverse=True)
    for run, _ in itertools.groupby(runs):
        try:
            yield _read_run(view, snapshot, run, begun)
        except (FormatError, IntegrityError, RunNotFoundError) as error:
            warn_of_record(f"run {run} is left out", error)
