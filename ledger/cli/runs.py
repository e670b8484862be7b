"""The commands that show runs: a list of them, and one as a tree."""

import shlex

import click

from ledger.cli.arguments import limit_option
from ledger.cli.asked_columns import print_asked, show_option, values_of_run
from ledger.cli.completions import complete_pipeline, complete_run, complete_version
from ledger.cli.printing import print_fields, print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.cli.shapes import full_run_shape, label_of, readable, run_shape
from ledger.cli.suggesting import SuggestingGroup
from ledger.errors import RunNotFoundError
from ledger.lookup import RUN_STATUSES, PipelineRun, Reader, StepRun
from ledger.notices import warn_user
from ledger.wording import shown

_NAMES_SHOWN = 4

_RUN_COLUMNS = {
    "RUN": "id",
    "PIPELINE": "pipeline",
    "STATUS": "status",
    "STARTED": "started_at",
    "STEPS": "steps",
    "BY": "created_by",
}


@click.group("run", cls=SuggestingGroup)
def run() -> None:
    """Show runs, with their inputs and the versions they made."""


@run.command("list", cls=ExampleCommand, example="ledger run list --limit 20")
@click.argument("pipeline", required=False, shell_complete=complete_pipeline)
@click.option(
    "--status",
    metavar="STATUS",
    type=click.Choice(RUN_STATUSES),
    help="Only runs that are completed, failed or running.",
)
@click.option(
    "--using",
    metavar="NAME[@VERSION]",
    help="Only runs in which a step took or loaded this version.",
    shell_complete=complete_version,
)
@limit_option("Only the newest N runs.")
@show_option("Add a column for this key, from the parameters, else the metadata of what it made; may be repeated.")
@json_option
@pass_session
def list_runs(
    session: Session,
    pipeline: str | None,
    status: str | None,
    using: str | None,
    limit: int | None,
    keys: tuple[str, ...],
) -> None:
    """List runs, oldest first: of one pipeline or of all."""
    reader = session.reader()
    used = reader.get(using) if using is not None else None
    runs = reader.runs(pipeline=pipeline, status=status, using=used, limit=limit)
    if pipeline is not None and not runs and not reader.runs(pipeline=pipeline, limit=1):
        warn_user(f"no run is of a pipeline {shown(pipeline)}")
    rows = list(readable(runs, lambda run: (run_shape(run), values_of_run(run, keys)), lambda run: f"run {run.id}"))
    if not session.json:
        rows = [({**shape, "steps": _steps_worded(shape["steps"])}, values) for shape, values in rows]
    print_asked(_RUN_COLUMNS, rows, keys, wants_json=session.json)


@run.command("show", cls=ExampleCommand, example="ledger run show")
@click.argument("id", required=False, shell_complete=complete_run)
@json_option
@pass_session
def show_run(session: Session, id: str | None) -> None:
    """Show a run as a tree: steps, inputs, outputs.

    ID is a run's id, the beginning of one, or a pipeline, for its latest run. Without ID, show the latest of all.
    """
    reader = session.reader()
    found = _run_of(reader, id) if id is not None else _latest(reader)
    shape = full_run_shape(found)
    if session.json:
        print_json(shape)
        return
    plain = {key: value for key, value in shape.items() if key not in ("steps", "parameters", "project")}
    parameters = {f"parameters.{key}": shown(value) for key, value in found.parameters.items()}
    print_fields([*plain.items(), *parameters.items()])
    if found.is_interrupted:
        print_line("interrupted: no end of it could be recorded")
        if found.is_recorded:
            # The step that was running has no record that would name what it had saved by itself.
            session.advise(f"`ledger git log --oneline --grep 'Run: {found.id}'` lists what it had published by then")
    print_line(found.name)
    for name in found.planned_steps:
        is_last = name == found.planned_steps[-1]
        for line in _branch(name, found.steps.get(name), is_last=is_last, has_ended=found.ended_at is not None):
            print_line(line)


def _run_of(reader: Reader, wanted: str) -> PipelineRun:
    """The run of an id or of its beginning, else the latest of a pipeline."""
    try:
        return reader.run(wanted)
    except RunNotFoundError as error:
        of_pipeline = reader.runs(pipeline=wanted, limit=1)
        if not of_pipeline:
            message = f"no run has the id {shown(wanted)}, and none is of a pipeline of that name"
            raise RunNotFoundError(message, hint=_runs_of_version(wanted) or error.hint, id=wanted) from error
        return of_pipeline[0]


def _runs_of_version(wanted: str) -> str:
    """The hint that says how to find the runs of a version, if one seems to be meant; else empty."""
    if "@" not in wanted:
        return ""
    label = shlex.quote(wanted)
    made, took = f"ledger artifact version show {label}", f"ledger run list --using {label}"
    return f"`{made}` says which run made it, `{took}` which took it"


def _latest(reader: Reader) -> PipelineRun:
    runs = reader.runs(limit=1)
    if not runs:
        raise RunNotFoundError(
            f"the ledger {reader.path} has no run to show", hint="call a function decorated with @pipeline"
        )
    return runs[-1]


def _branch(name: str, step: StepRun | None, *, is_last: bool, has_ended: bool) -> list[str]:
    """The lines of one step of the tree."""
    corner, below = ("└── ", "    ") if is_last else ("├── ", "│   ")
    if step is None:
        return [f"{corner}{name}  {'did not run' if has_ended else 'not finished'}"]
    seconds = (step.ended_at - step.started_at).total_seconds()
    summary = (
        f"cached from run {step.cached_from}" if step.cached_from is not None else f"{step.status} in {seconds:.2f} s"
    )
    return [
        f"{corner}{name}  {summary}",
        *(f"{below}parameter {key} = {shown(value)}" for key, value in step.parameters.items()),
        *(f"{below}takes {key} = {label_of(version)}" for key, version in step.inputs.items()),
        *(f"{below}loads {label_of(version)}" for version in step.loaded),
        *(f"{below}gives {key} = {label_of(version)}" for key, version in step.outputs.items()),
        *(f"{below}saves {label_of(version)}" for version in step.saved),
        *([f"{below}error {step.error}"] if step.error is not None else []),
    ]


def _steps_worded(steps: object) -> str:
    """The steps as the tables show them: the first few by name."""
    names = [str(name) for name in steps] if isinstance(steps, list) else []
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
