"""Packs of the history: written durably, and folded together when there are many.

A commit's objects go into one small pack, two files and one directory to sync,
instead of a loose file each. Until the branch names the commit, a ``.keep`` file beside the
pack tells Git's housekeeping, which may run at any moment, to leave it alone.

Packs are folded in tiers, sixteen of about one size into one, so that a look-up never meets
more than a few dozen and every object is copied at most three times. Old packs go only after
the new one is durable and has been read back.
"""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from ledger.disk import read_file, remove_if_there, stage_file, storage_errors, sync_directory
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

# Not `tmp_`: `git prune --expire=now` removes files of that name while they are being written.
_TEMPORARY = "ledger_tmp_"

_OUR_KEEP = b"ledger\n"


def write_pack(objects: Objects, contents: Mapping[ObjectId, tuple[int, bytes]]) -> str:
    """Make objects durable as one pack, kept from Git's housekeeping until `release_pack`; returns its name."""
    entries = {bytes.fromhex(name): encode_entry(kind, data) for name, (kind, data) in contents.items()}
    return _put(objects, entries, keep=True)


def release_pack(objects: Objects, stem: str) -> None:
    """Let a pack be folded and repacked: its objects are published by now, or nobody wants them."""
    remove_if_there(objects.pack_directory / f"{stem}.keep")


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
    them) and damaged packs are left as they are. What writers left that died goes too: none lives but the caller.
    """
    stems = plan_fold(objects.pack_counts())
    foldable = {stem: entries for stem in stems if (entries := _entries(objects.pack_directory / stem)) is not None}
    if len(foldable) < FOLD_AT // 2:
        return []
    _remove_leftovers(objects.pack_directory)
    folded = _put(
        objects, {name: entry for entries in foldable.values() for name, entry in entries.items()}, check=True
    )
    for old in foldable.keys() - {folded}:
        objects.drop_pack(old)
        # The index first: without it nobody looks for the pack.
        remove_if_there(objects.pack_directory / f"{old}.idx")
        remove_if_there(objects.pack_directory / f"{old}.pack")
        release_pack(objects, old)
    return sorted(foldable)


def _put(objects: Objects, entries: Mapping[bytes, bytes], *, keep: bool = False, check: bool = False) -> str:
    """Put a pack in place durably; with ``check`` it is read back from the disk and compared."""
    checksum, pack, index = encode_pack(entries)
    stem = f"pack-{checksum.hex()}"
    folder = objects.pack_directory
    if keep:
        # Not synced: after a power cut no housekeeping is under way that it would have to stop.
        _mark_kept(folder / f"{stem}.keep")
    try:
        # Git knows a pack by its index: that one comes last.
        stage_file(folder / f"{stem}.pack", [pack], temporary=_TEMPORARY)
        stage_file(folder / f"{stem}.idx", [index], temporary=_TEMPORARY)
        sync_directory(folder)
    except BaseException:
        if keep:
            release_pack(objects, stem)
        raise
    if check and (read_file(folder / f"{stem}.pack"), read_file(folder / f"{stem}.idx")) != (pack, index):
        raise IntegrityError(f"{stem}.pack does not hold what was written to it", where=str(folder / stem))
    objects.adopt_pack(stem, len(entries))
    return stem


def _mark_kept(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, _OUR_KEEP)
        finally:
            os.close(descriptor)
    except OSError as error:
        remove_if_there(path)
        raise storage_error(error, path, "write") from error


def _is_kept(base: Path) -> bool:
    """Whether somebody wants a pack to stay; a mark of ours is a dead writer's, while the caller holds the lock."""
    try:
        return read_file(f"{base}.keep") != _OUR_KEEP
    except FileNotFoundError:
        return False


def _remove_leftovers(folder: Path) -> None:
    with storage_errors(folder, "list"):
        names = os.listdir(folder)
    for name in names:
        if name.startswith(_TEMPORARY):
            remove_if_there(folder / name)


def _entries(base: Path) -> dict[bytes, bytes] | None:
    """The entries of a pack as they stand, each checked; ``None`` for a pack that is not to be folded."""
    if _is_kept(base):
        return None
    try:
        pack = read_file(f"{base}.pack")
        places = PackFile(str(base)).places()
    except (FileNotFoundError, PackDamage):
        # Gone by now, or damaged: reading what is in it says so, folding it would not help.
        return None
    except OSError as error:
        raise storage_error(error, base, "read") from error
    if len(places) != int.from_bytes(pack[8:12]) or not places:
        # An index that lists fewer objects than the pack holds would lose the others.
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
