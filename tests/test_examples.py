"""Every example runs as a user would run it, in an empty folder, and leaves a sound ledger."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TOLD = {"digits", "digits_pipeline"}  # which have tests of what they tell, and are run twice there


# Runs the script that it is given as if by name, and again: half of an example's time is spent in imports.
TWICE = "import runpy, sys; sys.argv.pop(0); [runpy.run_path(sys.argv[0], run_name='__main__') for _ in range(2)]"


def run_example(path: Path, *, twice: bool = False) -> str:
    """Run a script in a process of its own with warnings as errors; returns what it printed."""
    program = ["-c", TWICE] if twice else []
    command = [sys.executable, "-W", "error::UserWarning:__main__", *program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted({path.stem for path in EXAMPLES.glob("*.py")} - TOLD))
@pytest.mark.usefixtures("workdir")
def test_example_runs_twice(name: str) -> None:
    """An example works in an empty folder and again where it has run before."""
    assert run_example(EXAMPLES / f"{name}.py", twice=True)


def test_digits_tells_versions_and_accuracy(workdir: Path) -> None:
    """The main example saves what it says: one dataset, two models, one commit for each publication; and runs again."""
    output = run_example(EXAMPLES / "digits.py")
    assert "saved my_dataset@1, my_model@1 and my_model@2" in output
    log = subprocess.run(
        [sys.executable, "-m", "ledger", "git", "log", "--format=%s"], capture_output=True, text=True, check=True
    )
    expected = [
        "log metadata on my_model@2",
        "save my_model@2",
        "save my_model@1",
        "save my_dataset@1",
        "start a ledger",
    ]
    assert expected == log.stdout.splitlines()
    assert (workdir / "my_dataset.zip").exists()
    assert "saved my_dataset@2, my_model@3 and my_model@4" in run_example(EXAMPLES / "digits.py")
