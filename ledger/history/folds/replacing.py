"""A folded pack takes the place of those that it was made from.

The order makes it safe: first the new pack and its index are made durable in their folder, and read back. Then the old
ones go, each index before its pack, since without an index nobody looks for its pack. This is safe even where machines
do not share the ledger's lock, and two of them fold at once.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ledger.disk import fresh_name, names_in, read_file, remove_if_there, stage_file, storage_errors, sync_directory
from ledger.errors import IntegrityError, StorageError
from ledger.history.folds.folding import UNLIMITED, Fold
from ledger.history.folds.new_pack import Columns, NewPack
from ledger.history.folds.old_packs import FEW, OldPack, OldPackDamage
from ledger.history.git.entries import PackDamage
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import TRAILER, PackFile, map_file

# Not `tmp_`: `git prune --expire=now` removes files of that name while they are being written.
TEMPORARY = "ledger_tmp_"

MULTI_PACK_INDEX = "multi-pack-index"
"""Git's index over several packs; from Git 2.47 on it may also be layers, in a folder of this name and ``.d``."""

_WITH_A_PACK = (".pack", ".rev", ".bitmap", ".keep", ".idx")
"""What goes with a pack once its index is gone; the index again, which a reader may have made anew meanwhile."""


def fold_at_once(objects: Objects, packs: Sequence[OldPack], least: int) -> None:
    """Fold packs into one.

    A pack that turns out to be damaged is left as it is, and the others are folded, if there are at least ``least``.
    """
    while len(packs) >= least:
        path = objects.pack_directory / fresh_name(TEMPORARY)
        fold = Fold(packs, NewPack(path), most_related=UNLIMITED)
        try:
            fold.advance(len(fold), durably=False)
            put_in_place(objects, fold, [fold.new.columns()])
        except OldPackDamage as damage:
            packs = [old for old in packs if old is not damage.pack]
        else:
            return
        finally:
            remove_if_there(path)


def put_in_place(objects: Objects, fold: Fold, columns: Sequence[Columns]) -> None:
    """Finish a fold whose entries are all copied: its pack takes the place of those that it was made from."""
    folder = objects.pack_directory
    _check_listed(fold, columns)
    checksum, index, count = fold.new.seal(columns)
    stem = f"pack-{checksum}"
    # Renamed to a name that only we know, so that the file that is checked is the one that becomes the pack.
    staging = folder / fresh_name(TEMPORARY)
    with storage_errors(folder / f"{stem}.pack", "write"):
        os.rename(fold.new.path, staging)
        try:
            if not _is_whole(staging, checksum):
                raise IntegrityError(f"{stem}.pack does not hold what was written to it", where=str(folder / stem))
            os.rename(staging, folder / f"{stem}.pack")
        finally:
            remove_if_there(staging)
    stage_file(folder / f"{stem}.idx", [index], temporary=TEMPORARY)
    _keep_age(folder / f"{stem}.idx", fold.packs)
    sync_directory(folder)
    if read_file(folder / f"{stem}.idx") != index:
        raise IntegrityError(f"{stem}.idx does not hold what was written to it", where=str(folder / stem))
    folded = [old.base.name for old in fold.packs if old.base.name != stem]
    objects.packs.adopt(stem, count, made_of=folded)
    _remove_packs(objects, folded)


def remove_multi_pack_index(folder: Path) -> None:
    """Remove Git's index over several packs, derived like any, which would name packs that are gone."""
    layers = folder / f"{MULTI_PACK_INDEX}.d"
    for path in (folder / MULTI_PACK_INDEX, layers / f"{MULTI_PACK_INDEX}-chain"):
        remove_if_there(path)
    with contextlib.suppress(StorageError):  # layers that cannot be listed stay: without the chain nobody reads them
        for name in names_in(layers):
            remove_if_there(layers / name)


def _check_listed(fold: Fold, columns: Sequence[Columns]) -> None:
    """Raise `IntegrityError` unless the new index will list what the old ones do: the fold may have begun long ago."""
    names, at = b"".join(part.names for part in columns), 0
    for expected in _listed_names(fold.packs):
        if names[at : at + len(expected)] != expected:
            raise IntegrityError(f"{fold.new.path} does not list what its packs hold", where=str(fold.new.path))
        at += len(expected)
    if at != len(names):
        raise IntegrityError(f"{fold.new.path} lists more than its packs hold", where=str(fold.new.path))


def _listed_names(packs: Sequence[OldPack]) -> Iterator[bytes]:
    """The names that the indexes of some packs list, sorted and each once, one part of them after another."""
    if sum(map(len, packs)) <= FEW:
        yield _listed(packs, PackFile.names)
    else:
        for first in range(256):
            yield _listed(packs, partial(PackFile.names_beginning, first=first))


def _listed(packs: Sequence[OldPack], names_of: Callable[[PackFile], Iterator[bytes]]) -> bytes:
    found: set[bytes] = set()
    for old in packs:
        try:
            found.update(names_of(old.pack))
        except PackDamage as error:
            raise OldPackDamage(old) from error
    return b"".join(sorted(found))


def _keep_age(index: Path, packs: Sequence[OldPack]) -> None:
    """Let an index be as old as the newest of those that it takes the place of.

    What a tree names is sought in older packs first (`packs`), and others may have published while this was made.
    """
    with contextlib.suppress(OSError):  # one is gone: more packs are asked then
        newest = max(os.stat(f"{old.base}.idx").st_mtime_ns for old in packs)
        os.utime(index, ns=(newest, newest))


def _is_whole(path: Path, checksum: str) -> bool:
    try:
        content = map_file(os.fspath(path))
    except PackDamage:
        return False
    digest = hashlib.sha1(content[:-TRAILER], usedforsecurity=False).digest()
    return digest == content[-TRAILER:] == bytes.fromhex(checksum)


def _remove_packs(objects: Objects, stems: Sequence[str]) -> None:
    """Remove packs whose objects are all in another pack."""
    remove_multi_pack_index(objects.pack_directory)
    objects.packs.drop(stems)
    for stem in stems:
        base = f"{objects.pack_directory}/{stem}"
        # The index goes first, and its pack only after it: an index without a pack would be damage, while a pack whose
        # index stays is folded once more.
        if remove_if_there(f"{base}.idx"):
            for ending in _WITH_A_PACK:
                remove_if_there(f"{base}{ending}")
