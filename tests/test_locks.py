"""The lock of a file, and holding one to keep others from being alone with it."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ledger.disk import (
    Hold,
    LockFile,
    alone,
    is_abandoned,
    locks_end_here,
)
from ledger.disk.own_files import OwnFile
from ledger.errors import LockTimeoutError, StorageError
from tests.kit.forking import in_a_fork
from tests.kit.histories import start

HOLD = """
import sys, time
from pathlib import Path
from ledger.disk import LockFile
with LockFile(Path(sys.argv[1])).hold(timeout=10) as held:
    print("held", held.holder_died, flush=True)
    sys.stdin.read()
"""


def test_the_lock_excludes_other_threads(tmp_path: Path) -> None:
    """Of many threads one at a time is inside, and each gets in."""
    inside: list[int] = []
    crowded: list[int] = []

    def enter(number: int) -> None:
        for _ in range(5):
            with LockFile(tmp_path / "lock").hold(timeout=30):
                inside.append(number)
                time.sleep(0.001)
                crowded.extend(inside[1:])
                inside.remove(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ([], []) == (inside, crowded)


def test_a_stopped_holder_is_named_and_not_robbed(tmp_path: Path) -> None:
    """A holder that does not move keeps its lock; who waits learns its pid and host."""
    holder = start(HOLD, tmp_path / "lock")
    assert holder.stdout is not None
    assert "held False\n" == holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    with pytest.raises(LockTimeoutError) as caught, LockFile(tmp_path / "lock").hold(timeout=0.1):
        pass
    expected = f"pid {holder.pid} on {socket.gethostname()}"
    assert f"the ledger is locked: waited 0.1 s for {tmp_path}/lock, held by {expected}" == str(caught.value)
    assert {"holder": expected, "path": f"{tmp_path}/lock"} == caught.value.facts
    holder.send_signal(signal.SIGCONT)
    holder.communicate("")


@pytest.mark.parametrize(("said", "told"), [(b"", "another process"), (b"pid \xff", "pid \ufffd")])
def test_a_holder_that_is_not_named_is_told_as_far_as_can_be(tmp_path: Path, said: bytes, told: str) -> None:
    """It may have had no room for its name, or be another program, whose text is no text of ours."""
    with LockFile(tmp_path / "lock").hold(timeout=1):
        (tmp_path / "lock").write_bytes(said)
        with pytest.raises(LockTimeoutError) as caught:
            LockFile(tmp_path / "lock").hold(timeout=0)
    assert told == caught.value.facts["holder"]


def test_a_lock_that_a_thread_waited_for_is_released_by_any(tmp_path: Path) -> None:
    """Whoever publishes for many may end what another thread has begun."""
    lock = LockFile(tmp_path / "lock")
    first = lock.hold(timeout=1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lock.hold, timeout=20)
        time.sleep(0.05)
        first.let_go()
        second = waiting.result()
        assert lock.try_hold() is None
        second.let_go()
        assert lock.try_hold() is not None


def test_the_lock_goes_with_a_killed_holder_and_the_next_one_knows(tmp_path: Path) -> None:
    """The kernel releases the lock at a kill; the next holder learns of the death, the one after does not."""
    holder = start(HOLD, tmp_path / "lock")
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    found = []
    for _ in range(2):
        with LockFile(tmp_path / "lock").hold(timeout=10) as held:
            found.append(held.holder_died)
    assert [True, False] == found


def test_a_holder_that_fails_in_order_did_not_die(tmp_path: Path) -> None:
    """An exception cleans up behind itself; an interrupt may not have, and counts as a death."""
    found = []

    def enter(error: BaseException) -> None:
        with LockFile(tmp_path / "lock").hold(timeout=1) as held:
            found.append(held.holder_died)
            raise error

    for error in (ValueError("failed"), KeyboardInterrupt(), ValueError("failed")):
        with pytest.raises(type(error)):
            enter(error)
    assert [False, False, True] == found


def test_a_holder_that_was_interrupted_counts_as_dead_while_it_lives(tmp_path: Path) -> None:
    """Another process takes at once for a dead one's what Ctrl-C left half-done, though the program goes on."""
    lock = LockFile(tmp_path / "lock")

    def is_told() -> bool:
        with lock.hold(timeout=1) as held:
            return held.holder_died

    with pytest.raises(KeyboardInterrupt), lock.hold(timeout=1):
        raise KeyboardInterrupt
    assert [True, False] == [in_a_fork(is_told), in_a_fork(is_told)]


def test_a_fork_made_under_the_lock_does_not_keep_it(tmp_path: Path) -> None:
    """The lock goes with the block of its holder, though a fork still has the file open; the fork releases nothing."""
    lock = LockFile(tmp_path / "lock")
    with lock.hold(timeout=1) as held:
        child = os.fork()
        if not child:
            held.let_go()
            time.sleep(30)
            os._exit(0)
        time.sleep(0.05)
        assert lock.try_hold() is None
    try:
        with lock.hold(timeout=1) as held:
            assert not held.holder_died
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_lock_goes_with_its_killed_holder_though_a_fork_lives(tmp_path: Path) -> None:
    """A worker that was forked while another thread had the lock does not keep it when the program is killed."""
    code = (
        "import os, sys, threading, time\n"
        "from pathlib import Path\n"
        "from ledger.disk import LockFile\n"
        "taken = threading.Event()\n"
        "def work():\n"
        "    with LockFile(Path(sys.argv[1])).hold(timeout=5):\n"
        "        taken.set()\n"
        "        time.sleep(60)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "taken.wait()\n"
        "worker = os.fork()\n"
        "if worker:\n"
        "    print(worker, flush=True)\n"
        "time.sleep(60)\n"
    )
    program = start(code, tmp_path / "lock")
    assert program.stdout is not None
    worker = int(program.stdout.readline())
    program.kill()
    program.wait()
    try:
        with LockFile(tmp_path / "lock").hold(timeout=5) as held:
            assert held.holder_died
    finally:
        os.kill(worker, signal.SIGKILL)
        program.communicate()


def test_a_hold_ends_with_its_owner_though_a_fork_lives(tmp_path: Path) -> None:
    """Who wants to be alone does not wait for workers that were forked while somebody else held the file."""
    path = tmp_path / "held"
    path.touch()
    hold = Hold(path, timeout=1)
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    try:
        with pytest.raises(LockTimeoutError), alone(path, timeout=0.05):
            pass
        hold.let_go()
        with alone(path, timeout=0.05):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.skipif(not os.access("/proc/locks", os.R_OK), reason="only Linux tells who holds a file")
def test_who_waits_in_vain_to_be_alone_is_told_who_holds_the_file(tmp_path: Path) -> None:
    """All that hold it are named, as the holder of the ledger's lock is, and nobody that holds another file."""
    path = tmp_path / "file"
    other = tmp_path / "other"
    for file in (path, other):
        file.touch()
    held = [Hold(path, timeout=1), Hold(other, timeout=1)]
    reader = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH); print(flush=True); input()"
    command = [sys.executable, "-c", reader, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(LockTimeoutError) as caught, alone(path, timeout=0.05):
            pass
        process.communicate(b"\n")
    pids = ", ".join(map(str, sorted([os.getpid(), process.pid])))
    assert str(caught.value).endswith(f"held by pid {pids} on {socket.gethostname()}")
    for hold in held:
        hold.let_go()


def test_who_comes_later_lets_who_waits_to_be_alone_go_first(tmp_path: Path) -> None:
    """Else those who hold one after the other would leave no gap; what one that died has left keeps nobody waiting."""
    path, order = tmp_path / "held", list[str]()
    path.touch()
    sign = tmp_path / "held.wanted"
    hold = Hold(path, timeout=1)

    def be_alone() -> None:
        with alone(path, timeout=10):
            order.append("alone")

    def hold_too() -> None:
        later = Hold(path, timeout=10)
        order.append("held")
        later.let_go()

    threads = [threading.Thread(target=be_alone), threading.Thread(target=hold_too)]
    threads[0].start()
    while not sign.exists() or is_abandoned(sign):
        time.sleep(0.001)
    threads[1].start()
    time.sleep(0.05)
    hold.let_go()
    for thread in threads:
        thread.join()
    sign.touch()
    be_alone()
    assert (["alone", "held", "alone"], False) == (order, sign.exists())


def test_an_interrupt_at_any_line_of_its_release_leaves_no_lock(tmp_path: Path) -> None:
    """Wherever Ctrl-C strikes while the lock is let go, the next writer gets it."""
    lock, met = LockFile(tmp_path / "lock"), set[int]()

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        if "/ledger/disk/" not in frame.f_code.co_filename:
            return None
        if event == "line" and frame.f_lineno not in met and frame.f_code.co_name in ("let_go", "after_fork"):
            met.add(frame.f_lineno)
            raise KeyboardInterrupt
        return interrupt

    while True:
        held, before = lock.hold(timeout=0.05), len(met)
        sys.settrace(interrupt)
        with contextlib.suppress(KeyboardInterrupt):
            held.let_go()
        sys.settrace(None)
        del held
        if len(met) == before:
            break
    assert len(met) > 6


def test_a_lock_that_is_forgotten_is_released(tmp_path: Path) -> None:
    """Who is interrupted between taking the lock and using it keeps nobody waiting."""
    lock = LockFile(tmp_path / "lock")
    assert lock.hold(timeout=1) is not None
    with lock.hold(timeout=0.1):
        assert lock.try_hold() is None


def test_who_handles_an_interrupt_can_have_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as the lock is taken lets it go at once, also while the interrupt, with its frames, is being handled."""
    lock, really = LockFile(tmp_path / "lock"), fcntl.flock

    def interrupt(descriptor: int, operation: int) -> None:
        really(descriptor, operation)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        lock.try_hold()
    assert lock.try_hold() is not None
    assert caught.value.__traceback__ is not None


def test_nobody_gives_way_to_the_dead(tmp_path: Path) -> None:
    """What one who waited to be alone left by dying costs those who come later no time."""
    (file := tmp_path / "file").touch()
    (tmp_path / "file.wanted").touch()
    began = time.monotonic()
    Hold(file, timeout=1).let_go()
    assert time.monotonic() - began < 1


def test_no_lock_outlives_a_block_that_is_interrupted(tmp_path: Path) -> None:
    """Whoever keeps the interrupt, as a notebook does, keeps its frames, and none of them keeps a lock."""
    lock = LockFile(tmp_path / "lock")

    def hold() -> None:
        held = lock.hold(timeout=0)
        assert not held.holder_died
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept, locks_end_here():
        hold()
    assert (KeyboardInterrupt, True) == (kept.type, lock.try_hold() is not None)


def test_a_file_system_without_flock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot lock, that is a `StorageError` with the path, and nobody works without the lock."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match=f"cannot lock {tmp_path}/lock") as caught:
        LockFile(tmp_path / "lock").hold(timeout=1)
    assert "where files can be locked" in caught.value.hint


def test_where_nothing_can_be_held_nobody_is_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without flock writers go on, and who has to be alone with them is refused."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    (path := tmp_path / "store.json").touch()
    monkeypatch.setattr(fcntl, "flock", refuse)
    Hold(path, timeout=0).let_go()
    with pytest.raises(StorageError, match=f"cannot lock {path}") as caught, alone(path, timeout=0):
        pass
    assert "where files can be locked" in caught.value.hint
    assert [path] == list(tmp_path.iterdir())  # else everybody would give way to one who waits for ever


def test_a_hold_that_a_failing_disk_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files can be locked, whoever cannot hold one must not go on without: gc would not wait for them."""

    def fail(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (path := tmp_path / "store.json").touch()
    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(StorageError, match=f"cannot lock {path}"):
        Hold(path, timeout=0)


def test_a_fifo_in_the_place_of_who_waits_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Who may write to a shared folder can put one there; it is passed over, and goes when somebody waits."""
    path, sign = tmp_path / "held", tmp_path / "held.wanted"
    path.touch()
    os.mkfifo(sign)
    Hold(path, timeout=1).let_go()
    assert sign.exists()
    with alone(path, timeout=1):
        pass
    assert not sign.exists()


def test_a_host_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system lets a host be called by any bytes, and a holder there is known by them."""
    named = os.uname_result(("Linux", "h\udce9te", "", "", ""))
    monkeypatch.setattr(os, "uname", lambda: named)
    (tmp_path / "lock").write_bytes(b"pid 1 on h\xe9te")
    with LockFile(tmp_path / "lock").hold(timeout=1) as held:
        assert b"pid %d on h\xe9te" % os.getpid() == (tmp_path / "lock").read_bytes()
        assert not held.holder_died


def test_a_lock_file_with_foreign_bytes_is_no_obstacle(tmp_path: Path) -> None:
    """Whatever stands in the file, the lock is flock's; an unreadable holder counts as one that died."""
    (tmp_path / "lock").write_bytes(b"\xff not json")
    with LockFile(tmp_path / "lock").hold(timeout=1) as held:
        assert held.holder_died


def test_a_holder_that_may_live_is_not_called_dead(tmp_path: Path) -> None:
    """Where locks are not shared, a name in the file may be a living holder's; the new one's takes its place whole."""
    with subprocess.Popen(["true"]) as ended:
        pass
    host = os.uname().nodename
    gone, here, there = (
        f"pid {ended.pid} on {host}",
        f"pid {os.getppid()} on {host}",
        f"pid {ended.pid} on not-the-{host}",
    )
    for left, died in ((here, False), (there, False), (gone, True), ("half a na", True)):
        (tmp_path / "lock").write_text(left)
        with LockFile(tmp_path / "lock").hold(timeout=1) as held:
            assert died == held.holder_died
            assert f"pid {os.getpid()} on {host}" == (tmp_path / "lock").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_holder_of_another_user_is_not_called_dead(tmp_path: Path) -> None:
    """Whoever shares a ledger may not signal the others' processes, which says that they live."""
    (tmp_path / "lock").write_text(f"pid {os.getpid()} on {os.uname().nodename}")
    (tmp_path / "lock").chmod(0o666)
    tmp_path.chmod(0o755)

    def hold_as_stranger() -> bool:
        os.chdir(tmp_path)
        os.setuid(54321)
        with LockFile(Path("lock")).hold(timeout=1) as held:
            return held.holder_died

    assert not in_a_fork(hold_as_stranger)


def test_an_open_file_that_nobody_holds_any_more_is_free(tmp_path: Path) -> None:
    """Whoever forgets it has let go of it; one that could not be opened closes nothing of anybody's."""
    path = tmp_path / "lock"
    own, other = (OwnFile(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    fcntl.flock(own.descriptor, fcntl.LOCK_EX)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    del own
    fcntl.flock(other.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(FileNotFoundError):
        OwnFile(tmp_path / "missing", os.O_RDWR)
    assert os.fstat(1)
