"""Each system call of an operation fails once, or from then on for ever; what the caller is told, and what is left.

    python -m tests.crash.faults --operation save
    python -m tests.crash.faults --operation fold --slice 7

What is asked of every failure: the operation succeeds all the same, or its error is a `StorageError` that names a
path, or the program's exit code for one; nothing is half published; no lock file stays; a failed fsync is not tried
again on that file, since the kernel may have dropped what it could not write; the next save works. ``--slice N``
takes every N-th fault. Prints a line per operation; exits with 1 if anything was amiss.
"""

import argparse
import contextlib
import itertools
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.crash.operations import OPERATIONS
from tests.crash.survival import Template, judge, make_template
from tests.crash.tracing import CHANGING, READING, THE_END, Outcome, points_of, run_traced, why_not
from tests.crash.worker import ACKNOWLEDGED

FAILING = (
    *("save", "save-large", "save-huge", "tag", "register", "fold", "group", "gc"),
    *("load", "list", "program-tag", "program-list"),
)
ERRORS = ("EIO", "ENOSPC", "EROFS", "EMFILE", "EDQUOT")
ONCE, FOR_EVER = "", "+"

_STORAGE_ERROR = re.compile(r"\w+ 8: .*/\w", re.DOTALL)
_FSYNC = re.compile(r"\d+\s+fsync\(\d+<([^>]*)>")
_LOCK_TIMEOUT = 0.5
_OTHERS_TIMEOUT = 30.0  # they stand still while the worker is traced


class Fault(NamedTuple):
    """A fault and what was wrong afterwards; nothing, if all is well."""

    where: str
    complaints: list[str]


def fail_all(operation: str, folder: Path, *, every: int = 1) -> Iterator[Fault]:
    """Let an operation meet every ``every``-th fault there is, each time in a fresh copy of a prepared ledger."""
    patience = _OTHERS_TIMEOUT if OPERATIONS[operation].others else _LOCK_TIMEOUT
    template = make_template(operation, folder / "template", lock_timeout=patience)
    undisturbed = run_traced(operation, template.copy(folder / "counted"), opened=False)
    points = points_of(undisturbed, (*CHANGING, *READING))
    faults = itertools.product(points, ERRORS, (ONCE, FOR_EVER))
    for point, error, how in itertools.islice(faults, 2 * len(ERRORS), None, every):
        assert point != THE_END
        ledger_dir = template.copy(folder / "faulty")
        injection = f"{point.call}:error={error}:when={point.nth}{how}"
        outcome = run_traced(operation, ledger_dir, injection, opened=False)
        yield Fault(injection, complaints_about(template, ledger_dir, outcome))
        shutil.rmtree(folder / "faulty")


def complaints_about(template: Template, ledger_dir: Path, outcome: Outcome) -> list[str]:
    """What is wrong with what the caller was told, and with what is left."""
    acknowledged = outcome.answer == ACKNOWLEDGED
    complaints = []
    if not acknowledged and not _STORAGE_ERROR.match(outcome.answer):
        complaints.append(f"the caller was told: {outcome.answer}")
    complaints += [f"{lock} was left" for lock in ledger_dir.glob("history.git/**/*.lock")]
    complaints += [f"fsync of {path} again after it failed" for path in _synced_again(outcome.calls)]
    verdict = judge(ledger_dir, template, acknowledged=int(acknowledged))
    return complaints if verdict.survived else [*complaints, str(verdict)]


def _synced_again(calls: list[str]) -> list[str]:
    syncs = [(found[1], "INJECTED" in call) for call in calls if (found := _FSYNC.match(call))]
    return [path for number, (path, failed) in enumerate(syncs) if failed and (path, False) in syncs[number:]]


def main(arguments: list[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tests.crash.faults", description=__doc__.split("\n")[0])
    parser.add_argument("--operation", choices=["all", *FAILING], default="all")
    parser.add_argument("--slice", type=int, default=1, metavar="N", help="take every N-th fault")
    chosen = parser.parse_args(arguments)
    if reason := why_not():
        parser.error(reason)
    print(f"{'operation':12} {'faults':>7} {'amiss':>6}")
    well = True
    for operation in FAILING if chosen.operation == "all" else [chosen.operation]:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(None):
            faults = list(fail_all(operation, Path(folder), every=chosen.slice))
        amiss = [fault for fault in faults if fault.complaints]
        print(f"{operation:12} {len(faults):7} {len(amiss):6}")
        for fault in amiss:
            print(f"    {fault.where}: {fault.complaints}")
        well &= not amiss
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
