"""What the ways to the bytes cost, as ratios to references measured in the same run.

    python tests/benchmarks/access.py [--quick]

The medians of a few rounds, in which the thing and its reference take turns. ``--quick`` takes a quarter of the bytes.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from ledger import Ledger

MIB = 1 << 20
ROUNDS = 3


def compare(what: str, measured: Callable[[], object], reference: Callable[[], object]) -> None:
    """Print how many times as long as its reference a thing takes."""
    times: dict[str, list[float]] = {"measured": [], "reference": []}
    for _ in range(ROUNDS):
        for name, run in (("reference", reference), ("measured", measured)):
            begun = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begun)
    ours, theirs = (statistics.median(times[name]) for name in ("measured", "reference"))
    print(f"{what}: {ours / theirs:.2f} ({ours:.3f} s against {theirs:.3f} s)")


def mapped_arrays(ledger: Ledger, size: int) -> None:
    """An array that is mapped, the second time, beside one that is loaded."""
    version = ledger.save(np.random.default_rng(0).random(size // 8), "array", include_visualizations=False)
    begun = time.perf_counter()
    version.load(mmap=True)
    print(f"first load(mmap=True) of {size // MIB} MiB: {time.perf_counter() - begun:.3f} s")
    compare("load(mmap=True) / load()", lambda: version.load(mmap=True), version.load)


def registered_files(ledger: Ledger, size: int) -> None:
    """Registering files, and loading them, beside hashing them on all cores."""
    folder = ledger.path / "store" / "raw"
    folder.mkdir()
    paths = [folder / f"{number:02}.bin" for number in range(32)]
    for path in paths:
        path.write_bytes(os.urandom(size // len(paths)))

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def hash_all() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(digest, paths))

    compare("register / sha256 on all cores", lambda: ledger.register(folder, "raw"), hash_all)
    version = ledger.get("raw")
    compare("load of registered files / sha256 on all cores", version.load, hash_all)


def frames_by_url(ledger: Ledger, rows: int) -> None:
    """pandas reading by a ``ledger://`` URL beside the same file on the disk, whole and one column of ten."""
    frame = pd.DataFrame(np.random.default_rng(0).random((rows, 10)), columns=list("abcdefghij"))
    version = ledger.save(frame, "frame", include_visualizations=False, extract_metadata=False)
    local = version.restore(ledger.path.parent / "frame.parquet")
    url, options = "ledger://frame@1/data.parquet", {"ledger_dir": str(ledger.path)}
    compare(
        "read_parquet of ledger:// / of a local file",
        lambda: pd.read_parquet(url, storage_options=options),
        lambda: pd.read_parquet(local),
    )
    compare(
        "one column of ten of ledger:// / all of it",
        lambda: pd.read_parquet(url, columns=["a"], storage_options=options),
        lambda: pd.read_parquet(url, storage_options=options),
    )


def usage_of_many(ledger: Ledger, versions: int) -> None:
    """`usage` of a ledger with many versions beside reading all their records."""
    with ledger.transaction() as transaction:
        for number in range(versions):
            transaction.save(number, f"number-{number % 10}")
    compare(
        f"usage of {versions} versions / reading their records",
        ledger.usage,
        lambda: [version.size for artifact in ledger.artifacts() for version in artifact.versions],
    )


def main(size: int) -> None:
    """Run all cases in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate((mapped_arrays, registered_files)):
            case(Ledger.init(Path(folder, f"{number}", ".ledger")), size)
        frames_by_url(Ledger.init(Path(folder, "frames", ".ledger")), size // 160)
        usage_of_many(Ledger.init(Path(folder, "many", ".ledger")), 3000)


if __name__ == "__main__":
    main((256 if "--quick" in sys.argv else 1024) * MIB)
