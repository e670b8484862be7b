"""What searches and look-ups by id cost in a large ledger, against a ledger of a hundred versions.

    nice python -m tests.benchmarks.search                              # 100,000 versions, 1,000 names
    nice python -m tests.benchmarks.search --versions 1000000 --keep /tmp/million

``--keep FOLDER`` builds the ledger there, or uses the one that is there already. Prints how long the catalog
takes to be made and how large it is, then medians: searches in seconds, look-ups as ratios to the small ledger.
Seconds are also given as the processor's, which other programs on the machine disturb less.
"""

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ledger import Ledger, progress
from tests.kit.grown import grow

ROUNDS = 5
LOOKUPS = 300


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = built(options.keep or Path(folder) / "large", options.versions)
        small = built(Path(folder) / "small", 100)
        catalog = large.path / "cache" / "catalog"
        if not catalog.exists():
            peak = [0]
            with progress(lambda _: peak.append(memory())):
                show("the first search, which makes the catalog", once(lambda: large.search(tag="needle")))
            print(f"memory meanwhile at most {max(peak) >> 10} MiB, packs that are mapped not counted")
        print(
            f"{catalog.stat().st_size / options.versions:.0f} bytes of catalog for each of {options.versions} versions"
        )
        searches(large)
        lookups(large, small)


def built(folder: Path, versions: int) -> Ledger:
    """A ledger in a folder; its newest commit is a small one, as usual."""
    path = folder / ".ledger"
    if path.exists():
        return Ledger.open(path)
    start = time.perf_counter()
    ledger = grow(path, versions, names=max(10, versions // 100), largest=versions // 10)
    ledger.save("last", "last")
    print(f"built {versions} versions in {time.perf_counter() - start:.0f} s")
    return ledger


def memory() -> int:
    """KiB of memory of this process that are not parts of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def searches(ledger: Ledger) -> None:
    """Each kind of search, warm; then one right after a save, and one in a process that has just opened the ledger."""
    newest = ledger.search(limit=1000)
    middle = newest[0].metadata["step"] // 2
    kinds: dict[str, Callable[[], object]] = {
        "by a tag that hardly any have": lambda: ledger.search(tag="needle"),
        "by a tag that one in 100 has": lambda: ledger.search(tag="share-7"),
        "by type, one in 10 has it": lambda: ledger.search(type="ModelArtifact"),
        "by type, the newest 20": lambda: ledger.search(type="ModelArtifact", limit=20),
        "by a metadata value that one has": lambda: ledger.search(run_metadata={"step": middle}),
        "by a metadata value that one in 1,000 has": lambda: ledger.search(run_metadata={"accuracy": 0.5}),
        "by a nested metadata value, the newest 20": lambda: ledger.search(
            run_metadata={"params": {"depth": 3}}, limit=20
        ),
        "the newest 1,000 by created_after": lambda: ledger.search(created_after=newest[0].created_at),
        "the newest 20 of all": lambda: ledger.search(limit=20),
        "by the largest name and a tag": lambda: ledger.search(name="project/name-00000", tag="share-9"),
        "in the past, one save ago": lambda: ledger.at("HEAD~1").search(tag="needle"),
    }
    for kind, search in kinds.items():
        show(f"search {kind}", [once(search)[0] for _ in range(ROUNDS)])
    after = []
    for number in range(ROUNDS):
        ledger.save(number, "saved", tags=["needle"])
        after += once(lambda: ledger.search(tag="needle"))
    show("search right after a save", after)
    show("open and search", [once(lambda: Ledger.open(ledger.path).search(tag="needle"))[0] for _ in range(ROUNDS)])


def lookups(large: Ledger, small: Ledger) -> None:
    """By id, by prefix and by name, in both ledgers in turn."""
    newest = [(ledger, ledger.search(limit=50)[0]) for ledger in (large, small)]
    kinds = {
        "id": [functools.partial(ledger.get, version.id) for ledger, version in newest],
        "id prefix": [functools.partial(ledger.get, version.id.hex[:20]) for ledger, version in newest],
        "name, the latest": [functools.partial(ledger.get, version.name) for ledger, version in newest],
    }
    for kind, both in kinds.items():
        rounds = [[once(lookup)[0][1] for lookup in both] for _ in range(LOOKUPS)]
        big, little = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
        print(f"look-up by {kind}: {big:.3f} ms, of 100 versions {little:.3f} ms, ratio {big / little:.2f}")


def once(action: Callable[[], object]) -> list[tuple[float, float, int]]:
    """Seconds by the clock and of the processor, and how much was found."""
    start, used = time.perf_counter(), time.process_time()
    found = action()
    taken = time.perf_counter() - start, time.process_time() - used
    return [(*taken, len(found) if isinstance(found, list) else 1)]


def show(what: str, taken: list[tuple[float, float, int]]) -> None:
    """Print the medians of some rounds."""
    seconds, processor = (statistics.median(each[place] for each in taken) for place in (0, 1))
    print(f"{what}: {seconds:.3f} s, processor {processor:.3f} s, {taken[-1][2]} found", flush=True)


if __name__ == "__main__":
    main()
