"""A worker killed at any system call loses nothing that was acknowledged, and leaves nothing to be repaired."""

import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger
from tests.crash import disks, tracing
from tests.crash.conftest import HERE, CrashProgram
from tests.crash.harness import ONLY_ONCE, Crash, crash_all, main
from tests.crash.operations import WRITING, begin
from tests.crash.others import others_waiting
from tests.crash.survival import Verdict
from tests.crash.worker import ACKNOWLEDGED
from tests.kit.scripts import ROOT, ScriptServer

pytestmark = pytest.mark.skipif(bool(tracing.why_not()), reason=tracing.why_not() or "none")

SLICE = 23
WIDE = {"gc": 211, "fold-slices": 401, "many": 83, "pack": 139}
"""For what makes a thousand system calls."""

AGAIN = [name for name in WRITING if name not in ONLY_ONCE]
LONG = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = [(name, WIDE.get(name, SLICE)) for name in WRITING]


@pytest.mark.parametrize(("operation", "every"), [*KILLS, *(pytest.param(name, 1, marks=LONG) for name in WRITING)])
def test_a_kill_loses_nothing(crash: CrashProgram, operation: str, every: int) -> None:
    """Whatever was acknowledged is there, the rest wholly or not at all, and the next save works at once."""
    assert crash("--mode", "kill", "--operation", operation, "--slice", every) > 2


@pytest.mark.parametrize(("operation", "every"), [("save", SLICE), *(pytest.param(n, 1, marks=LONG) for n in AGAIN)])
def test_an_interrupt_loses_nothing(crash: CrashProgram, operation: str, every: int) -> None:
    """The same for Ctrl-C, which unwinds: what was acknowledged is there, and no lock stays."""
    assert crash("--mode", "interrupt", "--operation", operation, "--slice", every) > 2


RECOVERIES = [pytest.param(name, 12, marks=LONG) for name in AGAIN]


@pytest.mark.parametrize(("operation", "every"), [("save", SLICE), *RECOVERIES])
def test_a_kill_of_the_first_command_after_a_kill_loses_nothing(
    crash: CrashProgram, operation: str, every: int
) -> None:
    """Recovery is part of the next save: killed in the middle, the one after that does it."""
    assert crash("--mode", "recovery", "--operation", operation, "--slice", every) > 2


def test_a_worker_finds_the_lock_as_a_dead_holder_left_it(ledger: Ledger) -> None:
    """Whoever makes others wait for the lock leaves no trace in it: a second crash is a crash of the recovery."""
    lock = ledger.path / "lock"
    lock.write_text("pid 1 on another")
    with others_waiting(ledger.path, 1):
        assert "pid 1 on another" == lock.read_text()


def test_the_worker_is_a_program(ledger: Ledger) -> None:
    """Started by hand, the worker does its operation and prints that it was acknowledged."""
    begin(ledger)
    command = [sys.executable, "-m", "tests.crash.worker", "tag", str(ledger.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{ACKNOWLEDGED}\n" == done.stdout
    assert ("best",) == Ledger.open(ledger.path).get("iris", "clean").tags


def test_the_harness_prints_what_it_found(crash_programs: ScriptServer) -> None:
    """The harness is a program that prints a table and exits with 0 if everything survived."""
    output = crash_programs.run(HERE / "harness.py", "--mode", "kill", "--operation", "tag", "--slice", "40")
    head, line = output.splitlines()
    assert ["operation", "mode", "crashes", "lost", "corrupt", "repairs", "slowest", "save"] == head.split()
    assert ["tag", "kill", "2", "0", "0", "0"] == line.split()[:6]


def test_the_harness_exits_with_1_if_anything_was_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One crash of two that lost a version is counted, shown and told by the code."""
    found = [Crash("write 1", Verdict()), Crash("write 2", Verdict(lost="iris@1"))]
    monkeypatch.setattr("tests.crash.harness.crash_all", lambda *_, **__: iter(found))
    assert 1 == main(["--operation", "tag"])
    _, line, crash = capsys.readouterr().out.splitlines()
    assert ["tag", "kill", "2", "1", "0", "0"] == line.split()[:6]
    assert crash.startswith("    at write 2:")
    assert "iris@1" in crash


@pytest.mark.skipif(bool(disks.why_not("ext4")), reason=disks.why_not("ext4") or "none")
@pytest.mark.parametrize("spare", ["nothing", "folders"])
def test_the_harness_sees_what_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: str) -> None:
    """Where fsync does nothing, or nothing for folders, a power cut loses what was acknowledged: the judge says so."""
    import os
    import stat

    really = os.fsync

    def sync(descriptor: int) -> None:
        if spare == "folders" and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            really(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    (crash,) = crash_all("save", "power-journal", tmp_path, every=10_000)
    assert crash.verdict.lost or crash.verdict.corrupt
