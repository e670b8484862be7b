"""Runs as they are recorded and looked up."""

import datetime as dt
import json
import pickle
import uuid
from pathlib import Path
from typing import Annotated, Any

import pytest

from ledger import ExternalArtifact, Ledger, PipelineRun, get_step_context, load_artifact, pipeline, save_artifact, step
from ledger.client import Client
from ledger.errors import (
    AmbiguousIdError,
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    IntegrityError,
    RunNotFoundError,
    StepInterfaceError,
)
from ledger.records import decode_cache, decode_end, decode_run, decode_step
from tests.kit.ledgers import canonical, git, last_run, plant

pytestmark = pytest.mark.usefixtures("workdir")


@step
def first(x: int) -> Annotated[int, "x"]:
    return x


@step
def second(a: int, b: int) -> tuple[Annotated[int, "sum"], Annotated[int, "product"]]:
    return a + b, a * b


@step
def nothing(given: int) -> None:
    load_artifact("before")


@pipeline
def training(x: int = 3) -> None:
    total, _ = second(first(x), 2)
    nothing(total)


def records_of(run: PipelineRun) -> dict[str, dict[str, object]]:
    """The records of a run as plain Git shows them, by file name."""
    ledger = Ledger.open()
    folder = f"runs/{run.started_at:%Y-%m-%d}/{run.id}"
    names = git(ledger, "ls-tree", "--name-only", f"main:{folder}").splitlines()
    return {name: json.loads(git(ledger, "show", f"main:{folder}/{name}")) for name in names}


def test_a_run_tells_its_steps_inputs_and_outputs() -> None:
    """What a pipeline returns shows the graph: steps in order, versions by argument and by output, plain arguments."""
    save_artifact(1, "before")
    began = dt.datetime.now(dt.UTC)
    run = training(4)
    assert ("training", "training", "completed") == (run.name, run.pipeline_name, run.status)
    assert {"x": 4} == run.parameters
    assert "Ada <ada@example.com>" == run.created_by
    assert ["first", "second", "nothing"] == list(run.steps) == list(run.planned_steps)
    assert run.ended_at is not None
    assert began <= run.started_at <= run.steps["first"].started_at <= run.steps["first"].ended_at <= run.ended_at
    made = run.steps["second"]
    assert (run.id, "second", "completed", None) == (made.run_id, made.name, made.status, made.error)
    assert ({"a": run.steps["first"].output}, {"b": 2}) == (made.inputs, made.parameters)
    assert {"sum": 6, "product": 8} == {key: version.load() for key, version in made.outputs.items()}
    assert ["before"] == [version.name for version in run.steps["nothing"].loaded]
    assert ["x", "sum", "product"] == [version.name for version in run.artifact_versions]
    for version in run.artifact_versions:
        assert run == version.run
    step_of_sum = made.outputs["sum"].step
    assert step_of_sum is not None
    assert "second" == step_of_sum.name
    assert made.source_digest.startswith("sha256:")
    assert f"<PipelineRun training completed id={run.id} steps=['first', 'second', 'nothing']>" == repr(run)
    assert "<StepRun second completed outputs=['sum', 'product']>" == repr(made)


def test_the_only_output_needs_no_name() -> None:
    """``.output`` is the one output; none and several are a ValueError that tells them."""
    save_artifact(1, "before")
    run = training()
    assert 3 == run.steps["first"].output.load()
    with pytest.raises(ValueError, match=r"step 'second' has 2 outputs \(sum, product\)") as caught:
        _ = run.steps["second"].output
    assert StepInterfaceError is caught.type
    with pytest.raises(ValueError, match="'nothing' has no outputs"):
        _ = run.steps["nothing"].output


def test_a_step_of_a_run_is_one_whoever_tells_of_it() -> None:
    """Steps are equal by run and name, like the runs that they are of."""
    save_artifact(1, "before")
    run, other = training(), training()
    (step, *others), version = run.steps.values(), run.steps["first"].output
    assert (step, hash(step), run) == (version.step, hash(version.step), version.run)
    assert step not in (*others, *other.steps.values(), "first")


def test_versions_of_one_run_have_its_records_read_once() -> None:
    """Each of them is of the same `PipelineRun` for as long as nothing else is published, and of an equal one then."""
    save_artifact(1, "before")
    training()
    ledger = Ledger.open()
    versions = [ledger.get(name) for name in ("x", "sum", "product")]
    run, *others = [version.run for version in versions]
    assert all(run is other for other in others)
    training(5)
    assert run is not versions[0].run
    assert run == versions[0].run


def test_a_version_saved_outside_has_no_run() -> None:
    """``run`` and ``step`` are of versions that a step made."""
    version = save_artifact(1, "x")
    assert (None, None) == (version.run, version.step)


def test_runs_are_found_by_id_and_by_prefix() -> None:
    """The id as UUID or text, in any case, or enough of its beginning."""
    run, other = first_runs(2)
    client = Client()
    assert run == client.get_pipeline_run(run.id) == client.get_pipeline_run(str(run.id).upper())
    assert (
        other
        == client.get_pipeline_run(str(other.id)[:-1])
        == client.get_pipeline_run(str(other.id).replace("-", "")[:31])
    )
    with pytest.raises(AmbiguousIdError, match="fits 2 runs"):
        client.get_pipeline_run(str(run.id)[:6])


@pytest.mark.parametrize(
    "wanted",
    [
        "nothing",
        "",
        "ab",
        "0000",
        uuid.UUID(int=0),
        uuid.UUID(int=2**128 - 1),
        "../../x",
        "01a20800-0000-7000-8000-00000000000",
    ],
)
def test_a_run_that_is_not_there_is_a_key_error(wanted: str | uuid.UUID) -> None:
    """The error names what was sought and the command that lists runs."""
    first(1)
    with pytest.raises(RunNotFoundError) as caught:
        Client().get_pipeline_run(wanted)
    assert isinstance(caught.value, KeyError)
    assert str(wanted) in str(caught.value)
    assert "ledger run list" in caught.value.hint


def test_runs_are_listed_oldest_first() -> None:
    """A pipeline's name narrows the list; a limit keeps the newest."""
    runs = first_runs(3)
    save_artifact(1, "before")
    other = training()
    client = Client()
    assert [*runs, other] == client.list_pipeline_runs()
    assert runs == client.list_pipeline_runs(pipeline_name="first")
    assert runs[1:] == client.list_pipeline_runs("first", limit=2)
    assert [] == client.list_pipeline_runs("nowhere")
    assert [] == client.list_pipeline_runs(limit=0)
    assert client.list_pipeline_runs() == client.list_pipeline_runs(limit=10**30)


def test_one_commit_is_made_for_each_step_that_publishes() -> None:
    """The run's beginning goes with the first, its end with the last; the subjects tell run and step."""
    save_artifact(1, "before")
    run = training()
    ledger = Ledger.open()
    subjects = git(ledger, "log", "--format=%s", "main").splitlines()
    assert [
        "run training: nothing",
        "run training: second: save 2 versions",
        "run training: first: save x@1",
        "save before@1",
        "start a ledger",
    ] == subjects
    shown = git(ledger, "log", "-1", "--format=%B", "main~1").splitlines()
    assert f"Run: {run.id}" in shown
    assert {"Artifact: sum@1", "Artifact: product@1"} <= set(shown)
    added = git(ledger, "show", "--format=", "--name-only", "main~2").splitlines()
    assert ["artifacts", "cache", "runs", "runs"] == [path.split("/")[0] for path in added]


def test_every_commit_of_a_run_names_it() -> None:
    """``git log --grep`` finds what a run did: values from outside, steps, failures, and what came from the cache."""

    @step
    def fails(given: int) -> None:
        raise ZeroDivisionError

    @pipeline
    def mixed() -> None:
        first(1)
        fails(ExternalArtifact(2), after="first")

    first(1)
    with pytest.raises(ZeroDivisionError):
        mixed()
    first(1)
    ledger = Ledger.open()
    found = [
        git(ledger, "log", "--format=%s", f"--grep=Run: {run.id}", "main").splitlines()
        for run in Client().list_pipeline_runs()
    ]
    assert [
        ["run first: first: save x@1"],
        ["run mixed: fails failed", "run mixed: external inputs: save mixed::fails::external_given@1"],
        ["run first: cached"],
    ] == found
    assert ["cached", "failed"] == [each.status for each in Client().list_pipeline_runs("mixed")[0].steps.values()]


def test_a_commit_of_nothing_but_cached_steps_names_its_run() -> None:
    """It is made where a body looks at its run after a step from the cache, when the run has begun in the history."""

    @step(enable_cache=False)
    def runs() -> None: ...

    @step(enable_cache=False)
    def looks(given: int) -> None:
        Client().get_pipeline_run(get_step_context().run_id)

    @pipeline
    def mixed() -> None:
        runs()
        looks(first(1))

    first(1)
    mixed()
    ledger = Ledger.open()
    assert "run mixed: so far" in git(ledger, "log", "--format=%s", f"--grep=Run: {last_run().id}", "main").splitlines()


def test_the_records_are_as_specified() -> None:
    """run.json, a file per step and end.json, with names and ids of versions, and no position or number."""
    save_artifact(1, "before")
    run = training()
    records = records_of(run)
    assert {"run.json", "end.json", "first.json", "second.json", "nothing.json"} == set(records)
    assert {
        "kind": "run",
        "format": 1,
        "id": str(run.id),
        "pipeline": "training",
        "started_at": f"{run.started_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "created_by": "Ada <ada@example.com>",
        "parameters": {"x": 3},
        "steps": ["first", "second", "nothing"],
        "project": None,
    } == records["run.json"]
    made = run.steps["second"]
    assert {
        "kind": "step",
        "format": 1,
        "run": str(run.id),
        "name": "second",
        "status": "completed",
        "started_at": f"{made.started_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "ended_at": f"{made.ended_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "parameters": {"b": 2},
        "inputs": [{"argument": "a", "name": "x", "id": str(made.inputs["a"].id), "kind": "step"}],
        "outputs": [{"output": key, "name": key, "id": str(made.outputs[key].id)} for key in ("sum", "product")],
        "saved": [],
        "source": made.source_digest,
        "cache_key": made.cache_key,
        "cached_from": None,
        "error": None,
    } == records["second.json"]
    assert {"kind": "end", "format": 1, "run": str(run.id), "status": "completed"} == {
        key: value for key, value in records["end.json"].items() if key != "ended_at"
    }


def test_steps_named_like_a_runs_own_records_are_kept_apart() -> None:
    """``run`` and ``end`` are spelled otherwise, and a name with a slash or colon is one file."""
    for name in ("run", "end", "a/b:c"):
        first.with_options(name=name)(5)
        (found,) = Client().list_pipeline_runs(name)
        assert [name] == list(found.steps)
    assert {"run.json", "end.json", "%65nd.json"} == set(records_of(Client().list_pipeline_runs("end")[0]))


def test_an_empty_pipeline_is_a_run() -> None:
    """Nothing ran, and that is recorded."""
    run = pipeline(name="empty")(lambda: None)()
    assert ("completed", {}, []) == (run.status, run.steps, run.artifact_versions)


def test_thirty_steps_are_thirty_commits() -> None:
    """A chain of steps is recorded in order, each with the one before as its input."""

    @pipeline
    def chain() -> None:
        value = first(0)
        for _ in range(29):
            value, _ = second(value, 1)

    run = chain()
    assert 30 == len(run.steps)
    assert 29 == run.steps["second_29"].outputs["sum"].load()
    assert 31 == int(git(Ledger.open(), "rev-list", "--count", "main"))
    assert ["first", "second", "second_2"] == list(run.steps)[:3]


def test_a_damaged_run_costs_itself_alone() -> None:
    """The list leaves it out with a warning; asked for by id it is a format error that names it."""
    (good,) = first_runs(1)
    ledger = Ledger.open()
    damaged = "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"
    plant(ledger, {f"runs/2025-11-07/{damaged}/run.json": b"{}"})
    with pytest.warns(UserWarning, match=f"{damaged} is left out"):
        assert [good] == Client().list_pipeline_runs()
    with pytest.raises((FormatError, RunNotFoundError), match=damaged):
        Client().get_pipeline_run(damaged)


def test_a_record_must_be_the_one_its_path_says() -> None:
    """A run's or step's record under another's path is a format error."""
    (run,) = first_runs(1)
    records = records_of(run)
    ledger = Ledger.open()
    folder = f"runs/{run.started_at:%Y-%m-%d}"
    plant(ledger, {f"{folder}/{run.id}/other.json": canonical(records["first.json"])})
    with pytest.raises(FormatError, match="its record is of step 'first'"):
        Client().get_pipeline_run(run.id)
    other = f"{str(run.id)[:-4]}0000"
    plant(ledger, {f"{folder}/{other}/run.json": canonical(records["run.json"])})
    with pytest.raises(FormatError, match=f"its record has the id '{run.id}'"):
        Client().get_pipeline_run(other)


def test_the_examples_of_the_format_are_records() -> None:
    """Every example in specs/format.md 4.5 is a record of its kind, field by field."""
    text = (Path(__file__).parents[2] / "specs" / "format.md").read_text(encoding="utf-8")
    section = text.partition("### 4.5 ")[2].partition("\n## ")[0]
    examples = [json.loads(block.partition("```")[0]) for block in section.split("```json\n")[1:]]
    decoders = {"run": decode_run, "step": decode_step, "end": decode_end, "cache": decode_cache}
    assert list(decoders) == [example["kind"] for example in examples]
    for example in examples:
        record = decoders[example["kind"]](canonical(example), where="the example")
        assert set(example) == set(record.__struct_fields__)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1"},
        {"steps": "first"},
        {"format": 2},
        {"kind": "step"},
        {"parameters": {"$x": 1}},
        {"project": {"commit": 1, "dirty": False}},
    ],
)
def test_a_record_that_is_none_is_a_format_error(change: dict[str, object]) -> None:
    """Wrong ids, types, kinds and encodings are refused with the record's name."""
    (run,) = first_runs(1)
    record = {**records_of(run)["run.json"], **change}
    with pytest.raises(FormatError, match="the run"):
        decode_run(canonical(record), where="the run")


def first_runs(count: int) -> list[PipelineRun]:
    """That many runs of a step."""
    for x in range(count):
        first(x)
    return Client().list_pipeline_runs()


def test_runs_can_be_pickled() -> None:
    """A run and its steps come back as they were, with versions that load."""
    save_artifact(1, "before")
    run = training()
    again, first_step = pickle.loads(pickle.dumps((run, next(iter(run.steps.values())))))
    assert (run, repr(run), run.artifact_versions) == (again, repr(again), again.artifact_versions)
    assert next(iter(run.steps.values())).outputs == first_step.outputs
    assert all(version.load() is not None for version in again.artifact_versions)


def test_a_version_that_the_history_lost_is_told_with_the_step_that_names_it() -> None:
    """Where the history went back by hand, a run that is kept says which version is not there any more."""
    save_artifact(1, "before")
    before = git(Ledger.open(), "rev-parse", "main")
    kept = pickle.dumps(pipeline(name="short")(lambda: first(1))())
    git(Ledger.open(), "update-ref", "refs/heads/main", before)
    again = pickle.loads(kept)
    with pytest.raises(IntegrityError, match=r"step 'first' names x \(id .*\), which is not in the history"):
        assert again.steps["first"].outputs
    assert "completed" == again.status


def test_a_name_that_a_run_does_not_have_is_told() -> None:
    """A step, output or input that is not there is a KeyError with the nearest name that is."""
    run = pipeline(name="short")(lambda: first(1))()
    asked: list[tuple[Any, str, str]] = [
        (lambda: run.steps["frist"], f"run {run.id} has no step 'frist'", "did you mean 'first'?"),
        (lambda: run.steps["first"].outputs["output"], "step 'first' has no output 'output'", "it has x"),
        (lambda: run.steps["first"].inputs["x"], "step 'first' has no input 'x'", "it has none"),
    ]
    for ask, told, hint in asked:
        with pytest.raises(KeyError, match=told) as caught:
            ask()
        assert isinstance(caught.value, RunNotFoundError)
        assert hint == caught.value.hint
    assert run.steps.get("frist") is None


def test_runs_are_listed_by_status() -> None:
    """Failed runs are found among the others; a status or limit that is none is refused."""
    first(1)
    with pytest.raises(TypeError):
        first("a")
    with pytest.raises(KeyError):
        nothing(2)
    assert ["nothing"] == [run.name for run in Client().list_pipeline_runs(status="failed")]
    assert ["first"] == [run.name for run in Client().list_pipeline_runs(status="completed", limit=1)]
    assert [] == Client().list_pipeline_runs(status="running")
    for words in ({"status": "cached"}, {"limit": -1}, {"limit": True}):
        with pytest.raises(ArgumentError):
            Client().list_pipeline_runs(**words)
    with pytest.raises(ArgumentTypeError, match="got NoneType"):
        Client().get_pipeline_run(None)  # type: ignore[arg-type]


def test_a_notebook_shows_a_run_as_a_table() -> None:
    """Each step has a row: what it took and gave, where it came from, or what it failed with, as text."""
    save_artifact(1, "before")
    run = training(4)
    assert "".join(f"<td>{cell}</td>" for cell in ("a = x@1", "sum = sum@1, product = product@1")) in run._repr_html_()
    assert f"<td>cached from {run.id}</td>" in training(4)._repr_html_()

    @step
    def broken() -> None:
        message = "<script>"
        raise ValueError(message)

    with pytest.raises(ValueError, match="script"):
        broken()
    shown = last_run()._repr_html_()
    assert "broken failed (" in shown
    assert ("<td>ValueError: &lt;script&gt;</td>" in shown, "<script>" in shown) == (True, False)


def test_a_notebook_shows_the_ends_of_a_run_of_very_many_steps() -> None:
    """What it failed with is among them, and how many steps are left out."""

    @step
    def each(number: int) -> None:
        assert number < 59, "the last one"

    @pipeline
    def many() -> None:
        for number in range(60):
            each(number, id=f"{'x' * 190}{number}")

    with pytest.raises(AssertionError):
        many()
    shown = last_run()._repr_html_()
    parts = ("x24</td>", "<tr><td>… 11 more</td></tr>", "x36</td>", "the last one")
    assert all(part in shown for part in parts)
    assert (50, False) == (shown.count("<tr><td>"), "x25</td>" in shown)
    assert len(repr(last_run())) < 2000
