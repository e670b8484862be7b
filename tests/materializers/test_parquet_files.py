"""Tables go into a file as parquet, and what goes wrong with the file comes out."""

import io
from pathlib import Path

import pytest

from ledger.materializers.parquet_files import write_parquet
from tests.kit.releases import needs
from tests.kit.scripts import ScriptServer

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

GROUP = 1 << 20

_PROGRAM = """
import io, os, signal, threading
import numpy, pyarrow
from ledger.materializers.parquet_files import write_parquet


class Failing(io.RawIOBase):
    def __init__(self, kind, number):
        self.kind, self.number, self.count = kind, number, 0

    def writable(self):
        return True

    def write(self, data):
        self.count += 1
        if self.count == self.number and self.kind == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        elif self.count == self.number:
            raise OSError(28, "no room")
        return len(data)


numbers = numpy.random.default_rng(0).random(1_100_000)
table = pyarrow.table({"a": numbers, "b": -numbers})
for kind in ("error", "interrupt"):
    for number in (1, 2, 7):
        try:
            write_parquet(table, Failing(kind, number))
        except BaseException as error:
            print(number, type(error).__name__, threading.active_count())
"""


def test_an_error_of_the_file_comes_out_and_ends_nothing_but_the_thread(tmp_path: Path, scripts: ScriptServer) -> None:
    """A full disk or an interrupt under way is raised; Arrow, which would end the process, does not meet it."""
    (tmp_path / "program.py").write_text(_PROGRAM)
    told = scripts.run(tmp_path / "program.py").splitlines()
    assert [f"{number} {error} 1" for error in ("OSError", "KeyboardInterrupt") for number in (1, 2, 7)] == told


@needs(pa, 26, "begins pages elsewhere in one go than group by group")
@pytest.mark.parametrize("rows", [0, 1, 5000, GROUP, GROUP + 1])
def test_the_bytes_are_those_that_arrow_writes_at_once(rows: int) -> None:
    """Row groups, pages and metadata are those of a table that pyarrow writes at once, whatever its size."""
    numbers = np.random.default_rng(rows).random(rows)
    texts = pa.array(numbers).cast(pa.large_string())
    table = pa.table({"a": numbers, "b": (numbers * 9).astype("i1"), "c": texts})
    ours, theirs = io.BytesIO(), io.BytesIO()
    write_parquet(table, ours)
    pq.write_table(table, theirs, compression="none", use_content_defined_chunking=True)
    assert theirs.getvalue() == ours.getvalue()


def test_an_error_of_arrow_comes_out() -> None:
    """A type that parquet does not have is an error of Arrow's in the caller's thread."""
    with pytest.raises(pa.ArrowNotImplementedError):
        write_parquet(pa.table({"a": pa.array([pa.MonthDayNano([1, 2, 3])])}), io.BytesIO())
