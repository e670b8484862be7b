"""How a case is measured: in turns with its references, in a process of its own, and its memory in another."""

import mmap
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROUNDS = 5
MIB = 1 << 20


class Case(NamedTuple):
    """A thing to measure, what it is compared with, and what to do before each round."""

    measured: Callable[[], object]
    references: dict[str, Callable[[], object]]
    before: Callable[[], object] = lambda: None
    facts: Callable[[], str] = str


class Spent(NamedTuple):
    """Seconds by the clock, and seconds of all processors, those of child processes included."""

    wall: float
    cpu: float


def spent_by(action: Callable[[], object]) -> Spent:
    """What an action takes."""
    wall, cpu = time.perf_counter(), _cpu()
    action()
    return Spent(time.perf_counter() - wall, _cpu() - cpu)


def measure(case: Case, memory: int, rounds: int = ROUNDS) -> dict[str, Spent]:
    """The medians of a case, under the name ``""``, and of each of its references, in turns.

    Before each turn so many bytes of ``memory`` are taken and given back.
    """
    actions = {"": case.measured, **case.references}
    found: dict[str, list[Spent]] = {name: [] for name in actions}
    for _ in range(rounds):
        case.before()
        for name, action in actions.items():
            _touch(memory)
            found[name].append(spent_by(action))
    return {name: Spent(*map(statistics.median, zip(*all_, strict=True))) for name, all_ in found.items()}


def measure_memory(case: Case) -> int:
    """Bytes by which a case raises the peak of the process's memory above what it takes before."""
    case.before()
    before = peak_begins()
    case.measured()
    return resident()["VmHWM"] - before


def peak_begins() -> int:
    """The memory that this process has now, in bytes; the kernel counts its peak anew from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident()["VmRSS"]


def resident() -> dict[str, int]:
    """What the kernel says about the memory of this process, in bytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}


def stored_bytes(path: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def sync(path: Path) -> None:
    """Make a file durable that another program wrote."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


@contextmanager
def working_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _touch(size: int) -> None:
    """Use memory once: the host of a virtual machine takes free memory away, and who is first to use it again waits."""
    with mmap.mmap(-1, size) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[:: mmap.PAGESIZE] = bytes(size // mmap.PAGESIZE)


def _cpu() -> float:
    times = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in times)
