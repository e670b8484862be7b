"""What a pipeline's body records: names, order and arguments of steps."""

import contextvars
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import ArtifactConfig, ArtifactVersion, ExternalArtifact, pipeline, save_artifact, step
from ledger.client import Client
from ledger.errors import ArgumentTypeError, InvalidNameError, MaterializerError, StepInterfaceError
from ledger.runtime.graph import Invocation, in_order

RAN: list[str] = []


@pytest.fixture
def project(workdir: Path) -> Path:
    RAN.clear()
    return workdir


@step(enable_cache=False)
def one() -> Annotated[int, "one"]:
    RAN.append("one")
    return 1


@step(enable_cache=False)
def two(given: Any = None) -> None:
    RAN.append("two")


@step(enable_cache=False)
def three(a: int, b: int = 2, *, c: list[int] | None = None) -> tuple[int, int]:
    RAN.append("three")
    return a, b


def holds_itself() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


def steps_of(body: Callable[[], Any]) -> list[str]:
    return list(pipeline(name="training")(body)().steps)


def test_a_step_used_again_gets_a_number(project: Path) -> None:
    """``name``, ``name_2``, ``name_3``; ``id=`` at the call names it, and a taken id is skipped over."""

    def body() -> None:
        one(), one(id="first"), one()
        two(id="one_3")
        one()

    assert ["one", "first", "one_2", "one_3", "one_4"] == steps_of(body)


def test_an_id_stands_for_one_step(project: Path) -> None:
    """The same id twice, or a name that is none, is refused before anything runs."""

    def twice() -> None:
        one(id="x"), two(id="x")

    def bad() -> None:
        one(id="a b")

    with pytest.raises(StepInterfaceError, match="two steps with the id 'x'"):
        steps_of(twice)
    with pytest.raises(InvalidNameError, match="'a b'"):
        steps_of(bad)
    with pytest.raises(ArgumentTypeError, match="a step name is a str, got int: 5"):
        steps_of(lambda: one(id=5))
    assert ([], []) == (RAN, list(project.iterdir()))


AFTERS: list[tuple[str, Callable[[], Any], str]] = [
    ("placeholder", lambda: two(after=one()), "one two"),
    ("call", lambda: one(after=two()), "two one"),
    ("name of a later step", lambda: (two(after="one"), one()), "one two"),
    ("list", lambda: (two(after=["one", "b"]), one(), one(id="b")), "one b two"),
    ("outputs of a split step", lambda: two(after=three(1)), "three two"),
    ("step object", lambda: (one(), two(after=one)), "one two"),
    ("latest of its calls", lambda: (call := two(), one(), one(id="b"), call.after(one)), "b two one"),
    ("step with options", lambda: (one.with_options(enable_cache=False)(), two(after=one)), "one two"),
    ("method of the step", lambda: (one(), two.after(one)()), "one two"),
    ("method of the step, called first", lambda: (two.after(one)(), one()), "one two"),
    ("statement", lambda: (two.after(one), two(), one()), "one two"),
    ("statement behind the calls", lambda: (two(), one(), two.after(one)), "one two"),
    ("step object called later", lambda: (two(after=one), one()), "one two"),
    ("method of the call", lambda: two().after(one()), "one two"),
    ("method of the call, of a split step", lambda: two().after(three(1), one()), "three one two"),
    ("method of the output", lambda: one().after(two()), "two one"),
]


@pytest.mark.parametrize(("body", "order"), [each[1:] for each in AFTERS], ids=[each[0] for each in AFTERS])
def test_steps_are_ordered_by_after(project: Path, body: Callable[[], Any], order: str) -> None:
    """``after`` takes what a call returned, a name, a step, or several of them, before or after they are called."""
    assert order.split() == steps_of(body)


def test_an_ordered_step_that_is_called_orders_no_other_call(project: Path) -> None:
    """``step.after(…)`` is about every call of the step only where nobody calls what it gives."""
    body = lambda: (two.after(one)(id="late"), two(id="early"), one(after="early"))  # noqa: E731
    assert ["early", "one", "late"] == steps_of(body)


def test_a_step_that_takes_an_output_runs_after_it(project: Path) -> None:
    """Steps without a reason to wait run in the order of their calls."""

    def body() -> None:
        two(after="three")
        one()
        three(1)

    assert ["three", "two", "one"] == steps_of(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (lambda: two(after="nowhere"), "after 'nowhere', which is no step"),
        (lambda: two(after=3), "after 3: it is neither"),
        (lambda: two(after=one), "after 'one', which is no step"),
        (lambda: two(after=Client().get_artifact_version("x")), "artifact 'x'"),
        (lambda: (two(after="one"), one(after="two")), "two -> one -> two"),
        (lambda: two(after="two"), "two -> two"),
    ],
)
def test_an_order_that_cannot_be_is_refused(project: Path, body: Callable[[], None], told: str) -> None:
    """Unknown steps and steps that wait for each other are named before anything runs."""
    with pytest.raises(StepInterfaceError, match=told):
        steps_of(body)
    assert ([], []) == (RAN, list(project.iterdir()))


@given(st.lists(st.sets(st.integers(0, 11)), max_size=12))
def test_the_order_respects_every_need(needs: list[set[int]]) -> None:
    """Whatever depends on what, a step comes after all it needs, and nothing is lost."""
    steps = [
        Invocation(name=str(place), step=one, arguments={}, after=tuple(str(n) for n in sorted(need) if n < place))
        for place, need in enumerate(needs)
    ]
    order = in_order(steps[::-1])
    names = [each.name for each in order]
    assert sorted(names) == sorted(each.name for each in steps)
    assert all(names.index(other) < names.index(each.name) for each in order for other in each.after)


@given(st.lists(st.sets(st.integers(0, 11)), max_size=12))
def test_steps_in_an_order_that_fits_keep_it(needs: list[set[int]]) -> None:
    """What needs only earlier calls runs in the order of the calls."""
    steps = [
        Invocation(name=str(place), step=one, arguments={}, after=tuple(str(n) for n in sorted(need) if n < place))
        for place, need in enumerate(needs)
    ]
    assert tuple(steps) == in_order(steps)


def test_a_chain_of_steps_may_be_of_any_length() -> None:
    """Each step may wait for the one that was called after it, also where they are more than Python nests calls."""
    steps = [Invocation(name=str(place), step=one, arguments={}, after=(str(place + 1),)) for place in range(3000)]
    last = Invocation(name="3000", step=one, arguments={})
    assert (last, *reversed(steps)) == in_order([*steps, last])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (lambda: three(id="three"), "step 'three' was called without 'a'"),
        (lambda: three(1, 2, 3), "arguments it does not take"),
        (lambda: three(1, d=4), "'d'"),
        (lambda: three(1, a=1), "'a'"),
        (lambda: three("1"), "wrong type for input 'a' of step 'three': expected int, got str"),
        (lambda: three.with_options(parameters={"d": 1}), "no parameter 'd'"),
        (
            lambda: two(np.zeros(2)),
            "argument 'given' of step 'two' is not JSON, so it takes an ExternalArtifact: given is a numpy.ndarray",
        ),
        (lambda: two({1: "a"}), "ExternalArtifact: a key of given is an int"),
        (lambda: two([{1}]), "ExternalArtifact: given[0] is a set"),
        (lambda: two({"k": (1, np.int64(1))}), "ExternalArtifact: given['k'][1] is a numpy.int64"),
        (lambda: two(holds_itself()), "ExternalArtifact: given is a list"),
        (lambda: two(two()), "a call of step 'two', which gives no output"),
        (lambda: two(three(1)), "is not plain: given[0] is <placeholder for output"),
        (lambda: two([one()]), "is not plain: given[0] is <placeholder for output 'one'"),
        (lambda: two({"k": [one().version]}), "is not plain: given['k'][0] is <placeholder"),
        (lambda: two(ExternalArtifact(value=one())), "is not plain: given.value is <placeholder"),
        (lambda: two([ExternalArtifact(value=1)]), "is not plain: given[0] is ExternalArtifact("),
        (lambda: two(["x" * 300_000]), "'given' the most of them"),
        (lambda: two(["x"] * 100_000), "over 262144 bytes"),
        (lambda: two({"": 1}), "cannot be recorded"),
        (lambda: two("\ud800"), "cannot be recorded"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(project: Path, body: Callable[[], Any], told: str) -> None:
    """Missing, unknown, of another type, not JSON, too large: the error names the argument; no body runs."""
    with pytest.raises(StepInterfaceError, match=re.escape(told)):
        steps_of(body)
    assert ([], []) == (RAN, list(project.iterdir()))


@pytest.mark.usefixtures("project")
def test_what_an_earlier_step_gave_has_the_type_that_is_asked_for() -> None:
    """Only its value tells: the step that takes it fails before its body runs."""

    @step
    def gives() -> Any:
        return "1"

    @pipeline
    def counting() -> None:
        three(gives())

    with pytest.raises(StepInterfaceError, match="wrong type for input 'a' of step 'three': expected int, got str"):
        counting()
    assert [] == RAN


def test_a_default_that_is_not_json_is_refused(project: Path) -> None:
    """It is a plain argument like any other, and judged before anything runs."""
    values = np.zeros(2)

    @step
    def takes(given: np.ndarray = values) -> None:
        RAN.append("takes")

    with pytest.raises(StepInterfaceError, match="argument 'given' of step 'takes' cannot be recorded"):
        steps_of(lambda: (one(), takes()))
    assert ([], []) == (RAN, list(project.iterdir()))


def test_a_step_that_is_not_called_is_no_argument(project: Path) -> None:
    """The hint says to call it."""
    with pytest.raises(
        StepInterfaceError, match=r"is a step, not what it gives: given is a ledger\.runtime\.steps\.Step"
    ) as caught:
        steps_of(lambda: two(given=one))
    assert "call it: given=one()" == caught.value.hint


def test_an_artifact_is_no_argument(project: Path) -> None:
    """A step takes a version of it, and the hint says how to look that up."""
    save_artifact(1, "x")
    with pytest.raises(StepInterfaceError, match="argument 'given' of step 'two' is an artifact, not one") as caught:
        steps_of(lambda: two(Client().get_artifact("x")))
    assert "look the version up: given=Client().get_artifact_version('x')" == caught.value.hint


def test_a_placeholder_is_good_in_its_own_body_alone(project: Path) -> None:
    """An output kept from another call, or something of it, is refused, also where a step has the same name."""
    kept: list[Any] = []
    steps_of(lambda: kept.append(one()))
    RAN.clear()

    @pipeline
    def uses(taken: dict[str, Any]) -> None:
        one()
        two(**taken)

    for taken in ({"given": kept[0]}, {"given": kept[0].version}, {"after": kept[0]}):
        with pytest.raises(StepInterfaceError, match="output 'one' of step 'one' in another call of a pipeline"):
            uses(taken)
    with pytest.raises(StepInterfaceError, match="in another call of a pipeline"):
        two(kept[0])
    assert [] == RAN


def test_more_steps_than_a_record_can_name_are_refused(project: Path) -> None:
    """Before the first of them has run, whose work nothing could record."""

    def body() -> None:
        for number in range(4000):
            two(number, id=f"{number:04}{'x' * 190}")

    with pytest.raises(StepInterfaceError, match="has 4000 steps, whose names take 808000 bytes, over the 716800"):
        steps_of(body)
    assert ([], []) == (RAN, list(project.iterdir()))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"größe": 1}, "argument 'größe' of step 'named' cannot be saved under its name: invalid artifact name"),
        (
            {"X": 1, "x": 2},
            "argument 'x' of step 'named' would be saved as 'training::named::external_x', which differs",
        ),
    ],
)
def test_a_value_from_outside_without_a_name_of_its_own_is_refused(
    project: Path, arguments: dict[str, int], told: str
) -> None:
    """Before anything runs, by the argument that it is; as a parameter it may have that name."""

    @step
    def named(größe: int = 0, X: int = 0, x: int = 0) -> None:  # noqa: N803, PLC2401
        RAN.append("named")

    with pytest.raises(InvalidNameError, match=re.escape(told)):
        steps_of(lambda: named(**{name: ExternalArtifact(value=value) for name, value in arguments.items()}))
    assert ([], []) == (RAN, list(project.iterdir()))
    steps_of(lambda: named(**arguments))
    assert ["named"] == RAN


def test_an_argument_that_is_not_json_leads_to_external_artifact(project: Path) -> None:
    """The hint says what to write instead."""
    with pytest.raises(StepInterfaceError) as caught:
        steps_of(lambda: two(np.zeros(2)))
    assert "given=ExternalArtifact(value=...)" in caught.value.hint
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_arguments_come_from_the_call_the_options_or_the_default(project: Path) -> None:
    """In this order, and all are recorded."""

    @step
    def takes(a: int, b: int = 2, c: Any = None) -> None:
        assert (1, 20, None) == (a, b, c)

    @pipeline
    def training() -> None:
        takes.with_options(parameters={"a": 10, "b": 20})(a=1)

    assert {"a": 1, "b": 20, "c": None} == training().steps["takes"].parameters


def test_a_value_from_outside_is_saved_when_the_run_starts(project: Path) -> None:
    """It is an artifact of its own; one object used twice is saved once; ``None`` is a value too."""

    @step
    def takes(given: Any, other: Any = None) -> None:
        pass

    @pipeline
    def training() -> None:
        shared = ExternalArtifact(value=np.array([0]))
        takes(shared)
        takes(ExternalArtifact(value=None), other=shared)

    run = training()
    first, second = (each.inputs for each in run.steps.values())
    assert first["given"] == second["other"]
    assert ("training::takes::external_given", "external") == (first["given"].name, first["given"].save_type)
    assert second["given"].load() is None
    assert 2 == len(Client().list_artifact_versions())
    again = training()
    assert ["completed", "completed"] == [each.status for each in again.steps.values()]
    assert "2" == again.steps["takes"].inputs["given"].version


def test_a_value_from_outside_may_have_its_materializer(project: Path) -> None:
    """``materializer=`` is used; what it cannot save fails the run before any step has run."""
    from ledger.materializers import BaseMaterializer

    class Lines(BaseMaterializer):
        ASSOCIATED_TYPES = (list,)
        REGISTRY_KEY = "tests.lines/1"
        SKIP_REGISTRATION = True

        def save(self, data: list[str]) -> None:
            with self.open("lines.txt", "w") as file:
                file.write("\n".join(data))

        def load(self, data_type: type[Any] | None) -> list[str]:  # noqa: ARG002
            with self.open("lines.txt", "r") as file:
                return list(file.read().splitlines())

    taken: list[Any] = []

    @step
    def takes(given: list[str]) -> None:
        taken.append(given)

    @pipeline
    def training(value: list[Any]) -> None:
        takes(ExternalArtifact(value=value, materializer=Lines))

    training(["a", "b"])
    assert "tests.lines/1" == Client().get_artifact_version("training::takes::external_given").materializer
    with pytest.raises(MaterializerError):
        training([1])
    assert [["a", "b"]] == taken


@pytest.mark.parametrize("is_direct", [True, False])
def test_a_value_from_outside_of_the_wrong_type_is_refused_before_it_is_saved(
    project: Path, *, is_direct: bool
) -> None:
    """The annotation judges it in the plan: no version, no record and no ledger is made."""

    @step
    def takes(given: dict[str, Any]) -> None:
        raise AssertionError

    @pipeline
    def training() -> None:
        takes(ExternalArtifact(value=np.zeros(1)))

    with pytest.raises(StepInterfaceError, match=r"input 'given' of step 'takes': expected dict.*, got numpy.ndarray"):
        takes(np.zeros(1)) if is_direct else training()
    assert [] == list(project.iterdir())


def test_a_step_may_ask_for_the_version_of_a_value_from_outside(project: Path) -> None:
    """Where the handle is wanted, the annotation says nothing of the value."""
    taken: list[Any] = []

    @step
    def takes(given: ArtifactVersion) -> None:
        taken.append(given.name)

    @pipeline
    def training() -> None:
        takes(ExternalArtifact(value=np.zeros(1)))

    training()
    assert ["training::takes::external_given"] == taken


@pytest.mark.parametrize(
    ("arguments", "told"), [((), "'a'"), ((1, 2, 3), "too many"), ((1,), None), ((np.zeros(1),), None)]
)
def test_a_pipeline_takes_what_its_signature_says(project: Path, arguments: tuple[Any, ...], told: str | None) -> None:
    """Missing and surplus arguments are refused; the body may take anything, plain values are recorded."""

    @pipeline
    def training(a: Any, b: int = 2) -> None:
        one()

    if told is not None:
        with pytest.raises(StepInterfaceError, match=f"pipeline 'training'.*{told}"):
            training(*arguments)
        assert [] == RAN
        return
    recorded = training(*arguments).parameters
    assert ({"a": 1, "b": 2} if arguments == (1,) else {"b": 2}) == recorded


def test_a_pipelines_large_arguments_are_left_out_of_its_record(project: Path) -> None:
    """What its record has no room for does not keep a pipeline from running."""

    @pipeline
    def training(rows: list[int], name: str, text: str) -> None:
        two(ExternalArtifact(value=rows))

    assert {"name": "a"} == training(list(range(100_000)), "a", "\ud800").parameters


def test_a_pipeline_in_a_pipelines_body_is_refused(project: Path) -> None:
    """Bodies record steps; a pipeline runs by itself."""

    @pipeline
    def inner() -> None:
        one()

    @pipeline
    def outer() -> None:
        inner()

    @pipeline
    def joined() -> None:
        inner.entrypoint()

    with pytest.raises(StepInterfaceError, match="'inner' was called in the body of another pipeline") as caught:
        outer()
    assert ["inner"] == [inner().name]
    assert caught.value.hint.startswith("its `.entrypoint(...)` calls its steps as part of that one")
    assert ["one"] == list(joined().steps)


def test_a_pipeline_that_cannot_name_its_arguments_is_refused() -> None:
    """``*args`` and ``**kwargs`` have no names to be recorded under."""

    def body(**rows: int) -> None: ...

    with pytest.raises(StepInterfaceError, match=r"pipeline 'body' takes '\*\*rows'"):
        pipeline(body)


def test_an_error_of_the_body_is_the_users_own(project: Path) -> None:
    """Nothing has run and nothing is recorded; steps called afterwards are not taken for the body's."""

    @pipeline
    def training() -> None:
        one()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        training()
    assert ([], []) == (RAN, list(project.iterdir()))
    assert 1 == one()


def test_a_config_with_a_version_is_published_as_that_version(project: Path) -> None:
    """Handles, too, can be given to a step."""

    @step
    def made(given: int) -> Annotated[int, ArtifactConfig(name="x", version="raw_2023")]:
        return given

    assert 4 == made(save_artifact(4, "before"))
    assert "raw_2023" == Client().get_artifact_version("x").version


def test_threads_of_a_body_may_all_call_steps(project: Path, fast_switches: None) -> None:
    """Where they know the body's context, each call is a step of the run."""

    @step
    def nothing() -> None:
        pass

    @pipeline
    def training() -> None:
        def call() -> None:
            for _ in range(25):
                nothing()

        threads = [threading.Thread(target=contextvars.copy_context().run, args=(call,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert 200 == len(training().planned_steps)
