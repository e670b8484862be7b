"""Packs of the history: written durably, and folded together when there are many.

A commit's objects go into one small pack, two files and one directory to sync,
instead of a loose file each. Packs are folded in tiers, sixteen of about one size into
one, so that a look-up never meets more than a few dozen and every object is copied at most
three times. Old packs go only after the new one is durable and has been read back.
"""

import contextlib
import hashlib
import io
import itertools
import os
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dulwich.object_format import SHA1
from dulwich.objects import ObjectID, ShaFile
from dulwich.pack import load_pack_index, write_pack_objects

from ledger.disk import read_file, remove_if_there, stage_file, sync_directory
from ledger.errors import IntegrityError, storage_error
from ledger.history.objects import DAMAGE, KINDS, ObjectId, Objects, object_id

TIERS = (64, 1024, 16384)
"""Most objects of a pack of each tier; larger packs are left alone."""

FOLD_AT = 16
"""Packs of one tier that are folded into one of the next."""

_TEMPORARY = "tmp_pack_"
_HEADER = struct.Struct(">4sII")
_TRAILER = 20


class _Stored(NamedTuple):
    """An object as it stands in a pack: its name, its checksum, and its bytes with their header."""

    name: bytes
    crc: int
    data: bytes


def write_pack(objects: Objects, contents: Mapping[ObjectId, tuple[int, bytes]]) -> None:
    """Make objects durable as one pack."""
    pack = io.BytesIO()
    shas = [ShaFile.from_raw_string(kind, data, sha=ObjectID(name.encode())) for name, (kind, data) in contents.items()]
    entries, checksum = write_pack_objects(
        pack, [(sha, None) for sha in shas], SHA1, deltify=False, compression_level=1
    )
    index = encode_index(((name, offset, crc) for name, (offset, crc) in entries.items()), checksum)
    _put(objects, checksum, pack.getvalue(), index, len(contents))


def encode_index(entries: Iterable[tuple[bytes, int, int]], checksum: bytes) -> bytes:
    """The index, version 2, of a pack under 2 GiB: where each object begins, and the checksum of its bytes there.

    Written here because dulwich's, which handles every size, costs a tenth of a save.
    """
    ordered = sorted(entries)
    counts = [0] * 256
    for name, _, _ in ordered:
        counts[name[0]] += 1
    body = b"".join(
        [
            b"\xfftOc\x00\x00\x00\x02",
            struct.pack(">256I", *itertools.accumulate(counts)),
            *(name for name, _, _ in ordered),
            struct.pack(f">{len(ordered)}I", *(crc for _, _, crc in ordered)),
            struct.pack(f">{len(ordered)}I", *(offset for _, offset, _ in ordered)),
            checksum,
        ]
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


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
    foldable = {stem: stored for stem in stems if (stored := _contents(objects.pack_directory / stem)) is not None}
    if len(foldable) < FOLD_AT // 2:
        return []
    unique = {item.name: item for stored in foldable.values() for item in stored}
    checksum, pack, index = _join(list(unique.values()))
    stem = _put(objects, checksum, pack, index, len(unique))
    _read_back(objects.pack_directory / stem, pack, index)
    for old in foldable.keys() - {stem}:
        objects.drop_pack(old)
        # The index first: without it nobody looks for the pack.
        remove_if_there(objects.pack_directory / f"{old}.idx")
        remove_if_there(objects.pack_directory / f"{old}.pack")
    return sorted(foldable)


def _put(objects: Objects, checksum: bytes, pack: bytes, index: bytes, count: int) -> str:
    stem = f"pack-{checksum.hex()}"
    folder = objects.pack_directory
    # Git knows a pack by its index: that one comes last.
    stage_file(folder / f"{stem}.pack", [pack], temporary=_TEMPORARY)
    stage_file(folder / f"{stem}.idx", [index], temporary=_TEMPORARY)
    sync_directory(folder)
    objects.adopt_pack(stem, count)
    return stem


def _join(stored: Sequence[_Stored]) -> tuple[bytes, bytes, bytes]:
    """The checksum, pack and index of objects that are copied as they stand."""
    body = bytearray(_HEADER.pack(b"PACK", 2, len(stored)))
    entries: list[tuple[bytes, int, int]] = []
    for item in stored:
        entries.append((item.name, len(body), item.crc))
        body += item.data
    checksum = hashlib.sha1(body, usedforsecurity=False).digest()
    return checksum, bytes(body) + checksum, encode_index(entries, checksum)


def _contents(base: Path) -> list[_Stored] | None:
    """The objects of a pack as they stand, each checked; ``None`` for a pack that is not to be folded."""
    if os.path.exists(f"{base}.keep"):
        return None
    try:
        pack = read_file(f"{base}.pack")
        with contextlib.closing(load_pack_index(f"{base}.idx", SHA1)) as index:
            places = sorted((offset, bytes(name), crc) for name, offset, crc in index.iterentries())
        ends = [offset for offset, _, _ in places[1:]] + [len(pack) - _TRAILER]
        slices = ((name, crc, pack[start:end]) for (start, name, crc), end in zip(places, ends, strict=True))
        stored = [_Stored(name, zlib.crc32(data) if crc is None else crc, data) for name, crc, data in slices]
        whole = all(_is_whole(item) for item in stored)
    except (FileNotFoundError, *DAMAGE):
        # Gone by now, or damaged: reading what is in it says so, folding it would not help.
        return None
    except OSError as error:
        raise storage_error(error, base, "read") from error
    return stored if whole else None


def _is_whole(item: _Stored) -> bool:
    """Whether a stored object is no delta and has the name it is indexed under."""
    kind, at = item.data[0] >> 4 & 7, 1
    while item.data[at - 1] & 0x80:
        at += 1
    return kind in KINDS and object_id(kind, zlib.decompress(item.data[at:])) == item.name.hex()


def _read_back(base: Path, pack: bytes, index: bytes) -> None:
    """Read a new pack from the disk and compare, before anything it replaces goes."""
    if read_file(f"{base}.pack") != pack or read_file(f"{base}.idx") != index:
        raise IntegrityError(f"{base}.pack does not hold what was written to it", where=str(base))
