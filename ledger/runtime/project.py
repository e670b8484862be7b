"""The Git state of the code around a run: its commit, and whether there were changes beside it.

Asked of Git in the background, so that a step need not wait for it. Only reads: Git is told to
take no locks, and nothing of the project is touched.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ledger.records import Project

if TYPE_CHECKING:
    import subprocess

_PATIENCE_SECONDS = 2.0
_COMMAND = ("git", "status", "--porcelain=v2", "--branch", "--untracked-files=no")


class ProjectState:
    """The question to Git, which is asked at once; `read` waits for the answer."""

    def __init__(self, folder: Path | None) -> None:
        self._answer: Project | None = None
        self._process = _ask(folder) if folder is not None and _is_work_tree(folder) else None

    @classmethod
    def here(cls) -> Self:
        """The question about the working directory; where that has been removed there is no answer."""
        try:
            return cls(Path.cwd())
        except FileNotFoundError:
            return cls(None)

    def read(self) -> Project | None:
        """The answer; ``None`` outside a Git work tree, or where Git has none in time."""
        if self._process is not None:
            import subprocess

            try:
                text, _ = self._process.communicate(timeout=_PATIENCE_SECONDS)
                self._answer = _parse(text) if self._process.returncode == 0 else None
            except subprocess.TimeoutExpired:
                self._answer = None
            self.close()
        return self._answer

    def close(self) -> None:
        """Stop asking."""
        process, self._process = self._process, None
        if process is not None:
            with process:  # its output is not read to the end, which a program that it has started may hold open
                process.kill()


def _is_work_tree(folder: Path) -> bool:
    return any(os.path.exists(parent / ".git") for parent in (folder, *folder.parents))


def _ask(folder: Path) -> "subprocess.Popen[str] | None":
    """Git at work on the question, while the run goes on; ``None`` where there is no Git."""
    import subprocess

    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        return subprocess.Popen(  # noqa: S603  # a fixed command
            _COMMAND,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",  # the name of a branch, and with core.quotePath=false of a file, may be any bytes
        )
    except OSError:
        return None  # no Git here: the run is recorded without it


def _parse(text: str) -> Project:
    """The state that ``git status`` has told (`_COMMAND`)."""
    commit: str | None = None
    dirty = False
    for line in text.splitlines():
        if line.startswith("# branch.oid "):
            found = line.removeprefix("# branch.oid ")
            commit = None if found == "(initial)" else found
        elif not line.startswith("#"):
            dirty = True
    return Project(commit=commit, dirty=dirty)
