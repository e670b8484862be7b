"""Outputs as they are published: names, templates, types, materializers, and what is wrong with a returned value."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from ledger import ArtifactConfig, ExternalArtifact, pipeline, step
from ledger.client import Client
from ledger.enums import ArtifactType
from ledger.errors import InvalidNameError, NameCollisionError, NameTemplateError, StepInterfaceError
from ledger.materializers import BaseMaterializer
from tests.kit.contents import noise
from tests.kit.ledgers import files_below, last_run

pytestmark = pytest.mark.usefixtures("workdir")


class _Loud(BaseMaterializer):
    """Text in capitals. Left out of the registry, so that only steps that ask for it use it."""

    ASSOCIATED_TYPES = (str,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA_ANALYSIS
    REGISTRY_KEY = "tests.loud/1"
    SKIP_REGISTRATION = True

    def save(self, data: str) -> None:
        with self.open("loud.txt", "w") as file:
            file.write(data.upper())

    def load(self, data_type: type[Any] | None) -> str:  # noqa: ARG002
        with self.open("loud.txt", "r") as file:
            return str(file.read())


class _Count(BaseMaterializer):
    """An int as its digits."""

    ASSOCIATED_TYPES = (int,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.STATISTICS
    REGISTRY_KEY = "tests.count/1"
    SKIP_REGISTRATION = True

    def save(self, data: int) -> None:
        with self.open("count.txt", "w") as file:
            file.write(str(data))

    def load(self, data_type: type[Any] | None) -> int:  # noqa: ARG002
        with self.open("count.txt", "r") as file:
            return int(file.read())


def test_outputs_that_differ_only_in_case_are_refused_before_anything_runs(workdir: Path) -> None:
    """Two of them could not both be saved, be they of one step or of two, so the work of neither is begun."""
    ran: list[str] = []

    @step
    def pair() -> tuple[Annotated[int, "total"], Annotated[int, "Total"]]:
        ran.append("pair")
        return 1, 2

    @step
    def lone() -> int:
        ran.append("lone")
        return 1

    @pipeline
    def twice() -> None:
        lone(id="fit")
        lone(id="Fit")

    with pytest.raises(NameCollisionError, match=r"output 'Total' of step 'pair' would be .* 'total'"):
        pair()
    with pytest.raises(NameCollisionError, match="'twice::Fit::output', which differs only in case from"):
        twice()
    assert ([], []) == (ran, list(workdir.iterdir()))


def test_an_argument_that_changed_its_case_is_told(workdir: Path) -> None:
    """The name of a value from outside is nobody's choice: the hint says which argument and step it is made of."""
    takers = {"x": step(name="fit")(lambda x: x), "X": step(name="fit")(lambda X: X)}  # noqa: N803  # the case is the test

    def taking(name: str) -> None:
        @pipeline
        def training() -> None:
            takers[name](**{name: ExternalArtifact(value=[1])})

        training()

    taking("X")
    with pytest.raises(NameCollisionError, match="'training::fit::external_x' differs only in case from") as caught:
        taking("x")
    assert "argument 'x' of step 'fit'" in caught.value.hint
    assert "save to" not in caught.value.hint


def test_default_names_tell_pipeline_step_and_output() -> None:
    """``{pipeline}::{step}::{output}``, with the step's name in the run."""

    @step
    def both() -> tuple[int, Annotated[str, "named"]]:
        return 1, "a"

    @pipeline
    def training() -> None:
        both()
        both(id="again")
        both()

    run = training()
    assert {
        "both": {"output_0": "training::both::output_0", "named": "named"},
        "again": {"output_0": "training::both::output_0", "named": "named"},
        "both_2": {"output_0": "training::both::output_0", "named": "named"},
    } == {name: {key: made.name for key, made in each.outputs.items()} for name, each in run.steps.items()}
    uncached = training.with_options(enable_cache=False)()
    assert "training::again::output_0" == uncached.steps["again"].outputs["output_0"].name
    assert ["2", "3", "4"] == [each.outputs["named"].version for each in uncached.steps.values()]


def test_a_config_without_a_name_describes_the_default_one() -> None:
    """Version, tags, type and metadata hold for an output that has its default name."""

    @step
    def made() -> Annotated[int, ArtifactConfig(None, "raw", ["t"], {"a": 1}, ArtifactType.MODEL)]:
        return 1

    made()
    found = Client().get_artifact_version("made::made::output")
    assert ("raw", ("t",), 1, ArtifactType.MODEL) == (found.version, found.tags, found.metadata["a"], found.type)


def test_annotations_whose_metadata_python_holds_equal_stay_two() -> None:
    """`typing` gives one annotation for equal ones; `1`, `1.0` and `True` in two configurations stay as said."""
    values = [1, True, 1.0, {"k": [0.0]}, {"k": [-0.0]}]
    said: list[Any] = [Annotated[int, ArtifactConfig(run_metadata={"flag": value})] for value in values]

    assert [repr(one.__metadata__[0].run_metadata["flag"]) for one in said] == [repr(value) for value in values]
    assert ArtifactConfig(run_metadata={"a": 1, "b": 2}) == ArtifactConfig(run_metadata={"b": 2, "a": 1})


def test_templates_are_filled_from_the_start_of_the_run() -> None:
    """``{date}`` and ``{time}`` are the run's in UTC, one for all steps; the key of the output is filled in too."""

    @step(enable_cache=False)
    def made() -> Annotated[int, "x_{date}_{time}"]:
        return 1

    @pipeline
    def training() -> None:
        made()
        made()

    run = training()
    moment = f"{run.started_at.astimezone(dt.UTC):%Y_%m_%d_%H_%M_%S_%f}"
    assert [(f"x_{moment}", "1"), (f"x_{moment}", "2")] == [
        (found.name, found.version) for each in run.steps.values() for found in each.outputs.values()
    ]
    assert [f"x_{moment}"] == list(run.steps["made_2"].outputs)


def test_own_templates_come_from_the_nearest_substitution() -> None:
    """A step's ``with_options`` beats its decorator, that the pipeline's ``with_options``, and that its decorator."""

    @step(enable_cache=False, substitutions={"b": "step"})
    def made() -> Annotated[int, "{a}_{b}_{c}_{date}"]:
        return 1

    @pipeline(substitutions={"a": "pipeline", "b": "pipeline", "c": "pipeline", "date": "today"})
    def training() -> None:
        made.with_options(substitutions={"c": "option"})()

    run = training.with_options(substitutions={"a": "changed", "b": "changed", "c": "changed"})()
    assert ["changed_step_option_today"] == list(run.steps["made"].outputs)


def test_templates_are_filled_in_names_alone() -> None:
    """A tag keeps its braces."""

    @step
    def made() -> Annotated[int, ArtifactConfig(name="x", tags=["v_{date}"])]:
        return 1

    made()
    assert ("v_{date}",) == Client().get_artifact_version("x").tags


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("x_{missing}", NameTemplateError, "'missing'"),
        ("x_{", StepInterfaceError, "template"),
        ("{}", StepInterfaceError, "template"),
        ("{date!x}", StepInterfaceError, "template"),
        ("{date:d}", StepInterfaceError, "template"),
        ("{date:{time}{missing}}", StepInterfaceError, "template"),
        ("{date.year}", StepInterfaceError, "template"),
        ("{date:{time.hour}}", StepInterfaceError, "template"),
        ("{date:>400}", InvalidNameError, "400 characters"),
        ("a b", InvalidNameError, "a b"),
    ],
)
def test_a_name_that_cannot_be_filled_is_refused_before_anything_runs(
    workdir: Path, name: str, kind: type[Exception], told: str
) -> None:
    """A placeholder without a value, a broken template or a bad name is an error, and no ledger is made."""

    def made() -> int:
        raise AssertionError

    made.__annotations__["return"] = Annotated[int, name]
    with pytest.raises(kind, match=told):
        step(made)()
    assert [] == list(workdir.iterdir())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("x_{missing}", "use {date} or {time}, or give substitutions={'missing': ...}"),
        ("x_{}", "use {date} or {time}"),
        ("x_{0}", "use {date} or {time}"),
        ("x_{date.year}", "use {date} or {time}"),
    ],
)
def test_a_substitution_is_asked_for_where_it_would_help(workdir: Path, name: str, hint: str) -> None:
    """The hint names one for a plain word in braces alone."""

    def made() -> int:
        raise AssertionError

    made.__annotations__["return"] = Annotated[int, name]
    with pytest.raises(NameTemplateError) as caught:
        step(made)()
    assert hint == caught.value.hint


def test_a_substitution_that_cannot_be_formatted_so_is_refused(workdir: Path) -> None:
    """What is no text has other formats than a text, and Python's own error names no template."""

    @step(substitutions={"x": None})  # type: ignore[dict-item]
    def made() -> Annotated[int, "x_{x:>5}"]:
        raise AssertionError

    with pytest.raises(StepInterfaceError, match="template"):
        made()
    assert [] == list(workdir.iterdir())


def test_two_templates_with_one_value_are_refused() -> None:
    """Outputs stay apart when their names are filled in."""

    @step(substitutions={"a": "x", "b": "x"})
    def both() -> tuple[Annotated[int, "{a}"], Annotated[int, "{b}"]]:
        return 1, 2

    with pytest.raises(StepInterfaceError, match="two outputs named 'x'"):
        both()


RETURNED: list[Any] = []
WRONG: list[tuple[Any, Any, str]] = [
    (int, "a", "wrong type for output 'output' of step 'made': expected int, got str"),
    (Annotated[int, "x"], None, "wrong type for output 'x' of step 'made': expected int, got NoneType"),
    (int | None, "a", "expected int | None, got str"),
    (np.ndarray, [1], "expected numpy.ndarray, got list"),
    (tuple[int, int], [1, 2], "got list"),
    (Literal["a", "b"], "c", "expected typing.Literal['a', 'b'], got 'c'"),
    (int, np.int64(1), "expected int, got numpy.int64"),
    (None, 1, r"wrong number of outputs of step 'made': expected 0 \(none\), got one value \(int\)"),
]


@pytest.mark.parametrize(("annotation", "returned", "told"), WRONG)
def test_a_value_of_the_wrong_type_is_refused(annotation: Any, returned: Any, told: str) -> None:
    """The error names step, output, expected and actual type; nothing of it is published."""

    def made():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return RETURNED[0]

    RETURNED[:] = [returned]
    made.__annotations__["return"] = annotation
    with pytest.raises(StepInterfaceError, match=told.replace("[", r"\[")) as caught:
        step(made)()
    assert ("take .item() of it" in caught.value.hint) == isinstance(returned, np.generic)
    assert [] == Client().list_artifacts()


@pytest.mark.parametrize(
    ("annotation", "returned"), [(int, True), (float, 1), (int | None, None), (Any, object), (list[int], ["a"])]
)
def test_a_value_that_an_instance_check_lets_pass_is_saved(annotation: Any, returned: Any) -> None:
    """``True`` is an int, an int a float, ``None`` optional; elements are not looked at."""

    def made():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return RETURNED[0]

    RETURNED[:] = [returned if returned is not object else 7]
    made.__annotations__["return"] = annotation
    value = step(enable_cache=False)(made)()
    assert RETURNED[0] == value
    assert type(RETURNED[0]) is type(value)


def test_a_wrong_number_of_values_is_refused() -> None:
    """Two annotated outputs need two values, whichever way the step returned."""

    @step
    def both(how: int) -> tuple[Annotated[int, "a"], Annotated[int, "b"]]:
        if how == 0:
            return 1, 2
        return (1, 2, 3) if how == 1 else 4  # type: ignore[return-value]

    with pytest.raises(StepInterfaceError, match=r"of step 'both': expected 2 \(a, b\), got 3 values"):
        both(1)
    with pytest.raises(StepInterfaceError, match=r"expected 2 \(a, b\), got one value \(int\)"):
        both(2)
    assert (1, 2) == both(0)


@pytest.mark.parametrize("given", [_Loud, [_Count, _Loud], {"text": _Loud}, {"text": [_Count, _Loud]}])
def test_a_materializer_is_given_as_class_list_or_by_output(given: Any) -> None:
    """Of several candidates the one for the nearest class of the value is used."""

    @step(output_materializers=given)
    def made() -> Annotated[str, "text"]:
        return "quiet"

    made_version = _run_alone(made)
    assert ("tests.loud/1", ArtifactType.DATA_ANALYSIS) == (made_version.materializer, made_version.type)
    assert ["loud.txt"] == [entry.path for entry in made_version.files()]


def test_a_config_type_beats_the_materializers() -> None:
    """An artifact type that is said is the type."""

    @step
    def made() -> Annotated[str, ArtifactConfig(name="text", artifact_type=ArtifactType.SCHEMA)]:
        return "quiet"

    assert ArtifactType.SCHEMA == _run_alone(made.with_options(output_materializers=_Loud)).type


def test_materializers_are_chosen_per_output() -> None:
    """A dict names outputs, and what it leaves out is saved as usual."""

    @step(output_materializers={"count": _Count})
    def both() -> tuple[Annotated[int, "count"], Annotated[int, "other"]]:
        return 1, 2

    both()
    keys = [Client().get_artifact_version(name).materializer for name in ("count", "other")]
    assert ["tests.count/1", "builtin.json/1"] == keys


def test_materializers_that_come_one_by_one_are_for_every_output() -> None:
    """A generator is as good as a list, also where a step has several outputs."""

    @step(output_materializers=(each for each in [_Count]))
    def both() -> tuple[Annotated[int, "one"], Annotated[int, "other"]]:
        return 1, 2

    both()
    keys = [Client().get_artifact_version(name).materializer for name in ("one", "other")]
    assert ["tests.count/1"] * 2 == keys


@pytest.mark.parametrize("given", ["tests.loud/1", [str], {"output": object}])
def test_what_is_no_materializer_is_refused(given: Any) -> None:
    """A name, a type or another class is refused where the step is decorated."""

    def made() -> str:
        return "a"

    with pytest.raises(StepInterfaceError, match="materializer"):
        step(output_materializers=given)(made)


def test_a_materializer_for_an_output_that_is_not_there_is_refused() -> None:
    """The error names the outputs there are."""

    def made() -> str:
        return "a"

    with pytest.raises(StepInterfaceError, match="no output 'text'") as caught:
        step(output_materializers={"text": _Loud})(made)
    assert "its outputs are: output" == caught.value.hint


def test_what_an_output_has_of_an_input_is_not_stored_again(workdir: Path) -> None:
    """The output of a step mostly resembles what it was given, and has a name of its own."""

    @step
    def raw() -> bytes:
        return noise(2 << 20)

    @step
    def cleaned(data: bytes) -> bytes:
        return data[:-1000] + b"changed"

    @pipeline
    def training() -> None:
        cleaned(raw())

    training()
    assert sum(map(len, files_below(workdir / ".ledger" / "store").values())) < 1.3 * (2 << 20)


def _run_alone(made: Any) -> Any:
    made()
    (version,) = last_run().artifact_versions
    return version
