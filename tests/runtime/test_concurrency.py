"""Several runs at once, in threads and in processes: nothing is lost, nothing mixed up."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pytest

from ledger import Ledger, PipelineRun, get_step_context, pipeline, step
from ledger.client import Client
from tests.kit.ledgers import git


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    Ledger.init(".ledger")
    return workdir


@step(enable_cache=False)
def first(x: int) -> Annotated[int, "x"]:
    get_step_context().add_output_metadata({"told": x})
    return x


@step(enable_cache=False)
def second(given: int) -> Annotated[int, "y"]:
    return given * 10


@pipeline
def training(x: int) -> None:
    second(first(x))


def test_threads_run_pipelines_side_by_side() -> None:
    """Each run has its own steps, contexts and versions; the numbers are dense."""
    with ThreadPoolExecutor(4) as threads:
        runs: list[PipelineRun] = list(threads.map(training, range(12)))
    for x, run in enumerate(runs):
        assert (x, x * 10) == (run.steps["first"].output.load(), run.steps["second"].output.load())
        assert x == run.steps["first"].output.metadata["told"]
        assert run.steps["second"].inputs["given"] == run.steps["first"].output
    for name in "xy":
        assert [str(n) for n in range(1, 13)] == [each.version for each in Client().get_artifact(name).versions]
    assert 12 == len(Client().list_pipeline_runs())
    assert 25 == int(git(Ledger.open(), "rev-list", "--count", "main"))


PROGRAM = """
import sys
from typing import Annotated
from ledger import pipeline, step

@step
def shared(x: int) -> Annotated[int, "shared"]:
    return x

@step(enable_cache=False)
def own(given: int, me: str) -> Annotated[str, "own"]:
    return f"{me} {given}"

@pipeline
def training(x: int):
    own(shared(x), sys.argv[1])

for x in range(5):
    print(training(x).steps["own"].output.load())
"""


def test_processes_run_pipelines_side_by_side(project: Path) -> None:
    """Two programs share a ledger and its cache; each gets its own values and all is recorded."""
    (project / "program.py").write_text(PROGRAM)
    both = [
        subprocess.Popen(
            [sys.executable, "program.py", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    ]
    told = [process.communicate(timeout=60) for process in both]
    assert [("".join(f"{name} {x}\n" for x in range(5)), "") for name in ("a", "b")] == told
    runs = Client().list_pipeline_runs()
    assert ["completed"] * 10 == [run.status for run in runs]
    assert [str(n) for n in range(1, 11)] == [each.version for each in Client().get_artifact("own").versions]
    assert set(range(5)) == {each.load() for each in Client().get_artifact("shared").versions}
