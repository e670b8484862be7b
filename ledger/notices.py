"""Warnings to the person who saves or loads, shown at their own line.

Owns where a warning is attributed to: the first caller outside of this project, because that is where the value
came from; and when. What a worker thread has to say is kept until whoever gave it the work takes the result, because
only there the caller can be seen, and a filter of warnings may hold for that thread alone.
"""

import sys
import warnings
from contextvars import ContextVar

_kept: ContextVar[list[str] | None] = ContextVar("ledger_kept_warnings", default=None)


def warn_user(message: str) -> None:
    """Issue a ``UserWarning`` at the line that called into the ledger, in the thread that did."""
    kept = _kept.get()
    if kept is not None:
        kept.append(message)
        return
    depth = 1
    frame = sys._getframe(0)  # noqa: SLF001  # the standard way to look at one's callers
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("ledger."):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, UserWarning, stacklevel=depth)


def keep_warnings(kept: list[str]) -> None:
    """Let the warnings of this context, which is to be a worker's, be added to a list instead of being issued."""
    _kept.set(kept)
