"""The local folders that values are loaded into: as long as they are needed, and no longer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger

_PROGRAM = """
import multiprocessing, os, sys
from pathlib import Path
from ledger import Ledger


def load(path):
    assert "bytes" == (Ledger.open(path).load("data")).read_text()


if __name__ == "__main__":
    ledger = Ledger.init("ledger")
    Path("data").write_text("bytes")
    ledger.save(Path("data"), "data")
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=load, args=(ledger.path,))
        process.start()
        process.join()
        print(method, process.exitcode, os.listdir(os.environ["TMPDIR"]))
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with a saved file."""
    ledger = Ledger.init(tmp_path / ".ledger")
    (tmp_path / "data").write_text("bytes")
    ledger.save(tmp_path / "data", "data")
    return ledger


def test_worker_processes_leave_no_copies(tmp_path: Path) -> None:
    """What a process that `multiprocessing` made has loaded goes with it, also where it was forked."""
    (tmp_path / "tmp").mkdir()
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    run = [sys.executable, str(program)]
    result = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert ["fork 0 []", "spawn 0 []"] == result.stdout.splitlines()


def test_a_folder_that_was_cleaned_away_is_made_again(ledger: Ledger) -> None:
    """A program that runs for weeks loads on, though something cleans the folder for temporary files."""
    shutil.rmtree(_scratch_of(ledger))
    assert "bytes" == ledger.load("data").read_text()


def test_loaded_tensors_leave_no_copy(ledger: Ledger) -> None:
    """Tensors are mapped from a file that has no name any more: loading them often fills no disk."""
    torch = pytest.importorskip("torch")
    ledger.save({"a": torch.arange(100_000), "b": torch.zeros(3)}, "weights")
    scratch = _scratch_of(ledger)
    before = set(scratch.iterdir())
    loaded = [ledger.load("weights") for _ in range(3)]
    assert before == set(scratch.iterdir())
    loaded[0]["a"] += 1
    assert (100_000, 99_999) == (int(loaded[0]["a"][-1]), int(loaded[1]["a"][-1]))


def _scratch_of(ledger: Ledger) -> Path:
    """The folder in which each value that is loaded as files of the disk has a folder of its own."""
    found: Path = ledger.load("data")
    return found.parents[2]
