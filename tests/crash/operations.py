"""What a worker does while it is killed, and what a ledger shows of it afterwards.

Each operation has a ledger prepared for it. What a ledger shows is a plain value
without ids and times, so that two ledgers with the same story compare equal, and so that
a state can be looked up among those that an undisturbed run went through.
"""

import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from ledger import Ledger, pipeline, step
from ledger.cli.program import run
from ledger.errors import LedgerError
from ledger.history.folds import packing, staging
from ledger.history.folds.packing import FOLD_AT
from ledger.history.upkeep import repacking
from ledger.maintenance import execute_gc, execute_packing, plan_gc, plan_packing
from tests.kit.ledgers import waste
from tests.kit.sparse import make_mostly_dead

_SAVES_OF_A_FOLD = 9

LARGE = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(1 << 14))
"""Half a MiB that does not compress: several chunks, so that a pack and a table are written."""

HUGE = 8 * LARGE[:-1]
"""Enough for a pack to be written in parts, by threads, before its name is known; the repetition is found."""

Shown = tuple[tuple[Any, ...], ...]
"""What a ledger shows: a row per version and per run."""


class Operation(NamedTuple):
    """Something a worker does in one call; ``prepare`` is done before, undisturbed; so many ``others`` are queued."""

    act: Callable[[Ledger], object]
    prepare: Callable[[Ledger], object] = lambda _: None
    others: int = 0


@step(enable_cache=False)
def made() -> Annotated[list[int], "made"]:
    return [1, 2, 3]


@step(enable_cache=False)
def doubled(numbers: list[int]) -> Annotated[list[int], "doubled"]:
    return [2 * number for number in numbers]


@pipeline
def doubling() -> None:
    doubled(made())


def begin(ledger: Ledger) -> None:
    """What every prepared ledger holds."""
    ledger.save({"rows": 150}, "iris", tags=["raw"])
    ledger.save(LARGE[::-1], "weights")
    ledger.save({"rows": 149}, "iris", "clean", run_metadata={"dropped": 1})


def _transaction(ledger: Ledger) -> None:
    with ledger.transaction() as transaction:
        pending = transaction.save("left", "left")
        transaction.save("right", "right", "v1")
        transaction.save({"rows": 148}, "iris")
        transaction.tag(pending, ["pair"])
        transaction.log_metadata({"checked": True}, "iris", "clean")


def _many(ledger: Ledger) -> None:
    """A transaction of twenty small values and a larger one."""
    with ledger.transaction() as transaction:
        for number in range(20):
            transaction.save({"number": number}, f"part-{number % 3}")
        transaction.save(LARGE, "weights")


def fill_a_tier(ledger: Ledger) -> None:
    """Save until the next save folds packs."""
    while len(list(ledger.git_dir.glob("objects/pack/*.pack"))) < FOLD_AT - 1:
        ledger.save({"number": 1}, "filler")


def _fold_in_slices(ledger: Ledger) -> None:
    """Saves that begin a fold, go on with it and end it: what otherwise takes thousands of objects."""
    packing.AT_ONCE, packing.SLICE, packing.SAVES_PER_SLICE = 0, 30, 1
    packing._SLICE_PER_WRITTEN, staging._SMALL = 1, 10
    for _ in range(_SAVES_OF_A_FOLD):
        ledger.save({"number": 1}, "filler")  # the same, so that a state does not tell at which try it was reached


def _pack(ledger: Ledger) -> None:
    repacking._SLICE = 60
    execute_packing(ledger, plan_packing(ledger))


def _put_data_into_the_store(ledger: Ledger) -> None:
    (ledger.path / "store" / "tables-of-2026").mkdir()
    (ledger.path / "store" / "tables-of-2026" / "one.csv").write_text("a,b\n1,2\n")


def _waste_room(ledger: Ledger) -> None:
    """Leave objects that no version names, and a pack most of which no table names any more."""
    waste(ledger)
    make_mostly_dead(ledger, "weights")


def _collect(ledger: Ledger) -> None:
    execute_gc(ledger, plan_gc(ledger, grace_days=0))


class ProgramFailed(LedgerError):  # noqa: N818  # it is no error of the ledger, but what its program said
    """The exit code of ``ledger`` and what it wrote on stderr."""


def _run_program(*arguments: str) -> None:
    """Run ``ledger`` as its program does, and raise what it says if it fails."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = run(arguments)
    if code:
        failure = ProgramFailed(errors.getvalue().strip())
        failure.__dict__["exit_code"] = code
        raise failure


def _see(expected: object, found: object) -> None:
    """A reader that is answered is answered rightly: nothing unreadable was passed over."""
    assert expected == found


OPERATIONS = {
    "save": Operation(lambda ledger: ledger.save({"rows": 151}, "iris", tags=["new"], run_metadata={"why": "more"})),
    "again": Operation(lambda ledger: ledger.save({"rows": 150}, "iris-again")),
    "save-large": Operation(lambda ledger: ledger.save(LARGE, "weights")),
    "save-huge": Operation(lambda ledger: ledger.save(HUGE, "weights")),
    "transaction": Operation(_transaction),
    "many": Operation(_many),
    "tag": Operation(lambda ledger: ledger.tag("iris", ["best"], "clean")),
    "move-tag": Operation(lambda ledger: ledger.tag("iris", ["raw"], "clean", exclusive=True)),
    "metadata": Operation(lambda ledger: ledger.log_metadata({"accuracy": 0.97}, "iris")),
    "register": Operation(
        lambda ledger: ledger.register(ledger.path / "store" / "tables-of-2026", "tables"), _put_data_into_the_store
    ),
    "fold-slices": Operation(_fold_in_slices, fill_a_tier),
    "pack": Operation(_pack, fill_a_tier),
    "fold": Operation(lambda ledger: ledger.save({"rows": 151}, "iris"), fill_a_tier),
    "group": Operation(lambda ledger: ledger.save({"rows": 151}, "iris"), others=2),
    "pipeline": Operation(lambda _: doubling()),
    "gc": Operation(_collect, _waste_room),
    "load": Operation(
        lambda ledger: _see([{"rows": 150}, LARGE[::-1]], [ledger.load("iris", 1), ledger.load("weights")])
    ),
    "program-tag": Operation(
        lambda ledger: _run_program("--ledger", str(ledger.path), "tag", "iris@clean", "best"),
    ),
    "program-list": Operation(lambda ledger: _run_program("--ledger", str(ledger.path), "artifact", "list", "--json")),
    "list": Operation(lambda ledger: _see(["1", "clean"], [each.version for each in ledger.search(name="iris")])),
}

LARGE_ONES = ("save-large", "save-huge")
WRITING = (
    "save",
    "again",
    *LARGE_ONES,
    "transaction",
    "many",
    "tag",
    "move-tag",
    "metadata",
    "register",
    "fold",
    "fold-slices",
    "pack",
    "group",
    "pipeline",
    "gc",
)
"""The operations that change something."""


def shown_by(ledger: Ledger) -> Shown:
    """Every version with its value, tags and metadata, and every run."""
    versions = [
        (
            *(each.name, each.version, each.position, sorted(each.tags), sorted(each.metadata.items())),
            _plain(each.load()),
        )
        for artifact in ledger.artifacts()
        for each in artifact.versions
    ]
    # A run whose process died is told from one that goes on by the process, not by what is on the disk.
    runs = [
        ("run", run.name, "running" if run.is_interrupted else run.status, sorted(run.steps))
        for run in ledger.runs()
        if run.is_recorded
    ]
    return (*versions, *runs)


def states_of(ledger: Ledger, since: str) -> list[Shown]:
    """What a ledger showed at a commit and at each one after it."""
    commits = [commit.id for commit in ledger.log()]
    return [shown_by(ledger.at(commit)) for commit in reversed(commits[: commits.index(since) + 1])]  # type: ignore[arg-type]


def _plain(value: object) -> object:
    """A value that says the same wherever the ledger lies: registered data is given by its path."""
    if isinstance(value, Path):
        return [(path.name, path.read_bytes()) for path in sorted(value.rglob("*"))]
    return value
