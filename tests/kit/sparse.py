"""A pack most of which no table names any more."""

from ledger import Ledger
from ledger.blobs import needs_of
from ledger.blobs.chunks.packs import PackBuilder, load_index
from ledger.blobs.chunks.tables import put_runs
from ledger.ids import digest_of
from tests.kit.contents import noise


def make_mostly_dead(ledger: Ledger, name: str, *, dead: int = 20) -> None:
    """Let the table of the first version of a name name only the first chunks of a pack that holds more.

    ``dead`` is how many, of 100 KB each: with few the pack is not mostly dead, and stays as it is.
    """
    store = ledger.store
    content = ledger.get(name, 1).content
    builder = PackBuilder()
    for key, stretches in needs_of(store, content).stretches.items():
        if key.startswith("packs/"):
            index = load_index(store, key[6:8] + key[9:], label="x")
            for first, stop in stretches:
                for number in range(first, stop):
                    entry, start = index.entries[number], index.offsets[number]
                    builder.add(entry.digest, entry.plain_size, store.get(key, start, entry.stored_size))
    alive = len(builder)
    for seed in range(dead):
        more = noise(100_000, seed=100 + seed)
        builder.add(digest_of(more), len(more), more)
    pack, parts = builder.build()
    store.put(f"packs/{pack[:2]}/{pack[2:]}", [b"".join(parts)])
    put_runs(store, content, [(pack, 0, alive)])
