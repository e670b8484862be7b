"""When a step is served from the cache, and when it runs."""

import datetime as dt
import functools
import importlib
import shutil
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ledger import ArtifactConfig, ExternalArtifact, PipelineRun, pipeline, save_artifact, step
from ledger.client import Client
from ledger.core import Ledger
from ledger.errors import VersionExistsError
from ledger.materializers.numpy_arrays import NumpyMaterializer
from ledger.runtime import Step
from ledger.runtime.fingerprint import cache_key, source_digest
from tests.kit.ledgers import files_below, git, last_run, run_python

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


def call(made: Step, *arguments: Any) -> str:
    """The status of a direct call."""
    made(*arguments)
    return last_run().steps[made.name].status


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

    def doubled(self) -> int:
        RAN.append(int(self))
        return 2 * self


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


def test_what_is_closed_over_differs_by_its_type_too() -> None:
    """A step that closes over a tuple is another one than that with a list."""
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in ((1,), [1], (1,))]


class Labels(set[str]):
    """A set that carries something beside its members."""

    def __init__(self, unit: str) -> None:
        super().__init__({"a"})
        self.unit = unit


def test_what_no_json_shows_of_a_closed_over_value_is_part_of_the_key() -> None:
    """Moments of one text differ by zone and fold, sets by their attributes."""
    moment = dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    moments = [moment, moment.replace(tzinfo=ZoneInfo("Europe/Berlin")), moment.replace(fold=1), moment]
    assert ["completed"] * 3 + ["cached"] == [call(make_closing(each)) for each in moments]
    labels = [Labels("m"), Labels("s"), Labels("m")]
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in labels]


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


def versions_of(body: str, extra: str = "") -> Step:
    """A step made of source text that stands in a file of its own."""
    folder = Path("code")
    folder.mkdir(exist_ok=True)
    path = folder / f"module_{len(list(folder.iterdir()))}.py"
    path.write_text(f"from typing import Annotated\nfrom ledger import ArtifactConfig, step\n{extra}\n@step\n{body}\n")
    names: dict[str, Any] = {"__name__": "module"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    made = names["made"]
    assert isinstance(made, Step)
    return made


def test_changed_source_is_another_key() -> None:
    """A changed body runs again; the same text from another file does not."""
    first = "def made() -> int:\n    return 1"
    assert ["completed", "cached", "completed", "cached"] == [
        call(versions_of(body)) for body in (first, first, first.replace("1", "2"), first)
    ]


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
    made = [versions_of(body, f"CONFIG = ArtifactConfig({config})") for config in configs]
    assert ["completed"] * len(made) == [call(each) for each in made]
    assert ["cached"] * len(made) == [call(each) for each in made]


def test_outputs_that_change_places_are_another_key() -> None:
    """Which of the values an output gets is part of the key, also where only variables were exchanged."""

    def made(left: str, right: str) -> Step:
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


def make_closing(over: Any) -> Step:
    @step
    def made() -> int:
        RAN.append(over)
        return 1

    return made


def test_what_a_step_closes_over_is_part_of_its_key() -> None:
    """Another value runs the step; a function or class counts by its source; what cannot be told is never a hit."""

    def helper() -> int:
        return 1

    def changed() -> int:
        return 2

    values = [1, "1", [1], helper, changed, Path]
    assert ["completed"] * 6 == [call(make_closing(value)) for value in values]
    assert ["cached"] * 6 == [call(make_closing(value)) for value in values]
    unknown = object()
    assert ["completed", "completed"] == [call(make_closing(unknown)), call(make_closing(unknown))]


def test_what_a_step_only_adds_to_does_not_make_it_run_again() -> None:
    """A list of its calls, a counter and a `nonlocal` that it closes over and never reads are left out of its key."""
    calls: list[Any] = []
    seen = defaultdict(dict, {"of": {"runs": 0}})
    count = 0

    @step
    def made() -> int:
        nonlocal count
        count += 1
        calls.append(object())
        seen["of"]["runs"] += 1
        return 1

    assert ["completed", "cached"] == [call(made), call(made)]
    assert [1, 1, 1] == [len(calls), seen["of"]["runs"], count]


def test_what_a_step_changes_and_reads_counts() -> None:
    """A setting that it fills in, or a list that it sorts, is what its result depends on."""

    def summed(rows: list[int]) -> int:
        @step
        def total() -> int:
            rows.append(0)
            rows.sort()
            return sum(rows)

        return cast("int", total())

    assert [3, 7] == [summed([1, 2]), summed([3, 4])]


def make_adding(number: int, extra: Any = None) -> Any:
    """A function that closes over a number and has a default that its source does not show."""

    def adds(x: int, more: Any = extra) -> int:
        return x + number if x < 3 or more else adds(x - 1)

    return adds


def test_what_a_closed_over_function_closes_over_counts_too() -> None:
    """However deep a value is captured, and a default as well; a function that calls itself is no trouble."""
    numbers = [make_adding(1), make_adding(2), make_adding(1, 5), make_adding(1, object())]
    assert ["completed"] * 4 == [call(make_closing(each)) for each in numbers]
    assert ["cached", "cached", "cached", "completed"] == [call(make_closing(each)) for each in numbers]


def test_a_closed_over_step_counts_by_its_source() -> None:
    """A step that calls another one is served from the cache until that one is changed."""

    @step
    def inner() -> int:
        return 1

    @step(name="inner")
    def changed() -> int:
        return 2

    assert ["completed", "cached", "completed"] == [call(make_closing(each)) for each in (inner, inner, changed)]


def test_what_a_closed_over_callable_is_given_is_part_of_the_key() -> None:
    """A step under other parameters is another one; what stands for a function and holds more is never a hit."""

    @step
    def inner(rate: int = 1) -> int:
        return rate

    rates = [inner.with_options(parameters={"rate": rate}) for rate in (2, 3)]
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in (*rates, rates[0])]
    partials = [functools.update_wrapper(functools.partial(pow, number), make_adding) for number in (2, 3)]
    kept = functools.cache(make_adding(1))
    statuses = [call(make_closing(each)) for each in (*partials, partials[0], kept, kept)]
    assert ["completed", "completed", "completed", "completed", "cached"] == statuses


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


def test_the_key_is_the_same_in_another_process(project: Path) -> None:
    """A program run twice is served from the cache, with sets, closures and classes of its own in it."""
    (project / "program.py").write_text(
        "from collections import namedtuple\n"
        "from ledger import step\n"
        "Pair = namedtuple('Pair', 'left right')\n"
        "def make(words):\n"
        "    @step\n"
        "    def made(x: tuple) -> bool:\n"
        "        return x.left in {1, 2, 3} and 'a' in words\n"
        "    return made\n"
        "print(make({'a', 'b', 'c'})(Pair(1, 2)))\n"
    )
    run_python("import runpy; runpy.run_path('program.py')", project, PYTHONHASHSEED="1")
    run_python("import runpy; runpy.run_path('program.py')", project, PYTHONHASHSEED="2")
    assert ["completed", "cached"] == [run.steps["made"].status for run in Client().list_pipeline_runs()]


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


def test_two_lambdas_of_one_line_are_two_sources() -> None:
    """What stands beside a lambda in its line is not what it is."""
    one, two = [step(name="made")(function) for function in (lambda: 1, lambda: 2)]  # fmt: skip
    assert [1, 2, 1, 2] == [one(), two(), one(), two()]
    assert ["completed", "completed", "cached", "cached"] == [
        run.steps["made"].status for run in Client().list_pipeline_runs()
    ]


class Trainer:
    """A value whose method is a step."""

    scale = 2

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def fit(self) -> int:
        RAN.append(self.rate)
        return self.rate

    @classmethod
    def name_it(cls) -> str:
        RAN.append(cls.scale)
        return cls.__name__


def test_a_methods_own_object_is_part_of_its_key() -> None:
    """A method of another object is another step; of an object that cannot be told it is never a hit."""
    assert [3, 4, 3] == [step(Trainer(rate).fit)() for rate in (3, 4, 3)]
    assert [6, 8, 6] == [step(Number(number).doubled)() for number in (3, 4, 3)]
    assert ["Trainer", "Trainer"] == [step(Trainer.name_it)() for _ in range(2)]
    assert [3, 4, 3, 3, 4, 2] == RAN


def wrapped(number: int, inner: Callable[[], int], extra: int = 0) -> Callable[[], int]:
    """A function wrapped as decorators do, by a wrapper that keeps what it wraps where no closure shows it."""

    @functools.wraps(inner)
    def wrapper(call: Any = inner, *, more: int = extra) -> int:
        RAN.append(number + more)
        return int(call()) + number + more

    return wrapper


def test_a_wrapper_and_what_it_wraps_are_both_part_of_the_key() -> None:
    """A decorator below ``@step`` counts with what it closes over and its defaults, and so does the function inside."""

    def one() -> int:
        return 1

    def two() -> int:
        return 2

    made = [wrapped(1, one), wrapped(2, one), wrapped(1, two), wrapped(1, one), wrapped(1, one, 3)]
    assert [2, 3, 3, 2, 5] == [step(name="made")(each)() for each in made]
    assert [1, 2, 1, 4] == RAN


EDITED = """
import functools
from ledger import step

def kept(function):
    return functools.wraps(function)(lambda: function())

@step
def plain() -> int:
    return {0}

@step
@kept
def wrapped() -> int:
    return {0}

def make():
    def helper():
        return {0}

    class Model:
        number = {0}

    @step
    def calling() -> int:
        return helper()

    @step
    def making() -> int:
        return Model.number

    return calling, making

calling, making = make()
"""


def test_a_file_edited_after_its_import_is_not_the_source(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source is what was imported: an edit counts when it is imported, and never for the code before it."""
    monkeypatch.syspath_prepend(project)
    (project / "edited_later.py").write_text(EDITED.format(1))
    module = importlib.import_module("edited_later")
    (project / "edited_later.py").write_text(EDITED.format(20))
    made = ("plain", "wrapped", "calling", "making")
    assert [1, 1, 1, 1] == [getattr(module, name)() for name in made]
    assert ("cached", 1) == (call(module.plain), module.plain())
    importlib.invalidate_caches()
    sys.modules.pop("edited_later")
    module = importlib.import_module("edited_later")
    assert [20, 20, 20, 20] == [getattr(module, name)() for name in made]
