"""`ledger du`: what versions take."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def saved(cli: Cli, workdir: Path) -> Cli:
    """A ledger with two equal versions of one artifact and one of another."""
    (workdir / "data.bin").write_bytes(os.urandom(10_000))
    (workdir / "other.bin").write_bytes(os.urandom(1000))
    cli("init")
    for path, name in (("data.bin", "a"), ("data.bin", "a"), ("other.bin", "b")):
        cli("save", path, "--name", name)
    return cli


def test_artifacts_and_versions_as_json(saved: Cli) -> None:
    """Bytes of files, stored, and shared, for the ledger, each artifact and each version."""
    found = json.loads(saved("du", "--json").out)
    assert ["artifacts", "logical", "stored"] == sorted(found)
    first, second = found["artifacts"]
    assert (21_000, first["stored"] + second["stored"]) == (found["logical"], found["stored"])
    assert ("a", 20_000, 0) == (first["name"], first["logical"], first["shared"])
    assert ["id", "logical", "name", "position", "shared", "stored", "version"] == sorted(first["versions"][0])
    assert [("1", 10_000), ("2", 10_000)] == [(each["version"], each["shared"]) for each in first["versions"]]


def test_one_artifact_has_its_versions(saved: Cli) -> None:
    """With a name only that artifact is shown, and what it is shared with is counted all the same."""
    assert ["a"] == [artifact["name"] for artifact in json.loads(saved("du", "a", "--json").out)["artifacts"]]
    lines = [line.split() for line in saved("du", "a").out.splitlines()]
    assert ["NAME", "VERSION", "LOGICAL", "STORED", "SHARED"] == lines[0]
    assert [["a", "1", "9.8", "KiB"], ["a", "2", "9.8", "KiB"], ["total", "-", "19.5", "KiB"]] == [
        line[:4] for line in lines[1:]
    ]


def test_one_version_is_shown_by_itself(saved: Cli) -> None:
    """NAME@VERSION is that version, in the table and as JSON, where the sums stay those of the artifact."""
    assert [["a", "2", "9.8"]] == [line.split()[:3] for line in saved("du", "a@2").out.splitlines()[1:]]
    (found,) = json.loads(saved("du", "a@2", "--json").out)["artifacts"]
    assert (20_000, ["2"]) == (found["logical"], [version["version"] for version in found["versions"]])
    assert "has no version '3'" in saved("du", "a@3", code=3).err


def test_people_get_a_table_with_a_total(saved: Cli) -> None:
    """A line for each artifact and one for all of them."""
    lines = [line.split() for line in saved("du").out.splitlines()]
    assert ["NAME", "VERSIONS", "LOGICAL", "STORED", "SHARED"] == lines[0]
    assert [["a", "2"], ["b", "1"], ["total", "3"]] == [line[:2] for line in lines[1:]]


def test_an_unknown_name_is_an_error(saved: Cli) -> None:
    """A name that nothing has is not a table of nothing."""
    assert "no artifact" in saved("du", "nothing", code=3).err


def test_an_empty_ledger_takes_nothing(cli: Cli) -> None:
    """Nothing is saved, nothing is stored."""
    cli("init")
    assert {"logical": 0, "stored": 0, "artifacts": []} == json.loads(cli("du", "--json").out)
