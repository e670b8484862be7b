"""Git's own program, for what crosses a border: asking, fetching and pushing.

dulwich's clients report rejected pushes as successful and let a remote rewind what was
known of it, so real Git does this part. Rules it keeps:

* nothing of the environment, or of the history's own hooks and configuration, decides what runs here: no
  ``GIT_*`` variable, no hook but a remote's, no prompt, only harmless settings and the protocols listed here;
* what a commit is built on is asked of the commits: no derived file, replacement or graft has a say;
* every call ends in bounded time, its helpers with it, and of what a remote says only the end is kept;
* what is received is checked object by object before it is kept;
* a remote's own words reach the user, without user names, passwords and keys in URLs.
"""

import contextlib
import os
import re
import shlex
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ledger.disk import is_folder, storage_errors, sync_directory
from ledger.errors import DiskFullError, MissingDependencyError, RemoteError
from ledger.history.refs import BRANCH
from ledger.history.remotes import FILE, Remote, path_in, without_secrets
from ledger.history.repository import check_depth, check_settings
from ledger.ids import CommitId

if TYPE_CHECKING:
    import subprocess

ASK_SECONDS = 60.0
"""How long a remote may take to say what its branch holds."""

TRANSFER_SECONDS = 1800.0
"""How long a fetch or a push may take."""

_PROTOCOLS = ("file", "git", "http", "https", "ssh")
_SETTINGS = (
    "protocol.allow=never",
    *(f"protocol.{name}.allow=always" for name in _PROTOCOLS),
    "protocol.ext.allow=never",
    "transfer.fsckObjects=true",
    "fetch.fsckObjects=true",
    "core.hooksPath=/dev/null",
    "core.logAllRefUpdates=false",
    "core.fsync=all",
    "core.fsyncMethod=fsync",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "core.askPass=",
    "gc.auto=0",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
)
_RECEIVE = "git -c core.fsync=all -c core.fsyncMethod=fsync -c receive.unpackLimit=1 receive-pack"
"""What takes a push to a path: Git hands no settings on to another repository, and by itself syncs next to nothing."""
_GIT_ENDS = ("/.git", "", ".git")
"""Behind a path, where Git looks for its repository, in this order."""
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=15 -oServerAliveCountMax=2"
# Patterns are compiled by `re` when they are first used: most programs ask no remote.
_LINE = r"([0-9a-f]{40})\t" + re.escape(BRANCH)
_SHOWN_LINES = 6
_KEPT_BYTES = 1 << 16
"""So much of the end of what a remote says: it may talk for as long as a transfer may take."""
_READ_BYTES = 1 << 16
_LEAVE_SECONDS = 2.0
_LOOK_SECONDS = 0.01
_MOST_QUESTIONS = 16
_PARENTS_WIDTH = 2 * 40 + 1


class _Done(NamedTuple):
    code: int
    output: str
    words: str


def remote_tip(git_dir: Path, remote: Remote) -> CommitId | None:
    """The commit that a remote's branch holds now, or ``None`` where it has no such branch; raises `RemoteError`."""
    done = _talk(git_dir, remote, "ls-remote", "--", remote.url, BRANCH, seconds=ASK_SECONDS)
    if done.code:
        raise RemoteError(
            f"cannot ask {remote}: {done.words}",
            hint=advice(done.words, _reach(remote)),
            remote=remote.name,
            url=str(remote),
        )
    match = re.search(_LINE, done.output)
    return CommitId(match[1]) if match is not None else None


def fetch(git_dir: Path, remote: Remote, ref: str) -> None:
    """Bring a remote's branch here, under a ref that nothing reads before it is checked; raises `RemoteError`.

    Git says yes, too, and writes no ref, where the remote is a shallow clone.
    """
    options = ("--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--quiet")
    done = _talk(git_dir, remote, "fetch", *options, "--", remote.url, f"+{BRANCH}:{ref}", seconds=TRANSFER_SECONDS)
    if done.code and _is_full(done):
        raise DiskFullError(
            f"cannot fetch from {remote}: {done.words}",
            hint="free some space and try again; nothing changed here",
            path=str(git_dir),
        )
    if done.code:
        raise RemoteError(
            f"cannot fetch from {remote}: {done.words}",
            hint=advice(done.words, _reach(remote)),
            remote=remote.name,
            url=str(remote),
        )


def push(git_dir: Path, remote: Remote, commit: CommitId) -> str | None:
    """Ask a remote to move its branch forward to a commit; its words if it does not.

    That it said yes proves nothing: the caller asks again what the branch holds.
    """
    options = ["--no-follow-tags", "--quiet"]
    if _is_near(remote):
        options.append(f"--receive-pack={_RECEIVE}")
    done = _talk(git_dir, remote, "push", *options, "--", remote.url, f"{commit}:{BRANCH}", seconds=TRANSFER_SECONDS)
    return done.words if done.code else None


def settle_remote(remote: Remote) -> None:
    """Make durable what names Git gave in a remote on this machine: it syncs files there, and no folders."""
    if _is_near(remote):
        path = path_in(remote.url)
        git_dir = next((f"{path}{end}" for end in _GIT_ENDS if is_folder(f"{path}{end}/objects/pack")), None)
        if git_dir is not None:
            sync_directory(f"{git_dir}/objects/pack")
            sync_directory(f"{git_dir}/{os.path.dirname(BRANCH)}")


def is_ancestor(git_dir: Path, older: CommitId, newer: CommitId) -> bool:
    """Whether a commit is part of what another one is built on."""
    return _is_so(_run(git_dir, "merge-base", "--is-ancestor", older, newer), newer)


def have_common_commit(git_dir: Path, one: CommitId, other: CommitId) -> bool:
    """Whether two commits belong to one history."""
    return _is_so(_run(git_dir, "merge-base", one, other), other)


def _is_so(done: _Done, commit: CommitId) -> bool:
    """Whether Git says yes; raises `RemoteError` where it could not tell, which is no "no"."""
    if done.code not in (0, 1):
        raise RemoteError(
            f"git cannot tell what {commit} is built on: {done.words}", hint="run `ledger verify`", commit=commit
        )
    return done.code == 0


def commits_between(git_dir: Path, known: CommitId | None, tip: CommitId) -> list[CommitId]:
    """The commits that a tip is built on and a known commit is not, oldest first; raises `RemoteError`.

    Git stops looking by the commits' dates, and where a clock ran back it lists some that the known one is built on,
    too. Then the first of those is built on nothing else that is listed.
    """
    if known is None:
        return list(_parents_by_commit(git_dir, tip))
    found = _parents_by_commit(git_dir, tip, f"^{known}")
    first = [commit for commit, parents in found.items() if found.keys().isdisjoint(parents)]
    # Each question takes Git some milliseconds: for many commits, its list of all that are known is faster.
    if len(first) > _MOST_QUESTIONS or any(is_ancestor(git_dir, commit, known) for commit in first):
        held = _parents_by_commit(git_dir, known)
        return [commit for commit in found if commit not in held]
    return list(found)


def _parents_by_commit(git_dir: Path, tip: CommitId, *without: str) -> dict[CommitId, list[str]]:
    """The commits that a tip is built on, oldest first, and the parents of each."""
    # As much of the parents as a ledger's commit has: there may be thousands, and Git would write all of them.
    command = ["rev-list", "--topo-order", "--reverse", f"--format=%<({_PARENTS_WIDTH},trunc)%P", tip, *without]
    done = _run(git_dir, *command, seconds=TRANSFER_SECONDS, is_whole=True)
    if done.code:
        raise RemoteError(f"cannot list the commits of {tip}: {done.words}", commit=tip)
    lines = iter(done.output.splitlines())
    return {CommitId(head.removeprefix("commit ")): parents.split() for head, parents in zip(lines, lines, strict=True)}


_REACH = "check the URL, the network, and that `git ls-remote` of it works without a question"
_OWNER = r"(?m)^fatal: .*dubious ownership in repository at '([^'*]+)'"
_FULL = r"(?:^|; )(?!remote: )[^;]*(?:No space left on device|Disk quota exceeded)"
_LOST = (
    "the remote has lost objects: `rsync -a` of a whole ledger's history.git/objects/ to its objects/ brings them back"
)
_ADVICE = {
    "on the remote side": _LOST,
    "missing necessary objects": _LOST,
    "unresolved delta": _LOST,
    "upload-pack: not our ref": _LOST,
    "bad object refs/": "a ref here is damaged: run `ledger verify`, and `ledger repair --from` the remote or a clone",
    "unknown option": "Git is too old here: install 2.29 or a later one",
    "algorithm": "a history has the hashes of SHA-1: make the remote by `git init --bare --object-format=sha1`",
    "does not appear to be a git repository": "check the path; `git init --bare` makes a new remote there",
    "matches more than one": "another ref there ends in refs/heads/main: `git push URL --delete REF` takes it away",
    "branch is currently checked out": "share through a bare repository: `git init --bare` makes one",
}
_SSH_VARIABLES = {"GIT_SSH_COMMAND": "core.sshCommand", "GIT_SSH": "core.sshCommand"}
_HTTP_VARIABLES = {
    "GIT_SSL_CAINFO": "http.sslCAInfo",
    "GIT_SSL_CAPATH": "http.sslCAPath",
    "GIT_SSL_CERT": "http.sslCert",
    "GIT_SSL_NO_VERIFY": "http.sslVerify",
    "GIT_ASKPASS": "credential.helper",
}
"""What a variable that Git is not given would have set."""


def advice(words: str, default: str) -> str:
    """What to do about a remote that did not do what was asked, by its words and Git's."""
    owned = re.search(_OWNER, words)
    if owned is not None:  # Git reads no other user's unasked
        return f"if you trust who owns it, run `git config --global --add safe.directory {shlex.quote(owned[1])}`"
    return next((hint for known, hint in _ADVICE.items() if known in words), default)


def _reach(remote: Remote) -> str:
    """What to do where Git does not get through to a remote."""
    if _is_near(remote):
        return _REACH
    variables = _HTTP_VARIABLES if remote.url.startswith("http") else _SSH_VARIABLES
    unused = next((name for name in variables if name in os.environ), "")
    return f"{unused} is not used: say the same by `git config --global {variables[unused]}`" if unused else _REACH


def _is_full(done: _Done) -> bool:
    """Whether it was the disk here that had no room."""
    return re.search(_FULL, done.words) is not None


def _is_near(remote: Remote) -> bool:
    """Whether a remote is a path, which Git asks without ssh."""
    return remote.url.startswith(("/", FILE))


def _talk(git_dir: Path, remote: Remote, *arguments: str, seconds: float) -> _Done:
    """What Git answers that has to ask a remote, through the ssh that the user's own configuration names."""
    chosen = "" if _is_near(remote) else _run(git_dir, "config", "--get", "core.sshCommand").output.strip()
    try:
        return _run(git_dir, *arguments, seconds=seconds, ssh=chosen or _SSH)
    except RemoteError as error:  # it did not end in its time
        words = f"cannot reach {remote}: {error}"
        raise RemoteError(words, hint=_reach(remote), remote=remote.name, url=str(remote)) from error


def _run(
    git_dir: Path, *arguments: str, seconds: float = ASK_SECONDS, is_whole: bool = False, ssh: str = _SSH
) -> _Done:
    """What Git answers; of its output the end, or all of it where it ``is_whole``, of its words the end."""
    import shutil
    import subprocess

    check_settings(git_dir)
    check_depth(git_dir)
    program = shutil.which("git")
    if program is None:
        raise MissingDependencyError(
            "git is not installed: no program of that name on the PATH", hint="install Git; only sharing needs it"
        )
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = [program, *settings, f"--git-dir={git_dir}", *arguments]
    with (
        storage_errors(program, "run"),
        subprocess.Popen(  # noqa: S603  # no shell; the URL is the user's own, and its protocols are limited
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(ssh),
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None, "it is a pipe"
            assert process.stderr is not None, "it is a pipe"
            output, words = _hear(process.stdout, process.stderr, seconds, is_whole=is_whole)
            process.wait(timeout=seconds)
        except BaseException as error:
            _end(process)
            if isinstance(error, (TimeoutError, subprocess.TimeoutExpired)):
                raise RemoteError(f"git {arguments[0]} did not end within {seconds:g} s", hint=_REACH) from error
            raise
    return _Done(process.returncode, output.decode(errors="replace"), _words(words))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End Git and its helpers (ssh, remote-https, receive-pack), which are in its session: none outlives the call.

    Asked first, they take their lock files away, in a remote's repository too, where nobody else would.
    """
    import signal

    with contextlib.suppress(ProcessLookupError):
        try:
            os.killpg(process.pid, signal.SIGTERM)
            end = time.monotonic() + _LEAVE_SECONDS
            while time.monotonic() < end:
                process.poll()
                os.killpg(process.pid, 0)  # as long as one of them is there
                time.sleep(_LOOK_SECONDS)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _hear(output: IO[bytes], words: IO[bytes], seconds: float, *, is_whole: bool) -> tuple[bytes, bytes]:
    """What is written to two pipes until both are closed; raises ``TimeoutError`` after so many seconds."""
    import selectors

    end = time.monotonic() + seconds
    heard = {output: bytearray(), words: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in heard:
            selector.register(pipe, selectors.EVENT_READ, pipe)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, end - time.monotonic())):
                data = os.read(key.fd, _READ_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                heard[key.data] += data
                if not is_whole or key.data is words:
                    del heard[key.data][:-_KEPT_BYTES]
            if time.monotonic() >= end:
                raise TimeoutError
    return bytes(heard[output]), bytes(heard[words])


def _environment(ssh: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_ASKPASS"))}
    honest = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull}
    return {**kept, **honest, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "LC_ALL": "C"}


def _words(data: bytes) -> str:
    """What Git and the remote said, in one line."""
    lines = [line.strip() for line in data.decode(errors="replace").splitlines()]
    told = [line for line in lines if line and not line.startswith("hint:")]
    return without_secrets("; ".join(told[-_SHOWN_LINES:])) or "no reason given"
