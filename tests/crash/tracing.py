"""Workers under strace: their system calls counted, one of them killed or made to fail.

strace is attached to a stopped fork, so that a run costs some 20 ms and counting begins
at the operation. A call that is killed is not executed; one that fails is not either.
"""

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.crash.operations import OPERATIONS
from tests.crash.others import others_waiting
from tests.crash.worker import MARK, start_stopped

CHANGING = (
    *("openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "mkdir", "mkdirat"),
    *("link", "linkat", "unlink", "unlinkat", "ftruncate", "flock", "close"),
)
"""The calls that a kill is tried at: those that change something, or end or begin the use of a file."""

READING = ("read", "pread64", "newfstatat", "fstat", "getdents64", "lseek")
"""What may fail besides."""

_LINE = re.compile(r"\d+\s+(\w+)\(")


class Point(NamedTuple):
    """The K-th call of one kind after the mark; with ``call`` empty, the end."""

    call: str
    nth: int

    def __str__(self) -> str:
        return f"{self.call} {self.nth}" if self.call else "the end"


THE_END = Point("", 0)


class Outcome(NamedTuple):
    """What became of a worker: what it answered, if anything, and the calls that were traced."""

    answer: str
    killed: bool
    calls: list[str]


@functools.cache
def why_not() -> str:
    """Why workers cannot be traced here; empty if they can."""
    if shutil.which("strace") is None:
        return "needs strace (Debian: apt-get install strace)"
    probe = subprocess.run(["strace", "-qq", "-e", "trace=fsync", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "strace may not trace here"


def run_traced(operation: str, ledger_dir: Path, injection: str = "", *, opened: bool = True) -> Outcome:
    """Run a worker under strace, with a tampering in strace's words, such as ``fsync:signal=KILL:when=2``."""
    with others_waiting(ledger_dir, OPERATIONS[operation].others):
        return _run_traced(operation, ledger_dir, injection, opened=opened)


def _run_traced(operation: str, ledger_dir: Path, injection: str, *, opened: bool) -> Outcome:
    worker, answers = start_stopped(operation, ledger_dir, opened=opened)
    with tempfile.NamedTemporaryFile(prefix="trace") as log:
        tampering = ["-e", f"inject={injection}"] if injection else []
        traced = "trace=" + ",".join(f"?{call}" for call in (*CHANGING, *READING))
        command = ["strace", "-f", "-y", "-qq", "-o", log.name, "-e", traced, *tampering, "-p", str(worker)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        _wait_for(tracer, worker)
        os.kill(worker, signal.SIGCONT)
        with open(answers, "rb") as pipe:
            answer = pipe.read().decode()
        _, status = os.waitpid(worker, 0)
        tracer.communicate()
        lines = Path(log.name).read_text(errors="replace").splitlines()
    return Outcome(answer, os.WIFSIGNALED(status), _since_mark(lines))


def kill_at(point: Point, signal_name: str = "KILL") -> str:
    """The tampering that kills, or sends another signal, at a point."""
    return f"{point.call}:signal={signal_name}:when={point.nth}" if point.call else ""


def points_of(outcome: Outcome, calls: tuple[str, ...] = CHANGING) -> list[Point]:
    """Every point of an undisturbed run: first its end, then its calls in their order.

    Counting is strace's: from where it was attached, for each thread by itself.
    """
    seen: Counter[tuple[str, str]] = Counter()
    points: dict[Point, None] = {}
    for line in outcome.calls:
        found = _LINE.match(line)
        if found is not None and found[1] in calls:
            thread, call = line.split(" ", 1)[0], found[1]
            seen[thread, call] += 1
            points[Point(call, seen[thread, call])] = None
    mark = [Point("openat", 1), Point("close", 1)]
    return [THE_END, *(point for point in points if point not in mark)]


def _since_mark(lines: list[str]) -> list[str]:
    """The lines of a trace, which begin with the worker's first call after it was stopped."""
    calls = [line for line in lines if _LINE.match(line)]
    return calls if any(MARK in line for line in calls) else []


def _wait_for(tracer: "subprocess.Popen[str]", worker: int) -> None:
    while "TracerPid:\t0" in Path(f"/proc/{worker}/status").read_text():
        if tracer.poll() is not None:
            os.kill(worker, signal.SIGKILL)
            assert tracer.stderr is not None
            message = f"strace cannot attach: {tracer.stderr.read()}"
            raise RuntimeError(message)
        time.sleep(0.0005)
