"""Every example runs as a user would run it, in an empty folder, and leaves a sound ledger."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.scripts import EXAMPLES, ScriptServer, run_example

TOLD = {"digits", "digits_pipeline"}  # which have tests of what they tell, and are run twice there


@pytest.mark.parametrize("name", sorted({path.stem for path in EXAMPLES.glob("*.py")} - TOLD))
@pytest.mark.usefixtures("workdir")
def test_example_runs_twice(name: str, scripts: ScriptServer) -> None:
    """An example works in an empty folder and again where it has run before."""
    assert scripts.run(EXAMPLES / f"{name}.py", times=2)


def test_digits_tells_versions_and_accuracy(workdir: Path, scripts: ScriptServer) -> None:
    """The main example saves what it says: one dataset, two models, one commit for each publication; and runs again."""
    output = run_example(EXAMPLES / "digits.py")
    assert "saved my_dataset@1, my_model@1 and my_model@2" in output
    log = subprocess.run(
        [sys.executable, "-m", "ledger", "git", "log", "--format=%s"], capture_output=True, text=True, check=True
    )
    expected = [
        "log metadata on my_model@2: metrics",
        "save my_model@2",
        "save my_model@1",
        "save my_dataset@1",
        "start a ledger",
    ]
    assert expected == log.stdout.splitlines()
    assert (workdir / "my_dataset.zip").exists()
    assert "saved my_dataset@2, my_model@3 and my_model@4" in scripts.run(EXAMPLES / "digits.py")
