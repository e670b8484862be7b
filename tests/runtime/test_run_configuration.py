"""A YAML file overrides the code for real, and every mistake in it is told with its line."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import pytest

from ledger import ArtifactConfig, PipelineRun, pipeline, step
from ledger.client import Client
from ledger.enums import ArtifactType
from ledger.errors import ArgumentError, ArgumentTypeError, ConfigError, SourceNotFoundError
from ledger.runtime import Pipeline

RAN: list[Any] = []


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    RAN.clear()
    return workdir


@step
def loads(
    size: int = 1, names: tuple[str, ...] = ()
) -> Annotated[int, ArtifactConfig("data", tags=["code"], run_metadata={"a": 1, "group": {"a": 1}})]:
    RAN.append((size, names))
    return size


@step
def trains(data: int, rate: float = 0.5) -> tuple[Annotated[float, "model"], Annotated[float, "loss"]]:
    return data * rate, rate


@pipeline
def training(epochs: int = 1, title: str = "none") -> None:
    RAN.append((epochs, title))
    trains(loads())


def run_with(text: str, of: Pipeline[Any] = training, **arguments: Any) -> PipelineRun:
    Path("run.yaml").write_text(text, encoding="utf-8")
    return of.with_options(config_path="run.yaml")(**arguments)


def test_every_field_of_an_output_is_applied() -> None:
    """Name, version and type replace the code's; tags and metadata join it, the file being later."""
    run = run_with("""
steps:
  loads:
    outputs:
      data:
        artifact_config:
          name: renamed
          version: raw_2023
          tags: [file, code]
          run_metadata: {a: 2, b: 3, group: {b: 2}}
          artifact_type: ModelArtifact
""")
    (made,) = run.steps["loads"].outputs.values()
    assert ("renamed", "raw_2023", ArtifactType.MODEL, ("code", "file")) == (
        made.name,
        made.version,
        made.type,
        made.tags,
    )
    assert (2, 3, {"a": 1, "b": 2}) == tuple(made.metadata[key] for key in ("a", "b", "group"))
    assert ["data"] == list(run.steps["loads"].outputs)
    assert made == Client().get_artifact_version("renamed", version="raw_2023")


def test_a_mapping_may_take_from_others() -> None:
    """``<<`` adds what the mapping does not say itself, of several the first that says it."""
    run = run_with("""
parameters:
  <<: &shared {epochs: 3, title: shared}
  title: own
steps:
  loads:
    parameters:
      <<: [{size: 2}, {size: 5, names: [a]}]
""")
    assert {"epochs": 3, "title": "own"} == run.parameters
    assert [(2, ("a",))] == RAN[1:]


def test_what_is_taken_from_others_is_judged_as_well() -> None:
    """A key that nobody knows is refused with the line that took it, and so is a mapping that takes itself."""
    with pytest.raises(ConfigError, match=r"run.yaml, line 3: the pipeline has no parameter 'epoch', .*'epochs'"):
        run_with("parameters:\n  title: x\n  <<: {epoch: 3}\n")
    with pytest.raises(ConfigError, match="line 2: parameters is a mapping, got '3'"):
        run_with("parameters:\n  <<: 3\n")
    with pytest.raises(ConfigError, match=r"run.yaml: aliases make more than 1000000 values"):
        run_with("parameters: &all\n  <<: *all\n")


def test_fields_are_applied_one_by_one() -> None:
    """What the file leaves out stays the code's; a number is a version; templates are filled in."""
    for field, expected in [
        ("version: 7", ("data", "7", ArtifactType.DATA, ("code",))),
        ("name: 'data_{date}'", (None, "1", ArtifactType.DATA, ("code",))),
        ("tags: [b]", ("data", "8", ArtifactType.DATA, ("b", "code"))),
        ("artifact_type: SchemaArtifact", ("data", "9", ArtifactType.SCHEMA, ("code",))),
        ("run_metadata: {}", ("data", "10", ArtifactType.DATA, ("code",))),
    ]:
        run = run_with(f"steps: {{loads: {{outputs: {{data: {{artifact_config: {{{field}}}}}}}}}}}")
        (made,) = run.steps["loads"].outputs.values()
        name = expected[0] or f"data_{run.started_at:%Y_%m_%d}"
        assert (name, *expected[1:]) == (made.name, made.version, made.type, made.tags)


def test_parameters_are_applied() -> None:
    """The file's beat the call's, the options' and the defaults; a list is a tuple where one is asked for."""
    text = """
parameters: {epochs: 3, title: Füße}
steps:
  loads:
    parameters:
      size: 20
      names: [a, b]
  trains:
    parameters: {rate: 2}
"""

    @pipeline
    def calls(epochs: int, title: str) -> None:
        RAN.append((epochs, title))
        trains(loads.with_options(parameters={"size": 5})(names=["x"]), rate=0.1)

    run = run_with(text, calls, epochs=1)
    assert [(3, "Füße"), (20, ("a", "b"))] == RAN
    assert {"epochs": 3, "title": "Füße"} == run.parameters
    assert 40.0 == run.steps["trains"].outputs["model"].load()
    assert {"size": 20, "names": ["a", "b"]} == run.steps["loads"].parameters


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "1.0e-3", ".1e-2", "+0.1e-02", "0.001"])
def test_a_rate_may_be_a_power_of_ten(written: str) -> None:
    """``1e-3`` is the number that it is in Python; between quotes it is a text."""
    run = run_with(f"parameters: {{title: '{written}'}}\nsteps: {{trains: {{parameters: {{rate: {written}}}}}}}")
    assert (written, 0.001) == (run.parameters["title"], run.steps["trains"].parameters["rate"])


def test_a_default_of_nothing_can_be_said() -> None:
    """``null`` is what a parameter is whose default is ``None``, whatever its annotation says."""

    @step
    def takes(rate: float = None) -> None:  # type: ignore[assignment]  # noqa: RUF013  # as much code is
        RAN.append(rate)

    @pipeline
    def calls(title: str = None) -> None:  # type: ignore[assignment]  # noqa: RUF013  # the same
        RAN.append(title)
        takes(rate=0.1)

    run_with("parameters: {title: null}\nsteps: {takes: {parameters: {rate: null}}}", calls, title="a")
    assert [None, None] == RAN


def cached(run: PipelineRun) -> list[bool]:
    return [each.status == "cached" for each in run.steps.values()]


def test_the_files_word_about_the_cache() -> None:
    """Its word for a step beats the code's; its word for the run beats the pipeline's, and a step's own beats that."""
    training()
    assert [False, False] == cached(run_with("enable_cache: false"))
    assert [True, False] == cached(run_with("steps: {trains: {enable_cache: false}}"))

    @pipeline(enable_cache=False)
    def without() -> None:
        trains(loads.with_options(enable_cache=True)())

    assert [True, False] == cached(without())
    assert [True, True] == cached(run_with("enable_cache: true", without))
    assert [True, False] == cached(run_with("enable_cache: false", without))
    forced = "steps: {loads: {enable_cache: false}, trains: {enable_cache: true}}"
    assert [False, False] == cached(run_with(forced, without)), "loads gives a new version, which trains has not seen"


@pytest.mark.parametrize("text", ["", "# nothing\n", "steps:\n", "parameters:\nsteps: {}\n", "steps: {loads: }\n"])
def test_an_empty_file_changes_nothing(text: str) -> None:
    """A file, a section or a step with nothing in it says nothing."""
    assert 1 == run_with(text).steps["loads"].output.load()


def test_with_options_replaces_the_file() -> None:
    """The last file given is the one; other options keep it."""
    Path("one.yaml").write_text("parameters: {epochs: 1}")
    Path("two.yaml").write_text("parameters: {epochs: 2}")
    changed = training.with_options(config_path="one.yaml").with_options(config_path=Path("two.yaml"))
    assert 2 == changed.with_options(enable_cache=False)().parameters["epochs"]
    assert 1 == training().parameters["epochs"]


def test_a_step_is_named_as_in_the_run() -> None:
    """``name_2`` and ids are steps of their own."""

    @pipeline
    def twice() -> None:
        loads(), loads(), loads(id="third")

    run = run_with(
        "steps: {loads: {parameters: {size: 1}}, loads_2: {parameters: {size: 2}}, third: {parameters: {size: 3}}}",
        twice,
    )
    assert [1, 2, 3] == [each.output.load() for each in run.steps.values()]


MISTAKES: list[tuple[str, int, str, str]] = [
    ("step: {}", 1, "unknown key 'step' in a run configuration", "did you mean 'steps'?"),
    ("enable_cache: true\nzzz: 1", 2, "'zzz'", "known are: parameters, enable_cache, steps"),
    ("steps:\n  load: {}", 2, "has no step 'load'", "did you mean 'loads'?"),
    ("steps:\n  zzz: {}", 2, "has no step 'zzz'", "known are: loads, trains"),
    ("steps:\n  loads:\n    output: {}", 3, "unknown key 'output' in step 'loads'", "did you mean 'outputs'?"),
    ("steps:\n  loads:\n    outputs:\n      dat: {}", 4, "step 'loads' has no output 'dat'", "did you mean 'data'?"),
    ("steps:\n  loads:\n    parameters: {siz: 1}", 3, "step 'loads' has no parameter 'siz'", "did you mean 'size'?"),
    ("parameters:\n  epoch: 1", 2, "the pipeline has no parameter 'epoch'", "did you mean 'epochs'?"),
    (
        "steps:\n  loads:\n    outputs:\n      data:\n        artifact_config:\n          versoin: 1",
        6,
        "unknown key 'versoin' in artifact_config",
        "did you mean 'version'?",
    ),
    ("steps: {loads: {outputs: {data: {config: {}}}}}", 1, "'config'", "known are: artifact_config"),
    ("enable_cache: true\nenable_cache: false", 2, "'enable_cache' stands twice", ""),
    ("steps:\n  loads: {}\n  loads: {}", 3, "'loads' stands twice", ""),
    ("parameters:\n  title: {a: 1,\n    b: [{c: 1, 'c': 2}]}", 3, "'c' stands twice", ""),
    (
        "steps: {loads: {outputs: {data: {artifact_config: {run_metadata: {a: 1, a: 2}}}}}}",
        1,
        "'a' stands twice",
        "",
    ),
    ("enable_cache: maybe", 1, "enable_cache is true or false, got 'maybe'", ""),
    ("steps:\n  loads:\n    enable_cache: 1", 3, "enable_cache is true or false, got 1", ""),
    ("- a", 1, "a run configuration is a mapping", ""),
    ("steps: [loads]", 1, "steps is a mapping", ""),
    ("steps:\n  loads: 3", 2, "step 'loads' is a mapping", ""),
    ("parameters: [1]", 1, "parameters is a mapping, got a sequence", ""),
    ("parameters:\n  epochs: many", 2, "parameter 'epochs' of the pipeline: expected int, got 'many'", ""),
    ("parameters:\n  epochs: 3\n  title: 2023-11-05", 3, "expected str, got datetime.date(2023, 11, 5)", ""),
    ("steps:\n  loads:\n    parameters:\n      size: many", 4, "expected int, got 'many'", ""),
    (
        "steps:\n  loads:\n    parameters:\n      names: [{1: a}]",
        4,
        "parameter 'names' of step 'loads' cannot be recorded: metadata 'names.0.1': a key is a str, got int",
        "values are str, int, float, bool, None, lists and dicts of these",
    ),
    ("steps:\n  trains:\n    parameters: {data: 1}", 3, "gets 'data' from an artifact", ""),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: a/b}}}}}", 1, "invalid version 'a/b'", "raw_2023"),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: 1.5}}}}}", 1, "got float: 1.5", "version: '1.5'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: 1.10}}}}}", 1, "1.10 is read as 1.1", "'1.10'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: 010}}}}}", 1, "010 is read as 8", "version: '010'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: 1e5}}}}}", 1, "1e5 is read as 100000.0", "'1e5'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: yes}}}}}", 1, "yes is read as True", "'yes'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: 2023-13-45}}}}}", 1, "month must be in", ""),
    ("steps: {loads: {outputs: {data: {artifact_config: {version: 2023-11-05}}}}}", 1, "got date", "'2023-11-05'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {tags: digits}}}}}", 1, "tags are a list", "tags: ['digits']"),
    (
        "steps: {loads: {outputs: {data: {artifact_config: {tags: {a: 1}}}}}}",
        1,
        "tags are a list",
        "tags: ['approved']",
    ),
    ("steps: {loads: {outputs: {data: {artifact_config: {tags: [010, a]}}}}}", 1, "got int: 8", "tags: ['010', 'a']"),
    (
        "steps: {loads: {outputs: {data: {artifact_config: {tags: [1, 'a\\b''s \"c\"']}}}}}",
        1,
        "got int: 1",
        "tags: ['1', 'a\\b''s \"c\"']",
    ),
    ("steps: {loads: {outputs: {data: {artifact_config: {name: 5}}}}}", 1, "name of an output is a str", "name: '5'"),
    ("steps: {loads: {outputs: {data: {artifact_config: {name: a b}}}}}", 1, "invalid artifact name 'a b'", "parts"),
    ("steps:\n  loads:\n    outputs:\n      data: {artifact_config: {name: 'a_{b}'}}", 4, "known of 'b'", "{date}"),
    (
        "steps:\n  loads:\n    outputs:\n      data: {artifact_config: {name: '{date} b'}}",
        4,
        "invalid artifact name",
        "",
    ),
    ("steps:\n  trains:\n    outputs:\n      loss: {artifact_config: {name: model}}", 4, "two outputs as 'model'", ""),
    ("steps: {loads: {outputs: {data: {artifact_config: {run_metadata: 5}}}}}", 1, "metadata is a dict", ""),
    ("steps: {loads: {outputs: {data: {artifact_config: {artifact_type: Model}}}}}", 1, "'Model'", "ModelArtifact"),
    ("a: b: c", 1, "not YAML", ""),
    ("steps:\n\t- a", 2, "not YAML", ""),
    ("steps: *nowhere", 1, "not YAML", ""),
    ("---\na: 1\n---\nb: 2", 3, "not YAML", ""),
    ("parameters: {epochs: !!python/name:os.system }", 1, "cannot be read", ""),
    ("!!python/object:os.system {}", 1, "is a mapping, got tag:yaml.org,2002:python/object:os.system", ""),
    ("parameters: !!map [1]", 1, "parameters is a mapping, got a sequence", ""),
    ("parameters: {epochs: !!int many}", 1, "cannot be read", ""),
    ("parameters: {epochs: !!bool maybe}", 1, "cannot be read", ""),
    ("parameters: {epochs: !!float ''}", 1, "cannot be read", ""),
    ("parameters: {epochs: !!timestamp soon}", 1, "cannot be read: a value is not what its tag says", ""),
    ("parameters: {epochs: =}", 1, "cannot be read: could not determine a constructor for the tag", ""),
    ("parameters: {epochs: !!timestamp {=: soon}}", 1, "cannot be read", ""),
    ("a: &a [x]\n" + "".join(f"{b}: &{b} [{f'*{a}, ' * 9}]\n" for a, b in pairwise("abcdefghi")), 0, "aliases", ""),
    ("parameters: &a {epochs: *a}", 0, "aliases make more than", ""),
    ("? [a, b]\n: c", 1, "is a word, got a sequence", ""),
    ("[" * 700, 0, "not YAML: nested too deeply", ""),
    ("a: '\x01'", 0, "not YAML", ""),
]


@pytest.mark.parametrize(("text", "line", "told", "hint"), MISTAKES)
def test_a_mistake_is_told_with_file_line_and_the_nearest_key(
    project: Path, text: str, line: int, told: str, hint: str
) -> None:
    """Nothing has run by then, and no ledger is made."""
    with pytest.raises(ConfigError) as caught:
        run_with(text)
    assert str(caught.value).startswith(f"run.yaml, line {line}: " if line else "run.yaml: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert hint in caught.value.hint
    assert "did you mean" not in hint or hint.removeprefix("did you mean ").rstrip("?") in str(caught.value)
    assert ["run.yaml"] == [path.name for path in project.iterdir()]


def test_a_pipe_is_read_like_a_file() -> None:
    """A configuration may come from another program, as `<(…)` of a shell hands it over."""
    reading, writing = os.pipe()
    os.write(writing, b"parameters: {epochs: 7}")
    os.close(writing)
    training.with_options(config_path=f"/dev/fd/{reading}")()
    os.close(reading)
    assert (7, "none") in RAN


def test_a_file_that_is_not_there_is_a_file_not_found_error(project: Path) -> None:
    """The path is named; nothing runs."""
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml") as caught:
        training.with_options(config_path="nowhere.yaml")()
    assert SourceNotFoundError is caught.type
    assert [] == list(project.iterdir())


def test_a_configuration_is_given_by_its_path(project: Path) -> None:
    """A number, which Python would read as an open file, the configuration itself, and what is no path are refused."""
    for given in (5, {"enable_cache": False}):
        with pytest.raises(ArgumentTypeError, match="config_path is a str or a Path, got"):
            training.with_options(config_path=given)()  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="config_path cannot be"):
        training.with_options(config_path="run\0.yaml")()
    assert [] == list(project.iterdir())


def test_a_file_that_is_no_text_is_told(project: Path) -> None:
    """Bytes that are not UTF-8 are a configuration error."""
    Path("run.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"run\.yaml: not UTF-8") as caught:
        training.with_options(config_path="run.yaml")()
    assert "save that file as UTF-8" == caught.value.hint
