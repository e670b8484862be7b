"""What ``ledger artifact`` shows."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.cli.program import run
from tests.cli.conftest import Cli
from tests.kit.ledgers import forge, plant


def test_artifacts_are_a_table(cli: Cli, iris: dict[str, Any]) -> None:
    """One line per artifact: name, latest version, number of versions, type, time."""
    cli("save", "data.csv", "--name", "iris", "--version", "final")
    seconds = Ledger.open().get("iris").created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    expected = f"NAME  LATEST  VERSIONS  TYPE          CREATED\niris  final   2         DataArtifact  {seconds}\n"
    assert expected == cli("artifact", "list").out


def test_artifacts_as_json(cli: Cli, iris: dict[str, Any]) -> None:
    """The list in JSON has the documented keys; ``--json`` may stand anywhere."""
    expected = {"name": "iris", "latest": "1", "versions": 1, "type": "DataArtifact", "created_at": iris["created_at"]}
    for words in [("--json", "artifact", "list"), ("artifact", "list", "--json")]:
        assert [expected] == json.loads(cli(*words).out)


def names(cli: Cli, *words: str) -> list[str]:
    return [found["name"] for found in json.loads(cli("artifact", "list", "--json", *words).out)]


def test_artifacts_by_tag(cli: Cli, iris: dict[str, Any]) -> None:
    """``--tag`` keeps the artifacts with a version that has the tag, and all tags if there are several."""
    cli("save", "data.csv", "--name", "other", "--tag", "raw", "--tag", "big")
    assert ["iris", "other"] == names(cli, "--tag", "raw")
    assert ["other"] == names(cli, "--tag", "raw", "--tag", "big")
    assert [] == names(cli, "--tag", "nothing")


def test_an_artifact_shows_its_latest_version(cli: Cli, iris: dict[str, Any]) -> None:
    """``artifact show`` says how many versions there are, and tags and metadata of the latest."""
    shown = json.loads(cli("artifact", "show", "iris", "--json").out)
    metadata = {"file_name": "data.csv", "note": "first look", "rows": 1, "storage_size": 8}
    assert ("1", 1, ["raw"], metadata) == tuple(shown[key] for key in ("latest", "versions", "tags", "metadata"))
    assert "metadata.note          first look\n" in cli("artifact", "show", "iris").out


def test_a_version_is_no_artifact(cli: Cli, iris: dict[str, Any]) -> None:
    """``artifact show`` of a version, by any name, would show the latest as that one; it names what shows it."""
    for word in ("iris@1", iris["id"], iris["id"][:13]):
        assert f"ledger artifact version show {word}`" in cli("artifact", "show", word, code=2).err


def test_versions_are_a_table(cli: Cli, iris: dict[str, Any]) -> None:
    """One line per version, oldest first, with an id that is long enough to find it."""
    cli("save", "data.csv", "--name", "iris")
    lines = cli("artifact", "version", "list").out.splitlines()
    assert ["NAME", "VERSION", "ID", "TYPE", "SIZE", "TAGS", "CREATED", "BY"] == lines[0].split()
    assert ["iris", "1", iris["id"][:18], "DataArtifact", "8", "B", "raw"] == lines[1].split()[:7]
    assert lines[1].endswith("Z  Ada <ada@example.com>")
    assert ["iris", "2"] == lines[2].split()[:2]
    assert iris["id"] == json.loads(cli("artifact", "version", "show", iris["id"][:18], "--json").out)["id"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["iris"], ["1", "2"]),
        (["--tag", "raw"], ["1"]),
        (["--type", "ModelArtifact"], ["2"]),
        (["--limit", "1"], ["2"]),
        (["--limit", "0"], []),
        (["--since", "2020-01-01"], ["1", "2"]),
        (["--since", "2999-01-01T00:00:00Z"], []),
        (["--since", "0001-01-01"], ["1", "2"]),
        (["--since", "9999-12-31T23:59:59-12:00"], []),
    ],
)
def test_versions_are_chosen(cli: Cli, iris: dict[str, Any], words: list[str], expected: list[str]) -> None:
    """Each option of the list keeps what it says; ``--limit`` keeps the newest."""
    cli("save", "data.csv", "--name", "iris", "--type", "ModelArtifact")
    found = json.loads(cli("artifact", "version", "list", *words, "--json").out)
    assert expected == [version["version"] for version in found]


def test_a_version_shows_everything(cli: Cli, iris: dict[str, Any]) -> None:
    """``artifact version show`` adds what a list leaves out to the very same keys."""
    shown = json.loads(cli("artifact", "version", "show", "iris@1", "--json").out)
    assert iris == {key: shown[key] for key in iris}
    assert [{"path": "data.csv", "size": 8, "kind": "file"}] == shown["files"]
    assert ("builtin.path/1", "data", "manual", False, None, None) == tuple(
        shown[key] for key in ("materializer", "trust_class", "save_type", "published", "run", "step")
    )
    text = cli("artifact", "version", "show", "iris").out
    assert text.endswith("\n\nFILE      SIZE  KIND\ndata.csv  8 B   file\n")
    assert f"\nid                     {iris['id']}\n" in text


def test_metadata_of_any_kind_is_json(cli: Cli, iris: dict[str, Any]) -> None:
    """NaN and groups come out as in records; a table shows groups under dotted keys."""
    Ledger.open().log_metadata({"loss": float("nan"), "score": {"f1": 0.5}}, "iris")
    shown = json.loads(cli("artifact", "version", "show", "iris", "--json").out)["metadata"]
    assert ({"$float": "nan"}, {"f1": 0.5}) == (shown["loss"], shown["score"])
    assert "metadata.score.f1      0.5\n" in cli("artifact", "version", "show", "iris").out


def test_numbers_that_json_lacks_are_shown_to_people(cli: Cli, iris: dict[str, Any]) -> None:
    """NaN and the infinities are shown, in lists as well, by both commands that show metadata."""
    Ledger.open().log_metadata({"a": float("nan"), "b": [float("inf"), {"c": float("nan")}]}, "iris")
    for words in (("artifact", "show", "iris"), ("artifact", "version", "show", "iris")):
        shown = dict(line.split(maxsplit=1) for line in cli(*words).out.splitlines() if line.startswith("metadata."))
        assert ("nan", '[Infinity, {"c": NaN}]') == (shown["metadata.a"], shown["metadata.b"])


def test_a_damaged_record_is_one_row_less(iris: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A version whose record is damaged is left out of the list with a warning on stderr."""
    ledger = Ledger.open()
    forge(ledger, ledger.get("iris"), name="somebody_else")
    assert 0 == run(["artifact", "version", "list", "--json"])
    printed = capsys.readouterr()
    assert ["1"] == [version["version"] for version in json.loads(printed.out)]
    assert printed.err.startswith("Warning: iris@2 is left out, its record is damaged: ")
    assert 1 == len(printed.err.splitlines())


def test_an_artifact_is_listed_though_its_latest_record_is_damaged(
    iris: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name and latest version are known without that record; what only the record says is null, with a warning."""
    ledger = Ledger.open()
    forge(ledger, ledger.get("iris"), name="somebody_else")
    assert 0 == run(["artifact", "list", "--json"])
    printed = capsys.readouterr()
    expected = {"name": "iris", "latest": "2", "versions": 2, "type": None, "created_at": None}
    assert [expected] == json.loads(printed.out)
    assert printed.err.startswith("Warning: iris@2 is listed without type and time, its record is damaged: ")
    assert 1 == len(printed.err.splitlines())


def test_a_version_is_shown_though_its_run_is_damaged(cli: Cli, iris: dict[str, Any]) -> None:
    """The version's own record names the run and the step, so that theirs need not be read."""
    ledger, run_id = Ledger.open(), "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21"
    plant(ledger, {f"runs/2025-11-07/{run_id}/run.json": b"{}"})
    label = forge(ledger, ledger.get("iris"), producer={"output": "iris", "run": run_id, "step": "load"})
    shown = json.loads(cli("artifact", "version", "show", label, "--json").out)
    assert (run_id, "load") == (shown["run"], shown["step"])


def test_a_record_of_a_later_format_is_not_called_damaged(
    iris: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lists warn of it with the release that reads it."""
    ledger = Ledger.open()
    forge(ledger, ledger.get("iris"), format=9)
    told = "the manifest of iris@2: format 9, this program reads up to format 1; upgrade ledger to a release that reads"
    for words, before in [
        (["artifact", "list"], "Warning: iris@2 is listed without type and time: "),
        (["artifact", "version", "list"], "Warning: iris@2 is left out: "),
        (["artifact", "version", "list", "--tag", "raw"], "Warning: iris@2 is left out: "),
    ]:
        assert 0 == run(words)
        assert f"{before}{told} format 9\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["artifact", "show", "irsi"],
            3,
            "Error: no artifact has the name, id or id prefix 'irsi'\nHint: did you mean 'iris'?\n",
        ),
        (["artifact", "show", "iris@7"], 3, "Error: artifact 'iris' has no version '7'; the nearest"),
        (["artifact", "version", "list", "nope"], 3, "Error: no artifact has the name, id or id prefix 'nope'\n"),
        (["artifact", "version", "show", "iris@7"], 3, "Error: artifact 'iris' has no version '7'; the nearest"),
        (["artifact", "version", "list", "--since", "soon"], 2, "Usage: ledger artifact version list "),
        (["artifact", "version", "list", "--limit", "-1"], 2, "Usage: ledger artifact version list "),
        (["artifact", "version", "list", "--type", "Thing"], 2, "Usage: ledger artifact version list "),
        (["artifact", "list", "--tag", "\x1b"], 2, "Error: invalid tag '\\x1b'"),
    ],
)
def test_bad_questions(cli: Cli, iris: dict[str, Any], words: list[str], code: int, message: str) -> None:
    """What is not there, and what cannot be, is an error with its code and nothing on stdout."""
    outcome = cli(*words, code=code)
    assert ("", message) == (outcome.out, outcome.err[: len(message)])


def test_warnings_of_libraries_stay_theirs(cli: Cli, iris: dict[str, Any]) -> None:
    """The program leaves the filters of the process as they were."""
    before = list(warnings.filters)
    cli("artifact", "list")
    assert before == list(warnings.filters)


def test_no_record_can_write_to_the_terminal(cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of people and files, tags and metadata are printed without a single control character."""
    evil = "\x1b]0;owned\x07\x9b31m\u202e\r"
    monkeypatch.setenv("GIT_AUTHOR_NAME", f"Eve{evil}")
    (workdir / f"x{evil}").write_text("x")
    cli("init")
    cli("save", f"x{evil}", "--name", "x", "--meta", f"k{evil}={evil}", "--meta", f'list=["{evil[:1]}\\n"]')
    for words in (
        ["artifact", "list"],
        ["artifact", "show", "x"],
        ["artifact", "version", "list"],
        ["artifact", "version", "show", "x"],
        ["log"],
        ["status"],
        ["trust", "x"],
        ["get", "x", "-o", f"y{evil}"],
    ):
        for more in ([], ["--json"]):
            if words[0] == "get":
                (workdir / f"y{evil}").unlink(missing_ok=True)
            printed = cli(*words, *more).out
            assert printed
            assert [] == [letter for letter in printed if not letter.isprintable() and letter != "\n"]
