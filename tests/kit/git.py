"""Real Git on a bare repository: the history of a ledger, or a hub."""

import os
import subprocess
from pathlib import Path


def git_says(git_dir: Path, *arguments: str, data: bytes = b"", **environment: str) -> str:
    """What Git prints; an error if it fails. ``environment`` goes on top of the process's."""
    command = ["git", f"--git-dir={git_dir}", *arguments]
    done = subprocess.run(command, input=data, env={**os.environ, **environment}, capture_output=True, check=True)
    return done.stdout.decode().strip()
