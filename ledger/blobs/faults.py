"""What can be wrong with an object of a store, as a value."""

from collections.abc import Iterable
from typing import NamedTuple

from ledger.blobs.store import Store
from ledger.enums import FaultKind
from ledger.errors import LedgerError


class Fault(NamedTuple):
    """What is wrong with an object; ``chunks`` are the damaged chunks of a pack, none where all of it is lost.

    ``cause`` is set where a table cannot say what its content needs: the error that it failed with.
    """

    key: str
    kind: FaultKind
    message: str
    chunks: frozenset[int] = frozenset()
    cause: LedgerError | None = None

    def touches(self, stretches: Iterable[tuple[int, int]]) -> bool:
        """Whether it is in one of the chunks that a content needs of the object."""
        return not self.chunks or any(first <= chunk < stop for first, stop in stretches for chunk in self.chunks)


def missing(store: Store, key: str) -> Fault:
    """The fault of an object that is not there."""
    return Fault(key, "missing", f"{store.url}/{key} is missing")
