"""The packs that there are, and the order in which an object is sought in them.

Packs may be replaced by other processes at any moment: what has gone is sought again among what is there now. An
object is handed out only if its SHA-1 is the id it was asked for by; wrong bytes under that id are noted as damage.

`packfile` reads one pack; `pack_writing` and `replacing` report here what they put in place and take away.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ledger.disk import storage_errors
from ledger.errors import IntegrityError, StorageError
from ledger.forks import ThreadLock
from ledger.history.git.damage import Damage
from ledger.history.git.entries import PackDamage
from ledger.history.git.forms import ObjectId, object_id
from ledger.history.git.indexing import restore_indexes
from ledger.history.git.kinds import TREE, RawObject
from ledger.history.git.packfile import PackFile, count_in_index
from ledger.history.git.recent_objects import RecentObjects
from ledger.system_errors import storage_error

_RESCANS = 10
_KNOWN_PLACES = 4096  # trees, each with the pack that it was found in
_BASES_BYTES = 4 << 20
"""Bytes of objects kept at hand, by where they are in which pack: whoever goes through a history meets few bases."""


class Packs:
    """The packs of one repository; threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.has_restored = False
        """Whether indexes have been made again because an object was missed."""
        # Replaced, never changed, so that readers need no lock.
        self._packs: Mapping[str, PackFile] = {}
        self._by_age: Sequence[tuple[str, PackFile]] = ()
        self._found_in: dict[ObjectId, str] = {}  # the pack of each tree that was read
        self._bases = RecentObjects(_BASES_BYTES)
        self._counts: Mapping[str, int] = {}
        self._scanned = False
        self._judged: int | None = None  # when the folder had last changed as its indexes were judged
        self._guard = ThreadLock()
        self._judging = ThreadLock()

    def read(self, id: ObjectId, damage: Damage, named_by: ObjectId | None = None) -> RawObject | None:
        """The kind and bytes of an object, from a known pack; ``damage`` notes what is wrong in packs asked before."""
        if not self._scanned:
            self.look_again()
        name = bytes.fromhex(id)
        for stem, pack in self._in_order(named_by):
            try:
                found = pack.read(name, self._bases)
            except FileNotFoundError:
                continue
            except PackDamage as error:
                damage.append(str(error))
                continue
            except OSError as error:
                damage.note_unread(storage_error(error, error.filename or self.folder / stem, "read"), error)
                continue
            if found is not None and object_id(*found) == id:
                self._bring_forward(stem)
                if found[0] == TREE:
                    self._note_place(id, stem)
                return found
            if found is not None:
                damage.append(f"altered in {stem}.pack")
        return None

    def read_from_new(self, id: ObjectId, damage: Damage) -> RawObject | None:
        """As `read`, after looking which packs there are now."""
        # A pack that was just listed may be gone when it is opened, its objects in one that was not there yet.
        for _ in range(_RESCANS):
            has_changed = self.look_again()
            found = self.read(id, damage)
            if found is not None or not has_changed:
                return found
        return None

    def read_again(self, id: ObjectId, damage: Damage) -> RawObject | None:
        """As `read`, after missing or damaged indexes were made again, here or by another process."""
        return self.read_from_new(id, damage) if self.restore_indexes() else self.read(id, damage)

    def restore_indexes(self) -> bool:
        """Make missing or damaged indexes again, and open all packs anew; says whether the folder was judged.

        A file that this process has open may have been replaced since. Each state of the folder is judged once.
        """
        # Under a lock: until one thread has made an index again, the others miss the same objects.
        with self._judging:
            with storage_errors(self.folder, "read"):
                changed = os.stat(self.folder).st_mtime_ns
            if changed == self._judged:
                return False
            self._judged = changed
            self.has_restored |= restore_indexes(self.folder)
            with self._guard:
                self._packs, self._by_age = {}, ()
                self._bases = RecentObjects(_BASES_BYTES)
            self.look_again()
            return True

    def ids_beginning(self, prefix: str) -> list[ObjectId]:
        """The ids of all packed objects that begin with some hex digits, at least two."""
        try:
            return self._listed(prefix)
        except (IntegrityError, StorageError):
            self.restore_indexes()
            return self._listed(prefix)

    def counts(self) -> Mapping[str, int]:
        """How many objects each known pack holds, by file name without ending; what was just written comes first."""
        return self._counts

    def look_again(self) -> bool:
        """Bring the known packs in step with the folder, newest first: what is asked for is mostly new.

        Says whether other packs are there than were known.
        """
        folder = os.fspath(self.folder)
        with storage_errors(folder, "read"):
            found = _indexes_in(folder)
        found.sort(reverse=True)
        with self._guard:
            known = self._packs
            self._packs = {stem: known[stem] if stem in known else PackFile(f"{folder}/{stem}") for _, stem, _ in found}
            self._by_age = tuple(self._packs.items())
            self._counts = {stem: count_in_index(size) for _, stem, size in found}
            self._scanned = True
            return known.keys() != self._packs.keys()

    def adopt(self, stem: str, count: int, *, made_of: Collection[str] = ()) -> None:
        """Know a pack of ``count`` objects that this process has just put in place.

        If it was made of other packs, it counts as being as old as the newest of them.
        """
        pack = PackFile(f"{self.folder}/{stem}")
        with self._guard:
            self._packs = {stem: pack, **self._packs}
            at = next((at for at, (other, _) in enumerate(self._by_age) if other in made_of), 0)
            self._by_age = *self._by_age[:at], (stem, pack), *self._by_age[at:]
            self._counts = {stem: count, **self._counts}

    def drop(self, stems: Collection[str]) -> None:
        """Forget packs whose objects are all in another."""
        gone = frozenset(stems)
        with self._guard:
            self._packs = {stem: pack for stem, pack in self._packs.items() if stem not in gone}
            self._by_age = tuple(each for each in self._by_age if each[0] not in gone)
            self._counts = {stem: count for stem, count in self._counts.items() if stem not in gone}

    def _listed(self, prefix: str) -> list[ObjectId]:
        self.look_again()
        first = int(prefix[:2], 16)
        packed = (name.hex() for pack in self._packs.values() for name in _names_beginning(pack, first))
        return [ObjectId(name) for name in packed if name.startswith(prefix)]

    def _in_order(self, named_by: ObjectId | None) -> Iterable[tuple[str, PackFile]]:
        """The packs in the order in which an object is sought in them.

        What a tree names lies in the pack of the tree or in an older one: newer packs come last.
        """
        stem = self._found_in.get(named_by) if named_by is not None else None
        if stem is None:
            return self._packs.items()
        by_age = self._by_age
        at = next((at for at, (other, _) in enumerate(by_age) if other == stem), 0)
        return (*by_age[at:], *by_age[:at])

    def _note_place(self, id: ObjectId, stem: str) -> None:
        if len(self._found_in) >= _KNOWN_PLACES:
            self._found_in = {}
        self._found_in[id] = stem

    def _bring_forward(self, stem: str) -> None:
        """Ask a pack first next time: what one save wrote lies in one pack, and most old objects in a large one."""
        if next(iter(self._packs), None) == stem:
            return
        with self._guard:
            if stem in self._packs:
                self._packs = {stem: self._packs[stem], **self._packs}


def _names_beginning(pack: PackFile, first: int) -> list[bytes]:
    try:
        return list(pack.names_beginning(first))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, error.filename or pack.base, "read") from error
    except PackDamage as error:
        raise IntegrityError(f"the index of a pack of the history is damaged: {error}", where=pack.base) from error


def _indexes_in(folder: str) -> list[tuple[int, str, int]]:
    """When the index of each pack of a folder was made, the pack's name, and the size of the index."""
    indexes = []
    # The names are looked up in the open folder: a path would be walked anew for each.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in os.listdir(descriptor):
            if name.endswith(".idx"):
                try:
                    status = os.stat(name, dir_fd=descriptor)
                except FileNotFoundError:
                    continue  # folded at this moment
                except OSError:
                    indexes.append((0, name[:-4], 0))  # whoever reads it says why it cannot be read
                    continue
                indexes.append((status.st_mtime_ns, name[:-4], status.st_size))
    finally:
        os.close(descriptor)
    return indexes
