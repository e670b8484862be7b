"""Which runs have a process that may still end them.

While its process lives, a run keeps the file ``running/<run id>`` of its ledger directory locked; the kernel releases
the lock when the process dies. The file holds nothing else and can be lost without harm. A run without such a file was
made in another ledger directory: whether it still goes on cannot be told from here.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ledger.disk import hold_file, is_abandoned, remove_if_there

_FOLDER = "running"


@contextlib.contextmanager
def present(ledger: Path, run: str) -> Iterator[None]:
    """A block in which a run is known to have a living process; best effort, as no record depends on it.

    A fork that leaves it changes nothing: the process of the run is its parent.
    """
    process = os.getpid()
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            os.makedirs(ledger / _FOLDER, exist_ok=True)
            held.enter_context(hold_file(ledger / _FOLDER / run))
        try:
            yield
        finally:
            if process == os.getpid():
                remove_if_there(ledger / _FOLDER / run)


def is_orphaned(ledger: Path, run: str) -> bool:
    """Whether the process of a run has died; ``False`` also where nobody can tell."""
    return is_abandoned(ledger / _FOLDER / run)
