"""The switches of steps and pipelines, and which of several words holds."""

from itertools import product
from typing import Annotated, Any

import numpy as np
import pytest

from ledger import ExternalArtifact, PipelineRun, pipeline, step
from ledger.errors import ArgumentTypeError
from ledger.materializers import BaseMaterializer
from ledger.runtime import get_step_context
from ledger.runtime.settings import Settings

WORDS = (None, True, False)
pytestmark = pytest.mark.usefixtures("workdir")


@step
def made() -> Annotated[np.ndarray, "x"]:
    get_step_context().add_output_metadata({"own": 1})
    return np.arange(6.0)


@pytest.mark.parametrize("words", list(product(WORDS, WORDS)))
def test_the_stronger_word_holds(words: tuple[bool | None, bool | None]) -> None:
    """A switch that the stronger setting leaves open is the weaker one's."""
    weaker, stronger = words
    both = Settings(enable_cache=weaker).under(Settings(enable_cache=stronger))
    assert (stronger if stronger is not None else weaker) == both.enable_cache


def run_with(where: str, **switches: bool) -> PipelineRun:
    """A run of the step with switches said in one place."""
    inside = made.with_options(**switches) if where == "step" else made  # type: ignore[arg-type]

    @pipeline
    def training() -> None:
        inside()

    return (training.with_options(**switches) if where == "pipeline" else training)()  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["step", "pipeline"])
def test_metadata_switched_off_leaves_what_the_user_said(where: str) -> None:
    """Without automatic metadata there is no shape; what the user logged is kept."""
    metadata = run_with(where, enable_artifact_metadata=False).steps["made"].output.metadata
    assert "shape" not in metadata
    assert 1 == metadata["own"]
    assert [6] == run_with(where, enable_cache=False).steps["made"].output.metadata["shape"]


@pytest.mark.parametrize("where", ["step", "pipeline"])
def test_visualizations_can_be_switched_off(where: str) -> None:
    """Without visualizations the version has none."""
    pytest.importorskip("matplotlib")
    assert {} == run_with(where, enable_artifact_visualization=False).steps["made"].output.visualizations


@pytest.mark.parametrize("where", ["step", "pipeline"])
def test_the_cache_can_be_switched_off(where: str) -> None:
    """Without the cache a step runs again and gives a new version."""
    run_with(where)
    again = run_with(where, enable_cache=False).steps["made"]
    assert ("completed", "2", None) == (again.status, again.output.version, again.cache_key)
    assert "cached" == run_with(where).steps["made"].status


def test_a_steps_own_word_beats_the_pipelines() -> None:
    """``@step(enable_cache=True)`` is cached in a pipeline that says False, and the other way round."""

    @step(enable_cache=True)
    def always() -> int:
        return 1

    @step(enable_cache=False)
    def never() -> int:
        return 1

    @step
    def open_() -> int:
        return 1

    @pipeline(enable_cache=False)
    def without() -> None:
        always(), never(), open_()

    @pipeline(enable_cache=True)
    def with_cache() -> None:
        always(), never(), open_()

    without()
    with_cache()
    assert ["cached", "completed", "completed"] == [each.status for each in without().steps.values()]
    assert ["cached", "completed", "cached"] == [each.status for each in with_cache().steps.values()]
    changed = with_cache.with_options(enable_cache=False)()
    assert ["cached", "completed", "completed"] == [each.status for each in changed.steps.values()]


def test_options_leave_the_original_as_it_is() -> None:
    """``with_options`` gives another step; what it leaves out stays as it was."""
    changed = made.with_options(enable_cache=False, name="other").with_options(enable_artifact_metadata=False)
    assert (None, False) == (made.options.settings.enable_cache, changed.options.settings.enable_cache)
    assert ("made", "other") == (made.name, changed.name)


def test_switches_of_an_external_artifact_are_its_own() -> None:
    """Metadata and visualizations of a value from outside follow its own switches, by name or by place."""

    @step
    def takes(given: np.ndarray) -> None:
        pass

    @pipeline
    def training() -> None:
        takes(ExternalArtifact(np.arange(6.0), store_artifact_metadata=False, store_artifact_visualizations=False))
        takes(ExternalArtifact(np.arange(6.0)))
        takes(ExternalArtifact(np.arange(6.0), None, False, False))

    run = training()
    first, second, third = (each.inputs["given"] for each in run.steps.values())
    assert ("shape" in first.metadata, first.visualizations) == (False, {})
    assert "shape" in second.metadata
    assert ("shape" in third.metadata, third.visualizations) == (False, {})


@pytest.mark.parametrize("said", [{"enable_cache": "no"}, {"enable_artifact_metadata": 0}, {"substitutions": "a"}])
def test_a_switch_is_true_or_false(said: dict[str, Any]) -> None:
    """A word that only looks like one is refused where it is said, for steps and pipelines."""
    for declare in (step, pipeline):
        with pytest.raises(ArgumentTypeError, match=next(iter(said))):
            declare(**said)(lambda: None)
    with pytest.raises(ArgumentTypeError, match=next(iter(said))):
        made.with_options(**said)


@pytest.mark.parametrize("given", ["ledger.Numpy", int, BaseMaterializer.save])
def test_the_materializer_of_an_external_artifact_is_a_class(given: Any) -> None:
    """A path to import, or another class, is refused where it is written."""
    with pytest.raises(ArgumentTypeError, match="a materializer is a subclass of BaseMaterializer, got"):
        ExternalArtifact(value=1, materializer=given)
