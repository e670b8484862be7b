"""A step that fails publishes nothing of its outputs, is recorded, and lets its own exception through."""

import itertools
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import pytest

from ledger import (
    ArtifactConfig,
    ExternalArtifact,
    Ledger,
    get_step_context,
    pipeline,
    save_artifact,
    step,
)
from ledger.client import Client
from ledger.errors import (
    MaterializerError,
    MetadataError,
    NameCollisionError,
    RunNotFoundError,
    StepInterfaceError,
    VersionExistsError,
)
from ledger.materializers import BaseMaterializer
from ledger.runtime import current_step
from tests.kit.ledgers import files_below, last_run

RAN: list[str] = []


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    RAN.clear()
    return workdir


class _Failing(BaseMaterializer):
    """Saves nothing, ever."""

    ASSOCIATED_TYPES = (str,)
    REGISTRY_KEY = "tests.failing/1"
    SKIP_REGISTRATION = True

    def save(self, data: str) -> None:
        with self.open("half.txt", "w") as file:
            file.write(data)
        message = "the disk of the test is full"
        raise OSError(message)

    def load(self, data_type: type[Any] | None) -> str:
        raise NotImplementedError


@step(enable_cache=False)
def before() -> Annotated[int, "before"]:
    return 1


@pipeline
def training() -> None:
    before()


@step(enable_cache=False)
def after(given: Any = None) -> Annotated[int, "after"]:
    RAN.append("after")
    return 1


def names() -> list[str]:
    return [artifact.name for artifact in Client().list_artifacts()]


def test_the_users_exception_comes_through_with_its_traceback() -> None:
    """It is the very exception, raised where the user's code raised it."""
    error = KeyError("theirs")

    def broken() -> int:
        raise error

    @pipeline
    def training() -> None:
        step(broken)()

    with pytest.raises(KeyError) as caught:
        training()
    assert error is caught.value
    assert caught.value.__cause__ is None
    assert "broken" == traceback.extract_tb(caught.value.__traceback__)[-1].name


def test_a_notebook_shows_the_users_own_lines() -> None:
    """Between a call and the body every frame is one that IPython and pytest hide, in a pipeline and alone."""

    @step
    def broken() -> float:
        return 1 / 0

    @pipeline
    def training() -> None:
        broken()

    for call in (training, broken):
        with pytest.raises(ZeroDivisionError) as caught:
            call()
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        shown = [frame.f_code.co_name for frame in frames if not frame.f_locals.get("__tracebackhide__")]
        assert ["test_a_notebook_shows_the_users_own_lines", "broken"] == shown


def test_a_failing_step_publishes_nothing_of_its_outputs() -> None:
    """What it added to its outputs is gone with them; earlier steps stay, later ones do not run."""

    @step
    def broken(given: int) -> tuple[Annotated[int, "a"], Annotated[int, "b"]]:
        get_step_context().add_output_metadata({"k": 1}, "a")
        if given:
            message = "no"
            raise ValueError(message)
        return 1, 2

    @pipeline
    def training() -> None:
        a, _ = broken(before())
        after(a)

    with pytest.raises(ValueError, match="no"):
        training()
    assert (["before"], []) == (names(), RAN)
    run = last_run()
    assert ("failed", ["completed", "failed"]) == (run.status, [each.status for each in run.steps.values()])
    assert ("ValueError: no", {}) == (run.steps["broken"].error, run.steps["broken"].outputs)
    assert ("before", "broken", "after") == run.planned_steps
    assert run.steps["broken"].inputs["given"] == run.steps["before"].output


def test_an_output_that_cannot_be_saved_keeps_the_others_back() -> None:
    """Output 1 is not published when output 2 fails, and no value that failed is served from the cache."""

    @step(output_materializers={"b": _Failing})
    def both() -> tuple[Annotated[int, "a"], Annotated[str, "b"]]:
        return 1, "text"

    for _ in range(2):
        with pytest.raises(MaterializerError, match="the disk of the test is full"):
            both()
    assert [] == names()
    assert ["failed", "failed"] == [run.steps["both"].status for run in Client().list_pipeline_runs()]


def test_an_output_that_cannot_be_saved_is_named() -> None:
    """The message says which output of which step it was, in the record as well, and they are facts."""

    @step(output_materializers={"b": _Failing})
    def both() -> tuple[Annotated[int, "a"], Annotated[str, "b"]]:
        return 1, "text"

    with pytest.raises(MaterializerError, match=r"^output 'b' of step 'both': materializer tests.failing/1") as caught:
        both()
    assert f"MaterializerError: {caught.value}" == last_run().steps["both"].error
    assert ("both", "b", "tests.failing/1") == tuple(
        caught.value.facts[fact] for fact in ("step", "output", "materializer")
    )


@pytest.mark.parametrize("is_direct", [True, False])
def test_a_value_from_outside_that_cannot_be_saved_is_named(*, is_direct: bool) -> None:
    """The message says which argument of which step it was, and both are facts."""

    @pipeline
    def training() -> None:
        after(ExternalArtifact(value=threading.Lock()))

    with pytest.raises(MaterializerError, match=r"^argument 'given' of step 'after': materializer") as caught:
        after(threading.Lock()) if is_direct else training()
    assert ("after", "given") == (caught.value.facts["step"], caught.value.facts["argument"])


def test_metadata_that_no_record_holds_comes_with_the_output() -> None:
    """Any other error of a save is passed on as it is, with a note that says which output it was."""

    @step
    def made() -> Annotated[int, "x"]:
        get_step_context().add_output_metadata({"k": "x" * 2**20})
        return 1

    with pytest.raises(MetadataError, match=r"^metadata is too large") as caught:
        made()
    assert "while output 'x' of step 'made' was saved" == caught.value.__notes__[-1]


@pipeline
def fixed() -> None:
    """A step whose second output has a version of its own, fed by one that runs always."""
    both(before())


@step
def both(given: int) -> tuple[Annotated[int, "a"], Annotated[int, ArtifactConfig(name="b", version="raw")]]:
    RAN.append("both")
    return given, 2


def test_a_version_that_exists_is_refused_before_the_step_runs(project: Path) -> None:
    """What is known to fail costs no run of the body and leaves no bytes of other outputs, but is recorded."""
    save_artifact(0, "b", version="raw")
    before()
    held = files_below(project / ".ledger" / "store").keys()
    with pytest.raises(VersionExistsError, match="'raw'") as caught:
        fixed()
    assert ([], ["before step 'both' ran, for its output 'b'"]) == (RAN, caught.value.__notes__[1:])
    assert held == files_below(project / ".ledger" / "store").keys()
    assert (["b", "before"], 0) == (names(), Client().get_artifact_version("b").load())
    assert ["completed", "failed"] == [each.status for each in last_run().steps.values()]


def test_a_version_of_the_configuration_file_is_refused_before_the_step_runs(project: Path) -> None:
    """It does not matter who says what an output is called."""
    save_artifact(0, "named", version="v")
    config = "{artifact_config: {name: named, version: v}}"
    (project / "run.yaml").write_text(f"steps: {{after: {{outputs: {{after: {config}}}}}}}\n")

    @pipeline
    def training() -> None:
        after()

    with pytest.raises(VersionExistsError, match="version 'v' of artifact 'named'"):
        training.with_options(config_path="run.yaml")()
    assert [] == RAN


def test_a_name_that_differs_in_case_is_refused_before_the_step_runs() -> None:
    """Nor does the body run where its output's name is taken but for the case."""
    save_artifact(0, "After")
    with pytest.raises(NameCollisionError, match="'After'"):
        after()
    assert [] == RAN


def test_a_version_taken_while_the_step_ran_keeps_the_others_back() -> None:
    """The version is checked when the step is published, whoever took it meanwhile."""

    @step
    def both() -> tuple[Annotated[int, "a"], Annotated[int, ArtifactConfig(name="b", version="raw")]]:
        save_artifact(0, "b", version="raw")
        return 1, 2

    with pytest.raises(VersionExistsError):
        both()
    assert ["b"] == names()
    assert ["b"] == [version.name for version in last_run().steps["both"].saved]


def test_a_custom_version_is_taken_per_artifact() -> None:
    """Two outputs may carry the same word, as they are two artifacts."""

    @step
    def both() -> tuple[
        Annotated[int, "a", ArtifactConfig(version="raw")], Annotated[int, "b", ArtifactConfig(version="raw")]
    ]:
        return 1, 2

    assert (1, 2) == both()
    assert ["raw", "raw"] == [version.version for version in last_run().artifact_versions]


def test_a_wrong_result_is_a_failure_of_the_step() -> None:
    """What does not fit the annotation is recorded like any other failure."""

    @step
    def wrong() -> int:
        return "a"  # type: ignore[return-value]

    with pytest.raises(StepInterfaceError):
        wrong()
    assert "StepInterfaceError: wrong type" in str(last_run().steps["wrong"].error)


def test_a_failed_run_is_never_served_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that failed runs again, and what it gives then is reused."""

    @step
    def flaky() -> int:
        RAN.append("flaky")
        return int(os.environ["FLAKY"])

    with pytest.raises(KeyError):
        flaky()
    monkeypatch.setenv("FLAKY", "1")
    assert [1, 1] == [flaky(), flaky()]
    assert ["flaky", "flaky"] == RAN


@dataclass(frozen=True)
class _FrozenError(Exception):
    code: int


class _SpeechlessError(Exception):
    def __str__(self) -> str:
        raise AssertionError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(), "ValueError"),
        (ValueError("\ud800"), "ValueError: \\ud800"),
        (ValueError("x" * 3_000_000), "ValueError: xxx"),
        (_SpeechlessError(), "_SpeechlessError"),
        (_FrozenError(3), "_FrozenError: 3"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_whatever_is_raised_can_be_recorded(error: BaseException, told: str) -> None:
    """So is an exception without text, with text of no use, far too much or no attributes to set; and comes through."""

    @step
    def broken() -> None:
        raise error

    for raising in (broken, pipeline(name="broken")(broken.entrypoint)):
        with pytest.raises(type(error)):
            raising()
    recorded = last_run().steps["broken"].error
    assert recorded is not None
    assert recorded.startswith(told)
    assert len(recorded) <= 10_000


def test_a_failure_in_a_step_of_a_step_is_the_outer_ones() -> None:
    """A step called in another's body is a plain function."""

    @step
    def inner() -> None:
        raise ZeroDivisionError

    @step
    def outer() -> None:
        inner()

    with pytest.raises(ZeroDivisionError):
        outer()
    assert ["outer"] == list(last_run().steps)


INTERRUPTED = """
import time
from typing import Annotated
from ledger import pipeline, step, save_artifact
@step
def first() -> Annotated[int, "first"]:
    return 1
@step
def slow(given: int) -> Annotated[int, "slow"]:
    save_artifact(2, "aside")
    print("in the step", flush=True)
    for _ in range(600):
        time.sleep(0.1)  # one long sleep goes on to its end where the signal comes just before it
    return 2
@step
def later(given: int) -> None:
    print("later", flush=True)
@pipeline
def training():
    later(slow(first()))
training()
"""


def test_an_interrupt_leaves_nothing_half_published(project: Path) -> None:
    """Ctrl-C in a step ends the program, and the run is recorded as failed; what was complete stays."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "in the step\n" == process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=50)  # the step would go on for a minute
    assert ("", True) == (out, "KeyboardInterrupt" in err)
    assert process.returncode != 0
    assert ["aside", "first"] == names()
    run = last_run()
    assert ("failed", "KeyboardInterrupt") == (run.status, run.steps["slow"].error)
    assert ["first", "slow"] == list(run.steps)
    assert ["aside"] == [version.name for version in run.steps["slow"].saved]


@pytest.mark.parametrize(
    ("where", "status", "versions"), [("first", "failed", ["first"]), ("last", "completed", ["first", "last"])]
)
def test_an_interrupt_right_after_the_commit_leaves_the_step_completed(
    where: str, status: str, versions: list[str]
) -> None:
    """What is published stays; the run is failed if steps were missing, and completed if none was."""
    state = ["waiting"]

    @step
    def first() -> Annotated[int, "first"]:
        state[0] = "armed" if where == "first" else "waiting"
        return 1

    @step
    def last(given: int) -> Annotated[int, "last"]:
        state[0] = "armed"
        return 2

    @pipeline
    def training() -> None:
        last(first())

    def interrupt(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and state == ["armed"] and Path(arguments[1]).name == "main":
            state[0] = "published"
        elif event == "open" and state == ["published"]:
            state[0] = "over"
            raise KeyboardInterrupt

    def act() -> None:
        sys.addaudithook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            training()

    Ledger.init(".ledger")
    fork = ForkProcess(target=act)  # a hook is there until the process ends
    fork.start()
    fork.join()
    run = last_run()
    assert (0, status, versions, versions) == (fork.exitcode, run.status, list(run.steps), names())
    assert {"completed"} == {each.status for each in run.steps.values()}


def test_a_killed_run_is_shown_as_failed_and_is_in_nobodys_way(project: Path) -> None:
    """A run is running while its process lives, and interrupted when that died; the next run is none the worse."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert ("running", False) == (last_run().status, last_run().is_interrupted)
    process.kill()
    process.communicate()
    run = last_run()
    assert ("failed", True, None, ["first"]) == (run.status, run.is_interrupted, run.ended_at, list(run.steps))
    assert "running" == Ledger.open().at("HEAD").run(run.id).status, "as it was at that commit"
    assert before() == 1
    assert [str(run.id)] == [path.name for path in (project / ".ledger" / "running").iterdir()]


def test_a_run_is_seen_in_its_first_step_and_told_when_it_died_there(project: Path) -> None:
    """A run that has published nothing is listed and found where it runs, running and then failed; not in the past."""

    @step
    def slow(rate: float) -> int:
        begun.set()
        time.sleep(60)
        return 1

    @pipeline
    def training(rate: float = 0.1) -> None:
        slow(rate)

    before()
    begun = multiprocessing.get_context("fork").Event()
    process = ForkProcess(target=training, daemon=True)
    process.start()
    assert begun.wait(60)
    run = last_run()
    assert ("training", "running", {"rate": 0.1}, {}) == (run.name, run.status, run.parameters, run.steps)
    assert ("slow",) == run.planned_steps
    ledger = Ledger.open()
    assert [run] == ledger.runs(status="running") == [ledger.run(run.id)] == [pickle.loads(pickle.dumps(run))]
    assert run == ledger.run(str(run.id)[:18])
    assert run not in ledger.at("HEAD").runs()
    with pytest.raises(RunNotFoundError):
        ledger.at("HEAD").run(run.id)
    process.kill()
    process.join()
    assert ("failed", True, False) == (last_run().status, last_run().is_interrupted, last_run().is_recorded)
    before()
    assert [run] == [each for each in ledger.runs() if each.status == "failed"]


def test_where_nobody_can_tell_a_run_without_an_end_is_running(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the ledger knows nothing of the process; nor does one whose folder cannot be written."""

    @step
    def dies() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @pipeline
    def dying() -> None:
        dies(after=before())

    process = ForkProcess(target=dying)
    process.start()
    process.join()
    shutil.rmtree(project / ".ledger" / "running")
    assert "running" == last_run().status
    (project / ".ledger" / "running").write_text("in the way")
    assert before() == 1


@pytest.mark.parametrize("status", ["completed", "cached"])
def test_an_interrupt_between_two_steps_fails_the_run(status: str) -> None:
    """The steps that were done are recorded, also those from the cache, and the run has its end."""

    @step
    def first() -> Annotated[int, "first"]:
        return 1

    @step
    def last(given: int) -> Annotated[int, "last"]:
        return 2

    @pipeline
    def training() -> None:
        last(first())

    if status == "cached":
        first()
    steps = itertools.count(1)

    def between(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "_run_step" and next(steps) == 2:
            raise KeyboardInterrupt

    sys.setprofile(between)
    try:
        with pytest.raises(KeyboardInterrupt):
            training()
    finally:
        sys.setprofile(None)
    run = last_run()
    assert ("training", "failed", {"first": status}) == (
        run.name,
        run.status,
        {name: each.status for name, each in run.steps.items()},
    )
    assert run.ended_at is not None
    assert not run.is_interrupted


def _interrupt_the_end(frame: FrameType, *_: object) -> None:
    if frame.f_code.co_qualname == "StepContext.end":
        sys.setprofile(None)
        raise KeyboardInterrupt


@pytest.mark.parametrize("called", [before, training])
def test_an_interrupt_as_a_body_is_left_leaves_nobody_in_it(called: Callable[[], object]) -> None:
    """The next call of a step runs, instead of passing for one in the body of the first."""
    sys.setprofile(_interrupt_the_end)
    try:
        with pytest.raises(KeyboardInterrupt):
            called()
    finally:
        sys.setprofile(None)
    assert ("failed", None) == (last_run().status, current_step())


def test_a_failure_that_cannot_be_recorded_does_not_hide_the_users(project: Path) -> None:
    """Where the ledger is gone, the step's own exception comes with a note, and the run is none that still goes on."""
    hidden = project / "elsewhere"

    @step
    def broken() -> None:
        (project / ".ledger" / "history.git").rename(hidden)
        raise ZeroDivisionError

    @pipeline
    def training() -> None:
        broken(after=before())

    try:
        with pytest.raises(ZeroDivisionError) as caught:
            training()
    finally:
        hidden.rename(project / ".ledger" / "history.git")
    (note,) = caught.value.__notes__
    assert note.startswith("that step 'broken' failed could not be recorded: ")
    assert ("failed", True) == (last_run().status, last_run().is_interrupted)
