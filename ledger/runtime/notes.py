"""Notes below errors: what a step was about when something below it failed.

An error is passed on as it is; the note tells which argument or output it came for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.errors import LedgerError


@contextmanager
def noted(note: str) -> Iterator[None]:
    """A block whose errors carry a note."""
    try:
        yield
    except LedgerError as error:
        error.add_note(note)
        raise
