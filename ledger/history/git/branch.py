"""The branch: the one ref that publishes, and how it is moved.

A history without its branch is damage, never an empty ledger. Moving the branch is the commit point of every save:
compare under Git's own lock file, write, fsync, rename, fsync the directory (specs/concurrency.md, 2).
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger.disk import (
    make_directory,
    mode_of,
    read_file,
    remove_if_there,
    scratch_file,
    status_of,
    storage_errors,
    sync_directory,
)
from ledger.errors import IntegrityError, LedgerError, StorageError
from ledger.history.git.refs import BRANCH, CHOOSE_BRANCH, create_ref_file, read_ref, rename_ref_file, replace_ref
from ledger.ids import CommitId

LIVE_LOCK_SECONDS = 10.0
"""A lock file of Git younger than this may belong to a live `git push`."""

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1


def read_branch(git_dir: Path) -> CommitId:
    """The commit that is published; raises `IntegrityError` if the branch is missing or names none."""
    commit = read_ref(git_dir, BRANCH)
    if commit is None:
        refuse_gone(git_dir)
        raise IntegrityError(
            f"the history {git_dir} has lost its branch {BRANCH}",
            hint=f"this is damage, not an empty ledger: {CHOOSE_BRANCH}",
            where=str(git_dir),
        )
    return commit


def refuse_gone(git_dir: Path) -> None:
    """Raise `StorageError` where the repository of a ledger that was opened is not there any more."""
    if not mode_of(git_dir):
        raise StorageError(
            f"cannot read {git_dir}: the ledger that was opened there is gone",
            hint="check that its disk is mounted; if the ledger was moved, open it where it is now",
            path=str(git_dir),
        )


class BranchLock:
    """Git's lock file on the branch, made by this writer; ``FileExistsError`` where there is one.

    Where machines share no locks, another writer may have taken it for a dead one's since, and moved it aside.
    """

    def __init__(self, git_dir: Path, commit: CommitId) -> None:
        """``commit`` is written into it, as Git does."""
        self.path = f"{git_dir}/{BRANCH}.lock"
        self._commit = commit
        self._made = create_ref_file(self.path, commit)

    def is_in_place(self) -> bool:
        """Whether it still lies at its path: nobody has moved it aside, or put another one there."""
        there = status_of(self.path)
        return there is not None and os.path.samestat(there, self._made)

    def remove(self) -> None:
        """Remove it, unless another writer's lies in its place.

        That can be if an interrupt came after it was renamed, or if somebody took it for a dead writer's and moved it
        aside.
        """
        with contextlib.suppress(OSError):
            if self.is_in_place() and read_file(self.path) == f"{self._commit}\n".encode():
                remove_if_there(self.path)


def create_branch(git_dir: Path, new: CommitId) -> None:
    """Point the branch of a repository that is being made at its first commit."""
    target = git_dir / BRANCH
    create_ref_file(str(target), new)
    sync_directory(target.parent)


def move_branch(git_dir: Path, *, expected: CommitId, new: CommitId, agreed: Callable[[], bool] = lambda: True) -> bool:
    """Publish ``new`` if the branch still is ``expected`` and ``agreed`` says so; says whether it did.

    ``agreed`` is asked when nobody else can move the branch any more. Raises ``FileExistsError`` while
    somebody else holds Git's lock file on the branch. When it returns True, the move is durable.
    """
    lock = BranchLock(git_dir, new)
    try:
        if read_branch(git_dir) != expected or not agreed() or not lock.is_in_place():
            lock.remove()
            return False
        rename_ref_file(lock.path, f"{git_dir}/{BRANCH}")
    except LedgerError:
        remove_if_there(lock.path)  # what failed was not done: the file is still ours
        raise
    except BaseException:
        lock.remove()
        raise
    confirm_branch(git_dir)
    return True


def confirm_branch(git_dir: Path) -> None:
    """Make the last move of the branch durable, whoever made it."""
    try:
        sync_directory(os.path.dirname(f"{git_dir}/{BRANCH}"))
    except StorageError as error:
        error.hint = "it is published all the same, but may not survive a power cut: look for it before you try again"
        raise


@contextlib.contextmanager
def once_published() -> Iterator[None]:
    """A block in which what has just been published is looked at; an error there says that it is published."""
    try:
        yield
    except StorageError as error:
        error.hint = "it is published all the same: look for it before you try again"
        raise


def is_branch_held(git_dir: Path) -> bool:
    """Whether somebody is about to move the branch."""
    return status_of(f"{git_dir}/{BRANCH}.lock") is not None


@contextlib.contextmanager
def branch_held(git_dir: Path, *, patience: float) -> Iterator[BranchLock]:
    """A block during which nobody else moves the branch; ``FileExistsError`` where somebody holds it for too long."""
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        tip = read_branch(git_dir)
        try:
            lock = BranchLock(git_dir, tip)
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise
        time.sleep(pause * int.from_bytes(os.urandom(1)) / 255)  # chance spreads those who wait
        pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        yield lock
    finally:
        lock.remove()


def move_held_branch(
    lock: BranchLock, git_dir: Path, *, expected: CommitId, new: CommitId, agreed: Callable[[], bool] = lambda: True
) -> bool:
    """As `move_branch`, for whoever is in a `branch_held` block with this lock file."""
    if read_branch(git_dir) != expected or not agreed() or not lock.is_in_place():
        return False
    replace_ref(git_dir, BRANCH, new)
    confirm_branch(git_dir)
    return True


def clear_dead_lock(
    git_dir: Path, *, holder_died: bool, patience: float = LIVE_LOCK_SECONDS, deadline: float = math.inf
) -> bool:
    """Move aside a lock file on the branch whose owner is dead; the caller holds the ledger's lock.

    No other writer of the ledger runs, unless on a machine that shares no locks. If ``holder_died``, the file is the
    dead holder's, and goes at once. Otherwise a living program may own it, such as real Git, and it is left for
    ``patience`` seconds: by its age or, if a clock was set back since, from the moment it was first seen. ``False`` if
    these are not over at the ``deadline``, a time of ``time.monotonic``.
    """
    lock = f"{git_dir}/{BRANCH}.lock"
    seen, since = None, 0.0
    while (status := status_of(lock)) is not None:
        if (file := (status.st_ino, status.st_ctime_ns)) != seen:
            seen, since = file, time.monotonic() - _age(status, git_dir)
        if holder_died or time.monotonic() - since > patience:
            aside = git_dir / "ledger-stale"
            make_directory(aside)
            # Of several machines that share no locks, another one may have been faster.
            with storage_errors(aside, "write"), contextlib.suppress(FileNotFoundError):
                os.rename(lock, aside / f"main.lock.{time.time_ns()}")
            remove_if_there(git_dir / "HEAD.lock")  # a push takes it next; a dead push's would stop every later one
            break
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def _age(status: os.stat_result, folder: Path) -> float:
    """How many seconds ago a file was written, by the clock of its own file system; 0 where that cannot be told.

    The clock of a file server may differ from ours, by which a living writer's file could look old.
    """
    try:
        with scratch_file(folder) as now:
            return max(0.0, os.fstat(now.fileno()).st_mtime - status.st_mtime)
    except StorageError:
        return 0.0  # such as on a full disk: the file is old when it has been seen for long
