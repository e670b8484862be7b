"""The indexes of packs that were used last, in bounded memory, and those that are needed next."""

import contextlib
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Final

from ledger.blobs.chunks.packs import PackIndex, load_index
from ledger.blobs.stores.recent import Recent
from ledger.blobs.stores.store import Store, small_at_once
from ledger.blobs.stores.workers import ask_each
from ledger.errors import LedgerError

KEPT_CHUNKS: Final = 1 << 14
"""How many chunks the kept indexes have, in some 5 MiB: those of a few large packs, or of very many small ones.

A content that was changed many times has its chunks in as many packs, and its stream goes back and forth among them.
"""

_MOST_AHEAD = 7  # indexes: with the one that is needed, half of those that are kept if chunks have their usual size


class RecentIndexes:
    """The indexes of a store's packs, those used last kept; one thread at a time. ``label`` names them in errors."""

    def __init__(self, store: Store, *, label: str) -> None:
        self._store = store
        self._load = partial(load_index, store, label=label)
        self._kept: Recent[str, PackIndex] = Recent(KEPT_CHUNKS)

    def get(self, pack: str, *, next_packs: Iterable[str] = ()) -> PackIndex:
        """The index of a pack; raises as `load_index`.

        ``next_packs`` are likely to be needed after it: a distant store is asked for some of their indexes as well,
        at the same time.
        """
        index = self._kept.get(pack)
        if index is None:
            indexes = ask_each(self._store, self._load, [pack, *self._unknown(next_packs)])
            index = self._keep(next(indexes))
            with contextlib.suppress(LedgerError):  # whoever needs that index meets its error
                for ahead in indexes:
                    self._keep(ahead)
        return index

    def _keep(self, index: PackIndex) -> PackIndex:
        self._kept.put(index.pack, index, weight=len(index.entries))
        return index

    def _unknown(self, packs: Iterable[str]) -> Iterable[str]:
        """Those of some packs whose indexes are worth asking for ahead."""
        if small_at_once(self._store) is None:
            return ()
        unknown = dict.fromkeys(pack for pack in packs if self._kept.get(pack) is None)
        return islice(unknown, _MOST_AHEAD)
