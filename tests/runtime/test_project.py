"""The project around a run: its commit and state are recorded, and nothing of it is touched."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from ledger import PipelineRun, pipeline, step
from ledger.records import Project
from ledger.runtime import project as state


@step(enable_cache=False)
def made() -> int:
    return 1


@pipeline
def training() -> None:
    made()


def in_project(*arguments: str) -> str:
    """Git in the working directory, as its owner uses it; its maintenance would go on beside the test."""
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=a@b", "-c", "maintenance.auto=false", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def project(workdir: Path) -> Path:
    """A Git work tree with one commit."""
    in_project("init", "-q")
    (workdir / "train.py").write_text("print(1)\n")
    in_project("add", "train.py")
    in_project("commit", "-qm", "one")
    return workdir


def state_of(folder: Path) -> tuple[str, int, dict[str, bytes]]:
    """What Git shows of a project, when its index was written, and every byte of its repository."""
    index = (folder / ".git" / "index").stat().st_mtime_ns
    files = {str(path): path.read_bytes() for path in (folder / ".git").rglob("*") if path.is_file()}
    return in_project("--no-optional-locks", "status", "--porcelain"), index, files


def test_the_commit_is_recorded(project: Path) -> None:
    """A clean work tree is told by its commit, from any folder of it."""
    commit = in_project("rev-parse", "HEAD")
    assert Project(commit=commit, dirty=False) == training().project
    (project / "below").mkdir()
    os.chdir(project / "below")
    assert Project(commit=commit, dirty=False) == training().project


def test_a_branch_may_have_a_name_in_any_letters(project: Path) -> None:
    """Git passes on the bytes of a name as they are; that they are no UTF-8 ends no run."""
    commit = in_project("rev-parse", "HEAD")
    branch = os.fsdecode(b"caf\xe9")
    in_project("checkout", "-q", "-b", branch)
    assert Project(commit=commit, dirty=False) == training().project


def test_changes_beside_the_commit_are_recorded(project: Path) -> None:
    """A tracked file that was changed makes the project dirty; one that nobody tracks does not."""
    (project / "notes.txt").write_text("untracked")
    assert (False,) == tuple(found.dirty for found in [training().project] if found)
    (project / "train.py").write_text("print(2)\n")
    assert (True,) == tuple(found.dirty for found in [training().project] if found)


def test_the_project_is_not_touched(project: Path) -> None:
    """Its status, index and repository are the same before and after, and the ledger is no change in it."""
    os.utime(project / "train.py", (1_000_000_000, 1_000_000_000))  # what makes a plain `git status` write the index
    before = state_of(project)
    run: PipelineRun = training()
    assert run.project is not None
    assert before == state_of(project)
    assert (project / ".ledger").is_dir()


def test_a_project_without_a_commit_has_none(workdir: Path) -> None:
    """A repository that has just been made is recorded as such."""
    in_project("init", "-q")
    assert Project(commit=None, dirty=False) == training().project


@pytest.mark.usefixtures("workdir")
def test_outside_a_repository_there_is_no_project() -> None:
    """The run is recorded without it."""
    assert training().project is None


def test_a_repository_that_git_cannot_read_is_no_project(project: Path) -> None:
    """A broken repository does not keep a run from being made."""
    (project / ".git" / "HEAD").write_text("nonsense")
    assert training().project is None
    (project / ".git" / "HEAD").write_text("ref: refs/heads/main")


def test_without_git_there_is_no_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger needs no Git program."""
    with monkeypatch.context() as without:
        without.setenv("PATH", str(project / "nowhere"))
        assert training().project is None


@pytest.mark.parametrize("command", ["exec sleep 60", "sleep 60"], ids=["itself", "started by a script of its name"])
def test_a_git_that_gives_no_answer_keeps_no_run_waiting(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The run is recorded without the project, and Git is stopped; nobody waits for what it has started."""
    slow = project / "slow"
    slow.mkdir()
    (slow / "git").write_text(f"#!/bin/sh\n{command}\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setattr(state, "_PATIENCE_SECONDS", 0.05)
    start = time.monotonic()
    with monkeypatch.context() as waiting:
        waiting.setenv("PATH", f"{slow}{os.pathsep}{os.environ['PATH']}")
        assert training().project is None
    assert time.monotonic() - start < 50


def test_variables_of_git_do_not_redirect_the_question(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``GIT_DIR`` and its like are not ours to follow."""
    commit = in_project("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(project / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(project / "elsewhere"))
    assert Project(commit=commit, dirty=False) == training().project
