"""What was sought, where, and for whom.

Owns the one form of errors about stored bytes: they name the content that asked, the
chunk, pack or table, its digest, and the URL it was sought at, in the message and as
facts. Which of several stores has an object is asked only once something is wrong with it.
"""

from typing import Final, Literal, NamedTuple

from ledger.blobs.stores.store import Store, location_of
from ledger.errors import IntegrityError

THE_STORE: Final = "the store"
"""The label where no content asks: the store itself is checked, mended or cleaned."""


class Sought(NamedTuple):
    """A thing that a content needs: who asked, what it is, its digest, and the store and key it was sought at."""

    label: str
    thing: Literal["chunk", "pack", "table"]
    digest: str
    store: Store
    key: str

    def __str__(self) -> str:
        return f"{self.label}: {self.thing} {self.digest}"

    def damaged(self, what: str, **facts: str | int) -> IntegrityError:
        """The error that says what is wrong, with the facts as attributes."""
        location = location_of(self.store, self.key)
        return IntegrityError(
            f"{self} in {location} {what}",
            hint=IntegrityError.usual_hint,
            label=self.label,
            digest=self.digest,
            location=location,
            **facts,
        )

    def missing(self) -> IntegrityError:
        """The error for what is not there: lost, here or by a remote, or not brought yet, as after a ``git push``."""
        error = self.damaged("is missing")
        error.hint = (
            f"{error.hint}; where somebody else saved it, their next `ledger sync` may bring it, and does once they "
            "have deleted their remote-stores.json, where a remote's store has lost it (specs/maintenance.md, 2)"
        )
        return error
