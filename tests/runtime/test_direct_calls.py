"""A step called outside a pipeline is a recorded run of one step; inside another step, a plain function."""

import copy
import functools
import json
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, assert_type

import numpy as np
import pytest

from ledger import ExternalArtifact, Ledger, load_artifact, pipeline, save_artifact, step
from ledger.client import Client
from ledger.errors import LedgerNotFoundError, StepInterfaceError
from tests.kit.ledgers import last_run

RAN: list[str] = []


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    RAN.clear()
    return workdir


@step
def add(a: int, b: int = 2) -> int:
    RAN.append("add")
    return a + b


def test_an_argument_may_have_any_name() -> None:
    """Also one that the call has a word for: the function's own argument is meant."""

    @step
    def named(self: int, id: int, after: int = 0) -> int:
        return self + id + after

    @pipeline
    def naming(self: int) -> None:
        named(self=self, id=2, after=3)

    assert 3 == named(self=1, id=2)
    assert 6 == naming(self=1).steps["named"].output.load()


def test_a_function_may_have_attributes_of_any_name() -> None:
    """Those of a step that a decorator wraps, for one: the decorated function is the step, not what is inside."""
    wrapping = functools.wraps(add)(lambda **given: 10 * add(**given))
    planning = functools.wraps(add)(lambda **given: add(**given, id="third"))
    assert 30 == step(name="wrapping")(wrapping)(1)
    assert ["third"] == list(pipeline(name="planning")(planning)(1).steps)


def test_a_direct_call_gives_the_value_and_is_recorded() -> None:
    """The step's name is the pipeline's; the output is a version; a second call is served from the cache."""
    assert (3, 7, 3) == (add(1), add(3, b=4), add(1))
    runs = Client().list_pipeline_runs(pipeline_name="add")
    assert ["completed", "completed", "cached"] == [run.steps["add"].status for run in runs]
    assert ["add::add::output"] == [artifact.name for artifact in Client().list_artifacts()]
    assert {"a": 3, "b": 4} == runs[1].steps["add"].parameters
    assert ["add", "add"] == RAN


def test_several_values_come_back_as_a_tuple_and_none_as_none() -> None:
    """What the call returns is what the function returned, as its versions hold it."""

    @step
    def both() -> tuple[Annotated[int, "a"], Annotated[list[int], "b"]]:
        return 1, [2]

    @step
    def kept() -> tuple[int, int]:
        values = (1, 2)
        return values  # noqa: RET504  # one output, a tuple

    @step
    def nothing() -> None:
        pass

    assert ((1, [2]), (1, 2), None) == (both(), kept(), nothing())


def test_arguments_that_are_not_json_are_saved_first() -> None:
    """An array is a version that the step takes, and such a call is not served from the cache."""

    @step
    def total(values: np.ndarray, factor: int) -> float:
        RAN.append("total")
        return float(values.sum()) * factor

    assert [6.0, 6.0] == [total(np.arange(3), 2), total(np.arange(3), factor=2)]
    assert ["total", "total"] == RAN
    (run, _) = Client().list_pipeline_runs()
    assert "external" == run.steps["total"].inputs["values"].save_type
    assert {"factor": 2} == run.steps["total"].parameters


def test_defaults_and_options_that_are_not_json_are_saved_first() -> None:
    """An argument that the call leaves out is one all the same, also where its default is no plain value."""

    @step
    def sums(numbers: np.ndarray[Any, Any] = np.arange(3), times: complex = 1j) -> complex:  # noqa: B008  # the claim
        return complex(numbers.sum() * times)

    assert 3j == sums()
    assert 6j == sums.with_options(parameters={"times": 2j})()
    assert {"numbers", "times"} == last_run().steps["sums"].inputs.keys()


def test_arguments_that_no_record_has_room_for_are_saved_first() -> None:
    """A long list is JSON, and yet a version that the step takes; what fits beside it stays a parameter."""

    @step
    def count(values: list[int], texts: list[str]) -> int:
        return len(values) + len(texts)

    assert 100_001 == count(list(range(100_000)), ["a"])
    (run,) = Client().list_pipeline_runs()
    assert (["values"], {"texts": ["a"]}) == (list(run.steps["count"].inputs), run.steps["count"].parameters)


@pytest.mark.parametrize(
    "value",
    ["name\udc80", {"": 1}, {"k" * 300: 1}, json.loads("[" * 70 + "]" * 70)],
    ids=["text", "no", "long", "deep"],
)
def test_arguments_that_no_record_can_hold_are_saved_first(value: Any) -> None:
    """The name of a file that is no Unicode, or keys that no metadata has: a version holds them."""

    @step
    def given_back(value: Any, factor: int) -> Any:
        return value

    assert value == given_back(value, 2)
    run = last_run().steps["given_back"]
    assert ({"factor": 2}, value) == (run.parameters, run.inputs["value"].load())


def test_a_handle_is_an_argument() -> None:
    """A version is recorded as an input and loaded."""
    version = save_artifact(40, "x")
    assert 42 == add(version)
    assert version == last_run().steps["add"].inputs["a"]


def test_a_version_of_another_ledger_is_refused(project: Path) -> None:
    """The run could name it, and nobody could find it: nothing runs, and nothing is recorded."""
    strange = Ledger.init(project / "elsewhere" / ".ledger").save(40, "x")
    ours = save_artifact(1, "x")

    @pipeline
    def training(given: Any) -> None:
        add(add(given), strange)

    for call in (lambda: add(strange), lambda: training(ours)):
        with pytest.raises(StepInterfaceError, match=f"is x@1 of another ledger than .*{project.name}/.ledger"):
            call()
    assert ([], []) == (RAN, Client().list_pipeline_runs())


def test_a_version_of_another_ledger_makes_none(project: Path) -> None:
    """Where there is no ledger, a call that is refused leaves it at that."""
    strange = Ledger.init(project / "elsewhere" / ".ledger").save(40, "x")
    with pytest.raises(LedgerNotFoundError):
        add(strange)
    assert ["elsewhere"] == [path.name for path in project.iterdir()]


def test_a_version_or_a_value_from_outside_may_stand_in_options_and_defaults() -> None:
    """They are arguments wherever an argument may come from: taken, loaded and recorded as at the call."""
    version = save_artifact(40, "x")
    outside = ExternalArtifact(value=1)

    @step
    def both(a: int = version, b: int = outside) -> int:  # type: ignore[assignment]
        return a + b

    @pipeline
    def training() -> None:
        both()
        add.with_options(parameters={"a": version, "b": outside})(id="add")

    assert 41 == both()
    run = training()
    assert [41, 41] == [made.output.load() for made in run.steps.values()]
    assert [version, version] == [made.inputs["a"] for made in run.steps.values()]
    assert ["external"] * 2 == [made.inputs["b"].save_type for made in run.steps.values()]


def test_in_another_steps_body_a_step_is_a_function() -> None:
    """It is called as it stands: no run, no version, no cache, no check of its types."""

    @step
    def outer(given: Any) -> Any:
        return [add(given), add(given)]

    assert [3, 3] == outer(1)
    assert ["add", "add"] == RAN
    assert ["outer"] == [run.name for run in Client().list_pipeline_runs()]


def test_in_another_steps_body_options_give_parameters() -> None:
    """What `with_options` says of a parameter holds there too, and the call is stronger."""
    three = add.with_options(parameters={"a": 3, "b": 4})

    @step
    def calls() -> list[int]:
        return [three(), three(1), three(b=1), add(1, id="named", after=[])]

    assert [7, 5, 4, 3] == calls()


def test_a_pipeline_in_a_steps_body_is_a_run_of_its_own() -> None:
    """It runs, is recorded, and what it makes belongs to it."""

    @pipeline
    def inner() -> None:
        add(1)

    @step
    def outer() -> str:
        return str(inner().steps["add"].output.load())

    assert "3" == outer()
    assert {"inner": ["add"], "outer": ["outer"]} == {
        run.name: list(run.steps) for run in Client().list_pipeline_runs()
    }


def test_the_entrypoint_has_the_types_of_the_function() -> None:
    """A type checker knows what it takes and gives, of a step and a pipeline under other options as well."""
    assert_type(add.entrypoint(1, b=2), int)
    assert_type(add.with_options(enable_cache=False).after("x").entrypoint(1), int)
    with pytest.raises(TypeError):
        add.entrypoint("1", 2)  # type: ignore[arg-type]

    @pipeline(enable_cache=False)
    def nothing(number: int) -> int:
        return number

    assert_type(nothing.with_options(name="x").entrypoint(1), int)


def test_the_entrypoint_is_the_plain_function(project: Path) -> None:
    """It runs without a ledger, and the step looks like it."""
    assert 3 == add.entrypoint(1)
    assert [] == list(project.iterdir())
    assert ("add", "add", "<Step add>") == (add.entrypoint.__name__, add.name, repr(add))


def test_a_class_of_this_function_comes_back_as_itself() -> None:
    """A value whose class no module holds is rebuilt by the annotation."""
    pydantic = pytest.importorskip("pydantic")

    class Point(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        x: int

    @step
    def made() -> Annotated[Point, "point"]:
        return Point(x=1)

    assert Point(x=1) == made() == made()


def test_a_call_in_a_pipelines_body_gives_placeholders() -> None:
    """The same call is recorded there, and the value is there when the run is."""
    seen: list[Any] = []

    @pipeline
    def training() -> None:
        seen.append(add(1))

    run = training()
    assert "<placeholder for output 'output' of step 'add'>" == repr(seen[0])
    assert 3 == run.steps["add"].output.load() == load_artifact("training::add::output")


def test_a_direct_call_may_have_its_id() -> None:
    """``id=`` names the step in its run as it does in a pipeline; there is nothing it could run after."""
    assert 3 == add(1, 2, id="sum")
    assert ["sum"] == list(last_run().steps)
    with pytest.raises(StepInterfaceError, match="'add' is to run after 'other', which is no step"):
        add(1, 2, after="other")


class Trainer:
    """Its method is a step, and so is what it merely keeps."""

    kept = add

    def __init__(self, rate: int) -> None:
        self.rate = rate

    @step
    def fit(self, factor: int = 1) -> Annotated[int, "fitted"]:
        RAN.append("fit")
        return self.rate * factor


def test_a_method_is_a_step_of_its_object() -> None:
    """``@step`` on a method takes the object it is called on; its state cannot be told, so it always runs."""
    assert [6, 8, 6] == [Trainer(rate).fit(2) for rate in (3, 4, 3)]
    assert ["fit"] * 3 == RAN
    assert {"factor": 2} == last_run().steps["fit"].parameters

    @pipeline
    def training() -> None:
        trainer = Trainer(5)
        trainer.kept(trainer.fit(), after=trainer.fit)

    assert 7 == training().steps["add"].output.load()


class Scaled:
    """Its class method is a step, below what makes it one of the class."""

    factor = 2

    @classmethod
    @step
    def scaled(cls, value: int) -> Annotated[int, "scaled"]:
        return cls.factor * value


class Tripled(Scaled):
    factor = 3


def test_a_class_method_is_a_step_of_its_class() -> None:
    """It takes the class that it is called on, or that of the object, and what it is given is recorded by name."""
    assert [8, 12, 12] == [Scaled.scaled(4), Tripled.scaled(4), Tripled().scaled(value=4)]
    assert {"value": 4} == last_run().steps["scaled"].parameters
    assert ["scaled"] == [artifact.name for artifact in Client().list_artifacts()]

    @pipeline
    def training() -> None:
        Tripled.scaled(Scaled.scaled(1))

    assert 6 == training().steps["scaled_2"].output.load()


@pipeline
def adding(value: int = 1) -> None:
    add(value)


def test_steps_and_pipelines_are_pickled_as_the_functions_that_they_are() -> None:
    """By module and name; a copy of one, and of what holds it, has that very one."""
    kept = {"step": add, "pipeline": adding, "of a class": Study.grow}
    assert kept == pickle.loads(pickle.dumps(kept)) == copy.deepcopy(kept)
    assert [add, adding] == [copy.copy(add), copy.copy(adding)]
    changed = add.with_options(enable_cache=False)
    assert changed is copy.deepcopy([changed])[0]


IMPORTED = """
from ledger import step


@step
def double(value: int) -> int:
    return 2 * value
"""

POOLS = """
import multiprocessing, pickle
from concurrent.futures import ProcessPoolExecutor

import cloudpickle
from imported import double
from joblib import Parallel, delayed

from ledger import pipeline, step


@step
def add(value: int) -> int:
    return value + OFFSET


@pipeline
def adding(value: int) -> None:
    add(value)


OFFSET = 2


if __name__ == "__main__":
    assert [add, adding] == pickle.loads(pickle.dumps([add, adding]))
    for start in ("fork", "spawn"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(start)) as workers:
            print(list(workers.map(add, [1, 2])), [run.status for run in workers.map(adding, [1])])
            print(list(workers.map(double, [1, 2])))
    print(Parallel(2)(delayed(add)(value) for value in (1, 2)))
    print(pickle.loads(cloudpickle.dumps(add.with_options(enable_cache=False)))(1))
"""


def test_pools_of_all_kinds_take_a_step_of_the_program_that_was_started(tmp_path: Path) -> None:
    """Workers that have its main module find it there, as a step that it imports; others are sent it whole.

    Each call in a worker is a recorded run, as it is here.
    """
    (tmp_path / "imported.py").write_text(IMPORTED)
    (tmp_path / "pools.py").write_text(POOLS)
    command = [sys.executable, "pools.py"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert ["[3, 4] ['completed']", "[2, 4]"] * 2 + ["[3, 4]", "3"] == done.stdout.splitlines()
    assert {"add": 7, "adding": 2, "double": 4} == Counter(run.name for run in Ledger.open(tmp_path / ".ledger").runs())


class Study:
    """Its methods are pipelines: of the object, of the class, and of neither."""

    rate = 2

    def __init__(self, rate: int) -> None:
        self.rate = rate

    @pipeline
    def grow(self, value: int = 1) -> None:
        add(value, self.rate)

    @classmethod
    @pipeline
    def of_class(cls, value: int) -> None:
        add(value, cls.rate)

    @staticmethod
    @pipeline
    def of_neither(value: int) -> None:
        add(value, 0)


def test_a_method_is_a_pipeline_of_its_object_or_class() -> None:
    """``@pipeline`` on a method takes the object or class it is called on; what it is given is recorded by name."""
    other = Study(6).grow.with_options(name="other")
    runs = [Study(5).grow(), other(2), Study.of_class(1), Study.of_neither(value=1)]
    assert [6, 8, 3, 1] == [run.steps["add"].output.load() for run in runs]
    assert [{"value": 1}, {"value": 2}, {"value": 1}, {"value": 1}] == [run.parameters for run in runs]
    assert ["grow", "other", "of_class", "of_neither"] == [run.pipeline_name for run in runs]


def test_what_options_or_an_object_make_of_a_step_is_pickled_with_them() -> None:
    """A worker gets the step or pipeline of the module, or of its copy of the object, under the options given here."""
    changed = add.with_options(name="changed", parameters={"b": 5})
    given = (changed, Study(6).grow, Study(6).grow.with_options(name="other"), Tripled.scaled)
    step_again, grow, other, scaled = (pickle.loads(pickle.dumps(each)) for each in given)
    assert [6, 12, "changed"] == [step_again(1), scaled(4), step_again.name]
    assert [7, 7] == [run.steps["add"].output.load() for run in (grow(), other())]
    assert ["changed", "scaled", "grow", "other"] == [run.name for run in Client().list_pipeline_runs()]
    assert "cached" == other().steps["add"].status


def test_a_value_is_of_the_class_that_the_annotation_means() -> None:
    """A function may have made several classes of one name since."""

    def make() -> tuple[type, Any]:
        @dataclass
        class Rate:
            per_day: int

        @step
        def chosen() -> Rate:
            return Rate(3)

        return Rate, chosen

    (kind, chosen), _ = make(), make()
    assert kind is type(chosen())
