"""The history in the shell: the log, and Git."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from tests.cli.conftest import Cli, start
from tests.kit.git import git_says, set_hook


def test_the_log_is_newest_first(cli: Cli, iris: dict[str, Any]) -> None:
    """A line per commit with its short id, time, author and subject."""
    cli("tag", "iris", "best")
    lines = cli("log").out.splitlines()
    assert ["COMMIT", "TIME", "AUTHOR", "SUBJECT"] == lines[0].split()
    assert ["tag iris@1: best", "save iris@1", "start a ledger"] == [
        line.split("Ada <ada@example.com>  ")[1] for line in lines[1:]
    ]
    assert Ledger.open().revision[:10] == lines[1].split()[0]


def subjects(cli: Cli, *words: str) -> list[str]:
    return [commit["subject"] for commit in json.loads(cli("log", *words, "--json").out)]


def test_the_log_of_an_artifact(cli: Cli, iris: dict[str, Any]) -> None:
    """With a name, only commits about it: not those about a name that begins the same."""
    cli("save", "data.csv", "--name", "iris2")
    cli("tag", "iris2", "best")
    assert ["save iris@1"] == subjects(cli, "iris")
    assert ["tag iris2@1: best", "save iris2@1"] == subjects(cli, "iris2")
    assert ["tag iris2@1: best"] == subjects(cli, "--limit", "1")
    assert [] == subjects(cli, "--limit", "0")
    assert subjects(cli) == subjects(cli, "--limit", "9" * 30)
    assert cli("log", "nope", code=3).err.startswith("Error: no artifact")


def test_one_version_can_be_asked_for(cli: Cli, iris: dict[str, Any]) -> None:
    """`log` and `artifact version list` show, of NAME@VERSION, this version and not its neighbours."""
    cli("save", "data.csv", "--name", "iris", "--version", "1b")
    assert ["save iris@1"] == subjects(cli, "iris@1")
    [listed] = json.loads(cli("artifact", "version", "list", "iris@1b", "--json").out)
    assert "1b" == listed["version"]


def test_an_id_asks_for_one_version(cli: Cli, iris: dict[str, Any]) -> None:
    """`log`, `du` and `artifact version list` show, of an id or the beginning of one, that version and no other."""
    cli("save", "data.csv", "--name", "iris")
    for word in (iris["id"], iris["id"].upper(), iris["id"].replace("-", "")[:20]):
        assert ["save iris@1"] == subjects(cli, word)
        listed = json.loads(cli("artifact", "version", "list", word, "--json").out)
        [taking] = json.loads(cli("du", word, "--json").out)["artifacts"]
        assert [["1"], ["1"]] == [[each["version"] for each in shown] for shown in (listed, taking["versions"])]


def test_a_commit_as_json(cli: Cli, iris: dict[str, Any]) -> None:
    """A commit has its full id, its time and the versions it is about."""
    commit = json.loads(cli("log", "--json").out)[0]
    expected = {
        "commit": Ledger.open().revision,
        "time": commit["time"],
        "author": "Ada <ada@example.com>",
        "subject": "save iris@1",
        "artifacts": ["iris@1"],
    }
    assert expected == commit
    assert commit["time"][:10] == iris["created_at"][:10]


def test_git_runs_on_the_history(iris: dict[str, Any]) -> None:
    """``ledger git`` hands on options, output and exit code."""
    done = start("git", "log", "--format=%s", "-1")
    assert (0, "save iris@1\n", "") == (done.returncode, done.stdout, done.stderr)
    assert 0 == start("git", "-c", "x.y=z", "rev-parse", "--verify", "-q", "main").returncode
    assert 1 == start("git", "rev-parse", "--verify", "-q", "nowhere").returncode
    assert "ledger" not in start("git", "log", "-h").stdout.lower()


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_of_git_is_ours(cli: Cli, option: str) -> None:
    """A lone ``--help`` says what the command is for, also where there is no ledger."""
    assert "ledger git log --oneline" in cli("git", option).out


def test_git_is_not_redirected(iris: dict[str, Any], tmp_path: Path) -> None:
    """No ``GIT_*`` variable of the environment leads elsewhere."""
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "other.git")], check=True)
    environment = {"GIT_DIR": str(tmp_path / "other.git"), "GIT_OBJECT_DIRECTORY": str(tmp_path)}
    assert "save iris@1\n" == start("git", "log", "--format=%s", "-1", environment=environment).stdout


def test_git_reads_what_it_is_given(iris: dict[str, Any]) -> None:
    """Standard input goes to Git."""
    asked = start("git", "cat-file", "--batch-check=%(objecttype)", input="main\n")
    assert "commit\n" == asked.stdout


@pytest.mark.usefixtures("iris")
def test_without_git(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Git is not installed, the error says so; everything else works."""
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(Path(sys.executable).parent / "nowhere"))
        assert cli("git", "log", code=7).err.startswith("Error: git is not installed: ")
        cli("log")
        cli("status")


@pytest.mark.usefixtures("iris")
def test_a_git_that_cannot_be_run_is_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no program is not taken for output that could not be written."""
    (tmp_path / "git").write_bytes(b"\0")
    (tmp_path / "git").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        assert cli("git", "log", code=8).err.startswith(f"Error: cannot run {tmp_path / 'git'}: ")


@pytest.mark.usefixtures("workdir")
def test_git_without_a_ledger(cli: Cli) -> None:
    """Where there is no ledger, Git is not run at all."""
    assert cli("git", "init", code=3).err.startswith("Error: no ledger at ")


def test_a_history_that_could_run_a_program_is_not_given_to_git(iris: dict[str, Any], tmp_path: Path) -> None:
    """``ledger git`` refuses a ledger whose own configuration names a program; nothing was run."""
    with open(Ledger.open().git_dir / "config", "a") as config:
        config.write(f"[core]\n\tpager = touch {tmp_path}/ran\n\tfsmonitor = touch {tmp_path}/ran\n")
    done = start("git", "-p", "log")
    assert 2 == done.returncode
    assert "sets 'core.pager'" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_git_shows_the_history_that_there_is(iris: dict[str, Any]) -> None:
    """A ledger may come from anybody: neither a replaced commit nor a graft in it changes what ``ledger git`` shows."""
    git_dir, tip = Ledger.open().git_dir, Ledger.open().revision
    shown = start("git", "log", "--format=%H %an %s", "main").stdout
    commit = git_says(git_dir, "cat-file", "commit", tip).replace("author Ada", "author Bob") + "\n"
    forged = git_says(git_dir, "hash-object", "-t", "commit", "-w", "--stdin", data=commit.encode())
    git_says(git_dir, "replace", tip, forged)
    grafts = git_dir / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{tip}\n")
    done = start("git", "log", "--format=%H %an %s", "main")
    assert (shown, "") == (done.stdout, done.stderr)
    grafts.unlink()
    git_says(git_dir, "replace", "-d", tip)


def test_git_asks_no_graph_of_commits(iris: dict[str, Any]) -> None:
    """Nor does one have a say that lies: here that no commit has a parent."""
    git_dir = Ledger.open().git_dir
    git_says(git_dir, "commit-graph", "write", "--reachable")
    graph = git_dir / "objects" / "info" / "commit-graph"
    data = bytearray(graph.read_bytes())
    commits = int.from_bytes(data[36:44])  # the third part in the table of parts
    for number in range(2):
        data[commits + 36 * number + 20 : commits + 36 * number + 24] = b"\x70\0\0\0"
    graph.chmod(0o644)
    graph.write_bytes(data)
    assert ["save iris@1", "start a ledger"] == start("git", "log", "--format=%s", "main").stdout.splitlines()
    graph.unlink()


def test_hooks_of_a_history_do_not_run(iris: dict[str, Any], workdir: Path) -> None:
    """A ledger may come from anybody, its hooks with it: ``ledger git`` moves a ref, and none of them is asked."""
    set_hook(workdir / ".ledger" / "history.git", "reference-transaction", f"touch {workdir}/ran\nexit 1")
    done = start("git", "update-ref", "refs/heads/other", "main")
    assert (0, False) == (done.returncode, (workdir / "ran").exists())
