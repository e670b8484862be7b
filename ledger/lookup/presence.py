"""Which runs have a process that may still end them.

While it goes on, a run keeps the file ``running/<run id>`` of its ledger directory locked; the kernel releases the
lock when the process dies. The file holds nothing else and can be lost without harm. A run without an end and without
such a file was made in another ledger directory: whether it still goes on cannot be told from here.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger.disk import hold_file, is_abandoned, remove_if_there

_FOLDER = "running"


@contextlib.contextmanager
def present(ledger: Path, run: str, *, is_over: Callable[[], bool]) -> Iterator[None]:
    """A block in which a run is known to have a living process; best effort, as no record depends on it.

    The file stays where the run is not over when the block is left: in a fork, whose parent goes on with the run, and
    where the end of the run could not be recorded, so that it is known for one that no longer goes on.
    """
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            os.makedirs(ledger / _FOLDER, exist_ok=True)
            held.enter_context(hold_file(ledger / _FOLDER / run))
        try:
            yield
        finally:
            if is_over():
                remove_if_there(ledger / _FOLDER / run)


def is_orphaned(ledger: Path, run: str) -> bool:
    """Whether a run was left by its process, or died with it; ``False`` also where nobody can tell."""
    return is_abandoned(ledger / _FOLDER / run)
