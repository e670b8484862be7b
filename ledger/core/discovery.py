"""Where a ledger is, and where the first write makes one.

In this order: an explicit path, ``LEDGER_DIR``, the nearest ``.ledger`` in the working
directory or above it. Git's own variables play no part.
"""

from collections.abc import Mapping
from pathlib import Path

from ledger.errors import LedgerNotFoundError

LEDGER_DIRECTORY = ".ledger"
VARIABLE = "LEDGER_DIR"


def find_ledger(start: Path, environment: Mapping[str, str]) -> Path | None:
    """The ledger directory to use, or ``None`` where there is none yet."""
    named = environment.get(VARIABLE)
    if named:
        return Path(named).absolute() if Path(named).is_dir() else None
    candidates = (folder / LEDGER_DIRECTORY for folder in (start, *start.parents))
    return next((candidate for candidate in candidates if candidate.is_dir()), None)


def place_for_new(start: Path, environment: Mapping[str, str]) -> Path:
    """Where a first write makes a ledger: the named place, the root of the Git work tree, or here."""
    named = environment.get(VARIABLE)
    if named:
        return Path(named).absolute()
    root = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)
    return root / LEDGER_DIRECTORY


def not_found(path: Path) -> LedgerNotFoundError:
    """The error of a read where there is no ledger."""
    return LedgerNotFoundError(
        f"no ledger at {path}, nor above it" if path.name == LEDGER_DIRECTORY else f"no ledger at {path}",
        hint=f"run `ledger init` or save an artifact to make one, or set {VARIABLE} to an existing one",
        path=str(path),
    )
