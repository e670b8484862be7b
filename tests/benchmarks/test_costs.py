"""What small things cost, as ratios to a reference measured in the same run.

    python -m pytest -m benchmark -s tests/benchmarks

Machines are noisy: each figure is the median of many rounds, in which the measured thing and its
reference take turns.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import Ledger, load_artifact, pipeline, save_artifact, step
from tests.benchmarks.writers import compare

pytestmark = pytest.mark.benchmark

ROUNDS = 60
PROCESS_ROUNDS = 15


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def medians(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """The median seconds of each action; they take turns, so that noise meets all of them."""
    for action in actions:
        action()
    times = [[timed(action) for action in actions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def report(what: str, measured: float, reference: float, limit: float) -> None:
    """Print a ratio beside the limit it is to keep."""
    ratio = measured / reference
    print(f"\n{what}: {measured * 1e3:.2f} ms, reference {reference * 1e3:.2f} ms, ratio {ratio:.2f} (limit {limit})")
    assert ratio <= limit


def process(*command: str) -> Callable[[], object]:
    """A program as users start it: with compiled modules, which an installed package has."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def python(*arguments: str) -> Callable[[], object]:
    """A Python process."""
    return process(sys.executable, *arguments)


def three_durable_files(folder: Path) -> Callable[[], object]:
    def write() -> None:
        for index in range(3):
            with open(folder / f"{time.perf_counter_ns()}-{index}", "wb") as file:
                file.write(b"x" * 1024)
                file.flush()
                os.fsync(file.fileno())

    return write


def test_import_costs_little_more_than_an_interpreter() -> None:
    """``import ledger`` takes at most 2.5 times a bare interpreter's start."""
    measured, reference = medians(PROCESS_ROUNDS, python("-c", "import ledger"), python("-c", "pass"))
    report("import ledger", measured, reference, 2.5)


def test_listing_costs_at_most_ten_interpreters(workdir: Path) -> None:
    """``ledger artifact list`` on a small ledger takes at most ten times a bare interpreter's start."""
    for name in ("config", "metrics", "notes"):
        save_artifact({"in": str(workdir)}, name)
    command = str(Path(sys.executable).with_name("ledger"))
    measured, reference = medians(
        PROCESS_ROUNDS,
        process(command, "artifact", "list"),
        python("-c", "pass"),
    )
    report("ledger artifact list", measured, reference, 10)


def test_a_save_costs_at_most_four_times_three_files(workdir: Path) -> None:
    """A save of a 1 KB dict takes at most 4 times the writing and syncing of three small files."""
    count = iter(range(10**6))
    measured, reference = medians(
        ROUNDS,
        lambda: save_artifact({"number": next(count), "text": "x" * 1000}, "config"),
        three_durable_files(workdir),
    )
    report("save of 1 KB", measured, reference, 4)


def test_eight_writers_save_twice_as_much_as_one(tmp_path: Path) -> None:
    """Eight processes that save at once get at least twice as many saves done as one: they are published together."""
    alone, together = compare(tmp_path, writers=8, seconds=2.0, rounds=3)
    print(f"\none writer {alone:.0f} saves/s, eight together {together:.0f}, ratio {together / alone:.2f} (at least 2)")
    assert together >= 2 * alone


def test_a_load_costs_at_most_a_millisecond_more_than_a_file(workdir: Path) -> None:
    """A load of a 1 KB dict takes at most 1 ms more than reading a file."""
    save_artifact({"text": "x" * 1000}, "config")
    path = workdir / "plain"
    path.write_bytes(b"x" * 1024)
    measured, reference = medians(ROUNDS, lambda: load_artifact("config"), path.read_bytes)
    print(f"\nload of 1 KB: {measured * 1e3:.3f} ms, reading a file {reference * 1e3:.3f} ms")
    assert measured <= reference + 1e-3


@step
def first() -> int:
    return 1


@step
def second(number: int) -> int:
    return number + 1


@step
def third(number: int) -> int:
    return number + 1


@pipeline
def three_steps() -> None:
    third(second(first()))


@pytest.mark.usefixtures("workdir")
def test_a_pipeline_costs_at_most_60_ms_over_its_saves() -> None:
    """Three trivial steps cost at most 60 ms over three saves; served from the cache, at most 30 ms."""
    count = iter(range(10**6))
    uncached = three_steps.with_options(enable_cache=False)
    cached, plain, saves = medians(
        20, three_steps, uncached, lambda: [save_artifact({"number": next(count)}, "config") for _ in range(3)]
    )
    print(f"\nthree steps {plain * 1e3:.1f} ms, three saves {saves * 1e3:.1f} ms, all cached {cached * 1e3:.1f} ms")
    assert plain - saves <= 0.060
    assert cached <= 0.030


def test_opening_costs_little(ledger: Ledger) -> None:
    """Opening a ledger and finding the latest version stays near the cost of a load."""
    ledger.save({"text": "x" * 1000}, "config")
    opened, loaded = medians(ROUNDS, lambda: Ledger.open(ledger.path).load("config"), lambda: ledger.load("config"))
    print(f"\nopen and load {opened * 1e3:.2f} ms, load {loaded * 1e3:.2f} ms")
