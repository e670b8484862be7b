"""Real Git works on the history while writers save: housekeeping, pushes, fetches; nothing is lost."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import Ledger
from tests.conftest import run_git
from tests.concurrency.writer import NAME, Saved, begin_all, finish, start_writer

SLICE, LONG = 40, 600

HOUSEKEEPING = {
    "gc": ["gc", "--prune=now", "--quiet"],
    "repack": ["repack", "-a", "-d", "-q"],
    "pack-refs": ["pack-refs", "--all", "--prune"],
    "prune": ["prune", "--expire=now"],
}


def save_beside(ledger: Ledger, saves: int, act: Callable[[], object]) -> tuple[list[Saved], int]:
    """Let two writers save while ``act`` is done over and over; what was acknowledged, and how often it was done."""
    writers = [start_writer(ledger, saves) for _ in range(2)]
    begin_all(writers)
    times = 0
    while any(writer.poll() is None for writer in writers):
        act()
        times += 1
        time.sleep(0.005)
    return [saved for writer in writers for saved in finish(writer)], times


def assert_all_there(ledger: Ledger, acknowledged: list[Saved]) -> None:
    """Every acknowledged version has its position, and all positions are there."""
    fresh = Ledger.open(ledger.path)
    found = [(version.position, str(version.id)) for version in fresh.versions(NAME)]
    assert found == sorted(acknowledged)
    assert list(range(1, len(found) + 1)) == [position for position, _ in found]
    assert fresh.verify().ok


@pytest.mark.parametrize("saves", [SLICE, pytest.param(LONG, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("task", HOUSEKEEPING)
def test_housekeeping_beside_writers(ledger: Ledger, task: str, saves: int) -> None:
    """Git's own housekeeping, even the kind that prunes at once, takes nothing from a ledger in use."""
    failures: list[subprocess.CompletedProcess[str]] = []

    def keep_house() -> None:
        done = run_git(ledger.git_dir, *HOUSEKEEPING[task])
        if done.returncode:
            failures.append(done)

    acknowledged, times = save_beside(ledger, saves, keep_house)
    print(f"\n{task}: {times} times beside {2 * saves} saves, {len(failures)} of them failed")
    assert 2 * saves == len(acknowledged)
    assert_all_there(ledger, acknowledged)
    assert times > len(failures)
