"""Real Git works on the history while writers save: housekeeping, pushes, fetches; nothing is lost."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import Ledger
from tests.concurrency.writer import NAME, Saved, Writer, begin_all
from tests.kit.git import run_git

Start = Callable[..., Writer]

SLICE, LONG = 40, 600

HOUSEKEEPING = {
    "gc": ["gc", "--prune=now", "--quiet"],
    "repack": ["repack", "-a", "-d", "-q"],
    "pack-refs": ["pack-refs", "--all", "--prune"],
    "prune": ["prune", "--expire=now"],
}


def save_beside(start: Start, saves: int, act: Callable[[], object], *, pause: float = 0) -> tuple[list[Saved], int]:
    """Let two writers save while ``act`` is done over and over; what was acknowledged, and how often it was done."""
    writers = [start(saves, pause=pause) for _ in range(2)]
    begin_all(writers)
    times = 0
    while any(writer.is_alive() for writer in writers):
        act()
        times += 1
        time.sleep(0.005)
    return [saved for writer in writers for saved in writer.finish()], times


def assert_all_there(ledger: Ledger, acknowledged: list[Saved], *, notes: int = 0) -> None:
    """Every acknowledged version has its position, all positions are there, and nothing is wrong but strange notes."""
    fresh = Ledger.open(ledger.path)
    found = [(version.position, str(version.id)) for version in fresh.versions(NAME)]
    assert found == sorted(acknowledged)
    assert list(range(1, len(found) + 1)) == [position for position, _ in found]
    strange = [problem.label for problem in fresh.verify().problems]
    assert [f"notes/{number:04d}.json" for number in range(notes)] == sorted(strange)


@pytest.mark.parametrize("saves", [SLICE, pytest.param(LONG, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("task", HOUSEKEEPING)
def test_housekeeping_beside_writers(ledger: Ledger, start: Start, task: str, saves: int) -> None:
    """Git's own housekeeping, even the kind that prunes at once, takes nothing from a ledger in use."""
    failures: list[subprocess.CompletedProcess[str]] = []

    def keep_house() -> None:
        done = run_git(ledger.git_dir, *HOUSEKEEPING[task])
        if done.returncode:
            failures.append(done)

    acknowledged, times = save_beside(start, saves, keep_house)
    print(f"\n{task}: {times} times beside {2 * saves} saves, {len(failures)} of them failed")
    assert 2 * saves == len(acknowledged)
    assert_all_there(ledger, acknowledged)
    assert times > len(failures)


@pytest.mark.parametrize("saves", [10, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_pushes_and_fetches_beside_writers(ledger: Ledger, start: Start, tmp_path: Path, saves: int) -> None:
    """A clone that fetches, adds a record and pushes is one more writer: what was pushed and saved is all there."""
    clone = Clone(ledger, tmp_path / "clone")
    acknowledged, times = save_beside(start, saves, clone.push_a_record, pause=0.2)
    print(f"\npush: {len(clone.pushed)} of {times} pushes taken beside {2 * saves} saves")
    clone.push_a_record()  # nobody is faster any more
    assert 2 * saves == len(acknowledged)
    assert_all_there(ledger, acknowledged, notes=len(clone.pushed))
    assert clone.pushed
    assert clone.pushed == run_git(ledger.git_dir, "ls-tree", "--name-only", "main:notes").stdout.split()
    fetched = subprocess.run(["git", "-C", str(clone.path), "pull", "-q", "--ff-only"], check=False)
    assert 0 == fetched.returncode
    assert run_git(ledger.git_dir, "rev-parse", "main").stdout == clone.git("rev-parse", "HEAD")


class Clone:
    """A clone with a work tree that somebody pushes records from."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self.path = path
        self.pushed: list[str] = []
        subprocess.run(["git", "clone", "-q", str(ledger.git_dir), str(path)], check=True)

    def git(self, *arguments: str) -> str:
        """What Git prints in the clone; an error if it fails."""
        names = ["-c", "user.name=Bob", "-c", "user.email=bob@example.com"]
        command = ["git", "-C", str(self.path), *names, *arguments]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout

    def push_a_record(self) -> None:
        """Fetch, add a record on top and push; another writer may have been faster."""
        self.git("fetch", "-q")
        self.git("reset", "-q", "--hard", "origin/main")
        name = f"{len(self.pushed):04d}.json"
        (self.path / "notes").mkdir(exist_ok=True)
        (self.path / "notes" / name).write_text("{}")
        self.git("add", ".")
        self.git("commit", "-q", "-m", f"add {name}")
        push = ["git", "-C", str(self.path), "push", "-q"]
        if subprocess.run(push, capture_output=True, check=False).returncode == 0:
            self.pushed.append(name)


@pytest.mark.parametrize("saves", [SLICE, pytest.param(LONG, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_clones_taken_beside_writers_are_whole(ledger: Ledger, start: Start, tmp_path: Path, saves: int) -> None:
    """A clone made at any moment is a sound history that ends in a commit which was published."""
    tips: list[str] = []

    def clone() -> None:
        target = tmp_path / f"clone-{len(tips)}"
        command = ["git", "clone", "-q", "--bare", "--no-local", str(ledger.git_dir), str(target)]
        subprocess.run(command, check=True)
        assert (0, "") == (run_git(target, "fsck", "--full", "--strict").returncode, "")
        tips.append(run_git(target, "rev-parse", "main").stdout.strip())

    acknowledged, times = save_beside(start, saves, clone)
    published = [commit.id for commit in ledger.log()]
    places = [published.index(tip) for tip in tips]  # type: ignore[arg-type]
    print(f"\nclone: {times} clones beside {2 * saves} saves")
    assert places == sorted(places, reverse=True)
    assert_all_there(ledger, acknowledged)
