"""Many processes that save to one name: dense positions, no error, nothing lost, whoever is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import LockTimeoutError
from ledger.history.git.branch import LIVE_LOCK_SECONDS
from tests.concurrency.writer import NAME, Saved, Writer, begin_all
from tests.kit.git import run_git

Start = Callable[..., Writer]


def assert_dense(ledger: Ledger) -> list[Saved]:
    """Positions and numbers are 1, 2, 3… without a gap, and all bytes are there; returns what is published."""
    fresh = Ledger.open(ledger.path)
    found = [Saved(version.position, str(version.id)) for version in fresh.versions(NAME)]
    assert list(range(1, len(found) + 1)) == [saved.position for saved in found]
    assert [str(saved.position) for saved in found] == [version.version for version in fresh.versions(NAME)]
    assert fresh.verify().ok
    return found


def long(*values: object) -> object:
    """A case of the long run."""
    return pytest.param(*values, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])


@pytest.mark.parametrize(("processes", "saves"), [(5, 12), long(64, 100)])
def test_every_save_gets_its_position(ledger: Ledger, start: Start, processes: int, saves: int) -> None:
    """All processes at once on one name: no error, dense positions, each version where its writer was told."""
    writers = [start(saves) for _ in range(processes)]
    began = time.monotonic()
    begin_all(writers)
    acknowledged = [saved for writer in writers for saved in writer.finish()]
    print(f"\n{processes} x {saves}: {len(acknowledged)} acknowledged in {time.monotonic() - began:.1f} s")
    assert processes * saves == len(acknowledged)
    assert assert_dense(ledger) == sorted(acknowledged)


@pytest.mark.parametrize(("processes", "saves"), [(5, 12), long(64, 100)])
def test_the_lock_carries_no_correctness(ledger: Ledger, start: Start, processes: int, saves: int) -> None:
    """The same without the ledger's lock: the compare-and-swap alone loses nothing."""
    writers = [start(saves, locking=False) for _ in range(processes)]
    began = time.monotonic()
    begin_all(writers)
    acknowledged = [saved for writer in writers for saved in writer.finish()]
    print(f"\n{processes} x {saves} unlocked: {len(acknowledged)} acknowledged in {time.monotonic() - began:.1f} s")
    assert processes * saves == len(acknowledged)
    # Without the lock nobody folds, and thousands of packs are more files than a process may have open twice.
    assert 0 == run_git(ledger.git_dir, "repack", "-a", "-d", "-q").returncode
    assert assert_dense(ledger) == sorted(acknowledged)


@pytest.mark.parametrize("kills", [4, long(100)])
def test_killed_writers_cost_nobody_anything(ledger: Ledger, start: Start, kills: int) -> None:
    """Writers killed at random moments: what they were told is there, at most one save of each more, no gap."""
    chance = random.Random(kills)
    acknowledged: list[Saved] = []
    writers = [start(10_000) for _ in range(3)]
    begin_all(writers)
    for _ in range(kills):
        time.sleep(chance.uniform(0.01, 0.1))
        victim = writers.pop(0)
        victim.kill()
        acknowledged += victim.finish()
        writers.append(start(10_000))
        begin_all(writers[-1:])
    for writer in writers:
        writer.kill()
        acknowledged += writer.finish()
    published = assert_dense(ledger)
    print(f"\n{kills + 3} kills: {len(acknowledged)} acknowledged, {len(published)} published")
    assert set(acknowledged) <= set(published)
    assert len(published) - len(acknowledged) <= kills + 3
    began = time.monotonic()
    assert len(published) + 1 == ledger.save(0, NAME).position
    assert time.monotonic() - began < LIVE_LOCK_SECONDS


@pytest.mark.parametrize(("processes", "saves", "stops"), [(4, 12, 5), long(16, 100, 100)])
def test_stopped_writers_hold_others_up_and_no_more(
    ledger: Ledger, start: Start, processes: int, saves: int, stops: int
) -> None:
    """Writers stopped at random moments, with the lock or in the queue, go on later: all saves are there, each once."""
    chance = random.Random(stops)
    writers = [start(saves) for _ in range(processes)]
    began = time.monotonic()
    begin_all(writers)
    for _ in range(stops):
        stopped = chance.choice(writers)
        stopped.send(signal.SIGSTOP)
        time.sleep(chance.uniform(0.01, 0.1))
        stopped.send(signal.SIGCONT)
    acknowledged = [saved for writer in writers for saved in writer.finish()]
    print(
        f"\n{processes} x {saves}, {stops} stops: {len(acknowledged)} acknowledged in {time.monotonic() - began:.1f} s"
    )
    assert processes * saves == len(acknowledged)
    assert assert_dense(ledger) == sorted(acknowledged)


@pytest.mark.parametrize(("threads", "saves"), [(6, 5), long(32, 50)])
def test_threads_of_one_ledger_wait_for_each_other(ledger: Ledger, threads: int, saves: int) -> None:
    """Threads that share a ledger wait in the queue like processes: no error, dense positions, none lost."""

    def save(thread: int) -> list[Saved]:
        versions = [ledger.save({"thread": thread, "number": number}, NAME) for number in range(saves)]
        return [Saved(version.position, str(version.id)) for version in versions]

    with ThreadPoolExecutor(threads) as pool:
        acknowledged = [saved for done in pool.map(save, range(threads)) for saved in done]
    assert threads * saves == len(acknowledged)
    assert assert_dense(ledger) == sorted(acknowledged)


@pytest.mark.parametrize(("forks", "saves"), [(4, 5), long(16, 50)])
def test_forks_of_an_open_ledger_go_on_with_it(ledger: Ledger, forks: int, saves: int) -> None:
    """Forks of a process that has saved use its ledger as it is, all at once: dense positions, none lost."""
    ledger.save("before", NAME)
    children = []
    for _ in range(forks):
        child = os.fork()
        if not child:
            code = 1
            try:
                for number in range(saves):
                    ledger.save(number, NAME)
                code = 0
            finally:
                os._exit(code)  # a fork never goes on as its parent
        children.append(child)
    ledger.save("beside", NAME)
    assert [0] * forks == [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert forks * saves + 2 == len(assert_dense(ledger))


HOLD = """
import sys
from pathlib import Path
from ledger.disk import LockFile
with LockFile(Path(sys.argv[1])).hold(timeout=5):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_stopped_holder_is_named_and_keeps_its_lock(ledger: Ledger) -> None:
    """A writer that was stopped holds the lock: others give up, naming its pid and host, and steal nothing."""
    ledger.save(1, NAME)
    config = Path(ledger.path, "config.toml")
    config.write_text(config.read_text().replace("lock_timeout = 60.0", "lock_timeout = 0.3"))
    command = [sys.executable, "-c", HOLD, str(ledger.path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert "held\n" == holder.stdout.readline()
        os.kill(holder.pid, signal.SIGSTOP)
        waiter = Ledger.open(ledger.path)
        for _ in range(2):
            with pytest.raises(LockTimeoutError, match=f"held by pid {holder.pid} on {os.uname().nodename}"):
                waiter.save(2, NAME)
        assert 1 == waiter.load(NAME)
        os.kill(holder.pid, signal.SIGCONT)
        holder.stdin.write("\n")
    assert "2" == waiter.save(2, NAME).version
