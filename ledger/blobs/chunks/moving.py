"""Chunks that are moved into new packs, and the runs of a table that names them there."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from ledger.blobs.chunks.needs import Stretch
from ledger.blobs.chunks.packs import PackBuilder, PackedChunk, PackIndex, load_index, read_chunks
from ledger.blobs.chunks.tables import Run, extend_runs
from ledger.blobs.stores.layout import pack_key, parse_key
from ledger.blobs.stores.sought import THE_STORE
from ledger.blobs.stores.store import Store, checked_reading

Moves = Mapping[str, Mapping[int, PackedChunk]]
"""Where chunks are now, by the pack that they were in and their number there."""


def repack(
    store: Store, needed: Mapping[str, Iterable[Stretch]], target: Store | None = None, *, label: str = THE_STORE
) -> Moves:
    """Put the chunks that are needed of some packs, given by their keys, into new packs, each checked on its way.

    The new packs go to ``target``, by default the same store. Raises `IntegrityError`; ``label`` begins its message.
    """
    target = target or store
    places: dict[str, dict[int, PackedChunk]] = {}
    builder, waiting = PackBuilder(), list[PackedChunk]()
    for key, stretches in needed.items():
        index = load_index(store, pack_of(key), label=label)
        for number in numbers_in(index, stretches):
            stored = checked_reading(store, key, partial(read_chunks, index, range(number, number + 1), label))
            if not builder.has_room(len(stored)):
                _put(target, builder, waiting, places)
                builder, waiting = PackBuilder(), []
            entry = index.entries[number]
            builder.add(entry.digest, entry.plain_size, stored)
            waiting.append(PackedChunk(index.pack, number))
    if len(builder):
        _put(target, builder, waiting, places)
    return places


def packs_in(places: Moves) -> set[str]:
    """The keys of the packs that chunks went to."""
    return {pack_key(pack) for moved in places.values() for pack, _ in moved.values()}


def moved_runs(runs: Sequence[Run], places: Moves) -> tuple[Run, ...]:
    """The runs that name the same chunks where they are now."""
    moved: list[Run] = []
    for pack, first, count in runs:
        gone = places.get(pack)
        if gone is None:
            extend_runs(moved, pack, first, count)  # as a whole: a content may have very many chunks
            continue
        for number in range(first, first + count):
            extend_runs(moved, *gone.get(number, (pack, number)))
    return tuple(moved)


def numbers_in(index: PackIndex, stretches: Iterable[Stretch]) -> list[int]:
    """The chunks of a pack that some stretches name, in order."""
    named = {number for first, stop in stretches for number in range(first, min(stop, len(index.entries)))}
    return sorted(named)


def pack_of(key: str) -> str:
    """The name of the pack that has a key."""
    kind, name = parse_key(key) or ("", "")
    assert kind == "packs", f"{key} is no pack"
    return name


def _put(
    store: Store, builder: PackBuilder, waiting: Sequence[PackedChunk], places: dict[str, dict[int, PackedChunk]]
) -> None:
    """Put a new pack, and note in ``places`` where the chunks that were ``waiting`` for it are now."""
    name, parts = builder.build()
    store.put(pack_key(name), [b"".join(parts)])
    for number, before in enumerate(waiting):
        places.setdefault(before.pack, {})[before.number] = PackedChunk(name, number)
