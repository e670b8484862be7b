"""When a step is served from the cache, and when it runs."""

import shutil
from collections import OrderedDict, defaultdict
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest

from ledger import ArtifactConfig, ExternalArtifact, PipelineRun, pipeline, save_artifact, step
from ledger.client import Client
from ledger.core import Ledger
from ledger.errors import VersionExistsError
from ledger.materializers.numpy_arrays import NumpyMaterializer
from ledger.runtime import Step
from ledger.runtime.fingerprint import cache_key, source_digest
from tests.kit.ledgers import files_below, git
from tests.kit.steps import call, step_of

RAN: list[Any] = []


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    RAN.clear()
    return workdir


@step
def loads(factor: Any = 1) -> Annotated[np.ndarray, "data"]:
    RAN.append(factor)
    return np.arange(4.0)


@step
def sums(data: np.ndarray) -> Annotated[float, "total"]:
    RAN.append("sums")
    return float(data.sum())


@pipeline
def training() -> None:
    sums(loads())


def statuses(run: PipelineRun) -> list[str]:
    return [each.status for each in run.steps.values()]


def test_a_second_run_reuses_the_versions_and_names_the_run() -> None:
    """The steps are cached, their outputs the very versions, and the run that made them is told."""
    first, second = training(), training()
    assert (["completed", "completed"], ["cached", "cached"]) == (statuses(first), statuses(second))
    assert first.artifact_versions == second.artifact_versions
    assert [first.id, first.id] == [each.cached_from for each in second.steps.values()]
    assert [None, None] == [each.cached_from for each in first.steps.values()]
    assert {first} == {version.run for version in second.artifact_versions}
    assert [1, "sums"] == RAN
    assert first.id == training().steps["sums"].cached_from


def test_the_key_is_made_of_what_the_spec_lists() -> None:
    """Of source, parameters and inputs, and of each output's configuration, names, materializers and place."""

    @step(output_materializers=NumpyMaterializer)
    def splits(
        first: int, data: np.ndarray
    ) -> tuple[
        Annotated[np.ndarray, ArtifactConfig(name="{side}_{date}", tags=["t"], run_metadata={"k": 1})], np.ndarray
    ]:
        return data[:first], data[first:]

    @pipeline(substitutions={"side": "left"})
    def halves() -> None:
        splits(2, loads())

    run, said = halves(), {"version": None, "artifact_type": None, "materializers": [NumpyMaterializer.REGISTRY_KEY]}
    left = {"name": "{side}_{date}", "named": ["left_{date}"] * 2, "tags": ["t"], "run_metadata": {"k": 1}, "place": 0}
    right: dict[str, Any] = {"name": None, "named": [], "tags": [], "run_metadata": {}, "place": 1}
    assert run.steps["splits"].cache_key == cache_key(
        source=str(source_digest(splits.entrypoint)),
        outputs={"{side}_{date}": {**said, **left}, "output_1": {**said, **right}},
        parameters={"first": 2},
        inputs={"data": str(run.steps["loads"].output.id)},
    )


def test_the_same_step_in_another_pipeline_is_a_hit() -> None:
    """The pipeline's name is no part of the key, nor is the step's name in the run."""

    @pipeline
    def other() -> None:
        sums(loads(id="elsewhere"))

    training()
    run = other()
    assert ["cached", "cached"] == statuses(run)


def test_a_default_name_stays_that_of_the_run_that_made_it() -> None:
    """A version served from the cache keeps the name it was published under."""

    @step
    def unnamed() -> int:
        return 1

    unnamed()
    run = pipeline(name="other")(lambda: unnamed(id="x"))()
    assert "unnamed::unnamed::output" == run.steps["x"].output.name


PARAMETERS = [1, "1", True, None, "None", 1.0, "True", [1], ["1"], {}, [], "", float("nan"), 2**70, {"a": None}]


def test_parameters_of_different_types_are_different() -> None:
    """``1``, ``"1"``, ``True``, ``None``, ``"None"`` and ``1.0`` are six, and each is a hit the second time."""
    assert ["completed"] * len(PARAMETERS) == [call(loads, value) for value in PARAMETERS]
    assert ["cached"] * len(PARAMETERS) == [call(loads, value) for value in PARAMETERS]


class Mode(StrEnum):
    """Text with a class of its own."""

    FAST = "fast"


class Level(IntEnum):
    """A number with a class of its own."""

    LOW = 1


class Number(int):
    """A number that is not just one."""


class Pair(NamedTuple):
    """A tuple with names."""

    left: int
    right: int


ALIKE: dict[str, tuple[Any, Any]] = {
    "tuple and list": ((1, 2), [1, 2]),
    "tuple and list, inside": ({"a": (1,)}, {"a": [1]}),
    "empty tuple and list": ((), []),
    "member and text": (Mode.FAST, "fast"),
    "member and its name": (Level.LOW, "LOW"),
    "member and number": (Level.LOW, 1),
    "subclass and number": (Number(1), 1),
    "subclass and tuple": (Pair(1, 2), (1, 2)),
    "subclass and dict": (OrderedDict(a=1), {"a": 1}),
    "subclass and float": (np.float64(1.0), 1.0),
    "bool and number": (True, 1),
    "float and int": (1.0, 1),
    "zeros": (0.0, -0.0),
    "order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
}


@pytest.mark.parametrize("alike", ALIKE)
def test_what_a_body_can_tell_apart_are_two_parameters(alike: str) -> None:
    """A record holds both in the same words; the step sees which it is, runs for each, and each is a hit later."""
    one, other = ALIKE[alike]
    assert ["completed", "completed", "cached", "cached"] == [call(loads, value) for value in (one, other, one, other)]


def test_attributes_of_a_plain_value_are_part_of_the_key() -> None:
    """A number that carries something is told with it, and where that cannot be told the step always runs."""
    one, other, unknown = Number(1), Number(1), Number(1)
    one.unit, other.unit, unknown.unit = "m", "s", object()  # type: ignore[attr-defined]  # any instance can have more
    values = (one, other, one, unknown, unknown)
    assert ["completed", "completed", "cached", "completed", "completed"] == [call(loads, value) for value in values]


def test_a_dict_that_makes_up_what_is_missing_is_never_a_hit() -> None:
    """What a defaultdict would give for another key is nowhere in its items."""
    values = [defaultdict(int, a=1), defaultdict(int, a=1)]
    assert ["completed", "completed"] == [call(loads, value) for value in values]


def test_a_default_and_the_same_value_given_are_one() -> None:
    """It does not matter where a parameter came from."""
    assert ["completed", "cached", "cached"] == [
        call(loads),
        call(loads, 1),
        call(loads.with_options(parameters={"factor": 1})),
    ]


def test_another_input_is_another_key() -> None:
    """A new version of an input runs the step, even if its bytes are equal; the same version does not."""
    one, two = save_artifact(np.arange(3.0), "x"), save_artifact(np.arange(3.0), "x")
    assert ["completed", "completed", "cached"] == [call(sums, one), call(sums, two), call(sums, one)]


def test_a_new_version_upstream_runs_what_takes_it() -> None:
    """A step that runs again gives a new version, and so the steps after it run, too."""
    training()
    run = pipeline(name="training")(lambda: sums(loads.with_options(enable_cache=False)()))()
    assert ["completed", "completed"] == statuses(run)


def test_a_changed_config_is_another_key() -> None:
    """Version, tags, metadata, type and name of an output are part of the key, also where only a variable changed."""
    body = "def made() -> Annotated[int, CONFIG]:\n    return 1"
    configs = [
        "name='x'",
        "name='y'",
        "name='x', tags=['t']",
        "name='x', run_metadata={'a': 1}",
        "name='x', version='v'",
    ]
    configs.append("name='x', artifact_type='ModelArtifact'")
    made = [step_of(body, f"CONFIG = ArtifactConfig({config})") for config in configs]
    assert ["completed"] * len(made) == [call(each) for each in made]
    assert ["cached"] * len(made) == [call(each) for each in made]


def test_outputs_that_change_places_are_another_key() -> None:
    """Which of the values an output gets is part of the key, also where only variables were exchanged."""

    def made(left: str, right: str) -> Step[Any]:
        @step
        def pair() -> tuple[Annotated[int, left], Annotated[int, right]]:
            return 1, 2

        return pair

    assert [(1, 2)] * 3 == [made(*names)() for names in ("ab", "ba", "ab")]
    runs = Client().list_pipeline_runs()
    assert ["completed", "completed", "cached"] == [run.steps["pair"].status for run in runs]


@step
def templated() -> Annotated[int, "{foo}_{bar}"]:
    return 1


def names(run: PipelineRun) -> list[tuple[str, str]]:
    """The status of each step, and what its output is called."""
    return [(each.status, each.output.name) for each in run.steps.values()]


def test_what_the_substitutions_make_of_a_name_is_part_of_the_key() -> None:
    """An output that is called something else is made, whoever says so, and each is a hit later."""

    @pipeline(substitutions={"foo": "P", "bar": "Q"})
    def naming(*, own: bool = False) -> None:
        (templated.with_options(substitutions={"bar": "own"}) if own else templated)()

    changed = naming.with_options(substitutions={"foo": "R"})
    expected = ["P_Q", "R_Q", "P_own", "P_Q", "R_Q", "P_own"]
    runs = [naming(), changed(), naming(own=True), naming(), changed(), naming(own=True)]
    assert [("completed", name) for name in expected[:3]] == [each for run in runs[:3] for each in names(run)]
    assert [("cached", name) for name in expected[3:]] == [each for run in runs[3:] for each in names(run)]


def test_what_the_substitutions_make_of_a_key_is_part_of_the_key(project: Path) -> None:
    """Where the configuration file names the artifact, the template still says what the body calls its output."""
    (project / "run.yaml").write_text(
        "steps: {templated: {outputs: {'{foo}_{bar}': {artifact_config: {name: fixed}}}}}\n"
    )

    @pipeline(substitutions={"foo": "P", "bar": "Q"})
    def naming() -> None:
        templated()

    configured = naming.with_options(config_path="run.yaml")
    runs = [configured(), configured.with_options(substitutions={"foo": "R"})(), configured()]
    assert ["completed", "completed", "cached"] == [status for run in runs for status in statuses(run)]


def test_substitutions_that_no_name_uses_are_no_part_of_the_key() -> None:
    """Only what an output is called counts."""
    training()
    assert ["cached", "cached"] == statuses(training.with_options(substitutions={"foo": "R"})())


def test_a_name_with_the_time_in_it_is_a_hit() -> None:
    """The moment of a run is no part of the key, so the version keeps the name of the run that made it."""

    @step(substitutions={"foo": "x"})
    def timed() -> Annotated[int, "{date}_{time}_{foo}"]:
        return 1

    assert ["completed", "cached", "completed"] == [
        call(each) for each in (timed, timed, timed.with_options(substitutions={"date": "today"}))
    ]


def test_a_changed_materializer_is_another_key() -> None:
    """An output that is saved in another way runs again."""
    from ledger.materializers import BaseMaterializer

    class Plain(BaseMaterializer):
        ASSOCIATED_TYPES = (int,)
        REGISTRY_KEY = "tests.plain/1"
        SKIP_REGISTRATION = True

        def save(self, data: int) -> None:
            with self.open("plain.txt", "w") as file:
                file.write(str(data))

        def load(self, data_type: type[Any] | None) -> int:  # noqa: ARG002
            with self.open("plain.txt", "r") as file:
                return int(file.read())

    @step
    def made() -> Annotated[int, "x"]:
        return 1

    changed = made.with_options(output_materializers=Plain)
    assert ["completed", "completed", "cached", "cached"] == [call(each) for each in (made, changed, made, changed)]


def test_a_hit_needs_the_bytes() -> None:
    """Where the data is gone or damaged the step runs again, and the new version is the one that is found next."""
    first = training()
    ledger = Ledger.open()
    whole = files_below(ledger.path / "store")
    for path in whole:
        if path.startswith(("chunks/", "packs/", "tables/")):
            (ledger.path / "store" / path).unlink()
    second = training()
    assert ["completed", "completed"] == statuses(second)
    assert [("data", "2"), ("total", "2")] == [(each.name, each.version) for each in second.artifact_versions]
    third = training()
    assert (["cached", "cached"], second.id) == (statuses(third), third.steps["sums"].cached_from)
    for path, data in whole.items():
        (ledger.path / "store" / path).write_bytes(data) if not (ledger.path / "store" / path).exists() else None
    assert first.artifact_versions[0].load().tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.filterwarnings("ignore:.* was deleted and is made again:UserWarning")
def test_a_hit_needs_the_store() -> None:
    """Where somebody deleted the whole store the steps run again, too."""
    training()
    shutil.rmtree(Ledger.open().path / "store")
    assert ["completed", "completed"] == statuses(training())


def test_a_damaged_entry_costs_a_run_of_its_step() -> None:
    """A cache entry that is no record is passed over."""
    from tests.kit.ledgers import plant

    run = training()
    key = run.steps["loads"].cache_key
    assert key is not None
    ledger = Ledger.open()
    plant(ledger, {f"cache/{key[:2]}/{key}~ffffffff-ffff-7fff-bfff-ffffffffffff.json": b"{}"})
    assert ["cached", "cached"] == statuses(training())


def test_an_entry_that_cannot_be_read_costs_a_run_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only entry of a key is lost: the step runs, and is found again by the entry of that run."""
    key = str(training().steps["loads"].cache_key)
    field = f'"key": "{key}"'.encode()
    (pack,) = (each for each in (Ledger.open().git_dir / "objects/pack").glob("*.pack") if field in each.read_bytes())
    data = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(data.replace(field, field.upper()))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Another")  # whose ledger is opened anew
    assert ["completed", "completed"] == statuses(training())
    assert ["cached", "cached"] == statuses(training())
    pack.write_bytes(data)


def test_a_fixed_version_is_a_hit_the_second_time() -> None:
    """``raw_2023`` is made once and reused; without the cache the second run is refused."""

    @step
    def made() -> Annotated[int, ArtifactConfig(name="iris_dataset", version="raw_2023")]:
        return 1

    assert ["completed", "cached"] == [call(made), call(made)]
    with pytest.raises(VersionExistsError, match="raw_2023"):
        made.with_options(enable_cache=False)()
    assert ["raw_2023"] == [version.version for version in Client().get_artifact("iris_dataset").versions]


def test_a_value_from_outside_is_never_served_from_the_cache() -> None:
    """The step that takes it runs each time; a step that does not is a hit."""

    @pipeline
    def mixed() -> None:
        loads()
        sums(ExternalArtifact(value=np.ones(2)))

    mixed()
    run = mixed()
    assert ["cached", "completed"] == statuses(run)
    assert run.steps["sums"].cache_key is None


def test_a_step_used_twice_alike_runs_once() -> None:
    """The second use in the same run takes what the first gave."""

    @pipeline
    def twice() -> None:
        sums(loads())
        sums(loads())

    run = twice()
    assert ["completed", "completed", "cached", "cached"] == statuses(run)
    assert run.id == run.steps["loads_2"].cached_from
    assert [1, "sums"] == RAN


def test_a_run_that_is_all_cached_makes_one_commit() -> None:
    """Its records come together; a run makes one commit for each step that publishes otherwise."""
    training()
    ledger = Ledger.open()
    before = int(git(ledger, "rev-list", "--count", "main"))
    training()
    assert before + 1 == int(git(ledger, "rev-list", "--count", "main"))
    training.with_options(enable_cache=False)()
    assert before + 3 == int(git(ledger, "rev-list", "--count", "main"))


def test_no_outputs_can_be_cached_too() -> None:
    """A step that gives nothing is not run again for nothing."""

    @step
    def nothing(x: int) -> None:
        RAN.append(x)

    assert ["completed", "cached", "completed"] == [call(nothing, x) for x in (1, 1, 2)]
    assert [1, 2] == RAN


def test_a_copied_ledger_is_a_cache_too(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key needs is in the ledger alone."""
    first = training()
    shutil.copytree(project / ".ledger", tmp_path / "copy" / ".ledger")
    monkeypatch.chdir(tmp_path / "copy")
    assert first.id == training().steps["loads"].cached_from
