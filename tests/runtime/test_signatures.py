"""What a step takes and gives, as its signature says it."""

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Annotated, Any, Optional, Tuple, Union  # noqa: UP035  # people write both spellings

import pytest
from typing_extensions import TypeAliasType

from ledger import ArtifactConfig, pipeline, step
from ledger.errors import (
    ArgumentTypeError,
    InvalidNameError,
    InvalidTagError,
    InvalidVersionError,
    MetadataError,
    StepInterfaceError,
    StepOutputsError,
)
from ledger.runtime import Step
from ledger.runtime.annotations import conforms
from ledger.runtime.source_code import returns_nothing, returns_several
from tests.kit.ledgers import run_python
from tests.runtime import future_steps


def keys(made: Step[Any]) -> list[str]:
    return [output.key for output in made.signature.outputs]


def test_an_unnamed_output_is_called_output() -> None:
    """One value without a name is the output ``output``."""

    @step
    def one() -> int:
        return 1

    assert ["output"] == keys(one)


def test_unnamed_outputs_are_numbered_by_their_place() -> None:
    """Several values are ``output_0``, ``output_1``; a named one keeps its name and its place."""

    @step
    def both() -> tuple[int, str]:
        return 1, "a"

    @step
    def mixed() -> Tuple[Annotated[int, "x"], str, Annotated[float, ArtifactConfig(tags=["t"])]]:  # noqa: UP006
        return 1, "a", 0.5

    assert (["output_0", "output_1"], ["x", "output_1", "output_2"]) == (keys(both), keys(mixed))
    assert ("t",) == mixed.signature.outputs[2].config.tags


@pytest.mark.parametrize(
    ("extras", "name", "tags"),
    [
        (("iris",), "iris", ()),
        ((ArtifactConfig(name="iris", tags=["t"]),), "iris", ("t",)),
        ((ArtifactConfig(tags=["t"]), "iris"), "iris", ("t",)),
        (("iris", ArtifactConfig(tags=["t"])), "iris", ("t",)),
        ((ArtifactConfig(tags=["t"]),), None, ("t",)),
    ],
)
def test_a_name_stands_in_a_string_or_in_the_config(extras: Any, name: str | None, tags: tuple[str, ...]) -> None:
    """``Annotated`` holds a name, an ArtifactConfig, or one of each with the name said once."""

    def one() -> int:
        return 1

    one.__annotations__["return"] = Annotated[int, *extras]
    (output,) = step(one).signature.outputs
    assert (name or "output", name, tags) == (output.key, output.config.name, output.config.tags)


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, "a", "b"],
        Annotated[int, ArtifactConfig(), ArtifactConfig()],
        Annotated[int, "a", ArtifactConfig(name="b")],
        Annotated[int, "a", ArtifactConfig(), "c"],
        Annotated[int, 3],
        Annotated[int, "a", 3] | None,
        Annotated[int, ""],
    ],
)
def test_an_annotation_that_says_two_things_is_refused(annotation: Any) -> None:
    """Two names, two configs, a name said twice, anything else or an empty name is a ValueError naming the step."""

    def one() -> int:
        return 1

    one.__annotations__["return"] = annotation
    with pytest.raises(ValueError, match="step 'one'") as caught:
        step(one)
    assert StepInterfaceError is caught.type


def test_a_tuple_is_split_only_where_a_literal_is_returned() -> None:
    """``r = 1, 2; return r`` is one value that is a tuple; a nested function's return does not count."""

    @step
    def kept() -> tuple[int, int]:
        result = (1, 2)
        return result  # noqa: RET504  # the case

    @step
    def nested() -> tuple[int, int]:
        def pair() -> tuple[int, int]:
            return 1, 2

        return pair()

    @step
    def named() -> Annotated[tuple[int, int], "pair"]:
        return 1, 2

    assert (["output"], ["output"], ["pair"]) == (keys(kept), keys(nested), keys(named))


def test_a_tuple_of_nothing_said_is_one_value() -> None:
    """A bare ``tuple`` or ``Tuple`` does not say what is in it, and so is one output, literal or not."""

    @step
    def bare() -> tuple:  # type: ignore[type-arg]  # the case
        return 1, 2

    @step
    def of_typing() -> Tuple:  # type: ignore[type-arg]  # noqa: UP006  # the case
        return 1, 2

    assert (["output"], ["output"]) == (keys(bare), keys(of_typing))
    assert ((1, 2), (1, 2)) == (bare(), of_typing())


@pytest.mark.parametrize("annotation", [tuple[()], Tuple[()]], ids=["tuple", "Tuple"])  # noqa: UP006  # the case
def test_an_empty_tuple_says_that_there_is_no_value(annotation: Any) -> None:
    """``tuple[()]`` says how many values there are, as a bare one does not: more are refused."""

    def one() -> Any:
        return 1, 2

    one.__annotations__["return"] = annotation
    with pytest.raises(StepInterfaceError, match="expected 0"):
        step(one)()


def test_several_values_of_unknown_number_are_refused() -> None:
    """``tuple[int, ...]`` cannot be split into outputs."""
    with pytest.raises(StepOutputsError, match="does not say how many") as caught:

        @step
        def many() -> tuple[int, ...]:
            return 1, 2

    assert "variable length" in caught.value.hint


def test_two_outputs_of_one_name_are_refused() -> None:
    """An output's name is its own."""
    with pytest.raises(StepOutputsError, match="two outputs named 'x'"):

        @step
        def twice() -> tuple[Annotated[int, "x"], Annotated[int, "x"]]:
            return 1, 2


def test_a_step_that_returns_nothing_has_no_outputs() -> None:
    """``-> None`` and bare returns give no outputs; anything else without an annotation is one output."""

    @step
    def none() -> None:
        return

    def bare(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if x:
            return
        print(x)

    def pair():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return 1, 2

    assert ([], [], ["output"]) == (keys(none), keys(step(bare)), keys(step(pair)))


def test_optional_outputs_are_one_output() -> None:
    """A union is one output, with or without a name inside Annotated."""

    @step
    def maybe() -> Optional[int]:  # noqa: UP045
        return None

    @step
    def named() -> Annotated[Union[int, str, None], ArtifactConfig(name="x", run_metadata={"a": 1})]:  # noqa: UP007
        return None

    @step
    def inside() -> Annotated[int, ArtifactConfig(run_metadata={"a": 1})] | None:
        return None

    assert (["output"], ["x"], ["output"]) == (keys(maybe), keys(named), keys(inside))


def test_a_name_may_stand_beside_one_member_of_a_union() -> None:
    """``Annotated[T, "name"] | None`` is named and described as ``Annotated[T | None, "name"]`` is."""

    @step
    def maybe() -> Annotated[int, "x", ArtifactConfig(tags=["t"])] | None:
        return None

    @step
    def others() -> Optional[Annotated[int, ("not", "for", "an", "output")]]:  # noqa: UP045
        return None

    @step
    def pair() -> tuple[Annotated[int, "a"] | None, Annotated[int, "b"] | str]:
        return None, "b"

    assert (["x"], ["output"], ["a", "b"]) == (keys(maybe), keys(others), keys(pair))
    assert ("t",) == maybe.signature.outputs[0].config.tags


def test_two_names_in_a_union_are_refused() -> None:
    """An output has one name."""
    with pytest.raises(StepInterfaceError, match="step 'either' has the output annotation"):

        @step
        def either() -> Annotated[int, "x"] | Annotated[str, "y"]:
            return 1


def test_a_tuple_whose_names_nothing_will_have_is_told() -> None:
    """A tuple made elsewhere is one output: where its members have names, a warning says that they are lost."""
    with pytest.warns(UserWarning, match="step 'made' gives one tuple, and no outputs 'a', 'b'") as caught:

        @step
        def made() -> tuple[Annotated[int, "a"], Annotated[int, ArtifactConfig(name="b")]] | None:
            return elsewhere()

    def elsewhere() -> tuple[int, int]:
        return 1, 2

    assert ["output"] == keys(made)
    assert [__file__] == [each.filename for each in caught]


def test_a_tuple_whose_members_have_no_names_is_not_told() -> None:
    """What stands beside a type may be anybody's, and a configuration need not name."""

    def elsewhere() -> tuple[int, int]:
        return 1, 2

    @step
    def made() -> tuple[Annotated[int, 3], Annotated[int, ArtifactConfig(tags=["t"])]]:
        return elsewhere()

    assert ["output"] == keys(made)


def test_what_a_type_statement_names_is_read() -> None:
    """A name given by ``type X = …`` stands for what it was given to, alone and inside others."""
    named = TypeAliasType("named", Annotated[int, "x"])
    both = TypeAliasType("both", tuple[named, Annotated[str, "y"]])

    def one() -> None:
        return 1  # type: ignore[return-value]

    def two() -> None:
        return 1, "a"  # type: ignore[return-value]

    one.__annotations__["return"] = named
    two.__annotations__["return"] = both
    assert (["x"], ["x", "y"]) == (keys(step(one)), keys(step(two)))
    assert int is step(one).signature.outputs[0].annotation


_LAZY = pytest.mark.skipif(sys.version_info < (3, 14), reason="this Python looks at annotations at once")


@pytest.fixture(params=["strings", pytest.param("deferred", marks=_LAZY)])
def late_steps(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Steps whose annotations are strings, and the same with annotations that Python from 3.14 on has not looked at."""
    if request.param == "strings":
        return future_steps
    path = tmp_path / "deferred_steps.py"
    path.write_text(Path(future_steps.__file__).read_text().replace("from __future__ import annotations\n", ""))
    spec = importlib.util.spec_from_file_location("deferred_steps", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_annotations_written_as_strings_are_read(late_steps: Any) -> None:
    """``from __future__ import annotations`` changes nothing, for types of the module and of the function."""
    assert ["iris", "output_1"] == keys(late_steps.of_module)
    local = late_steps.make_local()
    assert ["here"] == keys(local)
    assert "Here" == local.signature.outputs[0].annotation.__name__
    assert "Here" == local.signature.hints["given"].__name__


def test_annotations_below_a_decorator_are_read_where_they_are_written(late_steps: Any) -> None:
    """What they say is looked up in the function's own module, and around it, not in those of the decorator."""
    assert ["iris", "output_1"] == keys(late_steps.wrapped)
    local = late_steps.make_wrapped()
    assert ["here"] == keys(local)
    assert "Here" == local.signature.hints["given"].__name__


def test_a_name_that_is_defined_nowhere_is_any_type(late_steps: Any) -> None:
    """An annotation that cannot be resolved does not keep a step from being one."""
    assert ["output"] == keys(late_steps.of_nowhere)


def test_an_unknown_type_costs_no_other_annotation_its_meaning(late_steps: Any) -> None:
    """A type that only the checker knows is any type; the output's name beside it stays."""
    assert ["named"] == keys(late_steps.of_half_known)


def test_an_output_of_an_unknown_type_keeps_its_name(late_steps: Any) -> None:
    """A type that only the checker knows, or that is defined further down, is any type; names beside it stay."""
    assert (["named"], ["later", "all"]) == (keys(late_steps.named_of_nowhere), keys(late_steps.named_of_later))
    assert conforms("anything", late_steps.named_of_nowhere.signature.hints["given"])
    any_type, all_of_it = (output.annotation for output in late_steps.named_of_later.signature.outputs)
    assert (True, True, False) == (conforms("any", any_type), conforms([1], all_of_it), conforms(1, all_of_it))


@pytest.mark.parametrize(
    "text", ["int[3]", "sys.nothing", "what it is", "{}['size']", "", "Annotated[sys.nothing, 'size']"]
)
def test_a_text_that_says_no_type_is_any_type(text: str) -> None:
    """Whatever comes of a text that stands for a type: what an argument is called with it names no output."""

    def made(given: Any) -> Any:
        return given

    made.__annotations__ = {"given": text, "return": Any if "Annotated" in text else text}
    assert {"given": Any, "return": Any} == step(made).signature.hints


@pytest.mark.parametrize("annotation", [list["Unknown"], Optional[list["Unknown"]]])  # type: ignore[name-defined]  # noqa: F821, UP045
def test_what_holds_an_unknown_type_is_still_judged(annotation: Any, workdir: Path) -> None:
    """Only what is in it may be anything, also where only that is written as a string."""

    def made(given: Any) -> Any:
        return given

    made.__annotations__["return"] = annotation
    with pytest.raises(StepInterfaceError, match="wrong type for output 'output' of step 'made'"):
        step(made)(1)
    assert [1] == step(made)([1])


def test_an_unknown_type_is_told_as_any(late_steps: Any, workdir: Path) -> None:
    """An error says what a list is to be of in words of the user's."""
    with pytest.raises(StepInterfaceError, match=r"expected list\[Any\], got int"):
        late_steps.list_of_nowhere(1)


def test_an_output_whose_name_would_be_lost_is_refused(late_steps: Any) -> None:
    """What names an output has to be known at run time: it is an error, not an output of another name."""
    with pytest.raises(StepInterfaceError, match="of which this is not known: name 'ArtifactConfig' is not defined"):
        step(late_steps.described_by_nobody)


def test_a_configuration_in_the_place_of_the_type_is_refused(late_steps: Any) -> None:
    """An output annotated with its configuration alone is an error, not an output that is saved without it."""

    def configured() -> ArtifactConfig(name="iris"):  # type: ignore[valid-type]
        return 1

    def held() -> Annotated[ArtifactConfig(tags=["raw"]), "iris"]:  # type: ignore[valid-type]
        return 1

    for function in (configured, held, late_steps.configured_alone):
        with pytest.raises(StepInterfaceError, match="has the output annotation") as caught:
            step(function)
        assert "write Annotated[...] with the type" in caught.value.hint


def test_a_step_may_close_over_what_is_defined_later() -> None:
    """A name that the function around it defines further down is there when the step runs."""

    @step
    def early() -> int:
        return late()

    def late() -> int:
        return 1

    assert 1 == early.entrypoint()
    assert ["output"] == keys(early)


@pytest.mark.parametrize("value", [int, len, functools.partial(len), 3, "name"])
def test_what_is_no_function_is_no_step(value: Any) -> None:
    """Classes, builtins and other values are refused with what they are."""
    for decorator, what in ((step, "step"), (pipeline, "pipeline")):
        with pytest.raises(StepInterfaceError, match=f"a {what} is made of a function, got"):
            decorator(value)


def test_a_name_that_is_none_is_refused_as_the_steps() -> None:
    """The error speaks of the step or pipeline; a lambda needs a name."""
    calls: list[tuple[Any, str]] = [
        (lambda: step(lambda: None), "invalid step name '<lambda>'"),
        (lambda: step(name="a b")(print_it), "invalid step name 'a b'"),
        (lambda: pipeline(name="")(print_it), "invalid pipeline name ''"),
    ]
    for call, told in calls:
        with pytest.raises(InvalidNameError, match=told):
            call()


def test_a_function_whose_name_is_none_is_told_how_to_get_another() -> None:
    """Python allows more names than records do, and a lambda has none."""

    def größe() -> int:  # noqa: PLC2401  # the case
        return 1

    for decorate, what in ((step, "step"), (pipeline, "pipeline")):
        for function in (größe, lambda: None):
            with pytest.raises(InvalidNameError) as caught:
                decorate(function)
            assert f"give it another one: @{what}(name=...); parts joined" in caught.value.hint


def test_an_output_config_with_an_empty_name_is_refused() -> None:
    """A name is a name or is left out."""
    with pytest.raises(InvalidNameError, match="invalid artifact name ''"):
        ArtifactConfig(name="")


def print_it() -> None:
    print("it")


def test_a_step_that_cannot_be_recorded_is_refused() -> None:
    """Arguments without names, coroutines and generators are refused when they are decorated."""

    def many(*values: int) -> None: ...
    def keywords(**values: int) -> None: ...
    def places(value: int, /) -> None: ...
    def generator() -> Any:
        yield 1

    async def coroutine() -> None: ...

    for function, told in [
        (many, r"\*values"),
        (keywords, r"\*\*values"),
        (places, "value"),
        (generator, "generator"),
        (coroutine, "coroutine"),
    ]:
        with pytest.raises(StepInterfaceError, match=told):
            step(function)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"version": "a/b"}, InvalidVersionError),
        ({"version": 1.5}, ArgumentTypeError),
        ({"tags": "digits"}, ArgumentTypeError),
        ({"tags": [""]}, InvalidTagError),
        ({"run_metadata": {"x": object()}}, MetadataError),
        ({"artifact_type": "Model"}, ValueError),
        ({"name": 5}, ArgumentTypeError),
    ],
)
def test_a_config_is_checked_when_it_is_made(fields: dict[str, Any], kind: type[Exception]) -> None:
    """A bad field is refused where it is written, not when the step ends."""
    with pytest.raises(kind):
        ArtifactConfig(**fields)


def test_an_unknown_field_of_a_config_is_a_type_error() -> None:
    """A field that is misspelled is not ignored."""
    with pytest.raises(TypeError, match="metadata"):
        ArtifactConfig(metadata={"a": 1})  # type: ignore[call-arg]


def test_a_config_holds_every_field_in_its_one_form() -> None:
    """Versions are strings, tags sorted, metadata normalised, types members."""
    config = ArtifactConfig("x", 3, ["b", "a", "b"], {"t": (1, 2)}, "ModelArtifact")
    assert {
        "name": "x",
        "version": "3",
        "tags": ["a", "b"],
        "run_metadata": {"t": [1, 2]},
        "artifact_type": "ModelArtifact",
    } == config.as_values()


def test_a_program_without_source_is_read_from_its_code(workdir: Path) -> None:
    """On standard input, without a source, tuples are split and steps are cached, also under a decorator."""
    program = """
from functools import wraps
from typing import Annotated
from ledger import pipeline, step
def watched(function):
    return wraps(function)(lambda: function())
@step
@watched
def both() -> tuple[Annotated[int, "x"], Annotated[str, "y"]]:
    with open("/dev/null"):
        return 1, "a"
@step
def nothing(x):
    assert x in {1, 2, 3}
@pipeline
def training():
    x, y = both()
    nothing(x)
run = training()
print([s.status for s in run.steps.values()], list(run.steps["both"].outputs), list(run.steps["nothing"].outputs))
"""
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-'], input={program!r}, text=True, check=True)"
    assert "['completed', 'completed'] ['x', 'y'] []\n" == run_python(code, workdir).stdout
    assert "['cached', 'cached'] ['x', 'y'] []\n" == run_python(code, workdir).stdout


WITHOUT_SOURCE = {
    "return a, b": "several",
    "return 1, 'x'": "several",
    "a, b = b, a\n    return a, b": "several",
    "with a as x, b:\n        return a, x": "several",
    "with a:\n        with b:\n            return 1, 2": "several",
    "for x in a:\n        with x:\n            return x, 1": "several",
    "if a < b < 3:\n        return None\n    return a, b": "several",
    "return [a, b]": "one",
    "return a": "one",
    "with a:\n        return b": "one",
    "with a:\n        return 7": "one",
    "try:\n        return a\n    finally:\n        print(b)": "one",
    "for x in a:\n        return x": "one",
    "a()": "nothing",
    "return None": "nothing",
    "with a:\n        return": "nothing",
    "with a as x:\n        x()": "nothing",
    "a, b = b, a": "nothing",
}


@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("body", WITHOUT_SOURCE)
def test_what_compiled_code_returns(body: str, keyword: str) -> None:
    """Several values, one or none: the code says it where there is no source, whatever the statement stands in."""
    namespace: dict[str, Any] = {}
    body = body.replace("with ", "async with ") if keyword != "def" else body
    exec(f"{keyword} function(a, b):\n    {body}\n", namespace)
    function = namespace["function"]
    found = "several" if returns_several(function) else "nothing" if returns_nothing(function) else "one"
    assert WITHOUT_SOURCE[body.replace("async with ", "with ")] == found


def test_a_step_of_what_is_defined_later_runs(late_steps: Any, workdir: Path) -> None:
    """Called by itself and in a pipeline, by place and by name: no annotation is asked what it means."""
    assert (3, 1) == (late_steps.of_nowhere(3), late_steps.of_half_known(given=3))

    @pipeline
    def both() -> None:
        late_steps.of_half_known(late_steps.of_nowhere(3))

    assert {"of_nowhere", "of_half_known"} == both().steps.keys()
