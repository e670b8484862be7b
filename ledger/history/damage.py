"""Why an object was not found where it was sought."""

from ledger.errors import IntegrityError, LedgerError, StorageError
from ledger.system_errors import raise_if_inconclusive


class Damage(list[str]):
    """What was damaged on the way, in words, and the first file that could not be read."""

    unread: StorageError | None = None

    def note_unread(self, error: StorageError, cause: OSError | None = None) -> None:
        """Note a file that could not be read: unless the object lies elsewhere, nobody can say that it is not there."""
        error.__cause__ = cause or error.__cause__
        raise_if_inconclusive(error)
        self.unread = self.unread or error


def raise_if_object_damaged(error: LedgerError) -> None:
    """Raise an error again if it says that an object here is lost or damaged.

    It says nothing about the commits that name the object, which are then not judged.
    """
    if isinstance(error, IntegrityError) and "is_missing" in error.facts:
        raise error
