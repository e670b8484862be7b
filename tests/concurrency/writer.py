"""A process that saves to one name, again and again, and says what was acknowledged."""

import os
import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from tempfile import TemporaryFile
from typing import NamedTuple

from ledger import Ledger
from ledger.core.workspace import Workspace
from ledger.history import History
from tests.kit.histories import UnlockedHistory

NAME = "shared"

_PATIENCE = 600.0  # dozens of writers on two cores may keep one from its turn for long


class Saved(NamedTuple):
    """One acknowledged save."""

    position: int
    id: str


class Writer(ForkProcess):
    """A fork that opens the ledger anew, waits until it may begin, and saves ``count`` versions, one after the other.

    ``pause`` is slept after each save, in seconds. Without ``locking`` it leaves the ledger's lock alone, so that only
    the compare-and-swap protects.
    """

    def __init__(self, ledger: Ledger, count: int, *, pause: float = 0, locking: bool = True) -> None:
        super().__init__()
        self._path, self._count, self._pause = ledger.path, count, pause
        self._kind = History if locking else UnlockedHistory
        self._may_begin = get_context("fork").Event()
        self._acknowledged = TemporaryFile("w+")  # noqa: SIM115  # it goes with the writer
        self.start()

    def run(self) -> None:
        """What the fork does: a line for each save that returned, with its position and its version's id."""
        history = self._kind(self._path / "history.git", self._path / "lock", lock_timeout=_PATIENCE)
        ledger = Ledger(Workspace(self._path, history=history))
        self._may_begin.wait()
        for number in range(self._count):
            version = ledger.save({"number": number, "text": "x" * 200}, NAME)
            print(version.position, version.id, file=self._acknowledged, flush=True)
            time.sleep(self._pause)

    def begin(self) -> None:
        """Let it begin."""
        self._may_begin.set()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.pid is not None
        os.kill(self.pid, number)

    def finish(self) -> list[Saved]:
        """What its saves gave, once it has ended; it must have ended well, unless it was killed."""
        self.join()
        assert self.exitcode in (0, -signal.SIGKILL)
        self._acknowledged.seek(0)
        saved = [line.split() for line in self._acknowledged]
        self._acknowledged.close()
        return [Saved(int(position), id) for position, id in saved]


def begin_all(writers: Sequence[Writer]) -> None:
    """Let writers begin at the same moment."""
    for writer in writers:
        writer.begin()
