"""What large things cost, as ratios to references measured in the same run.

    python tests/benchmarks/bytes.py [--quick] [--only WORD] [--gigabytes N]

Every case runs in a process of its own, which measures the thing and its references in turns and gives the medians: by
the clock, and in brackets in seconds of all processors, which say more on a machine that is shared. A second process
does the thing once and tells by how much it raised the peak of its memory, by the system's account. What was written is
removed after each round, so that all rounds find the page cache alike. Then follow what ten versions of a file take,
and a content of many GB on a store that keeps nothing (``--gigabytes 100`` for the whole of it). ``--quick`` takes a
quarter of all sizes; ``--only`` the cases with a word in their name.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))  # started as a program, it finds the tests as pytest does

from tests.benchmarks import arrays, enormous, folders, measuring, versions
from tests.benchmarks.measuring import MIB, ROUNDS, Case, Spent, working_folder

CASES: dict[str, Callable[[Path, int], Case]] = {
    "save random float32": lambda folder, size: arrays.save_array(folder, arrays.random_floats(size)),
    "load random float32": lambda folder, size: arrays.load_array(folder, arrays.random_floats(size)),
    "save random bits": lambda folder, size: arrays.save_array(folder, arrays.random_bits(size)),
    "load random bits": lambda folder, size: arrays.load_array(folder, arrays.random_bits(size)),
    "save compressible": lambda folder, size: arrays.save_compressible(folder, arrays.compressible(size)),
    "load compressible": lambda folder, size: arrays.load_array(folder, arrays.compressible(size)),
    "save edited versions": lambda folder, size: arrays.edited_array(folder, arrays.random_floats(size)),
    "save a frame, rows inserted": lambda folder, _size: arrays.frame_with_new_rows(folder, 1_000_000),
    "save 20,000 files": lambda folder, _size: folders.save_files(folder, 20_000),
    "save 20,000 files again": lambda folder, _size: folders.save_files_again(folder, 20_000),
    "restore 20,000 files": lambda folder, _size: folders.restore_files(folder, 20_000),
    "save 200,000 files": lambda folder, size: folders.save_files(folder, 200 * size // MIB),
}
"""Each is given a folder and the bytes of a large value; the last one a file for each 5 KiB of them."""


def measure(name: str, size: int) -> dict[str, Any]:
    """The medians of a case and of each of its references."""
    with working_folder() as folder:
        case = CASES[name](folder, size)
        return {"spent": measuring.measure(case, size), "facts": case.facts()}


def measure_memory(name: str, size: int) -> dict[str, Any]:
    """Bytes by which a case raises the peak of the process's memory."""
    with working_folder() as folder:
        return {"peak": measuring.measure_memory(CASES[name](folder, size))}


def child(what: str, name: str, size: int) -> dict[str, Any]:
    """What a process of its own finds."""
    command = [sys.executable, __file__, what, name, str(size)]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def line(name: str, size: int) -> str:
    """What is found about one case."""
    found = child("measure", name, size)
    spent = {reference: Spent(*times) for reference, times in found["spent"].items()}
    own = spent.pop("")
    ratios = [
        f"{own.wall / other.wall:.2f} [{own.cpu / max(other.cpu, 0.01):.2f}] x {reference} ({other.wall:.2f} s)"
        for reference, other in spent.items()
    ]
    peak = child("memory", name, size)["peak"]
    return (
        f"{name}: {own.wall:.2f} s [{own.cpu:.2f}] = {', '.join(ratios)}; "
        f"peak memory + {peak / MIB:.0f} MiB. {found['facts']}"
    )


def lines(size: int, gigabytes: int, word: str) -> Iterator[str]:
    """Everything that is found, a line each."""
    yield from (line(name, size) for name in CASES if word in name)
    if word in "versions":
        with working_folder() as folder:
            yield from versions.report(folder, size // 4)
    if word in "enormous":
        yield from enormous.report(gigabytes)


def main(arguments: list[str]) -> None:
    """Run the program, or one case of it in a process of its own."""
    if arguments and arguments[0] in ("measure", "memory"):
        find = measure if arguments[0] == "measure" else measure_memory
        print(json.dumps(find(arguments[1], int(arguments[2]))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of all sizes")
    parser.add_argument("--only", default="", metavar="WORD", help="only cases with this in their name")
    parser.add_argument("--gigabytes", type=int, default=4, help="how large the content is that no store keeps")
    chosen = parser.parse_args(arguments)
    size = 256 * MIB if chosen.quick else 1024 * MIB
    print(f"{size // MIB} MiB, {os.cpu_count()} cores, medians of {ROUNDS} rounds; load {os.getloadavg()[0]:.1f}")
    for found in lines(size, chosen.gigabytes, chosen.only):
        print(found, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
