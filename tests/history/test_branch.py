"""The one ref that publishes."""

import errno
import os
import resource
import shlex
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, LockTimeoutError, StorageError
from ledger.history import History
from ledger.history.git.branch import (
    LIVE_LOCK_SECONDS,
    branch_held,
    clear_dead_lock,
    is_branch_held,
    move_branch,
    move_held_branch,
    once_published,
    read_branch,
)
from ledger.history.git.refs import BRANCH, known_ref
from ledger.ids import CommitId
from tests.kit.forking import in_a_fork
from tests.kit.histories import ROOT, again, draft, git, new_history, publish, versions_of

A, B, C = (CommitId(letter * 40) for letter in "abc")


def test_the_branch_is_moved_if_it_is_what_was_expected(bare: Path) -> None:
    """A compare that fails changes nothing and leaves no lock file; one that holds moves the branch."""
    assert not move_branch(bare, expected=B, new=C)
    assert A == read_branch(bare)
    assert move_branch(bare, expected=A, new=C)
    assert (C, ["main"]) == (read_branch(bare), os.listdir(bare / "refs" / "heads"))


def test_a_lock_file_of_somebody_else_is_respected(bare: Path) -> None:
    """While Git's lock file is there, the branch is not moved, and the file stays as it is."""
    lock = bare / f"{BRANCH}.lock"
    lock.write_text("another writer's")
    with pytest.raises(FileExistsError):
        move_branch(bare, expected=A, new=B)
    assert (A, "another writer's") == (read_branch(bare), lock.read_text())


def test_a_move_that_fails_leaves_no_lock_file(bare: Path) -> None:
    """Also where nothing can be read any more: the next writer need not wait for a lock file that nobody has."""

    def open_nothing_more() -> bool:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        return read_branch(bare) == A

    def move() -> int | None:
        with pytest.raises(StorageError) as caught:
            move_branch(bare, expected=A, new=B, agreed=open_nothing_more)
        return caught.value.errno

    assert errno.EMFILE == in_a_fork(move)
    assert (A, ["main"]) == (read_branch(bare), os.listdir(bare / "refs" / "heads"))


@pytest.mark.parametrize("text", ["", "abc", "ref: refs/heads/other", "A" * 40, "a" * 41, "a" * 64, "\x00" * 41])
def test_a_branch_that_holds_no_commit_is_damage(bare: Path, text: str) -> None:
    """Half-written or foreign text in a ref is an IntegrityError that shows it, never an empty ledger."""
    (bare / BRANCH).write_text(text)
    with pytest.raises(IntegrityError, match=f"the ref {bare / BRANCH} holds .*, not a commit"):
        read_branch(bare)


def test_a_branch_that_cannot_be_read_is_an_error(bare: Path) -> None:
    """Where the system gives an error for the ref, so do we: a directory in its place is not "no such ref"."""
    (bare / BRANCH).unlink()
    (bare / BRANCH).mkdir()
    (bare / "packed-refs").write_text(f"{B} {BRANCH}\n")
    with pytest.raises(StorageError, match=f"cannot read {bare / BRANCH}: Is a directory"):
        read_branch(bare)


def test_a_lost_branch_is_damage(tmp_path: Path) -> None:
    """A deleted ref is an IntegrityError with what to do, for reading and for publishing alike."""
    history = new_history(tmp_path)
    publish(history)
    (history.git_dir / BRANCH).unlink()
    for act in (history.tip, history.snapshot, lambda: publish(history), lambda: again(history).tip()):
        with pytest.raises(IntegrityError, match=f"has lost its branch {BRANCH}") as caught:
            act()
        assert "not an empty ledger" in caught.value.hint
        assert f"`ledger git update-ref {BRANCH} COMMIT`" in caught.value.hint
    assert not (history.git_dir / BRANCH).exists()


@pytest.mark.parametrize("is_shared", [False, True])
def test_the_hint_finds_the_last_commit_of_a_lost_branch(tmp_path: Path, *, is_shared: bool) -> None:
    """Its commands list the commit and bring it back, whether or not a remote has it, which Git calls no loss then."""
    history = new_history(tmp_path)
    publish(history)
    tip = history.tip()
    if is_shared:
        git(history, "update-ref", known_ref("origin"), tip)
    (history.git_dir / BRANCH).unlink()
    with pytest.raises(IntegrityError) as caught:
        history.tip()
    *listing, moving = (shlex.split(command)[2:] for command in str(caught.value.hint).split("`")[1::2])
    assert any(tip in git(history, *words) for words in listing)
    git(history, *[word.replace("COMMIT", tip) for word in moving])
    assert tip == history.tip()


def test_a_branch_that_names_no_commit_is_damage(bare: Path) -> None:
    """What to do with the file is told: Git itself moves no ref that it cannot read."""
    (bare / BRANCH).write_text("zzz\n")
    with pytest.raises(IntegrityError, match="holds 'zzz', not a commit") as caught:
        read_branch(bare)
    assert caught.value.hint.startswith("delete that file; then `ledger git fsck --lost-found`")


def test_a_ledger_whose_disk_is_away_is_not_damaged(tmp_path: Path) -> None:
    """An empty mount point in its place is told as what it is, and the ledger goes on when it is back."""
    history = new_history(tmp_path / "disk")
    publish(history)
    (tmp_path / "disk").rename(tmp_path / "away")
    for is_mount_point in (False, True):
        if is_mount_point:
            (tmp_path / "disk").mkdir()
        for act in (history.tip, history.snapshot):
            with pytest.raises(StorageError, match="the ledger that was opened there is gone") as caught:
                act()
            assert "check that its disk is mounted" in caught.value.hint
    (tmp_path / "disk").rmdir()
    (tmp_path / "away").rename(tmp_path / "disk")
    publish(history)


def test_saves_go_on_after_git_packed_the_refs(history: History) -> None:
    """`git pack-refs --all` takes the file away; the branch is read and moved all the same, again and again."""
    for count in range(1, 4):
        publish(history)
        git(history, "pack-refs", "--all", "--prune")
        assert not (history.git_dir / BRANCH).exists()
        assert count == len(versions_of(again(history)))
    publish(history)
    assert history.tip() == git(history, "rev-parse", "main")


def test_a_dead_writers_lock_file_is_moved_aside_at_once(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger's lock says that its holder died, the holder's lock file is no obstacle, and is kept."""
    lock = history.git_dir / f"{BRANCH}.lock"
    lock.write_text("half")
    (history.git_dir.parent / "lock").write_text('"pid 1 on nowhere"')

    def refuse(_seconds: float) -> None:
        raise AssertionError("it is waited for")

    monkeypatch.setattr(time, "sleep", refuse)
    publish(history)
    assert ["half"] == [path.read_text() for path in (history.git_dir / "ledger-stale").iterdir()]
    assert not lock.exists()


def test_an_old_lock_file_is_moved_aside(history: History) -> None:
    """A lock file that no live Git can hold is moved aside, whoever left it."""
    lock = history.git_dir / f"{BRANCH}.lock"
    lock.write_text("half")
    os.utime(lock, (time.time() - 11, time.time() - 11))
    publish(history)
    assert (["1"], False) == (versions_of(history), lock.exists())


def test_a_live_gits_lock_file_is_waited_for(history: History) -> None:
    """A fresh lock file may be a push: the save waits until it has gone."""
    lock = history.git_dir / f"{BRANCH}.lock"
    lock.write_text("live")
    remove = subprocess.Popen(["sh", "-c", f"sleep 0.3; rm {lock}"])
    publish(history)
    assert 0 == remove.wait(), "the file was no longer there to be removed"
    assert not (history.git_dir / "ledger-stale").exists()


def test_a_live_gits_lock_file_is_waited_for_as_long_as_for_others(history: History) -> None:
    """Who wants to wait for a shorter time than a push may take gets an error in that time, and steals nothing."""
    lock = history.git_dir / f"{BRANCH}.lock"
    lock.write_text("live")
    impatient = History.open(history.git_dir.parent, lock_timeout=0.1)
    began = time.monotonic()
    with pytest.raises(LockTimeoutError, match=r"for 0\.1 s") as caught:
        publish(impatient)
    assert time.monotonic() - began < LIVE_LOCK_SECONDS / 2
    assert f"a {BRANCH}.lock that stays there is a dead writer's" in caught.value.hint
    assert lock.exists()
    assert not impatient.move_to(impatient.tip(), expected=impatient.tip())
    os.utime(lock, (time.time() - LIVE_LOCK_SECONDS - 1,) * 2)
    publish(impatient)
    assert (["1"], False) == (versions_of(history), lock.exists())


@pytest.mark.parametrize("ahead", [0, 3600], ids=["fresh", "before the clock was set back"])
def test_patience_ends(bare: Path, ahead: int) -> None:
    """A lock file that stays is moved aside when the patience is over, and not before: it may be a live push's."""
    lock = bare / f"{BRANCH}.lock"
    lock.write_text("stays")
    os.utime(lock, (time.time() + ahead, time.time() + ahead))
    began = time.monotonic()
    clear_dead_lock(bare, holder_died=False, patience=0.2)
    assert time.monotonic() - began > 0.1
    assert ["main"] == os.listdir(bare / "refs" / "heads")
    clear_dead_lock(bare, holder_died=True)


def test_no_clock_of_this_machine_makes_a_lock_file_old(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server dates files by its own clock: a living writer's lock stays where this machine is an hour ahead."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    lock = bare / f"{BRANCH}.lock"
    lock.write_text("a living writer's")
    assert not clear_dead_lock(bare, holder_died=False, deadline=time.monotonic())
    assert "a living writer's" == lock.read_text()


def test_several_may_move_a_lock_file_aside_at_once(bare: Path) -> None:
    """Where machines share no locks, all of them may find the lock file of one that died: nobody fails."""
    for _ in range(20):
        (bare / f"{BRANCH}.lock").touch()
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(lambda _: clear_dead_lock(bare, holder_died=True), range(8)))
    assert not is_branch_held(bare)


def test_of_a_push_that_died_no_lock_stays(bare: Path) -> None:
    """Git locks HEAD, too, which leads to the branch: that stops no save, but every later push."""
    for lock in (bare / f"{BRANCH}.lock", bare / "HEAD.lock"):
        lock.touch()
    clear_dead_lock(bare, holder_died=False, patience=0.0)
    assert [] == list(bare.rglob("*main.lock")) + list(bare.rglob("HEAD.lock"))


def test_real_git_may_move_the_branch_beside_us(history: History) -> None:
    """A push into the history by real Git is one more writer: what it published is built upon."""
    publish(history)
    clone = history.git_dir.parents[1] / "clone"
    subprocess.run(["git", "clone", "-q", str(history.git_dir), str(clone)], check=True)
    (clone / "extra.json").write_text("{}")
    for command in (["add", "."], ["-c", "user.name=B", "-c", "user.email=b@c", "commit", "-qm", "x"], ["push", "-q"]):
        subprocess.run(["git", "-C", str(clone), *command], check=True, capture_output=True)
    publish(history, draft())
    assert ["1", "2"] == versions_of(again(history))
    assert "extra.json" in git(history, "ls-tree", "--name-only", "main")


ONE_SAVE = """
import sys
from pathlib import Path
from ledger.history import History
from tests.kit.histories import publish
publish(History.open(Path(sys.argv[1])))
"""


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace to see system calls")
def test_the_commit_is_durable_before_the_branch_names_it(tmp_path: Path) -> None:
    """Pack, index and their folder are synced, then the lock file, then it becomes the branch, then that is synced.

    The pack is marked all the while.
    """
    history = new_history(tmp_path)
    calls = ["--seccomp-bpf", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]
    strace = ["strace", "-f", "-y", "-qq", "-o", str(tmp_path / "log"), *calls]
    program = [sys.executable, "-c", ONE_SAVE, str(history.git_dir.parent)]
    if subprocess.run([*strace, *program], check=False, capture_output=True, cwd=ROOT).returncode:
        pytest.skip("strace may not trace here")
    lines = [line.split(" ", 1)[1].strip() for line in (tmp_path / "log").read_text().splitlines()]
    steps = [
        (line.split("(")[0], line.rsplit("/", 1)[-1].split('"')[0].split(">")[0])
        for line in lines
        if "history.git" in line
    ]
    kinds = [
        (call, "tmp" if name.startswith("ledger_tmp_") else name.removeprefix("pack-")[40:] or name)
        for call, name in steps
    ]
    assert [
        ("rename", ".keep"),
        *[("fsync", "tmp"), ("fsync", "tmp"), ("rename", ".pack"), ("rename", ".idx"), ("fsync", "pack")],
        *[("fsync", "main.lock"), ("rename", "main"), ("fsync", "heads")],
        ("rename", "ledger-keep"),
    ] == kinds


def test_a_move_that_may_not_last_says_so(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder cannot be synced after the rename, the error's hint says that the branch moved all the same."""
    sync = os.fsync

    def fail_for_folders(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.raises(StorageError, match=str(bare / "refs" / "heads")) as caught:
        move_branch(bare, expected=A, new=B)
    assert "published all the same, but may not survive a power cut" in caught.value.hint
    assert (B, ["main"]) == (read_branch(bare), os.listdir(bare / "refs" / "heads"))


def test_what_cannot_be_read_once_it_is_published_says_that_it_is(bare: Path) -> None:
    """Whoever tried again would publish it twice: the hint is not the usual one of a disk that fails."""
    (bare / BRANCH).unlink()
    (bare / BRANCH).mkdir()
    with pytest.raises(StorageError, match="Is a directory") as caught, once_published():
        read_branch(bare)
    assert "it is published all the same: look for it before you try again" == caught.value.hint


def test_nobody_else_moves_a_branch_that_is_held(bare: Path) -> None:
    """While somebody holds the branch, others find that out; who holds it moves it from where it expects it, only."""
    with branch_held(bare, patience=0) as lock:
        assert is_branch_held(bare)
        with pytest.raises(FileExistsError):
            move_branch(bare, expected=A, new=B)
        with pytest.raises(FileExistsError), branch_held(bare, patience=0.01):
            pass
        assert not move_held_branch(lock, bare, expected=C, new=B)
        assert not move_held_branch(lock, bare, expected=A, new=B, agreed=lambda: False)
        assert move_held_branch(lock, bare, expected=A, new=B)
    assert (B, False) == (read_branch(bare), is_branch_held(bare))


def test_a_held_branch_that_was_moved_lasts(bare: Path, synced: list[str]) -> None:
    """The folder is synced behind the rename, as with any other move."""
    with branch_held(bare, patience=0) as lock:
        assert move_held_branch(lock, bare, expected=A, new=B)
    assert str(bare / "refs" / "heads") == synced[-1]


def test_who_wants_to_hold_a_branch_waits_for_its_turn(bare: Path) -> None:
    """A lock file that goes in time is no reason to give up."""
    lock = bare / f"{BRANCH}.lock"
    lock.write_text(f"{B}\n")
    threading.Timer(0.03, lock.unlink).start()
    with branch_held(bare, patience=60):
        assert f"{A}\n" == lock.read_text()


def test_who_was_taken_for_dead_leaves_the_next_ones_lock_file_alone(bare: Path) -> None:
    """A hold that was moved aside ends without taking away the lock file that another writer has made since."""
    lock = bare / "refs" / "heads" / "main.lock"
    with branch_held(bare, patience=0):
        clear_dead_lock(bare, holder_died=True)
        lock.write_text(f"{B}\n")
    assert lock.read_text() == f"{B}\n"


def test_who_was_taken_for_dead_does_not_move_the_branch(bare: Path) -> None:
    """What another writer has put in the place of our lock file since is not renamed to be the branch, and stays."""
    lock = bare / f"{BRANCH}.lock"

    def be_taken_for_dead() -> bool:
        clear_dead_lock(bare, holder_died=True)
        lock.write_text(f"{C}\n")
        return True

    assert not move_branch(bare, expected=A, new=B, agreed=be_taken_for_dead)
    assert (A, f"{C}\n") == (read_branch(bare), lock.read_text())


def test_who_was_taken_for_dead_while_it_wrote_does_not_move_the_branch(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may stand still in the fsync of the lock file: which file is ours is known from the one that we wrote."""
    lock, sync = bare / f"{BRANCH}.lock", os.fsync

    def stand_still(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        sync(descriptor)
        clear_dead_lock(bare, holder_died=True)
        lock.write_text(f"{C}\n")

    monkeypatch.setattr(os, "fsync", stand_still)
    assert not move_branch(bare, expected=A, new=B)
    assert (A, f"{C}\n") == (read_branch(bare), lock.read_text())


def test_a_hold_that_was_moved_aside_moves_nothing(bare: Path) -> None:
    """Once the lock file of a hold is gone, another writer may publish, and would be overwritten."""
    with branch_held(bare, patience=0) as lock:
        clear_dead_lock(bare, holder_died=True)
        assert not move_held_branch(lock, bare, expected=A, new=B)
    assert A == read_branch(bare)


def test_a_hold_that_was_moved_aside_ends_in_silence(bare: Path) -> None:
    """What was done in it was done; nobody need know that its lock file is gone."""
    with branch_held(bare, patience=0):
        clear_dead_lock(bare, holder_died=True)
    assert not is_branch_held(bare)


def test_a_branch_is_not_moved_where_somebody_disagrees(bare: Path) -> None:
    """Who is asked last, under the lock, may say no; nothing is left behind then."""
    assert not move_branch(bare, expected=A, new=B, agreed=lambda: is_branch_held(bare) and False)
    assert (A, False) == (read_branch(bare), is_branch_held(bare))
