"""The programs of this folder, run in a small process: they fork often, and a fork of a test process takes 30 ms."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.scripts import ScriptServer, running_script_server

HERE = Path(__file__).parent

CrashProgram = Callable[..., int]
"""Runs a program with arguments; returns the count in its table, and fails with the table if the program does."""


@pytest.fixture(scope="session")
def crash_programs() -> Iterator[ScriptServer]:
    """A server of this test process that runs them."""
    with running_script_server("tests.crash.harness", "tests.crash.faults") as made:
        yield made


@pytest.fixture
def crash(crash_programs: ScriptServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrashProgram:
    """The harness: how many crashes it made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return lambda *arguments: _count(crash_programs.run(HERE / "harness.py", *map(str, arguments)))


@pytest.fixture
def fail(crash_programs: ScriptServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrashProgram:
    """The program of failing calls: how many it let fail."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return lambda *arguments: _count(crash_programs.run(HERE / "faults.py", *map(str, arguments)))


def _count(table: str) -> int:
    _, row = table.splitlines()
    found = re.search(r" (\d+)\b", row)
    assert found, row
    return int(found[1])
