"""Real Git on a bare repository: the history of a ledger, or a hub."""

import os
import subprocess
from pathlib import Path


def git_says(git_dir: Path, *arguments: str, data: bytes = b"", **environment: str) -> str:
    """What Git prints; an error if it fails. ``environment`` goes on top of the process's."""
    command = ["git", f"--git-dir={git_dir}", *arguments]
    done = subprocess.run(command, input=data, env={**os.environ, **environment}, capture_output=True, check=True)
    return done.stdout.decode().strip()


def run_git(git_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Git command that may fail, and what came of it."""
    command = ["git", f"--git-dir={git_dir}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def unpack(git_dir: Path) -> None:
    """Take every object of a repository out of its pack, into a file of its own."""
    for pack in list((git_dir / "objects" / "pack").glob("*.pack")):
        data = pack.read_bytes()
        pack.with_suffix(".idx").unlink()
        pack.unlink()
        git_says(git_dir, "unpack-objects", "-q", data=data)


def set_hook(git_dir: Path, name: str, script: str) -> None:
    """Let Git run some lines of shell in a repository."""
    hook = git_dir / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def check_objects(git_dir: Path) -> subprocess.CompletedProcess[str]:
    """What Git says of a repository's objects, as strictly as it can."""
    objects = git_dir / "objects"
    # Half of the time goes to processes that look at files which only Git's own housekeeping makes.
    made = [*objects.glob("info/commit-graph*"), *objects.glob("pack/multi-pack-index*")]
    quick = () if made else ("-c", "core.commitGraph=false", "-c", "core.multiPackIndex=false")
    return run_git(git_dir, *quick, "fsck", "--full", "--strict")
