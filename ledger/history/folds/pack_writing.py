"""Objects put into packs of the history, durably.

A commit's objects go into one small pack, two files and one directory to sync, instead of a loose file each. Until the
branch names the commit, a ``.keep`` file beside the pack tells Git's housekeeping, which may run at any moment, to
leave it alone.
"""

import itertools
import os
from stat import S_ISREG

from ledger.disk import MODE, remove_if_there, stage_together, status_of, sync_directory, sync_file, write_all
from ledger.errors import IntegrityError, StorageError
from ledger.history.folds.old_packs import OUR_KEEP
from ledger.history.folds.replacing import TEMPORARY
from ledger.history.git.damage import Damage
from ledger.history.git.entries import encode_entry, encode_new_entry
from ledger.history.git.forms import ObjectId
from ledger.history.git.kinds import RawObject
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import PackFile, encode_pack
from ledger.system_errors import storage_error

SMALL = 64
"""Most objects of a pack that is folded soon, and so is not worth compressing."""

_MOST_LOOSE = 1024  # objects that a fold brings into a pack on its way

_MOST_LOOSE_BYTES = 1 << 26
"""Bytes of loose objects that are brought into one pack: others wait for the ledger's lock meanwhile."""


def write_pack(objects: Objects, contents: dict[ObjectId, RawObject]) -> str:
    """Make objects durable as one pack, kept from Git's housekeeping until `release_pack`; returns its name.

    ``contents`` comes from the leaves to the commit, or several commits one after another. It is written the other
    way round, as Git orders a pack: what comes first is newest.
    """
    newest_first = reversed(contents.items())
    encode = encode_new_entry if len(contents) <= SMALL else encode_entry
    entries = {bytes.fromhex(name): encode(kind, data) for name, (kind, data) in newest_first}
    checksum, pack, index = encode_pack(entries)
    stem = f"pack-{checksum.hex()}"
    folder = objects.pack_directory
    _mark_kept(objects, stem)
    try:
        # Git knows a pack by its index: that one comes last.
        stage_together([(f"{folder}/{stem}.pack", pack), (f"{folder}/{stem}.idx", index)], temporary=TEMPORARY)
        sync_directory(folder)
    except BaseException:
        release_pack(objects, stem)
        raise
    objects.packs.adopt(stem, len(entries))
    return stem


def check_pack(objects: Objects, stem: str) -> None:
    """Raise `StorageError` unless a pack that was written still lies there: another repository may be in that place."""
    path = f"{objects.pack_directory}/{stem}.pack"
    if status_of(path) is None:
        raise StorageError(
            f"the history {objects.git_dir} was replaced or deleted while something was published to it",
            hint="do it again; nothing was published",
            path=path,
        )


def release_pack(objects: Objects, stem: str) -> None:
    """Let a pack be folded and repacked, once its objects are published, or nobody wants them."""
    mark = _mark_of(objects, stem)
    try:
        os.rename(mark, _spare_mark(objects))
    except OSError:
        remove_if_there(mark)


def pack_loose_objects(objects: Objects, most: int = _MOST_LOOSE) -> int:
    """Bring loose objects, which real Git makes, into a pack, and remove their files; returns how many.

    What has no room beside the others stays, such as a large file that somebody has pushed: no record is one.
    """
    found: dict[ObjectId, RawObject] = {}
    room = _MOST_LOOSE_BYTES
    for id in itertools.islice(objects.loose.ids(), most):
        content = objects.loose.read(id, Damage()) if objects.loose.size(id) <= room else None
        if content is not None:
            found[id] = content
            room -= len(content[1])
    if not found:
        return 0
    stem = write_pack(objects, found)
    pack = PackFile(str(objects.pack_directory / stem))
    for id, content in found.items():
        if pack.read(bytes.fromhex(id)) != content:
            raise IntegrityError(f"{stem}.pack does not hold what was written to it", where=pack.base)
    for id in found:
        objects.loose.remove(id)
    release_pack(objects, stem)
    return len(found)


def _mark_kept(objects: Objects, stem: str) -> None:
    """Put a ``.keep`` of ours beside a pack: the one that the last pack had, if it is there.

    Its name is not synced: after a power cut no housekeeping is under way that it would have to stop.
    """
    mark, spare = _mark_of(objects, stem), _spare_mark(objects)
    try:
        status = os.lstat(spare)
        # A power cut may have emptied a mark that was made without fsync: it would be taken for somebody else's.
        if S_ISREG(status.st_mode) and status.st_size == len(OUR_KEEP):
            # The spare mark is used again: on ext4 each new file costs more the more were removed a while ago.
            os.rename(spare, mark)
            return
    except OSError:
        pass  # there is none, or another writer has taken it
    _make_mark(mark)


def _make_mark(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
        try:
            write_all(descriptor, OUR_KEEP)
            sync_file(descriptor)  # used again and again, and known by what it holds
        finally:
            os.close(descriptor)
    except OSError as error:
        remove_if_there(path)
        raise storage_error(error, path, "write") from error


def _mark_of(objects: Objects, stem: str) -> str:
    return f"{objects.pack_directory}/{stem}.keep"


def _spare_mark(objects: Objects) -> str:
    """Where the ``.keep`` file lies that no pack needs now."""
    return f"{objects.git_dir}/ledger-keep"
