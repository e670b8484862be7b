"""Git's own program, run for what crosses a border or is asked of the commits. Nothing else runs it.

* nothing of the environment, or of the history's own hooks and configuration, decides what runs here: no
  ``GIT_*`` variable, no hook but a remote's, no prompt, only harmless settings and the protocols listed here;
* no derived file, replacement or graft has a say in what it answers;
* every call ends in bounded time, its helpers with it, and of what it says only the end is kept;
* what is received is checked object by object before it is kept;
* its words, and a remote's, are without user names, passwords and keys in URLs.
"""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from ledger.disk import storage_errors
from ledger.errors import MissingDependencyError, RemoteError
from ledger.history.git.repository import check_depth
from ledger.history.git.settings import HONEST_SETTINGS, HONEST_VARIABLES, check_settings
from ledger.wording import without_secrets

if TYPE_CHECKING:
    import subprocess

ASK_SECONDS = 60.0
"""How long a remote may take to say what its branch holds."""

TRANSFER_SECONDS = 14_400.0
"""How long a fetch or a push may take: that of some gigabytes over a slow line."""

ASK_MEMORY = 1 << 30
"""The bytes of memory that Git and its helpers may each take to hear what a branch holds: a remote may talk on."""

TRANSFER_MEMORY = 1 << 33
"""The bytes that each may take for a fetch or a push; it takes some 200 for an object."""

REACH = "check the URL, the network, and that `git ls-remote` of it works without a question"
SSH = "ssh -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=15 -oServerAliveCountMax=2"

_PROTOCOLS = ("file", "git", "http", "https", "ssh")
_SETTINGS = (
    "protocol.allow=never",
    *(f"protocol.{name}.allow=always" for name in _PROTOCOLS),
    "protocol.ext.allow=never",
    "transfer.fsckObjects=true",
    "fetch.fsckObjects=true",
    *HONEST_SETTINGS,
    "core.logAllRefUpdates=false",
    "core.fsync=all",
    "core.fsyncMethod=fsync",
    "core.askPass=",
    "gc.auto=0",
    # A server may say next to nothing while it gathers what is asked for, or checks what was pushed.
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=120",
)
_FIRST_LINES = 3
"""So many first lines of Git's words are shown: some hooks of a remote say first why they refuse."""
_LAST_LINES = 9
"""So many last lines: others say it last, and where a lock file is in Git's way, they name it and say what to do."""
_KEPT_BYTES = 1 << 16
"""How much of the end of its words is kept: a remote may talk for as long as a transfer takes."""
_READ_BYTES = 1 << 16
_LEAVE_SECONDS = 2.0
_LOOK_SECONDS = 0.01


class Done(NamedTuple):
    """How Git ended, what it gave out, and what it and the remote said in words."""

    code: int
    output: str
    words: str


def run_git(
    git_dir: Path,
    *arguments: str,
    seconds: float = ASK_SECONDS,
    memory: int | None = None,
    is_whole: bool = False,
    ssh: str = SSH,
) -> Done:
    """Run Git; only the end of its words is returned, and of its output, unless the output ``is_whole``."""
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
            restore_signals=False,  # SIGXFSZ stays ignored: Git says that a file got too large, instead of just dying
        ) as process,
    ):
        if memory is not None:
            _limit_memory(process.pid, memory)
        try:
            assert process.stdout is not None, "it is a pipe"
            assert process.stderr is not None, "it is a pipe"
            output, words = _hear(process.stdout, process.stderr, seconds, is_whole=is_whole)
            process.wait(timeout=seconds)
        except BaseException as error:
            _end(process)
            if isinstance(error, (TimeoutError, subprocess.TimeoutExpired)):
                raise RemoteError(f"git {arguments[0]} did not end within {seconds:g} s", hint=REACH) from error
            raise
    said = _words(words) or (f"ended by signal {-process.returncode}" if process.returncode < 0 else "no reason given")
    return Done(process.returncode, output.decode(errors="replace"), said)


def _limit_memory(pid: int, memory: int) -> None:
    """Have a process, and those that it starts from now on, take no more memory of their own; only Linux can do so."""
    import resource

    if sys.platform == "linux":
        # The process may have ended, or this program may itself be allowed less.
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))


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
    return {**kept, **HONEST_VARIABLES, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "LC_ALL": "C"}


def _words(data: bytes) -> str:
    """What Git and the remote said, first and last, in one line; empty where they said nothing."""
    lines = [line.strip() for line in data.decode(errors="replace").splitlines()]
    words = [line for line in lines if line not in ("", "remote:") and not line.startswith("hint:")]
    if len(words) > _FIRST_LINES + _LAST_LINES:
        words = [*words[:_FIRST_LINES], "...", *words[-_LAST_LINES:]]
    return without_secrets("; ".join(words))
