"""Crash a ledger at every system call of an operation, and judge what is left.

    python -m tests.crash.harness --mode kill --operation save
    python -m tests.crash.harness --mode power-journal --fs ext4 --operation fold --slice 7

Modes: ``kill`` (SIGKILL), ``interrupt`` (SIGINT), ``power-journal`` and ``power-data`` (SIGKILL, then a power cut
that loses the journal's tail, or the data that was not written), ``recovery`` (killed, and the first command after
it killed too). ``--slice N`` takes every N-th point. Prints a line per operation; exits with 1 if anything was lost.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.enums import Durability
from tests.crash import disks
from tests.crash.disks import JOURNAL_KEPT, JOURNAL_LOST, Disk, mounted
from tests.crash.operations import WRITING
from tests.crash.survival import Template, Verdict, judge, make_template
from tests.crash.tracing import Point, kill_at, points_of, run_traced, why_not
from tests.crash.worker import ACKNOWLEDGED

MODES = {"kill": 0, "interrupt": 0, "recovery": 0, "power-journal": JOURNAL_LOST, "power-data": JOURNAL_KEPT}
"""How each mode cuts the power, if it does."""

ONLY_ONCE = ("pipeline", "transaction")
"""Operations that go another way when tried again or interrupted: a run is recorded as failed, a version exists."""

_RECOVERY_STRIDE = 5
_SECONDS_DOWN = 60.0


class Crash(NamedTuple):
    """A crash and what was left after it."""

    where: str
    verdict: Verdict


def crash_all(
    operation: str, mode: str, folder: Path, *, every: int = 1, file_system: str = "ext4", durability: str = "full"
) -> Iterator[Crash]:
    """Crash an operation at every ``every``-th point of it, each time in a fresh copy of a prepared ledger."""
    template = make_template(operation, folder / "template", runs=2 if mode == "recovery" else 1, durability=durability)
    points = points_of(run_traced(operation, template.copy(folder / "counted")))
    if mode == "recovery":
        yield from _crash_twice(template, points, folder, every)
    elif MODES[mode]:
        (folder / "disk").mkdir()
        with mounted(folder / "disk", file_system) as disk:
            for point in points[::every]:
                yield _crash(template, point, disk.root, lambda: _cut_power(disk, MODES[mode]), disk.settle)
    else:
        for point in points[::every]:
            yield _crash(template, point, folder, signal_name="INT" if mode == "interrupt" else "KILL")


def _crash(
    template: Template,
    point: Point,
    folder: Path,
    afterwards: Callable[[], None] = lambda: None,
    before: Callable[[], None] = lambda: None,
    signal_name: str = "KILL",
) -> Crash:
    ledger_dir = template.copy(folder / "crashed")
    before()
    outcome = run_traced(template.operation, ledger_dir, kill_at(point, signal_name))
    afterwards()
    acknowledged = int(outcome.answer == ACKNOWLEDGED)
    assert acknowledged or outcome.killed or signal_name == "INT", outcome.answer
    verdict = judge(ledger_dir, template, acknowledged=acknowledged)
    shutil.rmtree(folder / "crashed")
    return Crash(str(point), verdict)


def _cut_power(disk: Disk, how: int) -> None:
    """Cut the power, and let the time go by that a machine takes to be up again.

    It is longer than the ten seconds for which a lock file of Git may belong to a live push.
    """
    disk.cut_power(how)
    before = time.time() - _SECONDS_DOWN
    for lock in disk.root.rglob("main.lock"):
        os.utime(lock, (before, before))


def _crash_twice(template: Template, points: list[Point], folder: Path, every: int) -> Iterator[Crash]:
    """Crash at a point, then crash the first command after that; every pair of points meets somewhere in its row."""
    for row, first in enumerate(points[::every]):
        crashed = template.copy(folder / "once")
        kept = int(run_traced(template.operation, crashed, kill_at(first)).answer == ACKNOWLEDGED)
        for second in points[row % _RECOVERY_STRIDE :: _RECOVERY_STRIDE * every]:
            ledger_dir = Path(shutil.copytree(crashed, folder / "twice" / ".ledger"))
            outcome = run_traced(template.operation, ledger_dir, kill_at(second))
            acknowledged = kept + int(outcome.answer == ACKNOWLEDGED)
            yield Crash(f"{first}, then {second}", judge(ledger_dir, template, acknowledged=acknowledged))
            shutil.rmtree(folder / "twice")
        shutil.rmtree(folder / "once")


def _report(operation: str, mode: str, crashes: list[Crash]) -> bool:
    verdicts = [crash.verdict for crash in crashes]
    lost, corrupt, repairs = (sum(bool(verdict[kind]) for verdict in verdicts) for kind in range(3))
    slowest = max(verdict.seconds for verdict in verdicts)
    print(f"{operation:12} {mode:20} {len(crashes):7} {lost:6} {corrupt:8} {repairs:8} {slowest * 1e3:9.0f} ms")
    for crash in crashes:
        if not crash.verdict.survived:
            print(f"    at {crash.where}: {crash.verdict}")
    return all(verdict.survived for verdict in verdicts)


def main(arguments: list[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tests.crash.harness", description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=MODES, default="kill")
    parser.add_argument("--fs", choices=disks.MAKERS, default="ext4", help="file system whose power is cut")
    parser.add_argument("--operation", choices=["all", *WRITING], default="all")
    parser.add_argument("--durability", choices=list(Durability), default="full", help="setting of the ledger")
    parser.add_argument("--slice", type=int, default=1, metavar="N", help="take every N-th point")
    chosen = parser.parse_args(arguments)
    reason = why_not() or (disks.why_not(chosen.fs) if MODES[chosen.mode] else "")
    if MODES[chosen.mode] and chosen.durability != Durability.FULL:
        reason = f"durability {chosen.durability} promises nothing after a power cut"
    if reason:
        parser.error(reason)
    mode = f"{chosen.mode} {chosen.fs}" if MODES[chosen.mode] else chosen.mode
    print(f"{'operation':12} {'mode':20} {'crashes':>7} {'lost':>6} {'corrupt':>8} {'repairs':>8} {'slowest save':>12}")
    survived = True
    for operation in WRITING if chosen.operation == "all" else [chosen.operation]:
        if chosen.mode in ("recovery", "interrupt") and operation in ONLY_ONCE:
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(None):
            crashes = crash_all(
                *(operation, chosen.mode, Path(folder)),
                every=chosen.slice,
                file_system=chosen.fs,
                durability=chosen.durability,
            )
            survived &= _report(operation, mode, list(crashes))
    return 0 if survived else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
