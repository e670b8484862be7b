"""What a person sees of a run while it goes on: a line where a step begins, and one where it ends.

The lines are logged by the logger ``ledger`` at ``INFO``. Where the program has set up no logging and stderr is a
terminal, they are printed there; a program that reads stderr through a pipe gets none of them.
"""

import contextlib
import logging
import sys
from collections.abc import Iterable

from ledger.core import ArtifactVersion

_log = logging.getLogger("ledger")


def tell_step(pipeline: str, step: str, what: str, gave: Iterable[ArtifactVersion] = ()) -> None:
    """Say what became of a step, and which versions it gave."""
    labels = ", ".join(f"{version.name}@{version.version}" for version in gave)
    _tell(f"{pipeline}: step {step} {what}" + (f": {labels}" if labels else ""))


def tell_run(pipeline: str, run: str, what: str) -> None:
    """Say what became of a run."""
    _tell(f"{pipeline}: run {run} {what}")


def _tell(line: str) -> None:
    if _log.hasHandlers():
        _log.info(line)
    elif sys.stderr is not None:
        # A terminal that is gone is no reason for a run to fail.
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr.isatty():
                print(line, file=sys.stderr)  # noqa: T201  # for a person
