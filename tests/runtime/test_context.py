"""What a running step says about its outputs, and what it saves and loads by itself."""

import contextvars
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from ledger import (
    ArtifactConfig,
    Ledger,
    get_step_context,
    ledger_for_writing,
    load_artifact,
    log_artifact_metadata,
    pipeline,
    register_artifact,
    save_artifact,
    step,
)
from ledger.client import Client
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    ArtifactNotFoundError,
    MetadataError,
    StepContextError,
    VersionNotFoundError,
)
from tests.kit.ledgers import last_run

pytestmark = pytest.mark.usefixtures("workdir")


def test_there_is_no_context_outside_a_step() -> None:
    """Outside a step, and in a pipeline's body, asking is a RuntimeError."""

    @pipeline
    def training() -> None:
        get_step_context()

    for call in (get_step_context, training):
        with pytest.raises(RuntimeError, match="only available inside a step") as caught:
            call()
        assert StepContextError is caught.type


def test_the_context_knows_its_step() -> None:
    """Pipeline, run, step and the versions it took are told."""
    told: list[Any] = []
    shown: list[str] = []

    @step
    def first() -> int:
        return 1

    @step
    def second(given: int) -> Annotated[int, "x"]:
        context = get_step_context()
        told.append((context.pipeline_name, context.run_id, context.step_name, context.inputs, context.output_names))
        shown.append(repr(context))
        return given

    @pipeline
    def training() -> None:
        second(first(), id="last")

    run = training()
    assert [("training", run.id, "last", {"given": run.steps["first"].output}, ("x",))] == told
    assert [f"<StepContext last of training run={run.id} outputs=['x']>"] == shown


@pytest.mark.parametrize("log", [log_artifact_metadata, lambda none: get_step_context().add_output_metadata(none)])
def test_no_metadata_at_all_is_refused(log: Any) -> None:
    """``None`` is no metadata of an output, as it is none of a version."""

    @step
    def made() -> Annotated[str, "x"]:
        log(None)
        return "x"

    with pytest.raises(MetadataError, match="got NoneType"):
        made()


def test_metadata_and_tags_are_published_with_the_output() -> None:
    """What the config says and what the step adds come together in the version's own manifest."""

    @step
    def made() -> Annotated[str, ArtifactConfig(name="x", run_metadata={"a": 1}, tags=["one"])]:
        context = get_step_context()
        context.add_output_metadata({"b": 2}, output_name="x")
        context.add_output_tags(["two", "one"], output_name="x")
        context.add_output_tags(["three"])
        assert ({"b": 2}, ["one", "three", "two"]) == (context.get_output_metadata(), context.get_output_tags("x"))
        return "string"

    made()
    found = Client().get_artifact_version("x")
    assert ("one", "three", "two") == found.tags
    assert (1, 2) == (found.metadata["a"], found.metadata["b"])


def test_an_output_has_the_name_of_its_artifact_too(tmp_path: Path) -> None:
    """What is logged by the default name, that of the file, or the template as it is written is no older version's."""
    (tmp_path / "run.yaml").write_text("steps: {made: {outputs: {b: {artifact_config: {name: renamed}}}}}")

    @step(enable_cache=False)
    def made() -> tuple[int, Annotated[int, "b"], Annotated[int, "c_{time}"]]:
        log_artifact_metadata({"a": 1}, "training::made::output_0")
        log_artifact_metadata({"a": 2}, artifact_name="renamed")
        get_step_context().add_output_metadata({"a": 3}, "c_{time}")
        get_step_context().add_output_tags(["told"], output_name="renamed")
        return 1, 2, 3

    @pipeline
    def training() -> None:
        made()

    configured = training.with_options(config_path=tmp_path / "run.yaml")
    runs = [configured(), configured()]
    found = [[each.metadata["a"] for each in run.artifact_versions] for run in runs]
    assert ([[1, 2, 3]] * 2, ("told",)) == (found, Client().get_artifact_version("renamed").tags)


def test_later_metadata_wins_and_groups_merge() -> None:
    """Automatic, then the config, then calls in the step in order, then what is logged afterwards."""

    @step
    def made() -> Annotated[
        dict[str, int],
        ArtifactConfig(name="x", run_metadata={"length": "config", "a": "config", "group": {"a": 1, "b": 1, "c": 1}}),
    ]:
        get_step_context().add_output_metadata({"a": "first", "group": {"b": 2, "c": 2}})
        log_artifact_metadata({"a": "second", "group": {"c": 3}})
        return {"k": 1}

    made()
    found = Client().get_artifact_version("x")
    assert ("config", "second", {"a": 1, "b": 2, "c": 3}) == (
        found.metadata["length"],
        found.metadata["a"],
        found.metadata["group"],
    )
    log_artifact_metadata({"a": "later", "group": {"d": 4}}, "x")
    later = Client().get_artifact_version("x").metadata
    assert ("later", {"a": 1, "b": 2, "c": 3, "d": 4}) == (later["a"], later["group"])


def test_a_group_that_a_step_has_taken_back_is_not_merged_with_the_configs() -> None:
    """Each call has its turn after the config: one that replaced its group leaves nothing of it to the next."""

    @step
    def made() -> Annotated[int, ArtifactConfig(name="x", run_metadata={"group": {"a": 1}})]:
        log_artifact_metadata({"group": None})
        log_artifact_metadata({"group": {"b": 2}})
        return 1

    made()
    assert {"b": 2} == Client().get_artifact_version("x").metadata["group"]


def test_several_outputs_must_be_named() -> None:
    """Without a name, and with one that is none, the error tells the outputs; nothing is published."""

    @step
    def both(how: str) -> tuple[Annotated[int, "a"], Annotated[int, "b"]]:
        context = get_step_context()
        if how == "no name":
            context.add_output_metadata({"k": 1})
        elif how == "wrong name":
            context.add_output_tags(["t"], output_name="c")
        elif how == "list":
            context.add_output_tags(["t"], output_name=["a"])  # type: ignore[arg-type]
        elif how == "log":
            log_artifact_metadata({"k": 1})
        else:
            context.add_output_metadata({"k": 1}, "a")
            log_artifact_metadata({"k": 2}, "b")
        return 1, 2

    with pytest.raises(StepContextError, match="has the outputs a, b"):
        both("no name")
    with pytest.raises(StepContextError, match="no output 'c'; it has a, b"):
        both("wrong name")
    with pytest.raises(StepContextError, match=r"no output \['a'\]; it has a, b"):
        both("list")
    with pytest.raises(ArgumentError, match="outputs a, b"):
        both("log")
    assert [] == Client().list_artifacts()
    both("named")
    assert [1, 2] == [Client().get_artifact_version(name).metadata["k"] for name in "ab"]


def test_a_step_without_outputs_has_nothing_to_describe() -> None:
    """Metadata needs an output."""

    @step
    def nothing() -> None:
        get_step_context().add_output_metadata({"k": 1})

    with pytest.raises(StepContextError, match="no outputs"):
        nothing()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: get_step_context().add_output_metadata({"k": object()}), MetadataError),
        (lambda: get_step_context().add_output_tags("digits"), ArgumentTypeError),
        (lambda: get_step_context().add_output_tags(None), ArgumentTypeError),  # type: ignore[arg-type]
        (lambda: log_artifact_metadata([1]), MetadataError),  # type: ignore[arg-type]
    ],
)
def test_bad_metadata_and_tags_fail_where_they_are_given(call: Any, kind: type[Exception]) -> None:
    """The one rule of metadata and tags holds inside steps."""

    @step(enable_cache=False)
    def made() -> int:
        call()
        return 1

    with pytest.raises(kind):
        made()


def test_logging_without_a_name_outside_a_step_is_refused() -> None:
    """There is no output that could be meant."""
    with pytest.raises(ValueError, match="artifact name must be given"):
        log_artifact_metadata({"k": 1})


def test_logging_on_a_version_without_a_name_is_refused() -> None:
    """In a step with one output too: that output has no version yet, and the error says what is missing."""

    @step
    def made() -> Annotated[int, "x"]:
        log_artifact_metadata({"k": 1}, version="1")
        return 1

    with pytest.raises(ValueError, match="name must be given with a version, got version '1' alone"):
        made()


def test_logging_goes_to_the_output_or_to_a_version_that_exists() -> None:
    """In a step: an output's name without a version is the output; a version, or another name, is what exists."""
    save_artifact(1, "x")
    save_artifact(1, "other")

    @step
    def made() -> Annotated[int, "x"]:
        log_artifact_metadata({"k": "output"}, artifact_name="x")
        log_artifact_metadata({"k": "first"}, artifact_name="x", version="1")
        log_artifact_metadata({"k": "first again"}, artifact_name="x", artifact_version=1)
        log_artifact_metadata({"k": "other"}, artifact_name="other")
        return 2

    made()
    found = [Client().get_artifact_version(*each).metadata["k"] for each in (("x",), ("x", "1"), ("other",))]
    assert ["output", "first again", "other"] == found


def test_a_misspelt_output_is_told_the_outputs() -> None:
    """Where the name is no artifact's either, the hint says what the step gives."""

    @step
    def made() -> Annotated[int, "rows"]:
        log_artifact_metadata({"k": 1}, "row")
        return 1

    with pytest.raises(KeyError) as caught:
        made()
    assert caught.value.hint.endswith("the outputs of this step are: rows")  # type: ignore[attr-defined]


def test_logging_on_what_is_not_there_is_a_key_error() -> None:
    """An unknown artifact or version is told, inside a step and outside."""
    save_artifact(1, "x")

    @step
    def made() -> Annotated[int, "y"]:
        log_artifact_metadata({"k": 1}, "z")
        return 1

    for call, kind in [
        (made, ArtifactNotFoundError),
        (lambda: log_artifact_metadata({"k": 1}, "z"), ArtifactNotFoundError),
        (lambda: log_artifact_metadata({"k": 1}, "x", version=2), VersionNotFoundError),
    ]:
        with pytest.raises(KeyError) as caught:
            call()  # type: ignore[operator]
        assert kind is caught.type
    with pytest.raises(ValueError, match="give one of them"):
        log_artifact_metadata({"k": 1}, "x", version=1, artifact_version=2)


def test_what_a_step_saves_registers_and_loads_is_tied_to_it() -> None:
    """Versions made in the body belong to run and step; versions loaded there are among its loads, once."""
    before = save_artifact("data", "before")

    @step
    def made() -> Annotated[int, "x"]:
        save_artifact({"a": 1}, "aside", tags=["t"])
        folder = Path(Client().active_stack.artifact_store.path) / "linked"
        folder.mkdir()
        (folder / "a.txt").write_text("a")
        register_artifact(folder, "linked")
        assert "data" == load_artifact("before") == Client().get_artifact_version("before").load()
        assert {"a": 1} == Client().get_artifact("aside").load()
        return 1

    made()
    run = last_run()
    (done,) = run.steps.values()
    assert ["aside", "linked"] == [version.name for version in done.saved]
    assert [before.id, done.saved[0].id] == [version.id for version in done.loaded]
    assert ["x", "aside", "linked"] == [version.name for version in run.artifact_versions]
    for version in run.artifact_versions:
        assert version.step is not None
        assert (run, "made") == (version.run, version.step.name)
    assert "x" == done.output.name
    assert {} == done.inputs


def test_a_body_may_load_and_save_more_than_its_record_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record names the first of them, with a warning; the work of the body is not lost."""
    with ledger_for_writing().transaction() as transaction:
        for number in range(40):
            transaction.save(number, "many")

    @step
    def sums() -> Annotated[int, "total"]:
        save_artifact("a", "aside")
        return sum(load_artifact("many", number) for number in range(1, 41))

    monkeypatch.setattr("ledger.records.canonical.RECORD_LIMIT", 4096)
    with pytest.warns(UserWarning, match=r"loaded 40 and saved 1 .*: its record has room for the first \d\d of each"):
        assert sum(range(40)) == sums()
    done = last_run().steps["sums"]
    assert [str(number) for number in range(1, len(done.loaded) + 1)] == [each.version for each in done.loaded]
    assert (True, ["aside"]) == (10 < len(done.loaded) < 40, [each.name for each in done.saved])


def test_what_a_step_does_with_its_ledger_is_tied_to_it_too() -> None:
    """Saves, registrations and loads of a `Ledger` on the run's directory, and transactions, also of threads."""
    before = save_artifact("data", "before")

    @step
    def made() -> Annotated[int, "x"]:
        ledger = Ledger.open()
        ledger.save(1, "aside")
        folder = Path(Client().active_stack.artifact_store.path) / "linked"
        folder.mkdir()
        (folder / "a.txt").write_text("a")
        with ledger.transaction() as transaction:
            transaction.register(folder, "linked")
            thread = threading.Thread(target=transaction.save, args=(2, "together"))
            thread.start()
            thread.join()
        assert "data" == ledger.load("before")
        return 1

    made()
    (done,) = last_run().steps.values()
    assert ["aside", "linked", "together"] == [version.name for version in done.saved]
    assert [("made", last_run())] * 3 == [(version.step and version.step.name, version.run) for version in done.saved]
    assert (before,) == done.loaded


def test_a_ledger_is_the_runs_whichever_path_leads_to_it(tmp_path: Path) -> None:
    """A symbolic link to the run's directory is no other ledger."""
    before = save_artifact("data", "before")
    link = tmp_path / "link"
    link.symlink_to(Ledger.open().path)

    @step
    def made() -> Annotated[int, "x"]:
        Ledger.open(link).save(1, "aside")
        assert "data" == Ledger.open(link).load("before")
        return 1

    made()
    (done,) = last_run().steps.values()
    assert (["aside"], (before,)) == ([version.name for version in done.saved], done.loaded)


def test_what_a_step_does_with_another_ledger_is_not_tied_to_it(tmp_path: Path) -> None:
    """No record of that ledger could say which run it was."""
    other = Ledger.init(tmp_path / "other")

    @step
    def made() -> Annotated[int, "x"]:
        other.save(1, "aside")
        return int(other.load("aside"))

    made()
    (done,) = last_run().steps.values()
    assert ((), ()) == (done.saved, done.loaded)
    assert other.get("aside").run is None


def test_what_a_transaction_publishes_elsewhere_is_not_of_the_step_that_runs_meanwhile() -> None:
    """A transaction is of the body in which it began, and of none where it began outside."""
    ledger = ledger_for_writing()

    @step
    def made() -> Annotated[int, "x"]:
        transaction.save(1, "outside")
        return 1

    with ledger.transaction() as transaction:
        made()
    assert ledger.get("outside").run is None
    assert () == last_run().steps["made"].saved


def test_a_version_knows_its_run_at_once_and_its_step_when_that_is_recorded() -> None:
    """In the first step of a run, too, of which nothing is published when the body saves."""
    seen: list[Any] = []

    @step
    def made() -> int:
        version = save_artifact(1, "aside")
        seen.extend([version.run, version.run.status if version.run else None, version.step, version])
        return 1

    made()
    *before, version = seen
    run = last_run()
    assert [run, "running", None] == before
    assert (run, run.steps["made"]) == (version.run, version.step)
    assert run == Client().get_artifact_version("aside").run


def test_what_a_body_saves_is_never_in_the_history_before_its_run() -> None:
    """Who gets the version while the body goes on, or after it died, gets the run too, cached steps included."""
    held: list[Any] = []

    @step
    def first() -> int:
        return 1

    @step(enable_cache=False)
    def second(given: int) -> None:
        save_artifact(given, "aside")
        run = Client().list_pipeline_runs()[-1]
        held.append((run.is_recorded, [found.status for found in run.steps.values()]))

    @pipeline
    def training() -> None:
        second(first())

    training()
    training()
    assert [(True, ["completed"]), (True, ["cached"])] == held


def test_a_step_sees_the_steps_before_it() -> None:
    """A body finds its run by the context's id, with the outputs of all steps so far, cached ones included."""

    @step
    def trial(rate: float) -> Annotated[float, "score"]:
        return rate * 2

    @step(enable_cache=False)
    def best() -> Annotated[float, "best"]:
        run = Client().get_pipeline_run(get_step_context().run_id)
        assert "running" == run.status
        return max(float(found.output.load()) for found in run.steps.values())

    @pipeline
    def sweep() -> None:
        best(after=[trial(rate) for rate in (0.5, 1.0, 0.1)])

    assert [2.0, 2.0] == [sweep().steps["best"].output.load() for _ in range(2)]
    assert ["cached"] * 3 + ["completed"] == [found.status for found in last_run().steps.values()]


def test_a_handle_can_be_taken_instead_of_the_value() -> None:
    """A parameter annotated as ArtifactVersion, or as one or nothing, gets the version itself, unloaded."""
    from ledger import ArtifactVersion

    taken: list[Any] = []

    @step
    def made() -> Annotated[int, "x"]:
        return 1

    @step
    def takes(given: ArtifactVersion, other: ArtifactVersion | None = None) -> None:
        taken.extend([given, other])

    @pipeline
    def training() -> None:
        takes(made(), other=made(id="again"))
        takes(made())

    first, again, *_ = training().artifact_versions * 2
    assert [first, again, first, None] == taken


def test_a_step_that_moves_stays_with_its_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the body changes to, what it saves, loads and runs is in the ledger of its run."""
    home = Path.cwd()

    @step
    def inner() -> Annotated[int, "inner"]:
        return 2

    @pipeline
    def nested() -> None:
        inner()

    @step
    def moves() -> Annotated[int, "x"]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("LEDGER_DIR", str(tmp_path / "other"))
        save_artifact(1, "aside")
        nested()
        assert 1 == load_artifact("aside") == Client().get_artifact("aside").load()
        return 1

    moves()
    monkeypatch.delenv("LEDGER_DIR")
    monkeypatch.chdir(home)
    assert ["aside", "inner", "x"] == [artifact.name for artifact in Client().list_artifacts()]
    assert ["moves", "nested"] == [run.name for run in Client().list_pipeline_runs()]
    assert [home] == list(tmp_path.iterdir())


def in_thread(call: Callable[[], object]) -> threading.Thread:
    """A thread that knows the step, as specs/runtime.md tells its users to make one."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(call,))
    thread.start()
    return thread


def test_threads_of_a_step_may_all_describe_its_output(fast_switches: None) -> None:
    """What several threads log at once is all there."""

    @step
    def measured() -> Annotated[int, "measured"]:
        def measure(number: int) -> None:
            for count in range(50):
                log_artifact_metadata({f"{number}.{count}": count})
                get_step_context().add_output_tags([f"{number}.{count}"])

        for thread in [in_thread(functools.partial(measure, number)) for number in range(8)]:
            thread.join()
        return 1

    measured()
    keys = {f"{number}.{count}" for number in range(8) for count in range(50)}
    version = Client().get_artifact_version("measured")
    assert (keys, keys) == (keys & version.metadata.keys(), set(version.tags))


def test_what_comes_after_a_step_is_refused() -> None:
    """A thread that outlives its step is told that the outputs are published, instead of describing nothing."""
    is_over = threading.Event()
    told: list[str] = []

    def log_late() -> None:
        is_over.wait()
        for call in (log_artifact_metadata, get_step_context().add_output_metadata):
            with pytest.raises(StepContextError, match="step 'quick' is over") as caught:
                call({"late": 1})
            told.append(caught.value.hint)
        with pytest.raises(StepContextError, match="step 'quick' is over"):
            get_step_context().add_output_tags(["late"])

    threads: list[threading.Thread] = []

    @step
    def quick() -> Annotated[int, "quick"]:
        threads.append(in_thread(log_late))
        return 1

    quick()
    is_over.set()
    threads[0].join()
    assert 2 == sum("join threads" in hint for hint in told)
    assert "late" not in Client().get_artifact_version("quick").metadata
