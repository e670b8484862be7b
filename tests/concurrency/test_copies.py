"""Copies of a ledger in use, as people make them for a backup (specs/maintenance.md, 4)."""

import fcntl
import shutil
from pathlib import Path

import pytest

from ledger import Ledger
from tests.concurrency.test_git_beside import Start, save_beside
from tests.concurrency.writer import NAME

SLICE, LONG = 40, 600


@pytest.mark.parametrize("saves", [SLICE, pytest.param(LONG, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_copy_under_the_locks_is_whole(ledger: Ledger, start: Start, tmp_path: Path, saves: int) -> None:
    """A copy that is made while others save holds what was published before it, and can be gone on with."""
    copies: list[Path] = []

    def copy() -> None:
        copies.append(tmp_path / f"copy-{len(copies)}")
        with (ledger.path / "fold.lock").open("a") as fold_lock, (ledger.path / "lock").open("a") as lock:
            fcntl.flock(fold_lock, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = len(ledger.versions(NAME)) if ledger.has_artifact(NAME) else 0
            shutil.copytree(ledger.path, copies[-1], ignore=shutil.ignore_patterns("tmp_*", "queue"))
        copied = Ledger.open(copies[-1])
        assert copied.verify().ok
        assert before + 1 == copied.save("more", NAME).position

    save_beside(start, saves, copy, pause=0.01)
    assert copies
