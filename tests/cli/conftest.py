"""The program in this process, with what it printed, or in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.program import run

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "ledger"]


def start(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, in the working directory."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environment", {})}
    options = {"capture_output": True, **options}
    return subprocess.run([*PROGRAM, *words], text=True, check=False, env=environment, **options)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The program on some words; by default it must end well and be silent on stderr."""

    def call(*words: str, code: int = 0) -> Outcome:
        capsys.readouterr()
        found = run(words)
        printed = capsys.readouterr()
        assert (code, "" if code == 0 else printed.err) == (found, printed.err), printed
        return Outcome(found, printed.out, printed.err)

    return call


@pytest.fixture
def iris(cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ledger with one version of a file: ``iris@1``, tagged raw, with metadata; its JSON."""
    import json

    (workdir / "data.csv").write_text("a,b\n1,2\n")
    cli("init")
    words = ("save", "data.csv", "--name", "iris", "--tag", "raw", "--meta", "rows=1", "--meta", "note=first look")
    return json.loads(cli(*words, "--json").out)
