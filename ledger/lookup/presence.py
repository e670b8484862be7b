"""Which runs have a living process, and how those began that have published nothing yet.

While it goes on, a run keeps the file ``running/<run id>`` of its ledger directory locked; the kernel releases the
lock when the process dies. The file holds the record of the run's beginning, and can be lost without harm: the run's
first commit has it, too. A run without an end and without such a file was made in another ledger directory: whether it
still goes on cannot be told from here.
"""

import contextlib
import os
from pathlib import Path

from ledger.disk import SMALL, hold_file, is_abandoned, names_in, read_file, remove_if_there
from ledger.errors import FormatError, StorageError
from ledger.records import RunRecord, decode_run, encode

_FOLDER = "running"


class Presence:
    """That a run has a living process, until `end`; best effort, as nothing in the history depends on it."""

    def __init__(self, ledger: Path, run: RunRecord) -> None:
        self._path = ledger / _FOLDER / run.id
        self._held = contextlib.ExitStack()
        with contextlib.suppress(OSError, FormatError):
            os.makedirs(self._path.parent, exist_ok=True)
            self._held.enter_context(hold_file(self._path, encode(run)))

    def end(self, *, is_over: bool) -> None:
        """The process has left the run.

        The file stays if the run is not over: in a fork, whose parent goes on with the run, and where the end of the
        run could not be recorded. In the second case it shows that the run no longer goes on.
        """
        with self._held:
            if is_over:
                remove_if_there(self._path)


def begun_runs(ledger: Path) -> dict[str, RunRecord]:
    """The beginnings of the runs that have a file in ``running/``, by their ids."""
    with contextlib.suppress(StorageError):
        found = ((run, begun_run(ledger, run)) for run in names_in(ledger / _FOLDER))
        return {run: record for run, record in found if record is not None}
    return {}


def begun_run(ledger: Path, run: str) -> RunRecord | None:
    """The beginning of a run; ``None`` if it has no file in ``running/``, or one that is damaged or not yet written."""
    path = ledger / _FOLDER / run
    try:
        record = decode_run(read_file(path, most=SMALL), where=str(path))
    except (FileNotFoundError, StorageError, FormatError):
        return None
    return record if record.id == run else None


def is_orphaned(ledger: Path, run: str) -> bool:
    """Whether a run was left by its process, or died with it; ``False`` also where nobody can tell."""
    return is_abandoned(ledger / _FOLDER / run)
