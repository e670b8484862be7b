"""Large values: arrays and frames, beside what numpy, pandas and zstd make of them."""

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ledger import Ledger
from tests.benchmarks.measuring import MIB, Case, stored_bytes, sync

CHUNK = 74_000  # bytes, the mean of ours
PART = 100 * CHUNK  # bytes, what a thread is given at once

Array = np.ndarray[Any, Any]


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


def save_compressible(folder: Path, array: Array) -> Case:
    """A save of an array that shrinks, beside the zstd program on all cores."""
    case, target = save_array(folder, array), folder / "compressed"
    np.save(folder / "plain.npy", array)

    def compress() -> None:
        subprocess.run(["zstd", "-qf1T0", folder / "plain.npy", "-o", target], check=True)
        sync(target)

    def facts() -> str:
        ours, theirs = stored_bytes(folder / "ledger" / "store"), target.stat().st_size
        return f"{ours / array.nbytes:.1%} of its size, {ours / theirs:.2f} x what zstd -1 makes of it"

    return Case(case.measured, {"zstd -1 on all cores": compress}, case.before, facts)


def load_array(folder: Path, array: Array) -> Case:
    """A load of an array beside numpy's own, beside the hashing of it, and beside reading and hashing it."""
    ledger = Ledger.init(folder / "ledger")
    ledger.save(array, "array", extract_metadata=False, include_visualizations=False)
    np.save(folder / "array.npy", array)
    references = {
        "np.load": lambda: np.load(folder / "array.npy"),
        "sha256 on all cores": lambda: hash_all(array),
        "reading and sha256 on all cores": lambda: read_and_hash(folder / "array.npy"),
    }
    return Case(lambda: ledger.load("array"), references)


def edited_array(folder: Path, array: Array) -> Case:
    """Saves of copies of an array in which one row in a thousand places was changed, beside numpy's own."""
    ledger = Ledger.init(folder / "ledger")
    ledger.save(array, "array", extract_metadata=False, include_visualizations=False)
    first = stored_bytes(folder / "ledger" / "store")
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
        added = (stored_bytes(folder / "ledger" / "store") - first) / count
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
    first, count = stored_bytes(folder / "ledger" / "store"), 0

    def insert() -> None:
        nonlocal frame, count
        count += 1
        at = int(random.integers(0, len(frame)))
        frame = pd.concat([frame[:at], frame[:100] + 1, frame[at:]], ignore_index=True)

    def facts() -> str:
        added = (stored_bytes(folder / "ledger" / "store") - first) / count
        return f"the first version takes {first / MIB:.1f} MiB, 100 inserted rows {added / first:.2%} of that"

    return Case(
        lambda: ledger.save(frame, "frame", extract_metadata=False, include_visualizations=False),
        {"to_parquet": lambda: frame.to_parquet(folder / "frame.parquet")},
        insert,
        facts,
    )


def hash_all(array: Array) -> None:
    """Hash an array in pieces of the size of a chunk, on all cores."""
    view = array.view(np.uint8).data
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda start: _hash_part(view[start : start + PART]), range(0, len(view), PART)))


def read_and_hash(path: Path) -> Array:
    """Read a file into new memory and hash it there, on all cores: what no checked load can do without."""
    array = np.empty(path.stat().st_size, dtype=np.uint8)
    view = array.data

    def read_part(start: int) -> None:
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            file.readinto(view[start : start + PART])
        _hash_part(view[start : start + PART])

    with ThreadPoolExecutor() as pool:
        list(pool.map(read_part, range(0, len(view), PART)))
    return array


def _hash_part(part: memoryview) -> None:
    for at in range(0, len(part), CHUNK):
        hashlib.sha256(part[at : at + CHUNK]).digest()
