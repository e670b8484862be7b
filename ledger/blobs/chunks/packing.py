"""From stored chunks, one after another, to packs in a store.

Owns when a pack is full and how it gets to the store. The packs of a large content are written while they fill,
straight from the memory that its chunks were cut in, so that no pack is ever held as a whole; each is made durable
while the next one fills. Those for a distant store wait on this machine's disk (`ledger.blobs.stores.spooled`), and two
are under way while the next fills. A content that is not large has one pack, which is put from memory.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from ledger.blobs.chunks.packs import PackBuilder
from ledger.blobs.stores.layout import pack_key
from ledger.blobs.stores.spooled import stage
from ledger.blobs.stores.store import StagedObject, Store, puts_at_once
from ledger.blobs.stores.workers import Workers
from ledger.ids import Digest


class PackWriter:
    """Collects the chunks of a content in packs; for the thread that places them, in order.

    ``is_large`` says that there is more to come than may wait in memory; otherwise it all fits into one pack.
    """

    def __init__(self, store: Store, *, is_large: bool) -> None:
        self._store = store
        self._pack = PackBuilder()
        self._staged = stage(store) if is_large else None
        self._writing: Workers[None] = Workers()
        self._publishing: Workers[None] = Workers(puts_at_once(store))
        self.names: list[str] = []
        """The packs that are complete; `add` tells the number of a pack in this list."""

    @property
    def is_first_pending(self) -> bool:
        """Whether there is one pack so far, and it is not complete."""
        return len(self._pack) > 0 and not self.names

    def add(self, digest: Digest, plain_size: int, stored: bytes | memoryview) -> tuple[int, int]:
        """Take a stored chunk, whose memory is needed until the next `write` is done; its pack and its number there."""
        if self._staged is None:
            stored = bytes(stored)
        elif not self._pack.has_room(len(stored)):
            self._complete_pack(self._staged)
            self._staged = stage(self._store)
        return len(self.names), self._pack.add(digest, plain_size, stored)

    def write(self, when_done: Callable[[], None]) -> None:
        """Write in the background what was added, and call ``when_done`` when its memory is free again."""
        if self._staged is None:
            when_done()
            return
        start, parts = self._pack.drain()
        self._write(partial(_write_parts, self._staged, start, parts, when_done))

    def finish(self) -> Sequence[str]:
        """Make everything durable; the names of all packs."""
        if len(self._pack) and self._staged is not None:
            self._complete_pack(self._staged)
        elif len(self._pack):
            name, parts = self._pack.build()
            self._store.put(pack_key(name), [bytes(part) for part in parts])
            self.names.append(name)
        _wait(self._publishing)
        return self.names

    def close(self) -> None:
        """End all threads, and drop the pack that is not complete, however often an interrupt comes."""
        try:
            with closing(self._publishing):
                self._writing.close()
        finally:
            if self._staged is not None:
                self._staged.drop()

    def _complete_pack(self, staged: StagedObject) -> None:
        """Publish the pack in the background, once it is written and few enough others are under way."""
        start, name, parts = self._pack.drained_size, *self._pack.build()
        self._write(partial(staged.write_at, start, parts))
        _wait(self._writing)
        while len(self._publishing) >= puts_at_once(self._store):
            self._publishing.take()
        self._publishing.give(partial(staged.publish, pack_key(name)))
        self.names.append(name)
        self._pack = PackBuilder()

    def _write(self, work: Callable[[], None]) -> None:
        if self._writing.is_full:
            self._writing.take()
        self._writing.give(work)


def _write_parts(
    staged: StagedObject, start: int, parts: Sequence[bytes | memoryview], when_done: Callable[[], None]
) -> None:
    staged.write_at(start, parts)
    when_done()


def _wait(workers: Workers[None]) -> None:
    while workers:
        workers.take()
