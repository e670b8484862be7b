"""What a large ledger costs beside a small one: look-ups, saves, opening, memory, and bytes per version in Git.

    python -m tests.benchmarks.growth --versions 1000000
    python -m tests.benchmarks.growth --versions 20000 --rounds 20

Builds the large one by transactions of the program itself and the small one save by save, `durability = "relaxed"`
while they are built, or takes those that `--folder` holds from before. Every tenth version has a word for a
version; one name has a tenth of all. Each operation is measured in both ledgers in turns, each time in a ledger that
has just been opened, and the median counts. Prints a table; the ratio is large to small.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger import Ledger
from ledger.maintenance import execute_packing, plan_packing

ROOT = Path(__file__).parents[2]
SMALL = 100
MOST_NAMES = 10_000
PER_TRANSACTION = 5_000
HOT = "hot"
"""The name that has a tenth of all versions, or half of a few."""

_FEW = 1_000
_LEAST_ROUNDS = 3
_PATIENCE = 60.0
"""Seconds after which an operation is not measured once more."""

VALUE = {"rows": 150, "columns": ["sepal", "petal"]}
"""What every version holds: its bytes are stored once, so that building takes minutes."""

CUSTOM = 10
"""Of so many versions of a name one has a custom version."""

IN_A_PROCESS = """
import json, re, sys, time
from pathlib import Path
from ledger import Ledger
ledger_dir, what = sys.argv[1:]
start = time.perf_counter()
ledger = Ledger.open(ledger_dir)
if what == "save":
    ledger.save({"text": "x" * 1000, "at": time.time()}, "name-1")
else:
    ledger.get("name-1")
seconds = time.perf_counter() - start
peak = re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())
print(json.dumps([seconds, int(peak[1])]))
"""


class Row(NamedTuple):
    """An operation, and what it takes in the large and in the small ledger."""

    what: str
    taken: Sequence[float]
    unit: str = "ms"

    def __str__(self) -> str:
        large, small = self.taken
        return f"{self.what:42} {large:8.2f} {self.unit:3} {small:8.2f} {self.unit:3} {large / small:8.2f}"


def names_of(versions: int) -> list[str]:
    """The names of a ledger of so many versions, beside the hot one."""
    return [f"name-{number}" for number in range(1, min(MOST_NAMES, max(versions // 100, 10)))]


def hot_versions(versions: int) -> int:
    """How many versions the hot name has."""
    return versions // (2 if versions < _FEW else 10)


def labels_of(versions: int) -> Iterable[tuple[str, str | None]]:
    """The name and custom version of each version, in an order in which the names take turns by chance."""
    chance = random.Random(versions)
    names = names_of(versions)
    counts: dict[str, int] = {}
    for number in range(versions):
        name = HOT if number % (versions // hot_versions(versions)) == 0 else chance.choice(names)
        counts[name] = counts.get(name, 0) + 1
        yield name, f"rc-{counts[name]}" if counts[name] % CUSTOM == CUSTOM // 2 else None


def build(ledger_dir: Path, versions: int, *, say: Callable[[str], object] = print) -> Ledger:
    """Make a ledger of so many versions: in transactions of thousands, or save by save, as a few come about."""
    ledger = Ledger.init(ledger_dir)
    config = ledger_dir / "config.toml"
    settings = config.read_text()
    config.write_text(settings.replace('durability = "full"', 'durability = "relaxed"'))
    ledger = Ledger.open(ledger_dir)
    labels = iter(labels_of(versions))
    began = time.monotonic()
    at_once = PER_TRANSACTION if versions >= _FEW else 1
    for done in range(0, versions, at_once):
        with ledger.transaction() as transaction:
            for name, version in itertools.islice(labels, min(at_once, versions - done)):
                transaction.save(VALUE, name, version)
        if at_once > 1:
            say(f"  {done + len(transaction.versions)} versions after {time.monotonic() - began:.0f} s")
    config.write_text(settings)
    return Ledger.open(ledger_dir)


class Subject(NamedTuple):
    """A ledger that is measured, and how it was built."""

    ledger_dir: Path
    versions: int

    def some_name(self, chance: random.Random) -> str:
        """A name other than the hot one."""
        return chance.choice(names_of(self.versions))

    def some_number(self, chance: random.Random) -> int:
        """A number that a version of the hot name has."""
        return chance.randrange(1, hot_versions(self.versions) * (CUSTOM - 1) // CUSTOM)

    def some_word(self, chance: random.Random) -> str:
        """A custom version of the hot name."""
        return f"rc-{chance.randrange(hot_versions(self.versions) // CUSTOM) * CUSTOM + CUSTOM // 2}"


def _save(ledger: Ledger, subject: Subject, chance: random.Random) -> Callable[[], object]:
    value, name = {"text": "x" * 1000, "chance": chance.random()}, subject.some_name(chance)
    return lambda: ledger.save(value, name)


def _load_latest(ledger: Ledger, subject: Subject, chance: random.Random) -> Callable[[], object]:
    name = subject.some_name(chance)
    return lambda: ledger.load(name)


def _load_latest_hot(ledger: Ledger, _subject: Subject, _chance: random.Random) -> Callable[[], object]:
    return lambda: ledger.load(HOT)


def _load_number(ledger: Ledger, subject: Subject, chance: random.Random) -> Callable[[], object]:
    number = subject.some_number(chance)
    return lambda: ledger.load(HOT, number)


def _load_word(ledger: Ledger, subject: Subject, chance: random.Random) -> Callable[[], object]:
    word = subject.some_word(chance)
    return lambda: ledger.load(HOT, word)


def _list_last(ledger: Ledger, _subject: Subject, _chance: random.Random) -> Callable[[], object]:
    return lambda: [(each.version, each.created_at) for each in ledger.search(name=HOT, limit=20)]


def _find_by_id(ledger: Ledger, subject: Subject, chance: random.Random) -> Callable[[], object]:
    id = Ledger.open(subject.ledger_dir).get(HOT, subject.some_number(chance)).id
    return lambda: ledger.get(id)


def _list_names(ledger: Ledger, _subject: Subject, _chance: random.Random) -> Callable[[], object]:
    return lambda: [artifact.name for artifact in ledger.artifacts()]


OPERATIONS = {
    "save 1 KB": _save,
    "load the latest of any name": _load_latest,
    "load the latest of the hot name": _load_latest_hot,
    "load by number": _load_number,
    "load by custom version": _load_word,
    "list the last 20 of a name": _list_last,
    "find by id": _find_by_id,
    "list all names": _list_names,
}
Clock = Callable[[], float]
Maker = Callable[[Ledger, Subject, random.Random], Callable[[], object]]


def measure(large: Subject, small: Subject, rounds: int, clock: Clock) -> Iterator[Row]:
    """Every operation in both ledgers, in turns."""
    for what, make in OPERATIONS.items():
        row = Row(what, in_turns(rounds, (large, small), make, clock))
        yield row
    counts = [len(Ledger.open(subject.ledger_dir).artifacts()) for subject in (large, small)]
    each = [taken / count for taken, count in zip(row.taken, counts, strict=True)]
    yield Row("  the same, for each name", each)
    for what in ("look", "save"):
        pairs = [[in_a_process(one.ledger_dir, what) for one in (large, small)] for _ in range(max(rounds // 4, 3))]
        seconds, peaks = ([[pair[at][which] for pair in pairs] for at in (0, 1)] for which in (0, 1))
        yield Row(f"open and {what}, in a new process", [statistics.median(taken) * 1e3 for taken in seconds])
        yield Row("  peak memory of that process", [max(peak) / 1024 for peak in peaks], "MiB")


def in_turns(rounds: int, subjects: Sequence[Subject], make: Maker, clock: Clock) -> list[float]:
    """The median milliseconds of an operation in each ledger, just opened; opening and choosing are not counted."""
    chances = [random.Random(1) for _ in subjects]
    times: list[list[float]] = [[] for _ in subjects]
    began = time.monotonic()
    for done in range(rounds):
        if done >= _LEAST_ROUNDS and time.monotonic() - began > _PATIENCE:
            break
        for subject, chance, taken in zip(subjects, chances, times, strict=True):
            act = make(Ledger.open(subject.ledger_dir), subject, chance)
            start = clock()
            act()
            taken.append((clock() - start) * 1e3)
    return [statistics.median(each) for each in times]


def in_a_process(ledger_dir: Path, what: str) -> tuple[float, int]:
    """Seconds and peak memory in KiB of a program that opens a ledger and looks a version up, or saves one."""
    command = [sys.executable, "-c", IN_A_PROCESS, str(ledger_dir), what]
    seconds, peak = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return seconds, peak


def size_of(ledger: Ledger) -> str:
    """Packs and bytes of a history, for people."""
    packs = list((ledger.git_dir / "objects" / "pack").iterdir())
    size = sum(path.stat().st_size for path in packs)
    return f"{sum(path.suffix == '.pack' for path in packs)} packs, {size / 1e6:.1f} MB"


def prepared(folder: Path, versions: int) -> Subject:
    """A ledger of so many versions in a folder: the one that is there, or a new one."""
    ledger_dir = folder / f"of-{versions}" / ".ledger"
    if not ledger_dir.exists():
        print(f"building {versions} versions in {ledger_dir}")
        ledger_dir.parent.mkdir(parents=True)
        began = time.monotonic()
        ledger = build(ledger_dir, versions)
        print(f"built in {time.monotonic() - began:.0f} s: {size_of(ledger)}")
    return Subject(ledger_dir, versions)


def main(arguments: list[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.growth", description=__doc__.split("\n")[0])
    parser.add_argument("--versions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the ledgers are kept; by default they go at the end")
    parser.add_argument("--pack", action="store_true", help="pack the large one by hand first")
    parser.add_argument(
        "--cpu", action="store_true", help="count processor time, on a machine that is busy with others"
    )
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        large, small = prepared(folder, chosen.versions), prepared(folder, SMALL)
        if chosen.pack:
            ledger = Ledger.open(large.ledger_dir)
            began = time.monotonic()
            done = execute_packing(ledger, plan_packing(ledger))
            print(f"packed in {time.monotonic() - began:.0f} s: {done.packs_before} packs became {done.packs_after}")
            print(f"  {done.bytes_before / 1e6:.1f} MB became {done.bytes_after / 1e6:.1f} MB")
        print(f"{'':42} {large.versions:>12} {small.versions:>12} {'ratio':>8}")
        for row in measure(large, small, chosen.rounds, time.process_time if chosen.cpu else time.perf_counter):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
