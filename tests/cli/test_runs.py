"""Runs on the command line: a list of them, and one as a tree."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Annotated

import pytest
from click.shell_completion import ShellComplete

from ledger import Ledger, load_artifact, pipeline, step
from ledger.cli.program import program, run
from ledger.client import Client
from ledger.errors import ArgumentTypeError
from tests.cli.conftest import Cli
from tests.kit.ledgers import git, run_python


@step
def numbers(count: int) -> Annotated[list[int], "numbers"]:
    return list(range(count))


@step
def total(values: list[int]) -> Annotated[int, "total"]:
    if not values:
        message = "nothing to add"
        raise ValueError(message)
    return sum(values)


@pipeline
def adding(count: int = 4) -> None:
    total(numbers(count))


def test_runs_are_listed_with_their_steps(cli: Cli) -> None:
    """Each run is a row; the JSON names the steps."""
    first, second = adding(), adding()
    rows = cli("run", "list").out.splitlines()
    assert ["RUN", "PIPELINE", "STATUS", "STARTED", "STEPS", "BY"] == rows[0].split()
    assert ["adding", "completed"] == rows[1].split()[1:3]
    assert "  numbers, total  " in rows[1]
    listed = json.loads(cli("run", "list", "--json").out)
    assert [(str(run.id), ["numbers", "total"]) for run in (first, second)] == [
        (each["id"], each["steps"]) for each in listed
    ]
    assert [str(second.id)] == [
        each["id"] for each in json.loads(cli("run", "list", "adding", "--limit", "1", "--json").out)
    ]


def test_a_step_from_the_cache_names_the_run_that_made_it(cli: Cli) -> None:
    """As JSON by the whole id, which is ``null`` for a step that ran."""
    first, second = adding(), adding()
    shown = [json.loads(cli("run", "show", str(run.id), "--json").out)["steps"] for run in (first, second)]
    assert [[None] * 2, [str(first.id)] * 2] == [[each["cached_from"] for each in steps] for steps in shown]


def test_a_run_as_json_tells_the_code_around_it(cli: Cli, workdir: Path) -> None:
    """The commit of the project and whether it was changed, or ``null`` for a run outside of one."""
    outside = adding()
    subprocess.run(["git", "init", "-q"], check=True)
    inside = adding()
    shown = [json.loads(cli("run", "show", str(run.id), "--json").out)["project"] for run in (outside, inside)]
    assert [None, {"commit": None, "dirty": False}] == shown


def test_a_pipeline_that_never_ran_is_named(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list says so where the pipeline is unknown, and not where the other options leave no run of it."""
    adding()
    assert [] == json.loads(cli("run", "list", "adding", "--status", "failed", "--json").out)
    assert 0 == run(["run", "list", "ading", "--json"])
    assert ("[]\n", "Warning: no run is of a pipeline 'ading'\n") == capsys.readouterr()


def test_the_runs_that_used_a_version_are_listed(cli: Cli) -> None:
    """Those of which a step took it as an argument, from the cache too, or loaded it; not the one that only made it."""

    @step
    def looking() -> int:
        return sum(load_artifact("numbers", version=1))

    made = numbers(3)
    other, taken, loaded = adding(4), adding(3), looking()
    assert (made, loaded) == ([0, 1, 2], 3)
    using = [each["id"] for each in json.loads(cli("run", "list", "--using", "numbers@1", "--json").out)]
    assert [str(taken.id), str(Ledger.open().runs(pipeline="looking")[0].id)] == using
    assert str(other.id)[:18] == cli("run", "list", "adding", "--using", "numbers").out.splitlines()[1].split()[0]
    assert "'nothing'" in cli("run", "list", "--using", "nothing", code=3).err


def test_runs_are_asked_for_by_a_handle(workdir: Path) -> None:
    """A version that a run used is given as what a look-up gives; a name is told so."""
    adding()
    [run] = Ledger.open().runs(using=Client().get_artifact_version("numbers"))
    assert [run] == Client().list_pipeline_runs(using=run.steps["numbers"].output)
    assert [] == Ledger.open().runs(using=run.steps["total"].output)
    with pytest.raises(ArgumentTypeError, match="an ArtifactVersion, got str: 'numbers'"):
        Ledger.open().runs(using="numbers")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="an ArtifactVersion, got str: 'numbers'"):
        run.uses("numbers")  # type: ignore[arg-type]


def test_many_steps_are_counted(cli: Cli) -> None:
    """A row names the first few steps and says how many there are beside them."""

    @pipeline
    def many() -> None:
        for _ in range(6):
            numbers(1)

    many()
    assert "  numbers, numbers_2, numbers_3, numbers_4 and 2 more  " in cli("run", "list").out.splitlines()[1]


def test_a_run_is_shown_as_a_tree(cli: Cli) -> None:
    """Steps hang below their run, with what they took and gave; a cached one names the run that made it."""
    first = adding()
    shown = cli("run", "show", str(first.id)[:13]).out.splitlines()
    tree = shown[shown.index("adding") :]
    assert ["│   parameter count = 4", "│   gives numbers = numbers@1"] == tree[2:4]
    assert tree[1].startswith("├── numbers  completed in ")
    assert ["    takes values = numbers@1", "    gives total = total@1"] == tree[5:]
    adding()
    assert f"└── total  cached from run {first.id}" in cli("run", "show").out.splitlines()


def test_a_pipelines_latest_run_is_found_by_its_name(cli: Cli) -> None:
    """Where nothing has such an id, a pipeline's name will do."""
    adding()
    latest = adding(5)
    numbers(1)
    assert str(latest.id) == json.loads(cli("run", "show", "adding", "--json").out)["id"]
    assert (
        "no run has the id 'other', and none is of a pipeline of that name" in cli("run", "show", "other", code=3).err
    )


def test_a_failed_run_says_why(cli: Cli) -> None:
    """The step that failed stands with its error, the ones behind it as not run."""
    with pytest.raises(ValueError, match="nothing to add"):
        adding(0)
    out = cli("run", "show").out
    assert "error ValueError: nothing to add" in out
    (step_shape,) = [each for each in json.loads(cli("run", "show", "--json").out)["steps"] if each["name"] == "total"]
    assert ("failed", {}) == (step_shape["status"], step_shape["outputs"])


def test_a_long_argument_is_cut_for_people(cli: Cli) -> None:
    """A screen is not filled by one value; the JSON has all of it."""

    @pipeline
    def long(text: str) -> None:
        numbers.with_options(parameters={"count": 0})()

    long("x" * 5000)
    assert max(map(len, cli("run", "show").out.splitlines())) < 200
    assert {"text": "x" * 5000} == json.loads(cli("run", "show", "--json").out)["parameters"]


KILLED = """
import os
from ledger import pipeline, save_artifact, step
@step
def first() -> int:
    return 1
@step
def last(given: int) -> None:
    save_artifact(1, "checkpoint")
    os._exit(0)
@pipeline
def training():
    last(first())
training()
"""


def test_a_run_whose_process_died_says_so(cli: Cli) -> None:
    """It is listed as failed; its tree tells what was not finished, and the way to what a body had saved by then."""
    run_python(KILLED, Path.cwd())
    assert ["training", "failed"] == cli("run", "list").out.splitlines()[1].split()[1:3]
    shown = cli("run", "show").out.splitlines()
    assert "interrupted: no end of it could be recorded" in shown
    assert "└── last  not finished" == shown[-1]
    (told,) = (line for line in shown if line.endswith("` lists what it had published by then"))
    words = shlex.split(told.partition("`ledger git ")[2].partition("`")[0])
    assert "save checkpoint@1" in git(Ledger.open(), *words)
    assert "`ledger --ledger .ledger git log " in cli("--ledger", ".ledger", "run", "show").out
    found = json.loads(cli("run", "show", "--json").out)
    assert ("failed", None) == (found["status"], found["ended_at"])
    assert (["first"], ["first", "last"]) == ([step["name"] for step in found["steps"]], found["planned_steps"])


def test_a_version_given_for_a_run_is_told_the_way_to_its_runs(cli: Cli) -> None:
    """Who asks for the run of a version learns which commands name the one that made it and those that took it."""
    cli("init")
    told = cli("run", "show", "iris@3", code=3).err
    assert "`ledger artifact version show iris@3` says which run made it" in told
    assert "`ledger run list --using iris@3` which took it" in told


def test_no_run_is_an_error(cli: Cli) -> None:
    """A run that is not there is named, with the way to those that are."""
    cli("init")
    assert "has no run to show" in cli("run", "show", code=3).err
    assert "no run has the id '1234'" in cli("run", "show", "1234", code=3).err


@pytest.mark.usefixtures("workdir")
def test_the_shell_completes_pipelines_and_runs() -> None:
    """`run list` takes a pipeline, `run show` an id as well; the latest run comes first."""
    asked = ShellComplete(program, {}, "ledger", "_LEDGER_COMPLETE")
    for words in (["run", "list"], ["run", "show"]):
        assert [] == asked.get_completions(words, "")
    first, second = adding(), adding()
    numbers(2)
    for incomplete, names in (("", ["numbers", "adding"]), ("a", ["adding"])):
        assert names == [found.value for found in asked.get_completions(["run", "list"], incomplete)]
    offered = [found.value for found in asked.get_completions(["run", "show"], "")]
    assert ["numbers", "adding", str(second.id), str(first.id)] == [*offered[:2], *offered[3:]]
    assert [str(first.id)] == [found.value for found in asked.get_completions(["run", "show"], str(first.id)[:-1])]
