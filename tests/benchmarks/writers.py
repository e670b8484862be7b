"""Saves per second of one writer and of several at once, on one ledger.

    python -m tests.benchmarks.writers [--writers 8] [--seconds 3] [--rounds 3]

Each writer is a process with everything loaded that saves 1 KB values under a name of its own, as fast as it
can, for the same seconds as the others. One alone and all together take turns; printed are the medians and their ratio.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from ledger import Ledger, save_artifact

WARM_UP = 5


def write(ledger_dir: Path, name: str, orders: Connection) -> None:
    """Save whenever told to, for as many seconds as told; answers how many saves it were."""
    os.environ["LEDGER_DIR"] = str(ledger_dir)
    for number in range(WARM_UP):
        save_artifact({"number": number, "text": "x" * 1000}, name)
    orders.send(0)
    while (end := orders.recv()) is not None:
        count = 0
        while time.monotonic() < end:
            save_artifact({"number": count, "at": time.time_ns(), "text": "x" * 1000}, name)
            count += 1
        orders.send(count)


@contextlib.contextmanager
def writers_on(ledger_dir: Path, count: int) -> Iterator[list[Connection]]:
    """Writers that wait for orders."""
    context = multiprocessing.get_context("spawn")
    ours, processes = [], []
    for number in range(count):
        near, far = context.Pipe()
        process = context.Process(target=write, args=(ledger_dir, f"name-{number}", far))
        process.start()
        far.close()
        ours.append(near)
        processes.append(process)
    for orders in ours:
        assert 0 == orders.recv()
    yield ours
    for orders in ours:
        orders.send(None)
    for process in processes:
        process.join()


def saves_per_second(orders: list[Connection], seconds: float) -> float:
    """How many saves some writers get done in a second, all of them together."""
    began = time.monotonic()
    for writer in orders:
        writer.send(began + seconds)
    done: int = sum(writer.recv() for writer in orders)
    return done / (time.monotonic() - began)


def compare(folder: Path, writers: int, seconds: float, rounds: int) -> tuple[float, float]:
    """Saves per second of one writer and of many, medians of rounds in which they take turns."""
    ledger = Ledger.init(folder / ".ledger")
    with writers_on(ledger.path, writers) as orders:
        pairs = [(saves_per_second(orders[:1], seconds), saves_per_second(orders, seconds)) for _ in range(rounds)]
    assert ledger.verify().ok
    alone, together = zip(*pairs, strict=True)
    return statistics.median(alone), statistics.median(together)


def main(arguments: list[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.writers", description=__doc__.split("\n")[0])
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        alone, together = compare(Path(folder), chosen.writers, chosen.seconds, chosen.rounds)
    print(f"one writer {alone:.0f} saves/s, {chosen.writers} together {together:.0f}, ratio {together / alone:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
