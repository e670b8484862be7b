"""What a step was doing when something below it failed: which argument or output the error is about.

An error is passed on unchanged, with a note attached. Only an error about a value that cannot be saved says so in its
message too, because that message names nothing but a type otherwise. `told_failure` gives an error as the text of a
record.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.errors import LedgerError, MaterializerError, MissingDependencyError

_ERROR_LIMIT = 10_000  # characters


@contextmanager
def noted(note: str) -> Iterator[None]:
    """A block whose errors carry a note."""
    try:
        yield
    except LedgerError as error:
        error.add_note(note)
        raise


@contextmanager
def saving(what: str, **facts: object) -> Iterator[None]:
    """A block that saves a value: the error of one that cannot become files begins with ``what``."""
    try:
        yield
    except (MaterializerError, MissingDependencyError) as error:
        error.args = (f"{what}: {error}",)
        error.add_facts(**facts)
        raise
    except LedgerError as error:
        error.add_note(f"while {what} was saved")
        raise


def told_failure(error: BaseException) -> str:
    """What a step failed with, short enough for its record and in letters that it can hold."""
    try:
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # noqa: BLE001  # an exception whose text fails is still recorded, by its type
        text = type(error).__name__
    return text.encode("utf-8", "backslashreplace").decode()[:_ERROR_LIMIT]
