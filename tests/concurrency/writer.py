"""A process that saves to one name, again and again, and says what was acknowledged.

    python -m tests.concurrency.writer path/to/.ledger COUNT PAUSE [unlocked]

Prints ``ready``, waits for a line, then prints a line per save that returned: its position and its
version's id. ``PAUSE`` is slept after each save, in seconds. ``unlocked`` leaves the ledger's lock
alone, so that only the compare-and-swap protects.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ledger import Ledger
from ledger.core.workspace import Workspace
from ledger.history import History
from tests.kit.histories import UnlockedHistory

ROOT = Path(__file__).parents[2]
NAME = "shared"

_PATIENCE = 600.0  # dozens of writers on two cores may keep one from its turn for long


class Saved(NamedTuple):
    """One acknowledged save."""

    position: int
    id: str


def write(ledger_dir: Path, count: int, pause: float, *, locking: bool) -> None:
    """Save ``count`` versions, one after the other."""
    kind = History if locking else UnlockedHistory
    history = kind(ledger_dir / "history.git", ledger_dir / "lock", lock_timeout=_PATIENCE)
    ledger = Ledger(Workspace(ledger_dir, history=history))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        version = ledger.save({"number": number, "text": "x" * 200}, NAME)
        print(version.position, version.id, flush=True)
        time.sleep(pause)


def start_writer(ledger: Ledger, count: int, *, pause: float = 0, locking: bool = True) -> "subprocess.Popen[str]":
    """A writer that is ready when this returns, and begins at a line on its stdin."""
    program = [sys.executable, "-W", "error", "-m", "tests.concurrency.writer"]
    command = [*program, str(ledger.path), str(count), str(pause)]
    if not locking:
        command.append("unlocked")
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def begin_all(writers: Sequence["subprocess.Popen[str]"]) -> None:
    """Let writers begin at the same moment."""
    for writer in writers:
        assert writer.stdout is not None
        assert "ready\n" == writer.stdout.readline(), writer.communicate()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()


def finish(writer: "subprocess.Popen[str]") -> list[Saved]:
    """What a writer's saves gave, once it has ended; it must have ended well, unless it was killed."""
    output, errors = writer.communicate()
    assert (writer.returncode, errors) in ((0, ""), (-9, "")), errors
    # The last line of one that was killed may be a part of one.
    whole = [line.split() for line in output.splitlines(keepends=True) if line.count(" ") == 1 and line.endswith("\n")]
    return [Saved(int(position), id) for position, id in whole]


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), locking="unlocked" not in sys.argv)
