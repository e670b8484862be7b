"""What is wrong with an object of the history: why it was not found where it was sought, or is not one of a ledger."""

from ledger.errors import IntegrityError, LedgerError, StorageError
from ledger.history.git.forms import ObjectId
from ledger.system_errors import raise_if_inconclusive


class Damage(list[str]):
    """What was found damaged in search of an object, in words, and the first file that could not be read."""

    unread: StorageError | None = None

    def note_unread(self, error: StorageError, cause: OSError | None = None) -> None:
        """Note a file that could not be read: unless the object lies elsewhere, nobody can say that it is not there."""
        error.__cause__ = cause or error.__cause__
        raise_if_inconclusive(error)
        self.unread = self.unread or error


def bad_tree(id: ObjectId, error: ValueError) -> IntegrityError:
    """The error for a tree that Git may accept, but that no ledger writes."""
    return IntegrityError(f"git tree {id} is not one of a ledger: {error}", digest=id)


def raise_if_object_damaged(error: LedgerError) -> None:
    """Raise an error again if it says that an object here is lost or damaged.

    Such an error says nothing about the commits that name the object, so these are not judged.
    """
    if isinstance(error, IntegrityError) and "is_missing" in error.facts:
        raise error
