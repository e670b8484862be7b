"""Loose objects: files of one object each, which real Git makes in a history and our own folding takes away.

What a linked folder holds is another repository's, and is neither listed nor removed.
"""

import contextlib
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from ledger.disk import mode_of, read_file, remove_if_there, storage_errors
from ledger.errors import StorageError
from ledger.history.git.damage import Damage
from ledger.history.git.deltas import MOST_BYTES
from ledger.history.git.forms import ObjectId, is_object_id, object_id
from ledger.history.git.kinds import KINDS, RawObject
from ledger.system_errors import storage_error

_NUMBERS = {name: number for number, name in KINDS.items()}
_MOST_STORED = 2 * MOST_BYTES  # no compression makes more of what it cannot shrink

_FOLDER = re.compile(r"[0-9a-f]{2}")


class LooseObjects:
    """The loose objects below Git's folder of objects."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, id: ObjectId, damage: Damage) -> RawObject | None:
        """The kind and bytes of an object, checked; ``None`` if there is none, or it is bad, which ``damage`` notes."""
        try:
            packed = read_file(self._directory / id[:2] / id[2:], length=_MOST_STORED)
        except FileNotFoundError:
            return None
        except StorageError as error:
            damage.note_unread(error)
            return None
        try:
            data = zlib.decompressobj().decompress(packed, MOST_BYTES)
            head, _, body = data.partition(b"\0")
            kind = _NUMBERS[head.split(b" ")[0]]
        except (zlib.error, KeyError, IndexError) as error:
            damage.append(f"damaged loose file: {error!r}")
            return None
        if object_id(kind, body) == id:
            return kind, body
        damage.append("altered loose file")
        return None

    def has(self, id: str) -> bool:
        """Whether an object has a file, whatever that holds."""
        return bool(mode_of(f"{self._directory}/{id[:2]}/{id[2:]}"))

    def size(self, id: str) -> int:
        """The bytes of an object's file; 0 where that cannot be told, as whoever reads it learns."""
        try:
            return os.stat(f"{self._directory}/{id[:2]}/{id[2:]}").st_size
        except OSError:
            return 0

    def ids(self) -> Iterator[ObjectId]:
        """The ids of all loose objects."""
        with storage_errors(self._directory, "list"), os.scandir(self._directory) as entries:
            folders = sorted(
                entry.name for entry in entries if _FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            )
        for folder in folders:
            yield from (id for id in self.ids_beginning(folder) if is_object_id(id))

    def ids_beginning(self, prefix: str) -> Iterator[ObjectId]:
        """The ids that begin with some hex digits, at least two; raises `StorageError`."""
        try:
            names = os.listdir(self._directory / prefix[:2])
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, self._directory / prefix[:2], "read") from error
        yield from (ObjectId(prefix[:2] + name) for name in names if (prefix[:2] + name).startswith(prefix))

    def remove(self, id: ObjectId) -> None:
        """Remove the file of a loose object that is also in a pack, and the folder once no other object is in it."""
        remove_if_there(self._directory / id[:2] / id[2:])
        with contextlib.suppress(OSError):  # another object is in its folder
            os.rmdir(self._directory / id[:2])
