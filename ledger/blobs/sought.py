"""What was sought, where, and for whom.

Owns the one form of errors about stored bytes: they name the content that asked, the
chunk, pack or table, its digest, and the URL it was sought at, in the message and as
facts.
"""

from typing import Literal, NamedTuple

from ledger.errors import IntegrityError


class Sought(NamedTuple):
    """A thing that a content needs: who asked, what it is, its digest, and the URL it was sought at."""

    label: str
    thing: Literal["chunk", "pack", "table"]
    digest: str
    location: str

    def __str__(self) -> str:
        return f"{self.label}: {self.thing} {self.digest} in {self.location}"

    def damaged(self, what: str, **facts: str | int) -> IntegrityError:
        """The error that says what is wrong, with the facts as attributes."""
        return IntegrityError(
            f"{self} {what}",
            hint=IntegrityError.usual_hint,
            label=self.label,
            digest=self.digest,
            location=self.location,
            **facts,
        )
