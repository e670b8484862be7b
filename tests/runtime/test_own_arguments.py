"""A parameter is the step's own: nobody else sees what is done to it, and nothing done elsewhere reaches it."""

import threading
from typing import Annotated, Any

import pytest

from ledger import ArtifactConfig, pipeline, save_artifact, step
from ledger.errors import StepInterfaceError

pytestmark = pytest.mark.usefixtures("workdir")


class Held(dict[str, Any]):
    """A dict that has something which cannot be copied."""

    def __init__(self) -> None:
        super().__init__(a=1)
        self.lock = threading.Lock()


@step
def shown(config: Any) -> Any:
    return config


@step
def longer(given: list[int]) -> int:
    given.append(9)
    return len(given)


@step
def longer_default(given: list[int] = []) -> int:  # noqa: B006  # the case
    given.append(9)
    return len(given)


def test_a_parameter_is_what_it_was_when_the_step_was_called() -> None:
    """A body that changes one dict between its calls gives each step what stood in it then."""

    @pipeline
    def search() -> None:
        config: dict[str, Any] = {"rate": 0, "layers": [0]}
        for rate in (1, 2):
            config["rate"] = rate
            config["layers"][0] = rate
            shown(config)

    steps = search().steps.values()
    assert [{"rate": 1, "layers": [1]}, {"rate": 2, "layers": [2]}] == [each.output.load() for each in steps]
    assert [1, 2] == [each.parameters["config"]["rate"] for each in steps]


def test_a_step_that_changes_a_parameter_changes_no_other_steps() -> None:
    """Steps that are given one list get two, so that a second run, in which the first is cached, gives the same."""
    mine = [1]

    @pipeline
    def twice(given: list[int]) -> None:
        longer(given)
        shown(given)

    runs = [twice(mine), twice(mine)]
    assert [[1], [1]] == [run.steps["shown"].output.load() for run in runs]
    assert ["cached", "cached"] == [each.status for each in runs[1].steps.values()]
    assert [1] == mine


def test_a_default_stays_what_it_is() -> None:
    """A step that changes its default gets the same one again."""

    @pipeline
    def alone() -> None:
        longer_default()

    assert [1, 1] == [alone().steps["longer_default"].output.load() for _ in range(2)]


def test_an_option_stays_what_it_is() -> None:
    """A step that changes what `with_options` gave it gets the same again."""
    chosen = longer.with_options(parameters={"given": [1]}, enable_cache=False)
    assert [2, 2] == [chosen(), chosen()]


def test_a_run_records_what_the_pipeline_was_called_with() -> None:
    """A body that changes what it got changes no record."""

    @pipeline
    def changes(given: list[int]) -> None:
        given.append(2)
        shown(given)

    run = changes([1])
    assert ([1], [1, 2]) == (run.parameters["given"], run.steps["shown"].output.load())


def test_a_parameter_keeps_its_classes() -> None:
    """The step's own value has the types of the one given."""

    @step
    def kinds(given: Any) -> Annotated[list[str], "kinds"]:
        return [type(given).__name__, type(given[0]).__name__]

    @pipeline
    def alone() -> None:
        kinds(([1],))

    assert ["tuple", "list"] == alone().steps["kinds"].output.load()


def test_a_logged_value_stands_for_itself() -> None:
    """An entry of `run_metadata` is its value as an argument, an option, a default, and metadata of another version."""
    source = save_artifact(1, "source", run_metadata={"rate": 0.5, "sizes": [1, 2], "group": {"a": 1}})
    rate, sizes = source.run_metadata["rate"], source.run_metadata["sizes"]

    @step
    def scaled(
        sizes: list[int],
        rate: float = rate,  # type: ignore[assignment]
    ) -> Annotated[list[float], ArtifactConfig(run_metadata={"of": rate})]:
        return [rate * size for size in sizes]

    @step
    def same(given: Any) -> Annotated[Any, "same"]:
        return given

    @pipeline
    def scaling(sizes: Any) -> None:
        scaled(sizes)

    run = scaling(sizes)
    assert {"sizes": [1, 2]} == run.parameters
    assert {"rate": 0.5, "sizes": [1, 2]} == run.steps["scaled"].parameters
    assert 0.5 == run.steps["scaled"].output.metadata["of"]
    assert [0.5, 1.0] == scaled(sizes, rate) == scaled.with_options(parameters={"rate": rate})(sizes) == scaled(sizes)
    assert ([0.5], source.metadata) == (same([rate]), same(source.run_metadata))
    assert source.metadata == save_artifact(1, "copy", run_metadata=source.run_metadata).metadata
    group: Any = source.run_metadata["group"]
    assert 1 == save_artifact(1, "part", run_metadata=group).metadata["a"]


def test_a_logged_value_is_returned_as_itself() -> None:
    """An entry of `run_metadata` that a step returns is its value, also for the check of the output's type."""
    source = save_artifact(1, "source", run_metadata={"rate": 0.5, "n": 3})

    @step
    def read() -> tuple[Annotated[float, "rate"], Annotated[int, "n"]]:
        metadata: Any = source.run_metadata
        return metadata["rate"], metadata["n"]

    @step
    def mistaken() -> str:
        metadata: Any = source.run_metadata
        return metadata["rate"]  # type: ignore[no-any-return]

    assert (0.5, 3) == read()
    with pytest.raises(StepInterfaceError, match="expected str, got float"):
        mistaken()


def test_what_cannot_be_copied_is_refused() -> None:
    """A dict with a lock in it is no parameter, and the error says where it can go."""

    @pipeline
    def alone() -> None:
        shown(Held())

    with pytest.raises(StepInterfaceError, match="argument 'config' of step 'shown' cannot be copied") as caught:
        alone()
    assert "ExternalArtifact" in caught.value.hint
