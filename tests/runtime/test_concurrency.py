"""Several runs at once, in threads and in processes: nothing is lost, nothing mixed up."""

import contextvars
import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Annotated

import pytest

from ledger import Ledger, PipelineRun, get_step_context, log_artifact_metadata, pipeline, save_artifact, step
from ledger.client import Client
from ledger.errors import StepContextError
from ledger.runtime.recording import recording_of
from tests.kit.ledgers import git, last_run


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


def test_threads_of_a_body_may_order_steps_while_others_call_them() -> None:
    """Who a step is to run after is sought among the calls there are, of which there are ever more."""

    @step
    def made(x: int) -> int:
        return x

    def call(first: int) -> None:
        for x in range(first, first + 300):
            made(x).after(made)

    def body() -> None:
        with ThreadPoolExecutor(4) as threads:
            ended = [threads.submit(contextvars.copy_context().run, call, 300 * n) for n in range(4)]
            assert [None] * 4 == [each.result() for each in ended]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        recorded = recording_of("wide", body)
    finally:
        sys.setswitchinterval(interval)
    assert 1200 == len(recorded.invocations)


def test_runs_in_their_first_steps_are_listed_by_their_start() -> None:
    """Runs that have published nothing yet are each listed once, the oldest first, after those that ended."""
    met = threading.Barrier(5)

    @step(enable_cache=False)
    def waits(x: int) -> Annotated[int, "x"]:
        met.wait(60)
        met.wait(60)
        return x

    before = training(1)
    with ThreadPoolExecutor(4) as threads:
        ended = [threads.submit(waits, x) for x in range(4)]
        met.wait(60)
        runs = Client().list_pipeline_runs()
        newest = Client().list_pipeline_runs(limit=2)
        met.wait(60)
    assert list(range(4)) == [each.result() for each in ended]
    assert (5, before, [False] * 4) == (len(runs), runs[0], [run.is_recorded for run in runs[1:]])
    assert sorted({str(run.id) for run in runs}) == [str(run.id) for run in runs]
    assert (runs, runs[-2:]) == (Client().list_pipeline_runs(), newest)


def test_a_thread_of_a_step_knows_the_step_in_a_copy_of_its_context() -> None:
    """A plain thread is outside the step; one in a copy of the body's context describes outputs and is tied to it."""

    @step(enable_cache=False)
    def starts_threads() -> Annotated[int, "x"]:
        with ThreadPoolExecutor(1) as threads:
            with pytest.raises(StepContextError):
                threads.submit(get_step_context).result()
            threads.submit(contextvars.copy_context().run, log_artifact_metadata, {"k": 1}).result()
            threads.submit(contextvars.copy_context().run, save_artifact, 2, "aside").result()
        return 1

    starts_threads()
    run = last_run()
    assert 1 == run.steps["starts_threads"].output.metadata["k"]
    assert ["aside"] == [version.name for version in run.steps["starts_threads"].saved]


def _says(_: int) -> str:
    with pytest.raises(StepContextError, match=r"so what its fork \d+ says of outputs would be lost"):
        get_step_context().add_output_tags(["a"])
    with pytest.raises(StepContextError) as caught:
        log_artifact_metadata({"k": 1})
    return str(caught.value.hint)


def test_what_a_fork_says_of_outputs_is_refused() -> None:
    """A worker that is forked from a step cannot describe its outputs, and is told so; its step can go on."""

    @step(enable_cache=False)
    def forks() -> Annotated[str, "x"]:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.map(_says, [1])[0]

    assert "let the fork return it, and say it in the step's own process" == forks()


def test_processes_run_pipelines_side_by_side() -> None:
    """Two processes share a ledger and its cache; each gets its own values and all is recorded."""

    @step
    def shared(x: int) -> Annotated[int, "shared"]:
        return x

    @step(enable_cache=False)
    def own(given: int, me: str) -> Annotated[str, "own"]:
        return f"{me} {given}"

    @pipeline
    def sharing(x: int, me: str) -> None:
        own(shared(x), me)

    def act(me: str) -> None:
        for x in range(5):
            assert f"{me} {x}" == sharing(x, me).steps["own"].output.load()

    both = [ForkProcess(target=act, args=(name,)) for name in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [0, 0] == [process.exitcode for process in both]
    runs = Client().list_pipeline_runs()
    assert ["completed"] * 10 == [run.status for run in runs]
    assert [str(n) for n in range(1, 11)] == [each.version for each in Client().get_artifact("own").versions]
    assert set(range(5)) == {each.load() for each in Client().get_artifact("shared").versions}


FORKING = """
import os, sys
from typing import Annotated
from ledger import pipeline, step

def fail():
    raise ValueError("of the fork")

WAYS = {"exit": lambda: sys.exit(3), "raise": fail, "return": lambda: 2}

@step(enable_cache=False)
def forks(way: str) -> Annotated[int, "x"]:
    fork = os.fork()
    if fork == 0:
        return WAYS[way]()
    _, status = os.waitpid(fork, 0)
    assert len(os.listdir(".ledger/running")) == 1, "its parent is still there"
    return os.waitstatus_to_exitcode(status)

@pipeline
def training(way: str):
    forks(way)

for way in WAYS:
    training(way)
"""


def test_a_fork_that_leaves_a_step_records_nothing(project: Path) -> None:
    """A run is its own process's: a fork that the body makes ends by its own exception, and the step goes on."""
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    (project / "forking.py").write_text(FORKING)
    done = subprocess.run([sys.executable, "forking.py"], capture_output=True, text=True, check=True)
    assert "ValueError: of the fork" in done.stderr
    assert "StepInterfaceError: step 'forks' was left by process " in done.stderr
    runs = Client().list_pipeline_runs()
    assert [("completed", 3), ("completed", 1), ("completed", 1)] == [
        (run.status, run.steps["forks"].output.load()) for run in runs
    ]
    assert None not in [run.project for run in runs], "the fork leaves what Git answers to its parent"
