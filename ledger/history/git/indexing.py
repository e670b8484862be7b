"""Indexes of packs, made again where they are gone or damaged.

Derived is disposable: the pack is the truth, and its index can be deleted at any time. It is
looked at only when an object was not found, so it costs nothing while all is well.
"""

import contextlib
import gc
import hashlib
import os
import stat
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.disk import mode_of, open_regular, read_file, remove_if_there, stage_file, storage_errors, sync_directory
from ledger.errors import ReadOnlyError, StorageError
from ledger.history.git.packfile import INDEX_MAGIC, PACK_HEAD, TRAILER, count_in_index, encode_index
from ledger.system_errors import raise_if_inconclusive

if TYPE_CHECKING:
    from dulwich.pack import PackData

_COUNT = slice(8 + 1020, 8 + 1024)  # where an index says how many objects it lists
_TEMPORARY = "tmp_idx_"
_DAMAGE = (zlib.error, AssertionError, ValueError, KeyError, IndexError, EOFError, OverflowError, MemoryError)
"""What dulwich raises for bytes that are no pack, besides errors of its own."""


def restore_indexes(folder: Path) -> bool:
    """Make every missing or damaged index of the packs in a folder again; says whether any was made.

    A pack that cannot be read itself is left alone, and so is everything where nothing can be written.
    """
    with storage_errors(folder, "read"):
        packs = sorted(name.removesuffix(".pack") for name in os.listdir(folder) if name.endswith(".pack"))
    made = [stem for stem in packs if not _has_sound_index(folder / stem) and _restore(folder, stem)]
    if made:
        sync_directory(folder)
    return bool(made)


def index_orphans(folder: Path, names: Collection[str]) -> None:
    """Make the index of each pack that has none, as a killed fold leaves one: with it the pack can be folded again."""
    for name in names:
        stem = name.removesuffix(".pack")
        if stem != name and f"{stem}.idx" not in names:
            _restore(folder, stem)


def can_be_indexed(base: Path) -> bool:
    """Whether the index of a pack could be made of the pack alone."""
    return _index_of(base.with_name(f"{base.name}.pack")) is not None


def is_sound(base: Path) -> bool | None:
    """Whether an index is what was written, and lists as many objects as its pack holds.

    ``None`` where it or its pack is not there: beside writers, either may be about to come, or just have gone.
    """
    try:
        data = read_file(f"{base}.idx")
        head, pack_trailer = read_file(f"{base}.pack", length=PACK_HEAD), read_file(f"{base}.pack", start=-TRAILER)
    except FileNotFoundError:
        return None
    body, trailer = data[:-TRAILER], data[-TRAILER:]
    is_whole = data.startswith(INDEX_MAGIC) and hashlib.sha1(body, usedforsecurity=False).digest() == trailer
    has_room = count_in_index(len(data)) >= int.from_bytes(head[-4:])
    return is_whole and has_room and data[_COUNT] == head[-4:] and body[-TRAILER:] == pack_trailer


def _has_sound_index(base: Path) -> bool:
    """Whether the index of a pack is sound; one that is missing or cannot be read is not."""
    try:
        return bool(is_sound(base))
    except StorageError as error:
        raise_if_inconclusive(error)
        return False


def _restore(folder: Path, stem: str) -> bool:
    """Make the index of a pack again, its name not yet durable; says whether it was made."""
    if stat.S_ISDIR(mode_of(folder / f"{stem}.idx", follow=False)) and not _remove_empty(folder / f"{stem}.idx"):
        return False  # nothing can be put in its place before a repair has moved it
    index = _index_of(folder / f"{stem}.pack")
    if index is None:
        return False
    try:
        stage_file(folder / f"{stem}.idx", [index], temporary=_TEMPORARY)
    except ReadOnlyError:
        return False  # the caller reports the object that it could not find
    if not mode_of(folder / f"{stem}.pack"):
        # A writer has folded the pack meanwhile, and an index without its pack is of no use.
        remove_if_there(folder / f"{stem}.idx")
    return True


def _remove_empty(path: Path) -> bool:
    """Remove an empty folder, such as the mount point of a lost file leaves; says whether that could be done."""
    try:
        os.rmdir(path)
    except OSError:
        return False  # it holds something, or nothing can be written
    return True


def _index_of(path: Path) -> bytes | None:
    """The index of a pack, or ``None`` for one that is gone, damaged or cannot be read."""
    from dulwich.object_format import SHA1
    from dulwich.pack import PackData

    try:
        os.close(open_regular(path)[0])  # dulwich would wait for a fifo
        with _closing(PackData(str(path), object_format=SHA1)) as pack:
            index = _index_in(pack)
            if index is None:
                gc.collect()  # dulwich holds the pack's bytes in a cycle, which keeps them from being closed
            return index
    except (FileNotFoundError, *_DAMAGE):
        return None  # reading what is in it says what is wrong with it
    except OSError as error:
        raise_if_inconclusive(error, path=str(path))
        return None


@contextlib.contextmanager
def _closing(pack: "PackData") -> Iterator["PackData"]:
    """A block at whose end a pack is closed; an interrupt, whose frames hold the pack's bytes, is raised as it is."""
    try:
        yield pack
    finally:
        try:
            pack.close()
        except BufferError:
            pack.close()  # the file; what is mapped goes with the frames


def _index_in(pack: "PackData") -> bytes | None:
    """The index of an open pack, or ``None`` for one with damage in it."""
    from dulwich.errors import ApplyDeltaError, ChecksumMismatch
    from dulwich.pack import UnresolvedDeltas

    try:
        pack.check()
        return encode_index(
            [(bytes(name), at, crc) for name, at, crc in pack.sorted_entries()], pack.get_stored_checksum()
        )
    except (ApplyDeltaError, ChecksumMismatch, UnresolvedDeltas, *_DAMAGE):
        return None
