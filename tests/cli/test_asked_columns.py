"""Lists with columns of metadata and parameters."""

import json
from pathlib import Path
from typing import Annotated

import pytest

from ledger import Ledger, log_artifact_metadata, pipeline, save_artifact, step
from ledger.cli.program import run
from tests.cli.conftest import Cli
from tests.kit.ledgers import forge, plant


@step
def train(rate: float) -> Annotated[dict[str, float], "model"]:
    log_artifact_metadata({"metrics": {"accuracy": 1 - rate}, "rows": 3})
    return {"rate": rate}


@pipeline
def training(rate: float, seed: int = 7) -> None:
    train(rate)


def test_versions_with_what_they_came_from(cli: Cli) -> None:
    """``--show`` adds metadata, of a group by its dotted key, and the parameters of the step and the run behind it."""
    training(rate=0.25)
    save_artifact({"rate": 1.0}, "model", run_metadata={"rate": "by hand"})
    asked = ("--show", "metrics.accuracy", "--show", "rate", "--show", "seed")
    rows = cli("artifact", "version", "list", "model", *asked).out.splitlines()
    assert [["metrics.accuracy", "rate", "seed"], ["0.75", "0.25", "7"]] == [row.split()[-3:] for row in rows[:2]]
    listed = json.loads(cli("artifact", "version", "list", "model", *asked, "--json").out)
    assert [
        {"metrics.accuracy": 0.75, "rate": 0.25, "seed": 7},
        {"metrics.accuracy": None, "rate": "by hand", "seed": None},
    ] == [each["shown"] for each in listed]


def test_runs_with_what_came_out(cli: Cli) -> None:
    """``run list --show`` compares runs by parameters and metrics, also those that were served from the cache."""
    for rate in (0.5, 0.25, 0.5):
        training(rate=rate)
    rows = cli("run", "list", "training", "--show", "rate", "--show", "metrics.accuracy").out.splitlines()
    assert [["rate", "metrics.accuracy"], ["0.5", "0.5"], ["0.25", "0.75"], ["0.5", "0.5"]] == [
        row.split()[-2:] for row in rows
    ]


def test_values_that_json_lacks(cli: Cli) -> None:
    """A value is encoded in JSON as metadata is, and a group is a value; people read what was logged."""
    save_artifact(1, "model", run_metadata={"loss": float("nan"), "group": {"a": 1}})
    words = ("artifact", "version", "list", "--show", "loss", "--show", "group")
    assert {"loss": {"$float": "nan"}, "group": {"a": 1}} == json.loads(cli(*words, "--json").out)[0]["shown"]
    assert cli(*words).out.endswith("nan   {'a': 1}\n")


def test_a_group_in_a_group_is_a_value(cli: Cli) -> None:
    """A dotted key may lead to a group, and a key that is written with dots comes before the values of groups."""
    save_artifact(1, "model", run_metadata={"test.loss": 1, "test": {"loss": 2, "of": {"each": {"a": 3}}}})
    words = ("artifact", "version", "list", "--show", "test.loss", "--show", "test.of", "--show", "test.of.each.a")
    expected = {"test.loss": 1, "test.of": {"each": {"a": 3}}, "test.of.each.a": 3}
    assert expected == json.loads(cli(*words, "--json").out)[0]["shown"]


def test_a_key_that_is_called_as_a_column_is_one_more(cli: Cli) -> None:
    """It takes no column's place, and its own is headed by where it stands in the JSON."""
    save_artifact(1, "model", run_metadata={"SIZE": 64})
    header, row = cli("artifact", "version", "list", "--show", "SIZE").out.splitlines()
    assert (1, "shown.SIZE") == (header.split().count("SIZE"), header.split()[-1])
    assert (True, "64") == ("1 B" in row, row.split()[-1])


def test_a_key_whose_values_are_none_is_there(cli: Cli) -> None:
    """A key that is logged with ``None`` is not said to be missing, as any warning would fail this."""
    save_artifact(1, "model", run_metadata={"limit": None})
    listed = cli("artifact", "version", "list", "--show", "limit")
    assert listed.out.splitlines()[1].endswith("  -")


def test_a_key_steers_no_terminal(cli: Cli) -> None:
    """A key that cannot be printed, as a script may take it from a record, is escaped above its column too."""
    save_artifact(1, "model", run_metadata={"\x1b[31mloss": 0.5})
    header, row = cli("artifact", "version", "list", "--show", "\x1b[31mloss").out.splitlines()
    assert ("\\x1b[31mloss", "0.5") == (header.split()[-1], row.split()[-1])


def test_damage_behind_a_row_costs_only_the_value(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A version stays in the list though the record of its run is damaged; a warning says what may be missing."""
    save_artifact(1, "model", run_metadata={"loss": 0.5})
    ledger, run_id = Ledger.open(), "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"
    plant(ledger, {f"runs/2025-11-07/{run_id}/run.json": b"{}"})
    label = forge(ledger, ledger.get("model"), producer={"output": "model", "run": run_id, "step": "train"})
    assert 0 == run(("artifact", "version", "list", "--show", "rate", "--show", "loss", "--json"))
    printed = capsys.readouterr()
    assert [{"rate": None, "loss": 0.5}] * 2 == [version["shown"] for version in json.loads(printed.out)]
    assert f"Warning: {label} is listed without 'rate': " in printed.err


def test_a_key_that_nothing_has_is_told(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt key is warned of, and its column is empty; without ``--show`` nothing more is printed."""
    save_artifact(1, "model", run_metadata={"loss": 0.5})
    assert 0 == run(("artifact", "version", "list", "--show", "lass"))
    printed = capsys.readouterr()
    assert "have the key 'lass'" in printed.err
    assert printed.out.splitlines()[1].endswith("  -")
    assert "shown" not in json.loads(cli("artifact", "version", "list", "--json").out)[0]
