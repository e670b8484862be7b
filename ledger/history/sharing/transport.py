"""Talking to remotes: asking what they hold, fetching and pushing.

dulwich's clients report rejected pushes as successful and let a remote rewind what was
known of it, so real Git does this part. `git_words` knows what its words mean where it fails.
"""

import os
import re
import time
from pathlib import Path

from ledger.disk import (
    is_file,
    is_folder,
    link_on_way,
    mode_of,
    names_in,
    remove_if_there,
    settle_everything,
    settle_files,
    status_of,
    sync_directory,
)
from ledger.errors import DiskFullError, RemoteError, StorageError
from ledger.history.git.loose import LooseObjects
from ledger.history.git.refs import BRANCH, PACKED_REFS
from ledger.history.git.remotes import FILE, Remote, path_in, repository_at
from ledger.history.git.repository import PACKS, UNSYNCED
from ledger.history.sharing.git_program import (
    ASK_MEMORY,
    ASK_SECONDS,
    REACH,
    SSH,
    TRANSFER_MEMORY,
    TRANSFER_SECONDS,
    Done,
    run_git,
)
from ledger.history.sharing.git_words import (
    advice,
    is_damaged_here,
    is_failing_here,
    is_full_here,
    is_locked,
    was_swept,
)
from ledger.ids import CommitId

_RECEIVE = "git -c core.fsync=all -c core.fsyncMethod=fsync -c receive.unpackLimit=1 receive-pack"
"""The program that receives a push to a path, with its settings: Git hands none on to another repository.

Without them it syncs next to nothing. It would also store a small push as loose objects, which a `git gc --prune=now`
there may delete before the branch has moved, and still report success; a pack is kept until then.
"""
_UPLOAD = f"GIT_GRAFT_FILE={os.devnull} git -c advice.graftFileDeprecated=false upload-pack"
"""The program that gives what is fetched from a path. Grafts there would make it leave out what is behind them.

It would advise against a graft file at length, ours too, and so hide why a fetch fails.
"""
_DOWNLOADED = ".temp"
"""The suffix of packs and indexes that Git has taken from a web server, and not looked at yet."""
_RECEIVED = "tmp_pack_"
"""How the packs begin that Git is taking in, and leaves where it finds no room."""
_MADE = ("HEAD", "config", PACKED_REFS, BRANCH)
"""The files without which a repository is none, or has no branch."""
_NAMED_IN = (PACKS, os.path.dirname(BRANCH), "reftable")
"""The folders in which Git names what it takes: packs, and refs, which a remote may keep as it likes."""
_LINE = r"([0-9a-f]{40})\t" + re.escape(BRANCH)  # compiled by `re` when it is first used
_UNREADABLE = "0" * 40
"""The id that Git gives for a branch whose file it finds empty, damaged or closed."""
_LOCKED_BY_PUSHES = (BRANCH, "HEAD")
_DEAD_LOCK_SECONDS = 60.0
_MEND = (
    "run `ledger verify`; where it finds damage here, `ledger repair --from` the remote or a clone mends it, "
    "else the damage is in the remote"
)
_SSH_VARIABLES = {"GIT_SSH_COMMAND": "core.sshCommand", "GIT_SSH": "core.sshCommand"}
_HTTP_VARIABLES = {
    "GIT_SSL_CAINFO": "http.sslCAInfo",
    "GIT_SSL_CAPATH": "http.sslCAPath",
    "GIT_SSL_CERT": "http.sslCert",
    "GIT_SSL_NO_VERIFY": "http.sslVerify",
    "GIT_ASKPASS": "credential.helper",
}
"""Variables that are kept from Git, and the setting that replaces each."""

_CONFIG_VARIABLES = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS")
"""Those that hold settings, or say where they are; with one, `git config --global` may write where nobody reads."""


def remote_tip(git_dir: Path, remote: Remote) -> CommitId | None:
    """The commit that a remote's branch holds now, or ``None`` where it has no such branch; raises `RemoteError`."""
    done = _talk(git_dir, remote, "ls-remote", "--", remote.url, BRANCH, seconds=ASK_SECONDS, memory=ASK_MEMORY)
    if done.code:
        raise RemoteError(
            f"cannot ask {remote}: {done.words}",
            hint=advice(done.words, _reach(remote)),
            remote=remote.name,
            url=str(remote),
        )
    match = re.search(_LINE, done.output)
    if match is None:
        return None
    if match[1] == _UNREADABLE:
        raise RemoteError(
            f"{remote} cannot read its branch main",
            hint="see whether refs/heads/main there is open to who reads it; where it is damaged, delete the file "
            "refs/heads/main in the remote, and sync again from a ledger that knows it: that tells how it is restored",
            remote=remote.name,
            url=str(remote),
        )
    return CommitId(match[1])


def fetch(git_dir: Path, remote: Remote, ref: str) -> None:
    """Bring a remote's branch here, durably, under a ref that nothing reads before it is checked; raises `RemoteError`.

    If the remote is a shallow clone, Git reports success and writes no ref.
    """
    options = ["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--quiet"]
    if _is_near(remote):
        options.append(f"--upload-pack={_UPLOAD}")
    done = _talk(git_dir, remote, "fetch", *options, "--", remote.url, f"+{BRANCH}:{ref}")
    if done.code:
        message = f"cannot fetch from {remote}: {done.words}"
        is_full = is_full_here(done.words)
        _drop_downloads(git_dir, is_full=is_full)
        if is_full:
            hint = "free some space and try again; nothing changed here"
            raise DiskFullError(message, hint=hint, path=str(git_dir))
        if is_failing_here(done.words, git_dir):
            hint = "see whether the disk here has room, can be written to and is sound; nothing changed here"
            raise StorageError(message, hint=hint, path=str(git_dir))
        hint = _MEND if is_damaged_here(done.words) else advice(done.words, _reach(remote))
        raise RemoteError(message, hint=hint, remote=remote.name, url=str(remote))
    sync_directory(f"{git_dir}/{PACKS}")  # Git has synced the pack, but not its name
    if any(LooseObjects(git_dir / "objects").ids()):
        settle_everything()  # Git syncs no loose object that it takes from a web server without Git


def _drop_downloads(git_dir: Path, *, is_full: bool) -> None:
    """Remove what a fetch from a web server without Git has left: a bad index among it would fail each later fetch.

    Of a fetch that has filled the disk the part of a pack goes, which would leave no room for saves either. If another
    fetch that leaves such files is under way, it fails, and can be made again.
    """
    if not link_on_way(git_dir, PACKS):  # behind a link lies what is the user's own
        for name in names_in(git_dir / PACKS):
            if name.endswith(_DOWNLOADED) or (is_full and name.startswith(_RECEIVED)):
                remove_if_there(git_dir / PACKS / name)


def push(git_dir: Path, remote: Remote, commit: CommitId) -> str | None:
    """Ask a remote to move its branch forward to a commit; returns its words if it refuses.

    A yes proves nothing: the caller asks again what the branch holds.
    """
    options = ["--no-follow-tags", "--no-recurse-submodules", "--quiet"]
    if _is_near(remote):
        options.append(f"--receive-pack={_RECEIVE}")
    command = ("push", *options, "--", remote.url, f"{commit}:{BRANCH}")
    done = _talk(git_dir, remote, *command)
    if done.code and (was_swept(done.words) or _clear_dead_locks(remote, done.words)):
        done = _talk(git_dir, remote, *command)
    return done.words if done.code else None


def settle_remote(remote: Remote, before: CommitId | None) -> None:
    """Make durable what is shared with a remote on this machine; ``before`` is what its branch held.

    Git has synced the files that it received there, but not their folders, and nothing that was there before: what it
    made with the repository, or the loose objects of a plain push. A ledger there with relaxed saves has synced
    nothing, not even its bytes.
    """
    git_dir = _repository_near(remote)
    if git_dir is None:
        return
    is_pushed = before is not None and LooseObjects(git_dir / "objects").has(before)
    if is_pushed or mode_of(git_dir.parent / UNSYNCED):
        settle_everything()
    if not os.access(git_dir, os.W_OK):
        return  # a read-only disk has nothing left to sync, and some cannot be asked to
    made, named = ([f"{git_dir}/{name}" for name in names] for names in (_MADE, _NAMED_IN))
    settle_files(filter(is_file, made), [*filter(is_folder, named), git_dir])


def _reach(remote: Remote) -> str:
    """What to do where Git does not get through to a remote."""
    if _is_near(remote):
        return REACH
    variables = _HTTP_VARIABLES if remote.url.startswith("http") else _SSH_VARIABLES
    ways = {name: f"by `git config --global {setting}`" for name, setting in variables.items()}
    ways |= dict.fromkeys(_CONFIG_VARIABLES, "in ~/.gitconfig")
    unused = next((f"; {name} is not used: say the same {way}" for name, way in ways.items() if name in os.environ), "")
    return f"{REACH}{unused}"


def _is_near(remote: Remote) -> bool:
    """Whether a remote is a path, which Git asks without ssh."""
    return remote.url.startswith(("/", FILE))


def _repository_near(remote: Remote) -> Path | None:
    """Where the repository of a remote on this machine lies; ``None`` for any other, and where there is none."""
    return repository_at(Path(path_in(remote.url))) if _is_near(remote) else None


def _clear_dead_locks(remote: Remote, refusal: str) -> bool:
    """Take away the locks that a killed push left in a remote on this machine, and that stopped a push; says if any.

    They are known by their names: the words that name one may be those of a remote's hook. A live push has them for a
    moment. A push that goes on after it stood still for a minute finds its lock gone and fails, or finds that of
    another push, and moves the branch to what that one holds, which was checked as well. So whoever pushes asks
    afterwards what the branch holds.
    """
    git_dir = _repository_near(remote)
    if git_dir is None or not is_locked(refusal):
        return False
    found = {lock: status_of(lock) for lock in (f"{git_dir}/{ref}.lock" for ref in _LOCKED_BY_PUSHES)}
    old = [lock for lock, status in found.items() if status and time.time() - status.st_mtime > _DEAD_LOCK_SECONDS]
    removed = [lock for lock in old if remove_if_there(lock)]
    return bool(removed)


def _talk(
    git_dir: Path, remote: Remote, *arguments: str, seconds: float = TRANSFER_SECONDS, memory: int = TRANSFER_MEMORY
) -> Done:
    """Run a command of Git's that asks a remote, over the ssh that the user's own configuration names."""
    chosen = "" if _is_near(remote) else run_git(git_dir, "config", "--get", "core.sshCommand").output.strip()
    try:
        return run_git(git_dir, *arguments, seconds=seconds, memory=memory, ssh=chosen or SSH)
    except RemoteError as error:  # it did not end in its time
        message = f"cannot reach {remote}: {error}"
        raise RemoteError(message, hint=_reach(remote), remote=remote.name, url=str(remote)) from error
