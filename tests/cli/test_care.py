"""Making, checking and trusting a ledger from the shell."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, errors
from tests.cli.conftest import PROGRAM, ROOT, Cli, start
from tests.kit.ledgers import damage, git


def trust_file() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "ledger" / "trust"


def on_a_terminal(*words: str, typed: str = "") -> tuple[int, str]:
    """The program on a terminal of its own, with what somebody types there."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300", "TERM": "xterm"}
    with subprocess.Popen(
        [*PROGRAM, *words], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        os.write(controller, typed.encode())
        shown = b""
        while True:
            try:
                block = os.read(controller, 65536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not block:
                break
            shown += block
    os.close(controller)
    return process.returncode, shown.decode()


def test_init_makes_a_ledger_where_it_is_told(cli: Cli, workdir: Path) -> None:
    """PATH is the ledger directory itself; the bytes go where ``--store`` says."""
    assert f"made a new ledger in {workdir}/here\n" == cli("init", "here", "--store", "bytes").out
    assert (workdir / "here" / "history.git").is_dir()
    assert (workdir / "bytes" / "store.json").is_file()
    assert cli("init", "here", code=4).err.startswith(f"Error: {workdir}/here exists already and is a ledger\n")


def test_init_in_an_empty_folder_says_how_the_shell_gets_there(
    cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the ledger takes the place of the folder that the shell is in, ``cd .`` is told; elsewhere it is not."""
    (workdir / "here").mkdir()
    monkeypatch.chdir(workdir / "here")
    assert "`cd .`" in cli("init", ".").out
    assert "`cd .`" not in cli("init", "../there").out


def test_init_refuses_a_store_that_ends_with_the_command(cli: Cli, workdir: Path) -> None:
    """A ledger whose bytes are in memory could not be used by any other command, and is not made."""
    told = cli("init", "--store", "memory://", code=2).err
    assert told.startswith("Error: a store in memory:// ends with this command, and no other could save there\n")
    assert [] == list(workdir.iterdir())


def test_init_as_json(cli: Cli, workdir: Path) -> None:
    """``init --json`` says where the ledger and its store are, and its first commit."""
    made = json.loads(cli("init", "--json").out)
    ledger = Ledger.open()
    assert {"path": str(workdir / ".ledger"), "store": ledger.store.url, "commit": ledger.revision} == made


def test_status_counts(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """``status`` says where everything is, how much there is, and that nothing is shared."""
    cli("save", "data.csv", "--name", "iris")
    cli("save", "data.csv", "--name", "other")
    ledger = Ledger.open()
    expected = {
        "path": str(workdir / ".ledger"),
        "commit": ledger.revision,
        "artifacts": 2,
        "versions": 3,
        "store": ledger.store.url,
        "remote": None,
        "provisional": ["iris", "other"],
    }
    assert expected == json.loads(cli("status", "--json").out)
    lines = dict(line.split(None, 1) for line in cli("status").out.splitlines())
    assert ("3", "no remote", "everything, as there is no remote") == tuple(
        lines[key] for key in ("versions", "remote", "provisional")
    )


def test_status_does_not_deny_other_remotes(cli: Cli, iris: dict[str, Any]) -> None:
    """Who shares through one of another name learns which one numbers are published at."""
    cli("remote", "add", "hub", "hub.git")
    lines = dict(line.split(None, 1) for line in cli("status").out.splitlines())
    assert ("no remote 'origin'", "everything, as there is no remote 'origin'") == (
        lines["remote"],
        lines["provisional"],
    )


def test_status_says_the_same_in_both_forms(cli: Cli) -> None:
    """Where nothing has been saved nothing waits to be shared, for people as in JSON."""
    cli("init")
    assert [] == json.loads(cli("status", "--json").out)["provisional"]
    assert "provisional  nothing\n" in cli("status").out


def test_status_says_where_bytes_are_that_are_away(cli: Cli, workdir: Path) -> None:
    """Where the bytes should be is said also while nothing is there."""
    cli("init", "--store", str(workdir / "bytes"))
    (workdir / "bytes").rename(workdir / "away")
    assert f"file://{workdir / 'bytes'}" == json.loads(cli("status", "--json").out)["store"]


def test_status_tells_what_a_lost_remote_held(cli: Cli, iris: dict[str, Any]) -> None:
    """What a remote held that is no remote any more is not counted as waiting, for people as in JSON."""
    git(Ledger.open(), "update-ref", "refs/ledger/known/origin", "main")
    cli("save", "data.csv", "--name", "later")
    assert ["later"] == json.loads(cli("status", "--json").out)["provisional"]
    assert "provisional  1 artifact\n" in cli("status").out


def test_status_knows_what_is_shared(cli: Cli, iris: dict[str, Any]) -> None:
    """With a remote, what its branch holds is not provisional; its URL is shown without a password."""
    git(Ledger.open(), "remote", "add", "origin", "https://me:secret@host/x.git")
    git(Ledger.open(), "update-ref", "refs/ledger/known/origin", "main")
    cli("save", "data.csv", "--name", "later")
    status = json.loads(cli("status", "--json").out)
    assert ("https://host/x.git", ["later"]) == (status["remote"], status["provisional"])
    assert "1 artifact\n" in cli("status").out


def test_verify_finds_nothing_wrong(cli: Cli, iris: dict[str, Any]) -> None:
    """A sound ledger is checked and says so."""
    assert "checked 1 version: 0 problems\n" == cli("verify").out
    found = json.loads(cli("verify", "--json").out)
    assert {"ok": True, "versions": 1, "problems": []} == {key: found[key] for key in ("ok", "versions", "problems")}
    assert (True, 1, []) == (found["whole"], found["objects"], found["orphans"])


def test_verify_finds_damage(cli: Cli, iris: dict[str, Any]) -> None:
    """Damaged bytes are named and give exit code 5; a quick check asks only whether they are there."""
    store = Ledger.open().path / "store"
    chunk = next(path for path in (store / "chunks").rglob("*") if path.is_file())
    damage(chunk)
    found = json.loads(cli("verify", "--json", code=5).out)
    assert (False, "iris@1", "corrupt") == (found["ok"], found["problems"][0]["version"], found["problems"][0]["kind"])
    assert cli("verify", code=5).out.endswith("\nchecked 1 version: 1 problem\n")
    cli("verify", "--quick")
    chunk.unlink()
    assert "missing" in cli("verify", "--quick", code=5).out
    assert cli("get", "iris", "-o", "x", code=5).err.startswith("Error: ")
    assert not Path("x").exists()


class Loud:
    """A value that only code can rebuild."""

    def __init__(self) -> None:
        self.act = lambda: 1


@pytest.fixture
def foreign(workdir: Path) -> Ledger:
    """A ledger with a version, ``loud@1``, that somebody else saved as code."""
    ledger = Ledger.init(".ledger")
    with pytest.warns(UserWarning, match="pickle"):
        ledger.save(Loud(), "loud")
    trust_file().unlink()
    with pytest.raises(errors.UntrustedArtifactError):
        ledger.load("loud")
    return ledger


def test_trust_acts_when_nobody_can_be_asked(foreign: Ledger, cli: Cli) -> None:
    """Without a terminal ``trust`` shows what it trusts and does so; then the value loads."""
    lines = cli("trust", "loud@1").out.splitlines()
    assert ["name", "version", "id", "digest", "trust_class", "created_by", "trusted"] == [
        line.split()[0] for line in lines
    ]
    assert ("loud@1", foreign.get("loud").digest) == (lines[-1].split()[1], lines[3].split()[1])
    assert 1 == foreign.load("loud").act()


def test_trust_as_json(foreign: Ledger, cli: Cli) -> None:
    """``trust --json`` says what was trusted, in one document."""
    said = json.loads(cli("trust", "loud", "--yes", "--json").out)
    assert (True, "code", foreign.get("loud").digest) == (said["trusted"], said["trust_class"], said["digest"])


@pytest.mark.parametrize(("words", "typed", "code"), [([], "n\n", 130), ([], "y\n", 0), (["--yes"], "", 0)])
def test_trust_asks_on_a_terminal(foreign: Ledger, words: list[str], typed: str, code: int) -> None:
    """On a terminal ``trust`` asks, and does nothing without a yes."""
    found, shown = on_a_terminal("trust", "loud", *words, typed=typed)
    assert code == found
    assert bool(typed) == ("Let loud@1 run code on this machine? [y/N]" in shown)
    assert (code == 0) == trust_file().exists() == ("trusted loud@1" in shown)


def test_trust_shows_what_it_asks_about(foreign: Ledger) -> None:
    """With ``--json`` too: nobody can answer for a version without its digest and who saved it."""
    _, shown = on_a_terminal("trust", "loud", "--json", typed="n\n")
    before, question, _ = shown.partition("Let loud@1 run code")
    assert question
    assert foreign.get("loud").digest in before


def test_trust_in_data_is_another_question(iris: dict[str, Any]) -> None:
    """Of what is said to be data, ``trust`` does not claim that it runs code."""
    _, shown = on_a_terminal("trust", "iris", typed="n\n")
    assert "iris@1 is said to be data, which loads without being trusted. Trust it all the same? [y/N]" in shown
    assert "run code" not in shown


def test_a_terminal_gets_a_table(iris: dict[str, Any]) -> None:
    """On a terminal a list has the same cells as in a pipe, laid out, and still escaped."""
    Ledger.open().tag("iris", ["[red]x"])
    code, shown = on_a_terminal("artifact", "version", "list")
    assert 0 == code
    row = next(line for line in shown.splitlines() if "iris" in line)
    piped = start("artifact", "version", "list").stdout.splitlines()[1]
    assert piped.split() == row.split()


@pytest.mark.parametrize("words", [["trust", "nope"], ["trust", "loud@2"]])
def test_trust_needs_a_version(foreign: Ledger, cli: Cli, words: list[str]) -> None:
    """Trusting what is not there is an error and writes nothing."""
    cli(*words, code=3)
    assert not trust_file().exists()


def test_python_m_is_the_same_program() -> None:
    """``python -m ledger`` and the installed script name themselves alike."""
    assert (
        "ledger 0.1.0\n"
        == subprocess.run(
            [sys.executable, "-m", "ledger", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    )
