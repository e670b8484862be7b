"""The examples, and other scripts, run as a user would run them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

_PYTHON = [sys.executable, "-W", "error::UserWarning:__main__"]

LIBRARIES_OF_EXAMPLES = [
    *("numpy", "pandas", "pyarrow.parquet", "sklearn.datasets", "sklearn.svm", "skops.io"),
    *("ledger.api", "ledger.client"),
]


def run_example(path: Path) -> str:
    """Run a script in a process of its own with warnings as errors; returns what it printed."""
    done = subprocess.run([*_PYTHON, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class ScriptServer:
    """Runs scripts in forks of a process that has imported the modules which several of them use."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, path: Path, *arguments: str, times: int = 1) -> str:
        """Run a script in the working directory, so many times in one process; returns what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with NamedTemporaryFile("r") as output, NamedTemporaryFile("r") as errors:
            order = {
                "command": [str(path), *arguments],
                "folder": os.getcwd(),
                "environment": dict(os.environ),
                "output": output.name,
                "errors": errors.name,
                "times": times,
            }
            print(json.dumps(order), file=self._process.stdin, flush=True)
            code = self._process.stdout.readline()
            assert "0\n" == code, output.read() + errors.read()
            return output.read()


@contextmanager
def running_script_server(*modules: str) -> Iterator[ScriptServer]:
    """A server that has imported some modules; its process ends with the block, or with this process."""
    command = [*_PYTHON, "-m", "tests.kit.script_server", *modules]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield ScriptServer(process)
