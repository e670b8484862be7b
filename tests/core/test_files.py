"""The local folders that values are loaded into: as long as they are needed, and no longer."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger import Ledger
from ledger.core.files import ContentPaths, LoadingFiles, SavingFiles
from ledger.errors import IntegrityError, StorageError
from tests.kit.forking import in_a_fork

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


def test_copies_of_a_process_that_was_killed_go_with_the_next(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process that loads files removes what one had loaded that was killed, as pools kill their workers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = in_a_fork(lambda: ledger.load("data")), in_a_fork(lambda: ledger.load("data"))
    assert (False, True) == (first.exists(), second.exists())


def test_a_folder_that_was_cleaned_away_is_made_again(ledger: Ledger) -> None:
    """A program that runs for weeks loads on, though something cleans the folder for temporary files."""
    shutil.rmtree(_scratch_of(ledger))
    assert "bytes" == ledger.load("data").read_text()


def test_loaded_tensors_leave_no_copy(ledger: Ledger) -> None:
    """Tensors are mapped from a file that has no name any more: loading them often fills no disk."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
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


class _Looked(str):
    """A path that counts how often anything looks at one of its kind."""

    __slots__ = ()

    looks = 0

    def __eq__(self, other: object) -> bool:
        _Looked.looks += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__

    def __getitem__(self, key: Any) -> str:
        _Looked.looks += 1
        return str.__getitem__(self, key)

    def startswith(self, *arguments: Any) -> bool:
        _Looked.looks += 1
        return str.startswith(self, *arguments)


def test_an_element_is_found_without_a_look_at_all_others() -> None:
    """What one of very many elements reads of its files takes a few steps, and they come in the content's order."""
    paths = tuple(_Looked(f"{number}/{name}") for number in range(10_000) for name in ("data.npy", "array.json"))
    found = ContentPaths(("data.json", *paths))
    reader = cast("Any", SimpleNamespace(label="many@1"))
    files = LoadingFiles(reader, found, ask=cast("Any", None), local_of=cast("Any", None))
    element = files.below("77")
    _Looked.looks = 0
    assert ("data.npy", "array.json") == element.paths()
    with pytest.raises(IntegrityError, match=r"many@1: .* no file 'mask.npy'; it has data\.npy, array\.json"):
        element.local("mask.npy")
    assert _Looked.looks < 1000
    assert ("data.json", *paths) == files.paths()


def test_a_path_that_cannot_be_looked_at_is_the_disks_failure(tmp_path: Path) -> None:
    """A materializer that adds one is told by the disk, and is not blamed for it."""
    files = SavingFiles(cast("Any", None))  # nothing is written
    with pytest.raises(StorageError, match=r"cannot read .*: File name too long"):
        files.add("data", tmp_path / ("x" * 300))
