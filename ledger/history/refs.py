"""Refs, read and written by us as the files that they are: the branch, which publishes, and what is noted of remotes.

A ref that cannot be read is an error, never "no such ref", and a history without its branch is damage, never an empty
ledger. Moving the branch is the commit point of every save: compare under Git's own lock file, write, fsync, rename,
fsync the directory (specs/concurrency.md, 2).
"""

import contextlib
import errno
import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger.disk import (
    fresh_name,
    make_directory,
    mode_of,
    read_file,
    remove_if_there,
    status_of,
    storage_errors,
    sync_directory,
    write_new_file,
)
from ledger.errors import IntegrityError, LedgerError, StorageError, UnsupportedFormatError
from ledger.history.forms import is_object_id
from ledger.ids import CommitId
from ledger.system_errors import storage_error

BRANCH = "refs/heads/main"
PACKED_REFS = "packed-refs"
LIVE_LOCK_SECONDS = 10.0
"""A lock file of Git younger than this may belong to a live `git push`."""

OFFERED = "ledger-offered"
"""Beside Git's refs, since Git takes a ref whose commit is not there yet for damage."""

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1
_ATTEMPTS = 20

_TABLES = "reftable"

_CHOOSE_BRANCH = (
    "`ledger git fsck --lost-found` lists the commits that may have been its last, "
    f"and `ledger git update-ref {BRANCH} COMMIT` brings one back"
)
"""What a person does about a branch that is lost: which commit was its last, nobody else can say."""


def read_branch(git_dir: Path) -> CommitId:
    """The commit that is published; raises `IntegrityError` if the branch is missing or unreadable as one."""
    commit = read_ref(git_dir, BRANCH)
    if commit is None and not mode_of(git_dir):
        raise StorageError(
            f"cannot read {git_dir}: the ledger that was opened there is gone",
            hint="check that its disk is mounted; if the ledger was moved, open it where it is now",
            path=str(git_dir),
        )
    if commit is None:
        raise IntegrityError(
            f"the history {git_dir} has lost its branch {BRANCH}",
            hint=f"this is damage, not an empty ledger: {_CHOOSE_BRANCH}",
            where=str(git_dir),
        )
    return commit


def refuse_other_refs(git_dir: Path) -> None:
    """Refuse a repository whose refs are no files, as `git refs migrate` may leave it: nobody reads them here."""
    if mode_of(git_dir / _TABLES):
        raise UnsupportedFormatError(
            f"the history {git_dir} keeps its refs as reftable, this program reads them as files",
            hint=f"run `git --git-dir={shlex.quote(str(git_dir))} refs migrate --ref-format=files`",
            found=_TABLES,
            supported="files",
            where=str(git_dir),
        )


def read_ref(git_dir: Path, ref: str) -> CommitId | None:
    """The commit a ref names, loose or packed; ``None`` only where the system says there is no such file."""
    try:
        text = read_file(f"{git_dir}/{ref}").decode(errors="replace").strip()
    except FileNotFoundError:
        # A ref that Git packs at this moment is written to packed-refs before its file goes.
        packed = (CommitId(id) for name, id in read_packed(git_dir) if name == ref and is_object_id(id))
        return next(packed, None)
    except StorageError:
        refuse_other_refs(git_dir)
        raise
    if not is_object_id(text):
        raise IntegrityError(
            f"the ref {git_dir / ref} holds {text[:60]!r}, not a commit",
            hint=f"delete that file; then {_CHOOSE_BRANCH}" if ref == BRANCH else "",
            where=str(git_dir / ref),
        )
    return CommitId(text)


def read_packed(git_dir: Path) -> Iterator[tuple[str, str]]:
    """The refs that Git has packed, each with what it names; raises `StorageError`."""
    try:
        text = read_file(git_dir / PACKED_REFS).decode(errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        id, _, ref = line.partition(" ")
        if ref.startswith("refs/"):
            yield ref, id


def create_branch(git_dir: Path, new: CommitId) -> None:
    """Point the branch of a repository that is being made at its first commit."""
    target = git_dir / BRANCH
    _create(str(target), new)
    sync_directory(target.parent)


def move_branch(git_dir: Path, *, expected: CommitId, new: CommitId, agreed: Callable[[], bool] = lambda: True) -> bool:
    """Publish ``new`` if the branch still is ``expected`` and ``agreed`` says so; says whether it did.

    ``agreed`` is asked when nobody else can move the branch any more. Raises ``FileExistsError`` while
    somebody else holds Git's lock file on the branch. When it returns True, the move is durable.
    """
    target = f"{git_dir}/{BRANCH}"
    lock = f"{target}.lock"
    _create(lock, new)
    try:
        if read_branch(git_dir) != expected or not agreed():
            remove_if_there(lock)
            return False
        _rename(lock, target)
    except LedgerError:
        remove_if_there(lock)  # what failed was not done: the file is still ours
        raise
    except BaseException:
        _remove_own(lock, new)
        raise
    confirm_branch(git_dir)
    return True


def confirm_branch(git_dir: Path) -> None:
    """Make durable where the branch was moved to, by whomever."""
    try:
        sync_directory(os.path.dirname(f"{git_dir}/{BRANCH}"))
    except StorageError as error:
        error.hint = "it is published all the same, but may not survive a power cut: look for it before you try again"
        raise


def is_branch_held(git_dir: Path) -> bool:
    """Whether somebody is about to move the branch."""
    return status_of(f"{git_dir}/{BRANCH}.lock") is not None


@contextlib.contextmanager
def branch_held(git_dir: Path, *, patience: float) -> Iterator[None]:
    """A block during which nobody else moves the branch; ``FileExistsError`` where somebody holds it for too long."""
    lock = f"{git_dir}/{BRANCH}.lock"
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        tip = read_branch(git_dir)
        try:
            _create(lock, tip)
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise
        time.sleep(pause * int.from_bytes(os.urandom(1)) / 255)  # chance spreads those who wait
        pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        yield
    finally:
        _remove_own(lock, tip)


def move_held_branch(
    git_dir: Path, *, expected: CommitId, new: CommitId, agreed: Callable[[], bool] = lambda: True
) -> bool:
    """As `move_branch`, for whoever is in a `branch_held` block."""
    if read_branch(git_dir) != expected or not agreed():
        return False
    _replace(git_dir, BRANCH, new)
    confirm_branch(git_dir)
    return True


def clear_dead_lock(git_dir: Path, *, holder_died: bool, patience: float = LIVE_LOCK_SECONDS) -> None:
    """Move aside a lock file on the branch whose owner is dead; the caller holds the ledger's lock.

    No other ledger writer runs, so the file is a dead writer's (known at once where the ledger's lock
    says that its holder died), or a real Git's: that one is given ``patience`` seconds, by its age or, where a clock
    was set back since, from the moment it was seen.
    """
    lock = f"{git_dir}/{BRANCH}.lock"
    seen, since = None, 0.0
    while (status := status_of(lock)) is not None:
        if (file := (status.st_ino, status.st_ctime_ns)) != seen:
            seen, since = file, time.monotonic()
        if holder_died or max(time.time() - status.st_mtime, time.monotonic() - since) > patience:
            aside = git_dir / "ledger-stale"
            make_directory(aside)
            _rename(lock, aside / f"main.lock.{time.time_ns()}")
            return
        time.sleep(0.05)


def write_ref(git_dir: Path, ref: str, commit: CommitId) -> None:
    """Point a ref that is not the branch at a commit, durably: what a remote held, or evidence that is kept."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _write_once(git_dir, ref, commit)
        except StorageError as error:
            # Git that packs refs at this moment takes every folder away that it finds empty.
            if error.errno != errno.ENOENT or attempt == _ATTEMPTS:
                raise
        else:
            return


def known_ref(remote: str) -> str:
    """The ref that says what a remote's branch held when last heard of, and was accepted.

    Not Git's own for that, which a plain `git fetch` moves to whatever there is.
    """
    return f"refs/ledger/known/{remote}"


def offered_ref(remote: str) -> str:
    """What says which commit a remote offered when it was last fetched, noted before Git brings any object."""
    return f"{OFFERED}/{remote}"


def brought_ref(remote: str) -> str:
    """The ref that says up to which commit a remote's store was given the bytes that lie here."""
    return f"refs/ledger/brought/{remote}"


def note_known(git_dir: Path, remote: str, commit: CommitId) -> None:
    """Remember what a remote's branch holds, once that is accepted; Git is told, too, for whoever asks it."""
    write_ref(git_dir, known_ref(remote), commit)
    write_ref(git_dir, f"refs/remotes/{remote}/main", commit)


def _write_once(git_dir: Path, ref: str, commit: CommitId) -> None:
    folder = (git_dir / ref).parent
    make_directory(folder)
    _replace(git_dir, ref, commit)
    sync_directory(folder)


def _replace(git_dir: Path, ref: str, commit: CommitId) -> None:
    # Made outside refs/, where Git would take a leftover for a ref.
    staging = str(git_dir / fresh_name("tmp_ref_"))
    _create(staging, commit)
    try:
        _rename(staging, git_dir / ref)
    except LedgerError:
        remove_if_there(staging)
        raise


def _create(path: str, commit: CommitId) -> None:
    try:
        write_new_file(path, [f"{commit}\n".encode()])
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error(error, path, "write") from error


def _rename(source: str, target: str | Path) -> None:
    with storage_errors(target, "write"):
        os.rename(source, target)


def _remove_own(lock: str, commit: CommitId) -> None:
    # One of this name may be another writer's: after an interrupt that came behind the rename, or once a writer
    # that took ours for a dead one's has moved it aside.
    with contextlib.suppress(OSError):
        if read_file(lock) == f"{commit}\n".encode():
            remove_if_there(lock)
