"""Run a graph: each step in order, in this process, each published in one commit.

What happens to a step, in the order of specs/runtime.md, 5: resolve its inputs; look its key up in
the cache; refuse outputs that are there already; load the inputs; run the body; judge what it
returned; save the outputs; publish them with the record of the step and the cache entry. A step
that fails publishes none of its outputs, records that it failed, and lets its own exception through.

Between the call of a user and the body of the step each frame says ``__tracebackhide__``: notebooks and pytest
leave it out of a traceback, which shows the user's own lines.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from ledger.core import (
    ArtifactVersion,
    CacheHit,
    PendingVersion,
    PipelineRun,
    Presence,
    Transaction,
    given_by_body,
)
from ledger.enums import SaveType
from ledger.errors import NameCollisionError, StepInterfaceError
from ledger.history import cache_file
from ledger.ids import new_uuid
from ledger.notices import tell_user
from ledger.records import CacheRecord
from ledger.runtime.arguments import ledger_of, resolve_inputs
from ledger.runtime.context import StepContext
from ledger.runtime.fingerprint import UntoldError, cache_key, source_digest
from ledger.runtime.graph import Graph
from ledger.runtime.notes import noted, saving
from ledger.runtime.plan import PlannedExternal, PlannedOutput, PlannedStep, externals_of, make_plan
from ledger.runtime.project import ProjectState
from ledger.runtime.publishing import add_end, add_step, publish_rest, publish_waiting, record_failure, transaction_of
from ledger.runtime.results import choose_materializer, split_result
from ledger.runtime.run_configuration import RunConfiguration
from ledger.runtime.run_state import Attempt, Run, output_record, run_record, step_record
from ledger.runtime.settings import Settings
from ledger.runtime.templates import times_of


def run_graph(graph: Graph, settings: Settings, configuration: RunConfiguration) -> PipelineRun:
    """Run a graph on the default ledger; raises what a step raises, after recording that it failed."""
    __tracebackhide__ = True
    started = dt.datetime.now(dt.UTC)
    # Planned before the ledger is found: a first run that is refused makes none.
    plan = make_plan(graph, settings, configuration, times_of(started))
    ledger = ledger_of(plan)
    run = Run(
        ledger=ledger,
        id=new_uuid(int(started.timestamp() * 1000)),
        graph=graph,
        started=started,
        project=ProjectState.here(),
        plan=plan,
    )
    try:
        presence = Presence(ledger.path, run_record(run, None))
        try:
            _run_all(run)
        finally:
            presence.end(is_over=run.is_over)
    finally:
        if run.is_own:  # a fork would take Git's answer from its parent
            run.project.close()
    return ledger.run(run.id)


def _run_all(run: Run) -> None:
    """Run every step, and record the end of the run, or its failure."""
    __tracebackhide__ = True
    try:
        _save_external(run)
        for planned in run.plan:
            _run_step(run, planned)
        publish_rest(run)
        run.is_over = True
        _tell(run, f"run {run.id} completed in {_since(run, run.started)}")
    except BaseException as error:
        if not run.is_own:
            raise
        record_failure(run, error)
        if run.attempt is not None and run.attempt.error is not None:
            failed = f"step {run.attempt.planned.name} failed in {_since(run, run.attempt.started)}"
            _tell(run, f"{failed}: {type(error).__name__}")
        _tell(run, f"run {run.id} failed in {_since(run, run.started)}")
        raise


def _save_external(run: Run) -> None:
    """Save every value from outside once, in one commit with the beginning of the run."""
    externals = externals_of(run.graph.pipeline, run.plan)
    if not externals:
        return
    try:
        with transaction_of(run, "external inputs") as transaction:
            pending = {key: _save_one_external(transaction, external) for key, external in externals.items()}
    except NameCollisionError as error:
        external = next(each for each in externals.values() if each.name == error.facts["name"])
        error.hint = (
            f"the name is made of argument {external.argument!r} of step {external.step!r} and of its pipeline: "
            "call them as before, or otherwise in more than case"
        )
        raise
    run.external = {key: _published(version) for key, version in pending.items()}


def _save_one_external(transaction: Transaction, external: PlannedExternal) -> PendingVersion:
    what = f"argument {external.argument!r} of step {external.step!r}"
    with saving(what, step=external.step, argument=external.argument):
        return transaction.save(
            external.artifact.value,
            external.name,
            materializer=external.artifact.materializer,
            extract_metadata=external.artifact.store_artifact_metadata,
            include_visualizations=external.artifact.store_artifact_visualizations,
            save_type=SaveType.EXTERNAL,
        )


def _run_step(run: Run, planned: PlannedStep) -> None:
    """Find a step's outputs in the cache, or run it."""
    __tracebackhide__ = True
    attempt = run.attempt = Attempt(planned=planned, started=run.ledger.now())
    with _untold_noted(attempt):
        attempt.source = source_digest(planned.step.entrypoint)
    _tell(run, f"step {planned.name} started")
    attempt.inputs = resolve_inputs(planned, run.ledger, run.outputs, run.external)
    with _untold_noted(attempt):
        attempt.key = _key(attempt)
    hit = run.ledger.find_cached(attempt.key) if attempt.key is not None else None
    if hit is not None and set(hit.outputs) == {output.declared for output in planned.outputs}:
        _reuse(run, attempt, hit)
        what = f"cached from run {hit.run}"
    else:
        _execute(run, attempt)
        what = f"completed in {_since(run, attempt.started)}"
        if attempt.untold is not None and planned.enable_cache:
            what += f", cannot be cached as {attempt.untold}"
    labels = ", ".join(run.outputs[planned.name, output.declared].claim.label for output in planned.outputs)
    _tell(run, f"step {planned.name} {what}" + (f": {labels}" if labels else ""))
    run.attempt = None


def _tell(run: Run, what: str) -> None:
    """Tell a person how far the run is."""
    tell_user(f"{run.graph.pipeline}: {what}")


def _since(run: Run, moment: dt.datetime) -> str:
    return f"{(run.ledger.now() - moment).total_seconds():.2f} s"


@contextmanager
def _untold_noted(attempt: Attempt) -> Iterator[None]:
    """A block in which a part of what a step depends on may turn out to be one that cannot be told."""
    try:
        yield
    except UntoldError as error:
        attempt.untold = str(error)


def _key(attempt: Attempt) -> str | None:
    """The cache key, or ``None`` for a step that is not to be served from the cache; raises `UntoldError`."""
    planned, inputs = attempt.planned, attempt.inputs
    if not planned.enable_cache or attempt.source is None or inputs is None or inputs.has_external:
        return None
    outputs = {
        output.declared: {
            **output.config.as_values(),
            "named": list(output.lasting),
            "materializers": [materializer.REGISTRY_KEY for materializer in output.materializers],
            "place": place,
        }
        for place, output in enumerate(planned.outputs)
    }
    taken = {argument: str(version.id) for argument, version in inputs.versions.items()}
    return cache_key(source=attempt.source, outputs=outputs, parameters=inputs.values, inputs=taken)


def _reuse(run: Run, attempt: Attempt, hit: CacheHit) -> None:
    """Take the versions of an earlier run for this step's outputs."""
    for output in attempt.planned.outputs:
        run.outputs[attempt.planned.name, output.declared] = hit.outputs[output.declared]
    outputs = tuple(output_record(output.key, hit.outputs[output.declared]) for output in attempt.planned.outputs)
    run.unpublished.append(step_record(run, attempt, "cached", outputs, cached_from=hit.run))


def _execute(run: Run, attempt: Attempt) -> None:
    """Run the body, unless an output's version is taken, and judge and publish what it returned."""
    __tracebackhide__ = True
    planned, inputs = attempt.planned, attempt.inputs
    assert inputs is not None
    for output in planned.outputs:
        with noted(f"before step {planned.name!r} ran, for its output {output.key!r}"):
            run.ledger.refuse_taken(output.name, output.config.version)
    values = inputs.load(planned)
    context = attempt.context = StepContext(
        pipeline=run.graph.pipeline,
        run=run.id,
        step=planned.name,
        inputs=inputs.versions,
        outputs={output.key: (output.declared, output.name) for output in planned.outputs},
        publish_run=partial(publish_waiting, run),
    )
    returned = given_by_body(run.ledger, context, partial(planned.step.entrypoint, **values))
    if not run.is_own:
        raise StepInterfaceError(
            f"step {planned.name!r} was left by process {os.getpid()}, a fork of {run.process}, which runs it",
            hint="end a fork in the body with os._exit, or use multiprocessing",
            step=planned.name,
        )
    _publish_outputs(run, attempt, context, split_result(planned, returned))


def _publish_outputs(run: Run, attempt: Attempt, context: StepContext, results: Mapping[str, Any]) -> None:
    """Save what a step gave, and publish it with the step's record and cache entry in one commit."""
    planned = attempt.planned
    with transaction_of(run, planned.name) as transaction:
        pending = {
            output.declared: _save_output(transaction, planned, output, results[output.declared], context)
            for output in planned.outputs
        }
        outputs = tuple(output_record(output.key, pending[output.declared]) for output in planned.outputs)
        add_step(transaction, step_record(run, attempt, "completed", outputs))
        _add_cache_entry(transaction, run, attempt, pending)
        if planned is run.plan[-1]:
            add_end(transaction, run, "completed")
    for declared, version in pending.items():
        run.outputs[planned.name, declared] = _published(version)


def _save_output(
    transaction: Transaction, planned: PlannedStep, output: PlannedOutput, value: Any, context: StepContext
) -> PendingVersion:
    """Save an output with what its declaration and the step's body say of it."""
    config = output.config
    with saving(f"output {output.key!r} of step {planned.name!r}", step=planned.name, output=output.key):
        return transaction.save(
            value,
            output.name,
            config.version,
            artifact_type=config.artifact_type,
            tags=[*(config.tags or ()), *context.get_output_tags(output.key)],
            run_metadata=context.metadata_after(config.run_metadata or {}, output.key),
            materializer=choose_materializer(output.materializers, value),
            extract_metadata=planned.extract_metadata,
            include_visualizations=planned.include_visualizations,
            save_type=SaveType.STEP_OUTPUT,
            producer=context.producer(output.key),
            similar_to=context.inputs.values(),
        )


def _add_cache_entry(
    transaction: Transaction, run: Run, attempt: Attempt, pending: Mapping[str, PendingVersion]
) -> None:
    """Add the cache entry by which the outputs are found again, if the step has a key."""
    # One entry for each key and run: of two equal uses the second runs only if the bytes of the first are gone by then.
    if attempt.key is not None and attempt.key not in run.entered:
        run.entered.add(attempt.key)
        outputs = tuple(output_record(declared, version) for declared, version in pending.items())
        entry = CacheRecord(key=attempt.key, run=run.id, step=attempt.planned.name, outputs=outputs)
        transaction.add_record(cache_file(attempt.key, run.id), entry)


def _published(pending: PendingVersion) -> ArtifactVersion:
    assert pending.published is not None
    return pending.published
