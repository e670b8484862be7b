"""Tags and metadata from the shell."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.cli.program import run
from tests.cli.conftest import Cli
from tests.kit.ledgers import forge


def test_tags_change(cli: Cli, iris: dict[str, Any]) -> None:
    """``tag`` puts tags on and takes others off, and prints the tags there are then."""
    assert "iris@1  tags: best, good\n" == cli("tag", "iris@1", "good", "best", "--remove", "raw").out
    assert "iris@1  tags: none\n" == cli("tag", "iris", "--remove", "best", "--remove", "good").out
    assert ["x"] == json.loads(cli("tag", iris["id"], "x", "--json").out)["tags"]


def test_an_exclusive_tag_moves(cli: Cli, iris: dict[str, Any]) -> None:
    """``tag --exclusive`` takes the tags off the version that had them."""
    cli("save", "data.csv", "--name", "iris", "--tag", "best")
    assert "iris@1  tags: best, raw\n" == cli("tag", "iris@1", "best", "--exclusive").out
    listed = json.loads(cli("artifact", "version", "list", "iris", "--tag", "best", "--json").out)
    assert [iris["id"]] == [found["id"] for found in listed]


def test_exclusive_is_about_tags_to_put_on(cli: Cli, iris: dict[str, Any]) -> None:
    """``--exclusive`` beside tags to take off alone is an error of usage: they come off the one version, as ever."""
    told = cli("tag", "iris@1", "--exclusive", "--remove", "raw", code=2).err
    assert "--exclusive needs a tag to put on" in told
    assert ("raw",) == Ledger.open().get("iris").tags


def test_a_damaged_version_is_warned_of_once(iris: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """One that may have the tags that are moved is looked at several times, and told once, by each command anew."""
    ledger = Ledger.open()
    forge(ledger, ledger.get("iris"), name="somebody_else")
    for tags in (["best", "good"], ["best"]):
        capsys.readouterr()
        assert 0 == run(["tag", "iris@1", *tags, "--exclusive", "--json"])
        assert 1 == capsys.readouterr().err.count("Warning: iris@2 is left out, its record is damaged: ")


def test_tags_that_change_nothing_are_warned_of(iris: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A tag that is there already, and one to take off that is not there, are told on stderr, in JSON too."""
    expected = "Warning: iris@1 had the tag 'raw' already\nWarning: iris@1 had no tag 'zzz' to take off\n"
    for more in ([], ["--json"]):
        capsys.readouterr()
        assert 0 == run(["tag", "iris", "raw", "--remove", "zzz", *more])
        assert expected == capsys.readouterr().err


def test_metadata_is_logged_and_found(cli: Cli, iris: dict[str, Any]) -> None:
    """``meta`` logs values, JSON or text, on the version that is named, and lists find it by what it says then."""
    assert "iris@1  metadata: source, size\n" == cli("meta", "iris@1", "source=camera=3", 'size={"width": 4}').out
    shown = json.loads(cli("meta", iris["id"], 'size={"height": 2}', "--json").out)
    assert {"width": 4, "height": 2} == shown["metadata"]["size"]
    assert "camera=3" == Ledger.open().get("iris").metadata["source"]
    cli("save", "data.csv", "--name", "iris", "--meta", "source=scanner")
    listed = cli("artifact", "version", "list", "--meta", 'size={"height": 2}', "--meta", "source=camera=3", "--json")
    assert ["1"] == [found["version"] for found in json.loads(listed.out)]


def test_metadata_that_cannot_be_answered_is_not_logged(cli: Cli, workdir: Path) -> None:
    """``meta --json`` asks the store for the files it shows; where that does not answer, nothing is logged."""
    (workdir / "data.csv").write_text("a,b\n")
    cli("init", "--store", str(workdir / "bytes"))
    cli("save", "data.csv", "--name", "iris")
    (workdir / "bytes").rename(workdir / "away")
    assert "" == cli("meta", "iris", "rows=1", "--json", code=5).out
    assert "rows" not in Ledger.open().get("iris").metadata
    cli("meta", "iris", "rows=1")


def test_metadata_that_is_none_is_refused(cli: Cli, iris: dict[str, Any]) -> None:
    """``meta`` without a value, with a word that is no ``KEY=VALUE``, or for nothing, says so and logs nothing."""
    before = Ledger.open().revision
    assert "Usage: ledger meta " in cli("meta", "iris", code=2).err
    assert "'rows' is not KEY=VALUE" in cli("meta", "iris", "rows", code=2).err
    cli("meta", "iris@9", "rows=1", code=3)
    assert before == Ledger.open().revision


@pytest.mark.parametrize(
    "words",
    [
        ["meta", "iris", "k=1", "k=2"],
        ["save", "data.csv", "--name", "iris", "--meta", "k=1", "--meta", "k=2"],
        ["artifact", "version", "list", "--meta", "k=1", "--meta", "k=2"],
        ["meta", "iris", 'group={"k": 1, "k": 2}'],
    ],
)
def test_a_key_has_one_value(cli: Cli, iris: dict[str, Any], words: list[str]) -> None:
    """One that is given twice is an error of usage with both values: neither is taken silently, and nothing is done."""
    before = Ledger.open().revision
    assert "the key 'k' is given twice, as 1 and as 2\n" in cli(*words, code=2).err
    assert before == Ledger.open().revision
