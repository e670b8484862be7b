"""Placeholders of a pipeline's body: looked up when the step that takes them starts, and never before."""

import copy
import operator
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import uuid4

import numpy as np
import pytest

from ledger import (
    ArtifactConfig,
    ArtifactVersion,
    ExternalArtifact,
    Ledger,
    load_artifact,
    log_artifact_metadata,
    pipeline,
    save_artifact,
    step,
)
from ledger.client import Client
from ledger.enums import ArtifactType
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    ArtifactNotFoundError,
    InvalidTagError,
    LazyArtifactError,
    LedgerError,
    StepInterfaceError,
    VersionNotFoundError,
)
from tests.kit.ledgers import last_run

GOT: list[Any] = []


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    GOT.clear()
    return workdir


@step(enable_cache=False)
def takes(given: Any) -> None:
    GOT.append(given)


@step(enable_cache=False)
def produces(value: int = 7) -> Annotated[int, ArtifactConfig(name="x", tags=["b", "a"], run_metadata={"k": {"n": 3}})]:
    return value


def run_body(body: Callable[[], None]) -> Any:
    return pipeline(name="training")(body)()


def test_a_lookup_is_made_when_the_step_starts() -> None:
    """A version that the same run has made before is the latest then; ``after=`` orders the two."""
    save_artifact(1, "x")

    def body() -> None:
        takes(Client().get_artifact_version("x"), after=produces())

    run = run_body(body)
    assert [7] == GOT
    assert run.steps["produces"].output == run.steps["takes"].inputs["given"]


def test_a_lookup_takes_name_version_or_id() -> None:
    """A name alone is the latest, a version exactly that one, an id the version of it."""
    first = save_artifact("one", "x")
    save_artifact("two", "x", version="raw")

    def body() -> None:
        client = Client()
        takes(client.get_artifact_version("x"))
        takes(client.get_artifact_version(name_id_or_prefix="x", version="1"))
        takes(client.get_artifact_version(first.id))
        takes(client.get_artifact_version("x", "raw").load())
        takes(load_artifact("x", version=1))

    run = run_body(body)
    assert ["two", "one", "one", "two", "one"] == GOT
    assert [first] * 3 == [run.steps[name].inputs["given"] for name in ("takes_2", "takes_3", "takes_5")]


def test_a_lookup_takes_a_tag() -> None:
    """By a tag it is the newest version that has it when the step starts, and a version without it is passed over."""
    tagged = save_artifact("good", "x", tags=["best"])
    save_artifact("bad", "x")

    def body() -> None:
        takes(Client().get_artifact_version("x", tag="best"))
        takes(load_artifact("x", tag="best"))

    run = run_body(body)
    assert ["good", "good"] == GOT
    assert [tagged] * 2 == [run.steps[name].inputs["given"] for name in ("takes", "takes_2")]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"tag": ["best"]}, ArgumentTypeError),
        ({"tag": ""}, InvalidTagError),
        ({"tag": "best", "version": 1}, ArgumentError),
        ({"tag": "best", "name_id_or_prefix": uuid4()}, ArgumentError),
    ],
)
def test_a_tag_that_makes_no_sense_is_refused_in_the_body(given: dict[str, Any], error: type[Exception]) -> None:
    """What no look-up can find is no run that fails, but a call that is refused, and no record is left of it."""
    save_artifact("good", "x", tags=["best"])
    with pytest.raises(error):
        run_body(lambda: takes(Client().get_artifact_version(**{"name_id_or_prefix": "x", **given})))
    assert [] == Client().list_pipeline_runs()


FACTS: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("load", lambda lazy: lazy.load(), lambda _: 7),
    ("id", lambda lazy: lazy.id, lambda found: found.id),
    ("name", lambda lazy: lazy.name, lambda _: "x"),
    ("version", lambda lazy: lazy.version, lambda _: "1"),
    ("uri", lambda lazy: lazy.uri, lambda found: found.uri),
    ("type", lambda lazy: lazy.type, lambda _: ArtifactType.DATA),
    ("tags", lambda lazy: lazy.tags, lambda _: ("a", "b")),
    ("a tag", lambda lazy: lazy.tags[0], lambda _: "a"),
    ("metadata", lambda lazy: lazy.run_metadata, lambda found: found.metadata),
    ("entry", lambda lazy: lazy.run_metadata["k"], lambda _: {"n": 3}),
    ("value", lambda lazy: lazy.run_metadata["k"].value, lambda _: {"n": 3}),
    ("member", lambda lazy: lazy.run_metadata["k"]["n"], lambda _: 3),
    ("member of the value", lambda lazy: lazy.run_metadata["k"].value["n"], lambda _: 3),
]


@pytest.mark.parametrize(("_name", "ask", "expected"), FACTS, ids=[fact[0] for fact in FACTS])
@pytest.mark.parametrize("of", ["lookup", "output"])
def test_facts_of_a_placeholder_are_placeholders(
    _name: str, ask: Callable[[Any], Any], expected: Callable[[Any], Any], of: str
) -> None:
    """What is asked of a placeholder reaches the step as it is when the step starts."""

    def body() -> None:
        made = produces()
        takes(ask(made if of == "output" else Client().get_artifact_version("x")), after=made)

    run_body(body)
    assert [expected(Client().get_artifact_version("x"))] == GOT


def test_all_metadata_reach_a_step_as_plain_values() -> None:
    """A step that gets the metadata of a version gets a dict of values, not of entries that equal them."""
    run_body(lambda: takes(produces().run_metadata))
    assert [(dict, {"n": 3})] == [(type(found["k"]), found["k"]) for found in GOT]


def test_a_placeholder_may_be_an_option() -> None:
    """What `with_options` says is an argument as one of the call is: a step whose output it is runs first."""
    save_artifact("one", "x")

    def body() -> None:
        looked_up = takes.with_options(parameters={"given": Client().get_artifact_version("x")})
        looked_up()
        looked_up("told")
        made = produces(id="second")
        takes.with_options(parameters={"given": made})()

    run_body(body)
    assert ["one", "told", 7] == GOT


class Score(NamedTuple):
    """What has a value of its own."""

    value: float
    trials: int


def test_the_value_of_what_has_one_is_that() -> None:
    """``.value`` of a loaded value, or of a type, is what Python gives for it; of anything else the thing itself."""
    save_artifact(Score(0.5, 3), "x")

    def body() -> None:
        found = Client().get_artifact_version("x")
        for fact in (found.load().value, found.type.value, found.load()[1].value):
            takes(fact)

    run_body(body)
    assert [0.5, "DataArtifact", 3] == GOT
    assert str is type(GOT[1])


def test_an_output_is_what_the_steps_before_made_of_it() -> None:
    """Tags and metadata that it has got since it was published reach the step that takes it, whatever it takes."""

    @step(enable_cache=False)
    def judges(value: int) -> None:
        log_artifact_metadata({"score": value / 10}, "x")
        Client().update_artifact_version("x", add_tags=["good"])

    @step(enable_cache=False)
    def takes_version(given: ArtifactVersion) -> None:
        GOT.append((given.tags, given.metadata["score"]))

    def body() -> None:
        made = produces()
        judged = judges(made)
        takes(made.tags, after=judged)
        takes(made.run_metadata["score"], after=judged)
        takes_version(made, after=judged)

    run_body(body)
    tags = ("a", "b", "good")
    assert [tags, 0.7, (tags, 0.7)] == GOT


def test_a_value_from_outside_is_what_the_steps_before_made_of_it() -> None:
    """Tags and metadata that a step has given its version reach the next step that takes it."""

    @step
    def judges(given: ArtifactVersion) -> None:
        log_artifact_metadata({"score": 0.7}, given.name, given.version)
        Client().update_artifact_version(given.id, add_tags=["good"])

    @step
    def takes_version(given: ArtifactVersion) -> None:
        GOT.append((given.tags, given.metadata["score"]))

    def body() -> None:
        shared = ExternalArtifact(value=7)
        takes_version(shared, after=judges(shared))

    run_body(body)
    assert [(("good",), 0.7)] == GOT


def test_a_fact_of_the_records_needs_no_bytes(project: Path) -> None:
    """The tags of a version reach a step whose ledger has lost its store."""
    Ledger.init(project / ".ledger", store=project / "store").save(1, "x", tags=["a"])
    (project / "store").rename(project / "away")
    run_body(lambda: takes(Client().get_artifact_version("x").tags))
    assert [("a",)] == GOT


def test_facts_are_recorded_as_parameters() -> None:
    """A fact is a plain value of the step, and so part of its cache key."""

    @step
    def cached(given: Any) -> Any:
        return given

    def body() -> None:
        cached(Client().get_artifact_version("x").run_metadata["k"])

    save_artifact(1, "x", run_metadata={"k": 1})
    assert {"given": 1} == run_body(body).steps["cached"].parameters
    assert "cached" == run_body(body).steps["cached"].status
    save_artifact(1, "x", run_metadata={"k": 2})
    assert "completed" == run_body(body).steps["cached"].status


MISUSES: list[Callable[[Any], Any]] = [
    bool,
    str,
    int,
    float,
    len,
    hash,
    list,
    lambda lazy: lazy == "raw",
    lambda lazy: lazy != "raw",
    lambda lazy: lazy < 1,
    lambda lazy: lazy >= 1,
    lambda lazy: 1 in lazy,
    lambda lazy: f"{lazy}",
    lambda lazy: f"{lazy:>5}",
    lambda lazy: {lazy},
    lambda lazy: lazy + 1,
    lambda lazy: 1 - lazy,
    lambda lazy: [1][lazy],
    lambda lazy: not lazy,
    lambda lazy: Client().get_artifact_version(lazy),
    lambda lazy: Client().get_artifact_version("x", lazy),
    lambda lazy: lazy**2 % 3,
    lambda lazy: 7 // lazy,
    lambda lazy: -lazy,
    abs,
    round,
    complex,
    bytes,
    os.fspath,
    np.array,
    pickle.dumps,
]


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_placeholder_has_no_value_in_the_body(misuse: Callable[[Any], Any]) -> None:
    """A truth value, a comparison, a text, a number, a length: each is an error that says why."""
    caught: list[Any] = []

    def body() -> None:
        lazy: Any = Client().get_artifact_version("x")
        for used in (lazy, lazy.version, produces()):
            with pytest.raises(LazyArtifactError, match="no value in a pipeline's body") as error:
                misuse(used)
            caught.append(error.value)

    run_body(body)
    assert 3 == len(caught)
    assert all("pass it to a step" in error.hint for error in caught)
    assert all(isinstance(error, TypeError) for error in caught)


def test_what_a_placeholder_is_used_with_may_be_large_or_have_no_text() -> None:
    """The error is of one line, and is about the placeholder: not a frame's rows, nor what a repr of a class raises."""

    class Unshown:
        def __repr__(self) -> str:
            raise ValueError("no text")

    def body() -> None:
        lazy: Any = Client().get_artifact_version("x")
        others: tuple[Any, ...] = (list(range(100_000)), Unshown())
        for other in others:
            for use in (operator.eq, operator.add, operator.getitem, operator.lt, operator.contains):
                with pytest.raises(LazyArtifactError) as caught:
                    use(lazy, other)
                assert len(str(caught.value)) < 250
        for other in others:
            with pytest.raises(StepInterfaceError, match="a step cannot run after"):
                takes(1, after=[{"a": other}, other])
            with pytest.raises(StepInterfaceError, match="is no materializer class"):
                produces.with_options(output_materializers={"x": Unshown()})

    run_body(body)


@pytest.mark.parametrize("part", ["version", "output"])
def test_items_of_a_placeholder_are_those_of_its_value(part: str) -> None:
    """A column of what a step gives is asked for by habit: that is an error that says why, and ``.load()`` has it."""
    save_artifact({"k": 5}, "x")

    @step
    def produces_items() -> dict[str, int]:
        return {"k": 5}

    @step
    def takes(given: int) -> int:
        return given

    def body() -> None:
        lazy: Any = {"version": Client().get_artifact_version("x"), "output": produces_items()}[part]
        with pytest.raises(LazyArtifactError, match="no value in a pipeline's body, so its item 'k'"):
            lazy["k"]
        takes(lazy.load()["k"])

    assert 5 == run_body(body).steps["takes"].output.load()


@pytest.mark.parametrize("part", ["version", "fact", "output"])
def test_nothing_of_a_placeholder_can_be_changed(part: str) -> None:
    """To set or delete an attribute or item is refused, as it would change nothing of the version."""
    changes: dict[str, Callable[[Any], Any]] = {
        "'color'": lambda used: setattr(used, "color", "red"),
        "'name'": lambda used: setattr(used, "name", "y"),
        "'tags'": lambda used: delattr(used, "tags"),
        "item 'k'": lambda used: operator.setitem(used, "k", 1),
        "item 0": lambda used: operator.delitem(used, 0),
    }

    def body() -> None:
        lazy: Any = Client().get_artifact_version("x")
        used = {"version": lazy, "fact": lazy.run_metadata, "output": produces()}[part]
        for told, change in changes.items():
            with pytest.raises(LazyArtifactError, match=f"so its {told} cannot be changed"):
                change(used)

    run_body(body)


def test_a_placeholder_can_be_looked_at() -> None:
    """``repr`` tells what a placeholder stands for."""
    seen: list[str] = []

    def body() -> None:
        lazy = Client().get_artifact_version("x", version=3)
        seen.extend([repr(lazy), repr(lazy.run_metadata["k"]), repr(lazy.load()), repr(produces())])

    run_body(body)
    assert [
        "<placeholder for artifact 'x' version '3'>",
        "<placeholder for artifact 'x' version '3'.run_metadata['k']>",
        "<placeholder for artifact 'x' version '3'.load()>",
        "<placeholder for output 'x' of step 'produces'>",
    ] == seen


@pytest.mark.parametrize(
    ("lookup", "kind", "told"),
    [
        (("nowhere",), ArtifactNotFoundError, "'nowhere'"),
        (("x", "raw"), VersionNotFoundError, "'raw'"),
        (("00000000-0000-7000-8000-000000000000",), ArtifactNotFoundError, "00000000-0000-7000"),
    ],
)
def test_a_missing_artifact_fails_the_step_that_takes_it(
    lookup: tuple[str, ...], kind: type[Exception], told: str
) -> None:
    """The error comes when the step starts, is the one that any look-up raises, and is recorded."""
    save_artifact(1, "x")

    def body() -> None:
        produces()
        takes(Client().get_artifact_version(*lookup))

    with pytest.raises(kind, match=told) as caught:
        run_body(body)
    assert "while step 'takes' was given its argument 'given'" == caught.value.__notes__[-1]
    run = last_run()
    assert ["completed", "failed"] == [each.status for each in run.steps.values()]
    assert told in str(run.steps["takes"].error)


@pytest.mark.parametrize(
    ("ask", "told", "hint"),
    [
        (lambda lazy: lazy.run_metadata["loss"], r"x@1 has no .run_metadata\['loss'\]", "its metadata has k"),
        (lambda lazy: lazy.run_metadata["k"]["m"], r"\['k'\]\['m'\]", "its metadata has k"),
        (lambda lazy: lazy.tags[5], r"\.tags\[5\]", "its tags are "),
        (lambda lazy: lazy.tags["a"], r"\.tags\['a'\]", "its tags are "),
        (lambda lazy: lazy.load()["a"], r"x@1 has no \.load\(\)\['a'\]", "its value is of the type builtins.int"),
        (lambda lazy: lazy.version["a"], r"x@1 has no \.version\['a'\]", "its version is 1"),
    ],
)
def test_a_fact_that_a_version_does_not_have_is_told(ask: Callable[[Any], Any], told: str, hint: str) -> None:
    """The error names step, argument, version and what was asked, and the hint what there is."""

    def body() -> None:
        takes(ask(produces()))

    with pytest.raises(StepInterfaceError, match=f"argument 'given' of step 'takes': .*{told}") as caught:
        run_body(body)
    assert caught.value.hint.startswith(hint)


def test_an_unknown_attribute_of_a_placeholder_is_an_attribute_error() -> None:
    """What the contract does not name is told with what can be asked; ``hasattr`` and protocols answer no."""
    seen: list[bool] = []

    def body() -> None:
        lazy: Any = Client().get_artifact_version("x")
        seen.extend([hasattr(lazy, "version"), hasattr(lazy, "size"), hasattr(lazy, "_repr_html_"), callable(lazy)])
        lazy.run_metadata.get("k")

    with pytest.raises(AttributeError, match=r"artifact 'x'.run_metadata has no value .* no 'get' either") as caught:
        run_body(body)
    assert isinstance(caught.value, LazyArtifactError)
    assert ".run_metadata[...]" in caught.value.hint
    assert [True, False, False, False] == seen


@pytest.mark.parametrize(
    "load",
    [
        lambda: load_artifact("x", trust=True),
        lambda: Client().get_artifact_version("x").load(trust=True),
        lambda: Client().get_artifact_version("x").load(mmap=True),
        lambda: Client().get_artifact_version("x").load(data_type=int),
    ],
)
def test_how_a_value_is_loaded_is_not_said_in_the_body(load: Callable[[], Any]) -> None:
    """The step loads its inputs, so that trust which is given to a placeholder would be lost without a word."""
    save_artifact(1, "x")
    with pytest.raises(ArgumentError, match=r"^artifact 'x' is loaded when the step that takes it starts, where \w+ c"):
        run_body(lambda: takes(load()))
    run_body(lambda: takes(Client().get_artifact_version("x").load(trust=False)))
    assert [1] == GOT


@pytest.mark.parametrize(("value", "kind"), [(np.ones(2), "numpy.ndarray"), ({1: 2}, "dict"), ("x" * 300_000, "str")])
def test_a_part_of_a_value_that_is_no_parameter_leads_to_the_whole(value: Any, kind: str) -> None:
    """The error says what the part is, and its hint names a way that is open to a placeholder."""
    made = save_artifact({"part": value}, "x")

    def body() -> None:
        takes(Client().get_artifact_version("x").load()["part"])

    told = rf"argument 'given' of step 'takes': x@1\.load\(\)\['part'\] is no parameter: .*, got {kind}"
    with pytest.raises(StepInterfaceError, match=told) as caught:
        run_body(body)
    assert "ExternalArtifact" not in str(caught.value.hint)
    takes(made)
    assert ["part"] == list(GOT[0])


def test_a_fact_is_judged_by_the_annotation() -> None:
    """A fact that is neither what the step takes nor its default is refused before its body runs, as any input is."""

    @step
    def counts(number: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013  # as much code is
        GOT.append(number)

    def body() -> None:
        counts(Client().get_artifact_version("x").name)

    save_artifact(1, "x", run_metadata={"nothing": None})
    save_artifact(None, "none")
    run_body(lambda: counts(Client().get_artifact_version("x").run_metadata["nothing"]))
    run_body(lambda: counts(Client().get_artifact_version("none")))
    assert [None, None] == GOT
    GOT.clear()
    with pytest.raises(
        StepInterfaceError, match="wrong type for input 'number' of step 'counts': expected int, got str"
    ):
        run_body(body)
    assert [] == GOT


def test_a_placeholder_is_no_value_to_save() -> None:
    """Saving one in a body is refused without a warning, as its pickle would look like data; a copy is itself."""

    def body() -> None:
        lazy: Any = Client().get_artifact_version("x")
        takes(copy.deepcopy(lazy))
        with pytest.raises(LedgerError, match="artifact 'x' has no value in a pipeline's body"):
            save_artifact(lazy, "saved")

    save_artifact(3, "x")
    run_body(body)
    assert ([3], ["x"]) == (GOT, [artifact.name for artifact in Client().list_artifacts()])


def test_a_client_of_a_given_ledger_looks_at_once(tmp_path: Path) -> None:
    """What it finds is a version, in a body and in a step, and no input of the run's ledger."""
    other = Ledger.init(tmp_path / "other")
    version = other.save("elsewhere", "x")
    save_artifact("here", "x")

    @step
    def looks() -> Any:
        return Client(other).get_artifact_version("x").load()

    def body() -> None:
        GOT.append(Client(other).get_artifact_version("x"))
        looks()

    run = run_body(body)
    assert ([version], "elsewhere", ()) == (GOT, run.steps["looks"].output.load(), run.steps["looks"].loaded)


def test_a_version_that_was_looked_up_before_is_an_input() -> None:
    """A handle from outside the body is taken as it is, and the step can be served from the cache."""
    version = save_artifact(5, "x")
    save_artifact(6, "x")

    @step
    def cached(given: int) -> int:
        return given

    def body() -> None:
        cached(version)

    assert version == run_body(body).steps["cached"].inputs["given"]
    assert "cached" == run_body(body).steps["cached"].status
