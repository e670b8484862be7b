"""`ledger diff`: what differs between two versions."""

import json
import shutil
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from ledger import step
from ledger.cli.program import program
from tests.cli.conftest import Cli
from tests.kit.ledgers import write_files


@pytest.fixture
def saved(cli: Cli, workdir: Path) -> Cli:
    """A ledger with two versions of a folder."""
    cli("init")
    write_files(workdir / "d", {"keep": b"1" * 300, "grow": b"1", "go": b"123"})
    cli("save", "d", "--name", "d", "--tag", "raw", "--meta", 'm={"accuracy": 0.91}', "--meta", "note=first")
    (workdir / "d/go").unlink()
    write_files(workdir / "d", {"grow": b"12", "come": b"1234"})
    cli("save", "d", "--name", "d", "--tag", "best", "--meta", 'm={"accuracy": 0.95}', "--meta", "seed=7")
    return cli


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_people_see_what_differs_and_nothing_else(saved: Cli) -> None:
    """Both sides, then values with the difference of numbers, then files with their sizes and how many there are."""
    out = saved("diff", "d@1", "d@2").out
    heading, values, files = out.split("\n\n")
    assert ["old", "d@1,", "saved"] == rows(heading)[0][:3]
    assert ["new", "d@2,", "saved"] == rows(heading)[1][:3]
    assert ["content", "differs"] == rows(heading)[2]
    assert ["size", "304", "B", "->", "306", "B", "(+2)"] in rows(values)
    assert ["metadata.m.accuracy", "0.91", "->", "0.95", "(+0.04)"] in rows(values)
    assert ["metadata.note", "removed", '"first"'] in rows(values)
    assert ["metadata.seed", "added", "7"] in rows(values)
    assert ["tags", "+best,", "-raw"] in rows(values)
    assert not {"type", "materializer", "data_type", "file_count"} & {row[0] for row in rows(values)}
    assert [
        ["FILE", "CHANGE", "OLD", "NEW"],
        ["d/come", "added", "-", "4", "B"],
        ["d/go", "removed", "3", "B", "-"],
        ["d/grow", "changed", "1", "B", "2", "B"],
        ["1", "added,", "1", "removed,", "1", "changed,", "1", "equal"],
    ] == rows(files)


def test_json_has_all_of_it(saved: Cli) -> None:
    """The keys are those of the specification, values and files with both sides."""
    found = json.loads(saved("diff", "d@1", "d@2", "--json").out)
    assert ["content", "files", "metadata", "new", "old", "problems", "properties", "tags"] == sorted(found)
    assert ("d", "1", None) == (found["old"]["name"], found["old"]["version"], found["old"]["run"])
    assert ("differs", []) == (found["content"], found["problems"])
    assert {"old": 304, "new": 306} == found["properties"]["size"]
    assert {"key": ["m", "accuracy"], "old": 0.91, "new": 0.95} in found["metadata"]
    assert {"key": ["note"], "old": "first"} in found["metadata"]
    assert {"key": ["seed"], "new": 7} in found["metadata"]
    assert {"added": ["best"], "removed": ["raw"]} == found["tags"]
    new = {"path": "d/come", "size": 4, "kind": "file"}
    assert {"path": "d/come", "change": "added", "old": None, "new": new} == found["files"]["changes"][0]


def test_one_version_is_compared_with_the_one_before_it(saved: Cli) -> None:
    """NAME is the newest, NAME@VERSION that one; the first has none before it."""
    assert saved("diff", "d@1", "d@2").out == saved("diff", "d").out == saved("diff", "d@2").out
    failed = saved("diff", "d@1", code=3)
    assert "Error: d@1 is the first version of its artifact" in failed.err


def test_equal_versions_show_no_difference(saved: Cli) -> None:
    """Two lines say which versions they are, and the third that they are equal."""
    assert ["old", "new", "content"] == [row[0] for row in rows(saved("diff", "d", "d@2").out)]
    assert "content  equal\n" in saved("diff", "d", "d@2").out


def test_ids_and_other_artifacts_are_taken(saved: Cli, workdir: Path) -> None:
    """Each side is a version as other commands take it; what does not exist is their error."""
    (workdir / "f").write_text("1")
    id = json.loads(saved("save", "f", "--name", "f", "--json").out)["id"]
    assert ["old", "f@1,"] == rows(saved("diff", id, "d@1").out)[0][:2]
    assert "has no version '7'" in saved("diff", "d@1", "d@7", code=3).err


def test_very_many_files_are_shown_in_part(cli: Cli, workdir: Path) -> None:
    """Of more than fifty the first are shown and the others counted; JSON has them all."""
    cli("init")
    for name in ("old", "new"):
        write_files(workdir / name / "d", {f"{name}{number:02}": b"" for number in range(40)})
        cli("save", f"{name}/d", "--name", "d")
    lines = cli("diff", "d").out.splitlines()
    assert "and 31 more files, which --json has" == lines[-2]
    assert "40 added, 40 removed, 0 equal" == lines[-1]
    assert 80 == len(json.loads(cli("diff", "d", "--json").out)["files"]["changes"])


def test_a_long_value_is_shown_by_its_beginning(cli: Cli, workdir: Path) -> None:
    """It stays on its line, and nothing in it steers a terminal."""
    (workdir / "f").write_text("1")
    cli("init")
    for note in ("a" * 1000, "\x1b[31m"):
        cli("save", "f", "--name", "f", "--meta", f"note={note}")
    assert f'metadata.note  "{"a" * 58}… -> "\\u001b[31m"' in cli("diff", "f").out


def test_the_run_that_made_a_version_is_named(cli: Cli, workdir: Path) -> None:
    """Both sides say which step of which run they come from; a record of it is not needed."""
    cli("init")
    for value in (1, 2):
        step(name="count")(lambda value: value)(value)
    (name,) = [each["name"] for each in json.loads(cli("artifact", "list", "--json").out)]
    found = json.loads(cli("diff", name, "--json").out)
    assert ("count", "count") == (found["old"]["step"], found["new"]["step"])
    assert f", step count of run {found['new']['run']}" in cli("diff", name).out.splitlines()[1]


def test_what_cannot_be_told_is_named(cli: Cli, workdir: Path) -> None:
    """Where a list of files is gone the rest is shown, with the reason, and it is a success."""
    cli("init")
    for number in range(2):
        write_files(workdir / "d", {f"{number}-{each}": b"1" for each in range(70)})
        cli("save", "d", "--name", "d", "--tag", f"t{number}")
    shutil.rmtree(workdir / ".ledger/store/tables")
    out = cli("diff", "d").out
    assert "+t1, -t0" in out
    assert ["cannot be told: d@1: table", "cannot be told: d@2: table"] == [line[:26] for line in out.splitlines()[-2:]]
    assert None is json.loads(cli("diff", "d", "--json").out)["files"]


@pytest.mark.usefixtures("saved")
def test_the_shell_completes_versions() -> None:
    """Both arguments are completed as those of other commands."""
    asked = ShellComplete(program, {}, "ledger", "_LEDGER_COMPLETE")
    for words in (["diff"], ["diff", "d@1"]):
        assert ["d@2", "d@1"] == [found.value for found in asked.get_completions(words, "d@")]
