"""Packs of the history: written durably, and folded together when there are many.

A commit's objects go into one small pack, two files and one directory to sync,
instead of a loose file each. Packs are folded in tiers, sixteen of about one size into
one, so that a look-up never meets more than a few dozen and every object is copied at most
three times. Old packs go only after the new one is durable and has been read back.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

from ledger.disk import mode_of, read_file, remove_if_there, stage_file, sync_directory
from ledger.errors import IntegrityError, storage_error
from ledger.history.objects import ObjectId, Objects, object_id
from ledger.history.packfile import (
    TRAILER,
    WHOLE_KINDS,
    PackDamage,
    PackFile,
    encode_entry,
    encode_pack,
    entry_header,
)

TIERS = (64, 1024, 16384)
"""Most objects of a pack of each tier; larger packs are left alone."""

FOLD_AT = 16
"""Packs of one tier that are folded into one of the next."""

_TEMPORARY = "tmp_pack_"


def write_pack(objects: Objects, contents: Mapping[ObjectId, tuple[int, bytes]]) -> None:
    """Make objects durable as one pack."""
    _put(objects, {bytes.fromhex(name): encode_entry(kind, data) for name, (kind, data) in contents.items()})


def plan_fold(counts: Mapping[str, int]) -> list[str]:
    """Which packs to fold into one, given how many objects each holds: the lowest tier that is full. Pure."""
    floor = 0
    for ceiling in TIERS:
        tier = [stem for stem, count in counts.items() if floor < count <= ceiling]
        if len(tier) >= FOLD_AT:
            return tier
        floor = ceiling
    return []


def fold_packs(objects: Objects) -> list[str]:
    """Fold a full tier of packs, if there is one; returns the names of those that went.

    The caller holds the ledger's lock. Packs that somebody marked with ``.keep``, packs with deltas (real Git made
    them) and damaged packs are left as they are.
    """
    stems = plan_fold(objects.pack_counts())
    foldable = {stem: entries for stem in stems if (entries := _entries(objects.pack_directory / stem)) is not None}
    if len(foldable) < FOLD_AT // 2:
        return []
    folded = _put(
        objects, {name: entry for entries in foldable.values() for name, entry in entries.items()}, check=True
    )
    for old in foldable.keys() - {folded}:
        objects.drop_pack(old)
        # The index first: without it nobody looks for the pack.
        remove_if_there(objects.pack_directory / f"{old}.idx")
        remove_if_there(objects.pack_directory / f"{old}.pack")
    return sorted(foldable)


def _put(objects: Objects, entries: Mapping[bytes, bytes], *, check: bool = False) -> str:
    """Put a pack in place durably; with ``check`` it is read back from the disk and compared."""
    checksum, pack, index = encode_pack(entries)
    stem = f"pack-{checksum.hex()}"
    folder = objects.pack_directory
    # Git knows a pack by its index: that one comes last.
    stage_file(folder / f"{stem}.pack", [pack], temporary=_TEMPORARY)
    stage_file(folder / f"{stem}.idx", [index], temporary=_TEMPORARY)
    sync_directory(folder)
    if check and (read_file(folder / f"{stem}.pack"), read_file(folder / f"{stem}.idx")) != (pack, index):
        raise IntegrityError(f"{stem}.pack does not hold what was written to it", where=str(folder / stem))
    objects.adopt_pack(stem, len(entries))
    return stem


def _entries(base: Path) -> dict[bytes, bytes] | None:
    """The entries of a pack as they stand, each checked; ``None`` for a pack that is not to be folded."""
    if mode_of(f"{base}.keep"):
        return None
    try:
        pack = read_file(f"{base}.pack")
        places = PackFile(str(base)).places()
    except (FileNotFoundError, PackDamage):
        # Gone by now, or damaged: reading what is in it says so, folding it would not help.
        return None
    except OSError as error:
        raise storage_error(error, base, "read") from error
    if not places:
        return None
    ends = [offset for offset, _ in places[1:]] + [len(pack) - TRAILER]
    entries = {name: pack[start:end] for (start, name), end in zip(places, ends, strict=True)}
    return entries if all(_is_whole(name, entry) for name, entry in entries.items()) else None


def _is_whole(name: bytes, entry: bytes) -> bool:
    """Whether an entry is no delta, is as long as it says, and has the name it is listed under."""
    try:
        kind, size, at = entry_header(entry, 0)
        data = zlib.decompress(entry[at:])
    except (IndexError, zlib.error):
        return False
    return kind in WHOLE_KINDS and size == len(data) and object_id(kind, data) == name.hex()
