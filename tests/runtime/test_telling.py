"""What a person sees of a run while it goes on."""

import io
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest

from ledger import Ledger, pipeline, step

PROGRAM = """
from typing import Annotated
from ledger import pipeline, step
@step
def loads() -> Annotated[int, "data"]:
    return 1
@step
def trains(data: int, fails: bool) -> tuple[Annotated[int, "model"], Annotated[float, "loss"]]:
    assert not fails
    return data, 0.5
@pipeline
def training(fails: bool = False) -> None:
    trains(loads(), fails)
training()
training(fails=True)
"""


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    Ledger.init(".ledger")
    return workdir


@step
def makes() -> Annotated[int, "made"]:
    return 1


@pipeline
def making() -> None:
    makes()


def test_a_terminal_shows_each_step(project: Path) -> None:
    """A person sees where a step begins and ends, what it gave, whether it failed, and where it came from the cache."""
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=False)
    os.close(theirs)
    lines = os.read(ours, 1 << 16).decode().splitlines()
    os.close(ours)
    told = [line for line in lines if line.startswith("training: ")]
    first, second = Ledger.open().runs()
    assert [
        "training: step loads started",
        "training: step loads completed in N s: data@1",
        "training: step trains started",
        "training: step trains completed in N s: model@1, loss@1",
        f"training: run {first.id} completed in N s",
        "training: step loads started",
        f"training: step loads cached from run {first.id}: data@1",
        "training: step trains started",
        "training: step trains failed in N s: AssertionError",
        f"training: run {second.id} failed in N s",
    ] == [re.sub(r"\d+\.\d\d s", "N s", line) for line in told]


def test_a_notebook_shows_each_step(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of a notebook, which is no terminal, has the same lines: its streams are those of Jupyter's kernel."""
    written: list[str] = []
    kind = type(
        "OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream", "write": lambda _, s: written.append(s)}
    )
    monkeypatch.setattr(sys, "stderr", kind())
    monkeypatch.setattr(logging.getLogger("ledger"), "propagate", False)  # pytest's own handlers are the root's
    making()
    assert "making: step makes started\n" == written[0], "a line is one write, so that threads do not mix theirs"


def test_no_run_fails_for_an_object_in_place_of_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that copies what is written to a file, as many scripts have, may not know whether it is a terminal."""
    written: list[str] = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=written.append))
    monkeypatch.setattr(logging.getLogger("ledger"), "propagate", False)  # pytest's own handlers are the root's
    making()
    assert ("completed", []) == (Ledger.open().runs()[0].status, written)


def test_a_pipe_shows_nothing(project: Path) -> None:
    """A program that reads stderr gets the traceback and nothing else."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ("", True) == (done.stdout, done.stderr.startswith("Traceback"))


def test_a_program_that_logs_has_the_lines_in_its_log(caplog: pytest.LogCaptureFixture) -> None:
    """The lines are those of the logger ``ledger``, at ``INFO``."""
    with caplog.at_level(logging.INFO, "ledger"):
        making()
    assert ("ledger", logging.INFO, "making: step makes started") == caplog.record_tuples[0]
    assert 3 == len(caplog.records)


def test_a_step_that_cannot_be_cached_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """What keeps it from having a key is named with its type, unless its cache is off."""
    lock = threading.Lock()

    @step
    def counts(seen: dict[str, int]) -> None:
        with lock:
            seen["again"] = 1

    @step
    def sums(seen: dict[str, int]) -> None:
        pass

    @pipeline
    def counting() -> None:
        counts({})
        counts.with_options(enable_cache=False)({}, id="off")
        sums(defaultdict(int))

    with caplog.at_level(logging.INFO, "ledger"):
        counting()
    told = [text.split(" s, ")[1:] for _, _, text in caplog.record_tuples if " completed in " in text]
    assert [
        ["cannot be cached as lock is a _thread.lock"],
        [],
        ["cannot be cached as seen is a collections.defaultdict"],
        [],
    ] == told
