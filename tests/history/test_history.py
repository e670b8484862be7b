"""Publishing: all or nothing, beside other threads, processes, kills and full disks."""

import os
import threading
from functools import partial
from pathlib import Path

import pytest

from ledger.disk import LockFile
from ledger.errors import DiskFullError, LockTimeoutError
from ledger.history import History
from ledger.history.git.refs import BRANCH
from ledger.records import check_name
from tests.conftest import check_histories
from tests.kit.histories import (
    AUTHOR,
    NOW,
    again,
    die_at,
    draft,
    git,
    new_history,
    packs_of,
    publish,
    start,
    unlocked,
    versions_of,
)

MANY_SAVES = """
import sys
from pathlib import Path
from ledger.history import History
from tests.kit.histories import UnlockedHistory, publish
folder, kind, count = Path(sys.argv[1]), {"locked": History, "unlocked": UnlockedHistory}[sys.argv[2]], int(sys.argv[3])
history = kind(folder / "history.git", folder / "lock")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(count):
    print(publish(history).claims[0].id, flush=True)
"""


def test_what_is_published_is_there_for_everybody(history: History) -> None:
    """When a publish returns, a process that starts then sees the version, with exactly its bytes."""
    saved = draft("team/iris", "raw", size=100)
    published = publish(history, saved)
    fresh = again(history)
    assert published.commit == fresh.tip() == git(history, "rev-parse", "main")
    assert saved.manifest == fresh.snapshot().manifest(published.claims[0])


def test_a_commit_is_written_as_the_format_says(history: History) -> None:
    """Author, committer, time and trailers are in the commit; its one parent is the commit before."""
    before, saved = history.tip(), draft("iris", "raw")
    publish(history, saved)
    expected = [AUTHOR, AUTHOR, str(int(NOW.timestamp())), before, "save iris@raw"]
    assert expected == git(history, "log", "-1", "--format=%an <%ae>%n%cn <%ce>%n%ct%n%P%n%s").splitlines()
    trailers = git(history, "log", "-1", "--format=%(trailers:only,unfold)").splitlines()
    times = f"Time: {NOW:%Y-%m-%dT%H:%M:%S.%fZ}"
    assert ["Artifact: iris@raw", f"Id: {saved.id}", f"Content: {saved.id}", times] == trailers


def test_a_subject_of_the_caller_comes_first(history: History) -> None:
    """What the caller was doing stands before what was saved."""
    history.publish([draft()], author=AUTHOR, now=NOW, subject="run training")
    assert "run training: save iris@1" == git(history, "log", "-1", "--format=%s")


def test_a_snapshot_stays_what_it_was(history: History) -> None:
    """A snapshot is one commit: what is published later is not in it."""
    publish(history)
    before = history.snapshot()
    publish(history, draft("iris"), draft("other"))
    assert [["iris"], 1] == [before.artifact_names(), len(list(before.claims(check_name("iris"))))]


@pytest.mark.parametrize(("locking", "processes", "saves"), [("locked", 4, 25), ("unlocked", 4, 15)])
def test_processes_publish_beside_each_other(tmp_path: Path, locking: str, processes: int, saves: int) -> None:
    """Positions are dense and every acknowledged id is there; the lock saves work and carries nothing."""
    history = new_history(tmp_path)
    writers = [start(MANY_SAVES, history.git_dir.parent, locking, saves) for _ in range(processes)]
    for writer in writers:
        assert writer.stdout is not None
        assert "ready\n" == writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    outputs = [writer.communicate()[0].split() for writer in writers]
    acknowledged = {id for output in outputs for id in output}
    assert [0] * processes == [writer.returncode for writer in writers]
    claims = list(again(history).snapshot().claims(check_name("iris")))
    assert list(range(1, processes * saves + 1)) == [claim.position for claim in claims]
    assert [str(claim.position) for claim in claims] == [claim.version for claim in claims]
    assert acknowledged == {claim.id for claim in claims}
    check_histories(tmp_path)


def test_threads_share_a_history(history: History) -> None:
    """Eight threads that publish through one history lose nothing."""
    threads = [threading.Thread(target=lambda: [publish(history) for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number) for number in range(1, 41)] == versions_of(history)


def test_a_fork_goes_on_with_an_open_history(history: History) -> None:
    """Parent and child publish through the history that was open at the fork."""
    publish(history)
    child = os.fork()
    if not child:
        try:
            for _ in range(5):
                publish(history)
        except BaseException:  # noqa: BLE001  # a fork of the tests never goes on as the tests
            os._exit(1)
        os._exit(0)
    for _ in range(5):
        publish(history)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert [str(number) for number in range(1, 12)] == versions_of(history)


def test_a_publish_killed_at_any_step_is_whole_or_not_there(tmp_path: Path) -> None:
    """Before each file operation, a kill leaves the version published or absent, and the next save works at once."""
    history = new_history(tmp_path)
    count, seen = 0, set()
    for step in range(1, 200):
        killed = die_at(step, frozenset({"open", "os.rename", "os.remove"}), partial(publish, again(history)))
        found = len(versions_of(again(history)))
        seen.add(found - count)
        assert str(found + 1) == publish(again(history)).claims[0].version
        count = found + 1
        if not killed:
            break
    assert {0, 1} == seen
    assert not (history.git_dir / f"{BRANCH}.lock").exists()
    check_histories(tmp_path)


def test_a_held_lock_is_waited_for_and_named(tmp_path: Path) -> None:
    """Who cannot get the lock in time learns who has it, and nothing was published."""
    history = new_history(tmp_path)
    waiting = History.open(history.git_dir.parent, lock_timeout=0.05)
    with (
        LockFile(history.git_dir.parent / "lock").hold(timeout=1),
        pytest.raises(LockTimeoutError, match=f"held by pid {os.getpid()} on"),
    ):
        publish(waiting)
    assert [] == versions_of(history)


def test_contention_without_end_is_an_error(tmp_path: Path) -> None:
    """Without the lock, a branch that somebody else holds for longer than the timeout is a LockTimeoutError."""
    history = new_history(tmp_path)
    (history.git_dir / f"{BRANCH}.lock").write_text("another")
    with pytest.raises(LockTimeoutError, match=f"other writers kept moving {history.git_dir}"):
        publish(unlocked(history, lock_timeout=0.1))


def test_a_lost_race_starts_over(tmp_path: Path) -> None:
    """A draft that loses its place to another writer is placed anew, after what was published meanwhile."""
    history = new_history(tmp_path)
    slow = unlocked(history)
    slow.snapshot()
    for _ in range(3):
        publish(history)
    assert 4 == publish(slow).claims[0].position


FULL_DISK = """
import resource, sys
from pathlib import Path
from ledger.errors import DiskFullError
from tests.kit.histories import draft, publish
from ledger.history import History
history = History.open(Path(sys.argv[1]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for room in (10, 300):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        publish(history, draft("iris", size=200_000))
    except DiskFullError as error:
        print(type(error).__name__)
"""


def test_a_full_disk_publishes_nothing(tmp_path: Path) -> None:
    """A pack that does not fit is DiskFullError; no temporary or lock file stays, and the next save works."""
    history = new_history(tmp_path)
    before = packs_of(history)
    told, _ = start(FULL_DISK, history.git_dir.parent).communicate()
    assert [DiskFullError.__name__] * 2 == told.split()
    assert before == packs_of(history)
    left = [path.name for path in history.git_dir.rglob("*") if path.name.startswith("tmp_") or path.suffix == ".lock"]
    assert [] == left
    assert "1" == publish(again(history)).claims[0].version
    check_histories(tmp_path)


def test_records_of_a_thousand_artifacts_are_found(history: History) -> None:
    """Many names in one commit are listed, and each is found by its name."""
    names = [f"group{number % 7}/artifact-{number}" for number in range(1000)]
    publish(history, *(draft(name) for name in names))
    snapshot = again(history).snapshot()
    assert sorted(names) == snapshot.artifact_names()
    assert all(snapshot.latest(check_name(name)) is not None for name in names[::50])
