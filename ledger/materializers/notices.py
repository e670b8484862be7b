"""Warnings to the person who saves or loads, shown at their own line.

Owns where a warning is attributed to: the first caller outside of this project, because
that is where the value came from.
"""

import sys
import warnings


def warn_user(message: str) -> None:
    """Issue a ``UserWarning`` at the line that called into the ledger."""
    depth = 1
    frame = sys._getframe(0)  # noqa: SLF001  # the standard way to look at one's callers
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("ledger."):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, UserWarning, stacklevel=depth)
