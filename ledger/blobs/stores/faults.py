"""What can be wrong with an object of a store, as a value."""

from collections.abc import Iterable
from typing import NamedTuple

from ledger.blobs.stores.store import Store
from ledger.enums import FaultKind
from ledger.errors import LedgerError


class Fault(NamedTuple):
    """What is wrong with an object; ``chunks`` are the damaged chunks of a pack, none where all of it is lost.

    ``cause`` is set where a table cannot say what its content needs: the error that it failed with. ``sizes`` are set
    where a chunk is sound, and manifests give it other sizes than it has: only those contents are touched.
    """

    key: str
    kind: FaultKind
    message: str
    chunks: frozenset[int] = frozenset()
    cause: LedgerError | None = None
    sizes: frozenset[int] = frozenset()

    def touches(self, stretches: Iterable[tuple[int, int]], size: int | None) -> bool:
        """Whether a content is touched that needs these chunks of the object, and gives it this ``size`` as a chunk."""
        if self.sizes:
            return size in self.sizes
        return not self.chunks or any(first <= chunk < stop for first, stop in stretches for chunk in self.chunks)


def missized(store: Store, key: str, size: int | None, said: Iterable[int | None]) -> Fault | None:
    """The fault of a sound chunk of ``size`` bytes if some manifest gives it another size; ``None`` if none does.

    ``said`` are the sizes that manifests give it. The ``size`` of what is no chunk is ``None``.
    """
    wrong = frozenset(each for each in said if each is not None and each != size)
    if size is None or not wrong:
        return None
    numbers = ", ".join(map(str, sorted(wrong)))
    return Fault(key, "corrupt", f"{store.url}/{key} has {size} bytes, and by a manifest {numbers}", sizes=wrong)


def missing(store: Store, key: str) -> Fault:
    """The fault of an object that is not there."""
    return Fault(key, "missing", f"{store.url}/{key} is missing")
