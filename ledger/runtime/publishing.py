"""The commits of a run, and which records each takes along.

The record of the run's beginning goes with the first of them; those of steps from the cache wait for the next one. The
record of the end goes with the last step's, or with a commit of its own. That a run failed is recorded if it can be,
and never hides why it did.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.core import Transaction
from ledger.errors import RunNotFoundError
from ledger.history import run_file, step_file
from ledger.records import Name, Status, StepRecord
from ledger.runtime.notes import noted, told_failure
from ledger.runtime.run_state import Run, end_record, run_record, step_record


@contextmanager
def transaction_of(run: Run, what: str) -> Iterator[Transaction]:
    """A transaction of a run: the records that wait go along, and count as published only if it succeeds."""
    subject = f"run {run.graph.pipeline}: {what}"
    transaction = run.ledger.transaction(subject=subject)
    if not run.has_begun:
        beginning = run_record(run, run.project.read())
        transaction.add_record(run_file(run.id, "run"), beginning, trailers=_trailers_of(run.id))
    for record in run.unpublished:
        add_step(transaction, record)
    with transaction:
        yield transaction
        with noted(f"while {subject!r} was published"):
            transaction.commit()
    run.has_begun = True
    run.unpublished = []


def add_step(transaction: Transaction, record: StepRecord) -> None:
    """Publish the record of a step with the rest of a transaction."""
    transaction.add_record(step_file(record.run, Name(record.name)), record, trailers=_trailers_of(record.run))


def add_end(transaction: Transaction, run: Run, status: Status) -> None:
    """Publish with the rest of a transaction that a run has ended."""
    transaction.add_record(run_file(run.id, "end"), end_record(run, status), trailers=_trailers_of(run.id))


def publish_waiting(run: Run) -> None:
    """Publish the beginning of the run, and the records of its cached steps, as far as they still wait."""
    if run.is_own and (run.unpublished or not run.has_begun):
        with transaction_of(run, "so far"):
            pass


def publish_rest(run: Run) -> None:
    """Publish the end of a run that has no steps, or whose last steps were cached, and the records that still wait."""
    if run.has_begun and not run.unpublished:
        return
    with transaction_of(run, "cached" if run.plan else "no steps") as transaction:
        add_end(transaction, run, "completed")


def record_failure(run: Run, failure: BaseException) -> None:
    """Record that a run failed, and its current step; the caller raises the failure, whatever happens here."""
    attempt = run.attempt
    what = f"step {attempt.planned.name!r}" if attempt is not None else f"run {run.id}"
    try:
        recorded, has_end = _published_so_far(run)
        if not has_end and (attempt is not None or run.has_begun or run.unpublished):
            _publish_failure(run, failure, recorded)
        run.is_over = True
    except Exception as error:  # noqa: BLE001  # nothing may hide the user's own exception
        failure.add_note(f"that {what} failed could not be recorded: {error}")


def _publish_failure(run: Run, failure: BaseException, recorded: set[str]) -> None:
    attempt = run.attempt
    with transaction_of(run, f"{attempt.planned.name} failed" if attempt is not None else "failed") as transaction:
        if attempt is not None and attempt.planned.name not in recorded:
            attempt.error = told_failure(failure)
            add_step(transaction, step_record(run, attempt, "failed", ()))
        add_end(transaction, run, "failed")


def _published_so_far(run: Run) -> tuple[set[str], bool]:
    """The steps whose records are published, and whether the end is: an interrupt may come right after a commit."""
    try:
        found = run.ledger.run(run.id)
    except RunNotFoundError:
        return set(), False
    if not found.is_recorded:
        return set(), False
    run.has_begun = True
    run.unpublished = [record for record in run.unpublished if record.name not in found.steps]
    return set(found.steps), found.ended_at is not None


def _trailers_of(run: str) -> tuple[str, ...]:
    """The trailers that name a run; a commit has each only once, however many of its records say it."""
    return (f"Run: {run}",)
