"""Writers that wait in the queue while the worker publishes, so that it publishes for them.

They are stopped once they wait, so that they neither look nor move while the worker is traced, and go on when it
has ended: whether it had published for them or not, their saves have to succeed, each once.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ledger import Ledger
from ledger.disk import LockFile

_PATIENCE = 30.0


def save_another(ledger_dir: Path, number: int) -> None:
    """What each of the others does, once."""
    Ledger.open(ledger_dir).save({"number": number}, f"other-{number}")


@contextlib.contextmanager
def others_waiting(ledger_dir: Path, count: int) -> Iterator[None]:
    """A block with so many writers in the queue; at its end they go on, and must succeed."""
    lock = ledger_dir / "lock"
    left = lock.read_bytes()
    with LockFile(lock).hold(timeout=_PATIENCE):
        others = [_start(ledger_dir, number) for number in range(count)]
        end = time.monotonic() + _PATIENCE
        while len([path for path in ledger_dir.glob("queue/*") if not path.suffix]) < count:
            assert time.monotonic() < end, "the others do not get into the queue"
            time.sleep(0.001)
        for other in others:
            os.kill(other, signal.SIGSTOP)
            os.waitpid(other, os.WUNTRACED)
    lock.write_bytes(left)  # what a dead holder left in it is for the worker to find
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)
        ends = [os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) for other in others]
        assert [0] * count == ends


def _start(ledger_dir: Path, number: int) -> int:
    child = os.fork()
    if not child:
        code = 1
        try:
            save_another(ledger_dir, number)
            code = 0
        finally:
            os._exit(code)  # a fork never goes on as its parent
    return child
