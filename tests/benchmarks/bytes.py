"""What large things cost, as ratios to references measured in the same run.

    python tests/benchmarks/bytes.py [--quick]

Every case runs in a process of its own, which measures the thing and its reference in turns and gives the medians.
A second process does the thing once and tells by how much it raised the peak of its memory, by the system's account.
What was written is removed after each round, so that all rounds find the page cache alike. ``--quick`` takes 256 MiB
where 1 GiB is usual.
"""

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ledger import Ledger
from ledger.blobs import ContentReader, ContentWriter, LocalStore

ROUNDS = 5
MIB = 1 << 20
CHUNK = 74_000  # bytes, the mean of ours

Array = np.ndarray[Any, Any]


class Case(NamedTuple):
    """A thing to measure, what it is compared with, and what to do before each round."""

    measured: Callable[[], object]
    references: dict[str, Callable[[], object]]
    before: Callable[[], object]
    facts: Callable[[], str] = str


def random_floats(size: int) -> Array:
    return np.random.default_rng(0).random(size // 4, dtype=np.float32)


def random_bits(size: int) -> Array:
    array = np.empty(size // 8, dtype=np.uint64)
    random = np.random.default_rng(0)
    for part in np.array_split(array, max(1, size // (64 * MIB))):
        part[:] = random.integers(0, 2**64, part.size, dtype=np.uint64)
    return array


def compressible(size: int) -> Array:
    return np.repeat(np.random.default_rng(0).integers(0, 1000, size // 64, dtype=np.int64), 8)


def save_array(folder: Path, array: Array) -> Case:
    """A save of an array beside numpy's own, made durable, and beside the hashing of it."""
    path, target = folder / "ledger", folder / "array.npy"

    def before() -> None:
        shutil.rmtree(path, ignore_errors=True)
        target.unlink(missing_ok=True)
        Ledger.init(path)

    def save() -> None:
        Ledger.open(path).save(array, "array", extract_metadata=False, include_visualizations=False)

    def reference() -> None:
        with open(target, "wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())

    return Case(save, {"np.save and fsync": reference, "sha256 on all cores": lambda: hash_all(array)}, before)


def load_array(folder: Path, array: Array) -> Case:
    """A load of an array beside numpy's own, and beside the hashing of it."""
    ledger = Ledger.init(folder / "ledger")
    ledger.save(array, "array", extract_metadata=False, include_visualizations=False)
    np.save(folder / "array.npy", array)
    references = {
        "np.load": lambda: np.load(folder / "array.npy"),
        "sha256 on all cores": lambda: hash_all(array),
    }
    return Case(lambda: ledger.load("array"), references, lambda: None)


def edited_versions(folder: Path, array: Array) -> Case:
    """Saves of copies of an array in which one row in a thousand places was changed, beside numpy's own."""
    ledger = Ledger.init(folder / "ledger")
    ledger.save(array, "array", extract_metadata=False, include_visualizations=False)
    first = stored_bytes(folder / "ledger")
    target = folder / "array.npy"
    random = np.random.default_rng(1)
    count = 0

    def edit() -> None:
        nonlocal count
        count += 1
        at = int(random.integers(0, array.size - 1000))
        array[at : at + 1000] = count
        target.unlink(missing_ok=True)

    def facts() -> str:
        added = (stored_bytes(folder / "ledger") - first) / count
        return f"a version in which 1,000 numbers changed adds {added / array.nbytes:.2%} of its size"

    return Case(
        lambda: ledger.save(array, "array", extract_metadata=False, include_visualizations=False),
        {"np.save": lambda: np.save(target, array), "sha256 on all cores": lambda: hash_all(array)},
        edit,
        facts,
    )


def frame_with_new_rows(folder: Path, rows: int) -> Case:
    """Saves of a frame in which 100 rows were inserted, beside a parquet file as pandas writes it."""
    random = np.random.default_rng(0)
    columns = {f"x{number}": random.random(rows) for number in range(5)}
    frame = pd.DataFrame({"id": np.arange(rows), "group": random.integers(0, 1000, rows), **columns})
    ledger = Ledger.init(folder / "ledger")
    ledger.save(frame, "frame", extract_metadata=False, include_visualizations=False)
    first, count = stored_bytes(folder / "ledger"), 0

    def insert() -> None:
        nonlocal frame, count
        count += 1
        at = int(random.integers(0, len(frame)))
        frame = pd.concat([frame[:at], frame[:100] + 1, frame[at:]], ignore_index=True)

    def facts() -> str:
        added = (stored_bytes(folder / "ledger") - first) / count
        return f"the first version takes {first / MIB:.1f} MiB, 100 inserted rows {added / first:.2%} of that"

    return Case(
        lambda: ledger.save(frame, "frame", extract_metadata=False, include_visualizations=False),
        {"to_parquet": lambda: frame.to_parquet(folder / "frame.parquet")},
        insert,
        facts,
    )


def save_files(folder: Path, count: int) -> Case:
    """A save of a folder of files of 4 KB beside a tar archive of it, made durable."""
    source, store = files_of(folder, count), folder / "store"

    def before() -> None:
        shutil.rmtree(store, ignore_errors=True)
        (folder / "files.tar").unlink(missing_ok=True)

    def archive() -> None:
        subprocess.run(["tar", "-C", source, "-cf", folder / "files.tar", "."], check=True)
        descriptor = os.open(folder / "files.tar", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def save() -> None:
        writer = ContentWriter(LocalStore(store))
        writer.add_tree("", source)
        writer.finish()

    return Case(save, {"tar and fsync": archive}, before)


def restore_files(folder: Path, count: int) -> Case:
    """A restored folder of files of 4 KB beside an unpacked tar archive."""
    source, store = files_of(folder, count), LocalStore(folder / "store")
    writer = ContentWriter(store)
    writer.add_tree("", source)
    content = writer.finish()
    with tarfile.open(folder / "files.tar", "w") as archive:
        archive.add(source, ".")
    out, unpacked = folder / "out", folder / "unpacked"

    def before() -> None:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()

    def unpack() -> None:
        subprocess.run(["tar", "-C", unpacked, "-xf", folder / "files.tar"], check=True)

    return Case(lambda: ContentReader(store, content, label="files@1").restore(out), {"tar": unpack}, before)


CASES: dict[str, Callable[[Path, int], Case]] = {
    "save random float32": lambda folder, size: save_array(folder, random_floats(size)),
    "load random float32": lambda folder, size: load_array(folder, random_floats(size)),
    "save random bits": lambda folder, size: save_array(folder, random_bits(size)),
    "load random bits": lambda folder, size: load_array(folder, random_bits(size)),
    "save compressible": lambda folder, size: save_array(folder, compressible(size)),
    "load compressible": lambda folder, size: load_array(folder, compressible(size)),
    "save edited versions": lambda folder, size: edited_versions(folder, random_floats(size)),
    "save a frame, rows inserted": lambda folder, _size: frame_with_new_rows(folder, 1_000_000),
    "save 20,000 files": lambda folder, _size: save_files(folder, 20_000),
    "restore 20,000 files": lambda folder, _size: restore_files(folder, 20_000),
}


def hash_all(array: Array) -> None:
    """Hash an array in pieces of the size of a chunk, on all cores."""
    view = array.view(np.uint8).data

    def hash_part(start: int) -> None:
        for at in range(start, min(start + 100 * CHUNK, len(view)), CHUNK):
            hashlib.sha256(view[at : at + CHUNK]).digest()

    with ThreadPoolExecutor() as pool:
        list(pool.map(hash_part, range(0, len(view), 100 * CHUNK)))


def files_of(folder: Path, count: int) -> Path:
    """A folder of files of 4 KB, a hundred in each folder in it."""
    for number in range(count):
        path = folder / "files" / f"{number // 100:03}" / f"{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(4096))
    return folder / "files"


def stored_bytes(path: Path) -> int:
    """The bytes of all objects of a ledger's store."""
    return sum(file.stat().st_size for file in (path / "store").rglob("*") if file.is_file())


@contextmanager
def working_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(name: str, size: int) -> dict[str, Any]:
    """The median seconds of a case and of each of its references, in turns."""
    with working_folder() as folder:
        case = CASES[name](folder, size)
        actions = {"": case.measured, **case.references}
        times: list[list[float]] = []
        for _ in range(ROUNDS):
            case.before()
            times.append([timed(action) for action in actions.values()])
        medians = [statistics.median(column) for column in zip(*times, strict=True)]
        return {"seconds": dict(zip(actions, medians, strict=True)), "facts": case.facts()}


def measure_memory(name: str, size: int) -> dict[str, Any]:
    """Bytes by which a case raises the peak of the process's memory above what it takes before."""
    with working_folder() as folder:
        case = CASES[name](folder, size)
        case.before()
        # From here on the kernel counts the peak anew.
        Path("/proc/self/clear_refs").write_text("5")
        before = resident()["VmRSS"]
        case.measured()
        return {"peak": resident()["VmHWM"] - before}


def resident() -> dict[str, int]:
    """What the kernel says about the memory of this process, in bytes."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}


def child(what: str, name: str, size: int) -> dict[str, Any]:
    """What a process of its own finds."""
    command = [sys.executable, __file__, what, name, str(size)]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def main(arguments: list[str]) -> None:
    if arguments and arguments[0] in ("measure", "memory"):
        find = measure if arguments[0] == "measure" else measure_memory
        print(json.dumps(find(arguments[1], int(arguments[2]))))
        return
    size = 256 * MIB if "--quick" in arguments else 1024 * MIB
    print(f"{size // MIB} MiB, {os.cpu_count()} cores, medians of {ROUNDS} rounds")
    for name in CASES:
        print(line(name, size), flush=True)


def line(name: str, size: int) -> str:
    """What is found about one case."""
    found = child("measure", name, size)
    own = found["seconds"].pop("")
    ratios = [f"{own / other:.2f} x {reference} ({other:.2f} s)" for reference, other in found["seconds"].items()]
    peak = child("memory", name, size)["peak"]
    return f"{name}: {own:.2f} s = {', '.join(ratios)}; peak memory + {peak / MIB:.0f} MiB. {found['facts']}"


if __name__ == "__main__":
    main(sys.argv[1:])
