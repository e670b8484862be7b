"""Libraries that take an fsspec URL read versions by it."""

from pathlib import Path
from typing import Any

import fsspec
import pytest

from ledger import Ledger
from ledger.errors import LedgerNotFoundError
from tests.kit.scripts import ScriptServer

np = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 3000


@pytest.fixture(autouse=True)
def at(workdir: Path) -> Ledger:
    """A ledger with a frame, a frame under a step's default name, and a folder of parts."""
    ledger = Ledger.init(workdir / ".ledger")
    frame = pandas.DataFrame({"a": range(ROWS), "b": [f"row {row}" for row in range(ROWS)]})
    ledger.save(frame, "iris")
    ledger.save(frame * 2, "iris")
    ledger.save(frame, "pipe::step::output")
    parts = workdir / "parts"
    parts.mkdir()
    for number in range(3):
        frame.assign(part=number).to_parquet(parts / f"{number}.parquet")
    frame.to_csv(parts / "all.csv", index=False)
    ledger.save(parts, "team/parts")
    return ledger


def test_pandas_reads_urls() -> None:
    """A version, the latest, a name with colons, a folder and a CSV file."""
    one = pandas.read_parquet("ledger://iris@1/data.parquet")
    assert ((ROWS, 2), ROWS - 1) == (one.shape, one["a"].max())
    assert 2 * ROWS - 2 == pandas.read_parquet("ledger://iris/data.parquet", columns=["a"])["a"].max()
    assert ROWS == len(pandas.read_parquet("ledger://pipe%3A%3Astep%3A%3Aoutput@1/data.parquet"))
    assert ROWS == len(pandas.read_parquet("ledger://iris@1"))
    assert ROWS == len(pandas.read_csv("ledger://team/parts@1/parts/all.csv"))


def test_pandas_names_a_ledger(at: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`storage_options` say which ledger is meant."""
    monkeypatch.chdir(tmp_path)
    options = {"ledger_dir": str(at.path)}
    assert ROWS == len(pandas.read_parquet("ledger://iris@1/data.parquet", storage_options=options))


def test_pandas_is_told_that_a_ledger_is_not_there(tmp_path: Path) -> None:
    """Arrow, by which it reads, would take a missing ledger for a missing file and say no more than the file's name."""
    with pytest.raises(LedgerNotFoundError, match="none"):
        pandas.read_parquet("ledger://iris/data.parquet", storage_options={"ledger_dir": tmp_path / "none"})


def test_pandas_cannot_write() -> None:
    """Writing a frame to a version is refused."""
    with pytest.raises(PermissionError, match="versions never change"):
        pandas.DataFrame({"a": [1]}).to_csv("ledger://iris@1/data.csv")


def test_pyarrow_reads_files_and_datasets() -> None:
    """With the file system given, and by pyarrow's own prefix for fsspec."""
    dataset = pytest.importorskip("pyarrow.dataset")
    files = fsspec.filesystem("ledger")
    assert ROWS == parquet.read_table("iris@1/data.parquet", filesystem=files).num_rows
    assert ROWS == parquet.read_table("fsspec+ledger://iris@1/data.parquet").num_rows
    parts = dataset.dataset("team/parts@1/parts", filesystem=files, exclude_invalid_files=True)
    assert 3 * ROWS == parts.count_rows()
    assert ROWS == parts.to_table(filter=dataset.field("part") == 1).num_rows


def test_polars_reads_open_files() -> None:
    """An open file is read and scanned; a URL goes by way of pyarrow."""
    polars = pytest.importorskip("polars")
    with fsspec.open("ledger://iris@1/data.parquet") as file:
        assert ROWS == len(polars.read_parquet(file))
    with fsspec.open("ledger://iris@1/data.parquet") as file:
        assert ROWS - 1 == polars.scan_parquet(file).select(polars.col("a").max()).collect().item()
    assert ROWS == len(polars.read_parquet("ledger://iris@1/data.parquet", use_pyarrow=True))


def test_duckdb_queries_versions() -> None:
    """With the file system registered, queries name versions, also by patterns."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register_filesystem(fsspec.filesystem("ledger"))

    def ask(query: str) -> Any:
        return connection.sql(query).fetchall()

    assert [(ROWS, ROWS - 1)] == ask("select count(*), max(a) from 'ledger://iris@1/data.parquet'")
    assert [(3 * ROWS,)] == ask("select count(*) from 'ledger://team/parts@1/parts/*.parquet'")
    assert [(ROWS,)] == ask("select count(*) from read_csv('ledger://team/parts@1/parts/all.csv')")


def test_duckdb_reads_a_file_from_many_threads(at: Ledger, tmp_path: Path) -> None:
    """Threads that share a file, each seeking and then reading, get the bytes of the places that they sought."""
    duckdb = pytest.importorskip("duckdb")
    rows = 400_000
    frame = pandas.DataFrame({"a": range(rows), "b": np.random.default_rng(0).random(rows)})
    frame.to_parquet(tmp_path / "many.parquet", row_group_size=rows // 20)
    at.save(tmp_path / "many.parquet", "many")
    connection = duckdb.connect(config={"threads": 8})
    connection.register_filesystem(fsspec.filesystem("ledger"))
    for _ in range(5):
        assert [(rows * (rows - 1) // 2,)] == connection.sql(
            "select sum(a) from 'ledger://many/many.parquet'"
        ).fetchall()


def test_dask_reads_partitions() -> None:
    """One partition for each file, read in threads."""
    frames = pytest.importorskip("dask.dataframe")
    parts = frames.read_parquet("ledger://team/parts@1/parts/*.parquet")
    assert (3, 3 * ROWS) == (parts.npartitions, len(parts))
    assert ROWS == len(frames.read_csv("ledger://team/parts@1/parts/all.csv"))


LETTING_GO = """
import threading, time
import pyarrow
from ledger import Ledger

def let_go():
    time.sleep(0.01)
    print("let go", flush=True)

Ledger.open(".ledger").get("iris").open("data.parquet")
threading.Thread(target=let_go, daemon=True).start()
"""


def test_a_program_that_ends_waits_for_the_threads_of_arrow(workdir: Path, scripts: ScriptServer) -> None:
    """They drop what a table was read from a moment later, and after the interpreter's end that aborts the process."""
    (workdir / "program.py").write_text(LETTING_GO)
    assert "let go\n" == scripts.run(workdir / "program.py")
