"""Kinds of data that people save, each before and after a small change; made by code, the same every time."""

import io
import pickle
import random
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

import ledger

MIB = 1 << 20
SIZE = 24 * MIB
CHANGES = 20


class Kind(NamedTuple):
    """Two versions of some data."""

    before: bytes
    after: bytes


def array_rows_edited() -> Kind:
    """A float64 matrix in which rows were written over."""
    rng = np.random.default_rng(0)
    array = rng.standard_normal((SIZE // 512, 64))
    changed = array.copy()
    changed[rng.integers(0, len(array), CHANGES)] += 1
    return Kind(array.tobytes(), changed.tobytes())


def array_rows_inserted() -> Kind:
    """The same matrix with rows inserted."""
    rng = np.random.default_rng(0)
    array = rng.standard_normal((SIZE // 512, 64))
    return Kind(array.tobytes(), np.insert(array, rng.integers(0, len(array), CHANGES), 0.5, axis=0).tobytes())


def weights_tuned() -> Kind:
    """Float32 weights behind a header that grew; the last tenth of them moved a little, the rest did not."""
    weights = np.random.default_rng(0).standard_normal(SIZE // 4, dtype=np.float32) * 0.02
    tuned = weights.copy()
    tuned[-len(tuned) // 10 :] *= 1.001
    return Kind(b"header" * 100 + weights.tobytes(), b"header" * 120 + tuned.tobytes())


def parquet() -> Kind:
    """A frame with rows inserted, written as our materializer writes it."""
    rng = np.random.default_rng(0)
    rows = SIZE // 40
    columns = {f"x{number}": rng.random(rows) for number in range(4)}
    frame = pd.DataFrame({"id": np.arange(rows), "word": rng.integers(0, 500, rows).astype(str), **columns})
    at = int(rng.integers(0, rows))
    longer = pd.concat([frame[:at], frame[:CHANGES], frame[at:]], ignore_index=True)
    return Kind(_parquet(frame), _parquet(longer))


def csv() -> Kind:
    """Lines of numbers and words, some inserted."""
    rng = random.Random(0)
    lines = [f"{number},{rng.random():.6f},{rng.choice(['red', 'green', 'blue'])}\n" for number in range(SIZE // 22)]
    return Kind("".join(lines).encode(), "".join(_inserted(lines, "0,0.5,white\n", rng)).encode())


def csv_of_flags() -> Kind:
    """Lines of zeros and ones, mostly zeros, some lines inserted: little to cut at."""
    rng = random.Random(0)
    lines = [",".join("1" if rng.random() < 0.02 else "0" for _ in range(20)) + "\n" for _ in range(SIZE // 40)]
    return Kind("".join(lines).encode(), "".join(_inserted(lines, ",".join("1" * 20) + "\n", rng)).encode())


def zeros_with_numbers() -> Kind:
    """A sparse array: long stretches of zeros, where nothing can be cut; a few zeros inserted."""
    rng = np.random.default_rng(0)
    array = np.zeros(SIZE, dtype=np.uint8)
    array[rng.integers(0, SIZE, 300)] = 7
    data = array.tobytes()
    return Kind(data, data[: SIZE // 3] + bytes(100) + data[SIZE // 3 :])


def sources_in_tar() -> Kind:
    """An archive of source files, in which a few were touched."""
    paths = sorted(Path(ledger.__file__).parent.rglob("*.py")) + sorted(Path(np.__file__).parent.rglob("*.py"))
    files = {str(path): path.read_bytes() for path in paths}
    touched = dict(files)
    for path in random.Random(0).sample(sorted(files), CHANGES):
        touched[path] += b"# touched\n"
    return Kind(_tar(files), _tar(touched))


def sqlite() -> Kind:
    """A database file in which rows were changed."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "db")
        with sqlite3.connect(path) as connection:
            connection.execute("create table t (id integer primary key, name text, value real)")
            rows = ((number, f"name {rng.random()}", rng.random()) for number in range(SIZE // 48))
            connection.executemany("insert into t values (?, ?, ?)", rows)
        before = path.read_bytes()
        with sqlite3.connect(path) as connection:
            some = [(rng.random(), rng.randrange(SIZE // 48)) for _ in range(CHANGES)]
            connection.executemany("update t set value = ? where id = ?", some)
        return Kind(before, path.read_bytes())


def pickled() -> Kind:
    """A pickled dict of arrays and lists, with an early entry more."""
    rng = np.random.default_rng(0)
    state = {f"layer{number}": rng.standard_normal(MIB // 8) for number in range(SIZE // MIB - 4)}
    words = {"words": [f"word {number}" for number in range(200_000)]}
    return Kind(pickle.dumps({**state, **words}), pickle.dumps({"epoch": 2, **state, **words}))


def random_bytes() -> Kind:
    """Bytes at random with a few written over."""
    data = bytearray(random.Random(0).randbytes(SIZE))
    before = bytes(data)
    for at in random.Random(1).sample(range(SIZE - 100), CHANGES):
        data[at : at + 100] = random.Random(at).randbytes(100)
    return Kind(before, bytes(data))


KINDS: dict[str, Callable[[], Kind]] = {
    "random bytes, 20 overwritten": random_bytes,
    "array, 20 rows overwritten": array_rows_edited,
    "array, 20 rows inserted": array_rows_inserted,
    "weights, a tenth tuned": weights_tuned,
    "parquet, 20 rows inserted": parquet,
    "CSV, 20 lines inserted": csv,
    "CSV of flags, 20 lines inserted": csv_of_flags,
    "zeros, a few numbers": zeros_with_numbers,
    "tar of sources, 20 touched": sources_in_tar,
    "SQLite, 20 rows changed": sqlite,
    "pickle, an early entry more": pickled,
}


def _inserted(lines: list[str], line: str, rng: random.Random) -> list[str]:
    longer = list(lines)
    for _ in range(CHANGES):
        longer.insert(rng.randrange(len(longer)), line)
    return longer


def _parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    table = pa.Table.from_pandas(frame)
    pyarrow.parquet.write_table(table, out, compression="none", use_content_defined_chunking=True)
    return out.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()
