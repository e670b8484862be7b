"""Git objects of the history: read, checked, cached.

Owns every read of Git's object files. Rules it keeps:

* bytes are handed out only if their SHA-1 is the id they were asked for by;
* an operating system error is a `StorageError`, never "not there";
* an object that is not there is an `IntegrityError`: only what something
  reachable names is ever asked for;
* packs may be replaced by other processes at any moment: what has gone is
  sought again among what is there now.

`packfile` reads packs, `loose` the files of single objects; what objects say is told by `forms`.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.disk import storage_errors
from ledger.errors import IntegrityError
from ledger.forks import ThreadLock
from ledger.history.damage import Damage
from ledger.history.entries import KINDS, PackDamage
from ledger.history.forms import COMMIT, TREE, Commit, Entry, ObjectId, decode_commit, decode_tree, object_id
from ledger.history.indexing import restore_indexes
from ledger.history.keeping import KeptObjects
from ledger.history.loose import LooseObjects
from ledger.history.packfile import PackFile, count_in_index
from ledger.ids import CommitId
from ledger.system_errors import storage_error

if TYPE_CHECKING:
    from ledger.history.staging import StagedFold

_CACHE_BYTES = 8 << 20
_RESCANS = 10
_CACHED_COMMITS = 100
_CACHED_COMMIT_BYTES = 1 << 16
_KNOWN_PLACES = 4096
_CACHED_ENTRIES = 40_000  # about 12 MB


class Objects:
    """The objects of one repository; threads may share it."""

    def __init__(self, git_dir: Path) -> None:
        self.directory = git_dir / "objects"
        self.pack_directory = self.directory / "pack"
        self.loose = LooseObjects(self.directory)
        # Replaced, never changed, so that readers need no lock.
        self._packs: Mapping[str, PackFile] = {}
        self._by_age: Sequence[tuple[str, PackFile]] = ()
        self._found_in: dict[ObjectId, str] = {}
        self._counts: Mapping[str, int] = {}
        self._scanned = False
        self.has_restored = False
        """Whether something was missed, and indexes were made again for it."""
        self.fold_at_hand: StagedFold | None = None
        """The fold in slices that this process was at last, for `staging`, which alone reads and sets it."""
        self._judged: int | None = None
        self._guard = ThreadLock()
        self._cache = KeptObjects(_CACHE_BYTES)
        self._commits: dict[CommitId, Commit] = {}
        self._trees: dict[ObjectId, dict[str, Entry]] = {}
        self._tree_entries = 0

    def get(self, id: ObjectId | CommitId, kind: int, named_by: ObjectId | None = None) -> bytes:
        """The bytes of an object, checked; raises `IntegrityError` if it is missing, damaged or of another kind.

        ``named_by`` is the tree that names it, where that is known and was just read: nothing it names is newer.
        """
        found, data = self._cache.get(id) or self.read(ObjectId(id), named_by)
        if found != kind:
            raise IntegrityError(
                f"git object {id} is a {KINDS[found].decode()}, expected a {KINDS[kind].decode()}", digest=id
            )
        self._cache.put(id, found, data)
        return data

    def read(self, id: ObjectId, named_by: ObjectId | None = None) -> tuple[int, bytes]:
        """The kind and bytes of an object, checked: from known packs, loose files, or packs there are by now."""
        damage = Damage()
        found = self._from_packs(id, damage, named_by)
        for look in (self.loose.read, self._from_new_packs, self._from_packs_opened_again):
            found = found or look(id, damage)
        if found is not None:
            return found
        if damage.unread is not None:
            raise damage.unread
        reason = "; ".join(dict.fromkeys(damage)) if damage else "it is nowhere"
        raise IntegrityError(
            f"git object {id} of the history cannot be read from {self.directory}: {reason}",
            hint="`ledger repair --from` another clone of this ledger brings it back",
            digest=id,
            where=str(self.directory),
            is_missing=not damage,
        )

    def tree(self, id: ObjectId) -> dict[str, Entry]:
        """The entries of a tree; the caller must not change them."""
        entries = self._trees.get(id)
        if entries is None:
            try:
                entries = decode_tree(self.get(id, TREE))
            except (ValueError, UnicodeDecodeError) as error:
                raise IntegrityError(f"git tree {id} is not one of a ledger: {error}", digest=id) from error
            self.remember_tree(id, entries)
        return entries

    def commit(self, id: CommitId) -> Commit:
        """The parts of a commit."""
        commit = self._commits.get(id)
        if commit is None:
            try:
                data = self.get(id, COMMIT)
                commit = decode_commit(id, data)
            except (ValueError, IndexError) as error:
                raise IntegrityError(f"git commit {id} cannot be read: {error}", digest=id) from error
            if len(data) > _CACHED_COMMIT_BYTES:
                return commit
            if len(self._commits) >= _CACHED_COMMITS:
                self._commits = {}
            self._commits[id] = commit
        return commit

    def remember(self, new: Mapping[ObjectId, tuple[int, bytes]]) -> None:
        """Keep at hand what this process has made durable: its saver looks at it, and the next save builds on it."""
        for id, (kind, data) in new.items():
            self._cache.put(id, kind, data)

    def remember_tree(self, id: ObjectId, entries: dict[str, Entry]) -> None:
        """Keep a tree at hand: the next save changes the trees that this one wrote."""
        self._tree_entries += len(entries)
        if self._tree_entries > _CACHED_ENTRIES:
            self._trees.clear()
            self._tree_entries = len(entries)
        self._trees[id] = entries

    def ids_with_prefix(self, prefix: str) -> set[ObjectId]:
        """The ids of all objects that begin with some hex digits, at least two."""
        self._scan()
        packed = (name.hex() for pack in self._packs.values() for name in _names(pack))
        return {*self.loose.ids_beginning(prefix), *(ObjectId(name) for name in packed if name.startswith(prefix))}

    def pack_counts(self) -> Mapping[str, int]:
        """How many objects each known pack holds, by file name without ending; what was just written comes first."""
        return self._counts

    def look_again(self) -> None:
        """Know the packs that there are now."""
        self._scan()

    def adopt_pack(self, stem: str, count: int) -> None:
        """Know a pack of ``count`` objects that this process has just put in place."""
        pack = PackFile(f"{self.pack_directory}/{stem}")
        with self._guard:
            self._packs = {stem: pack, **self._packs}
            self._by_age = (stem, pack), *self._by_age
            self._counts = {stem: count, **self._counts}

    def drop_packs(self, stems: Collection[str]) -> None:
        """Forget packs whose objects are all in another."""
        gone = frozenset(stems)
        with self._guard:
            self._packs = {stem: pack for stem, pack in self._packs.items() if stem not in gone}
            self._by_age = tuple(each for each in self._by_age if each[0] not in gone)
            self._counts = {stem: count for stem, count in self._counts.items() if stem not in gone}

    def _from_packs(self, id: ObjectId, damage: Damage, named_by: ObjectId | None = None) -> tuple[int, bytes] | None:
        """An object of the first pack that has it whole; ``damage`` is told what the others had instead."""
        if not self._scanned:
            self._scan()
        name = bytes.fromhex(id)
        for stem, pack in self._in_order(named_by):
            try:
                found = pack.read(name)
            except FileNotFoundError:
                continue
            except PackDamage as error:
                damage.append(str(error))
                continue
            except OSError as error:
                damage.note_unread(storage_error(error, self.pack_directory / stem, "read"), error)
                continue
            if found is not None and object_id(*found) == id:
                self._bring_forward(stem)
                if found[0] == TREE:
                    self._note_place(id, stem)
                return found
            if found is not None:
                damage.append(f"altered in {stem}.pack")
        return None

    def _in_order(self, named_by: ObjectId | None) -> Iterable[tuple[str, PackFile]]:
        """The packs in the order in which an object is sought in them.

        What a tree names is where the tree is, or older: packs that it was sought in in vain come last.
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
        """Ask the pack first next time: what one save wrote lies in one pack, and most old objects in a large one."""
        if next(iter(self._packs), None) == stem:
            return
        with self._guard:
            if stem in self._packs:
                self._packs = {stem: self._packs[stem], **self._packs}

    def _from_new_packs(self, id: ObjectId, damage: Damage) -> tuple[int, bytes] | None:
        # A pack that was just listed may be gone when it is opened, its objects in one that was not there yet.
        for _ in range(_RESCANS):
            has_changed = self._scan()
            found = self._from_packs(id, damage)
            if found is not None or not has_changed:
                return found
        return None

    def _from_packs_opened_again(self, id: ObjectId, damage: Damage) -> tuple[int, bytes] | None:
        """Look once more, once indexes that are missing or damaged were made again, here or by another process.

        What this process has open may be a file that was replaced since. Each state of the folder is judged once.
        """
        with storage_errors(self.pack_directory, "read"):
            changed = os.stat(self.pack_directory).st_mtime_ns
        if changed == self._judged:
            return None
        self._judged = changed
        self.has_restored |= restore_indexes(self.pack_directory)
        with self._guard:
            self._packs, self._by_age = {}, ()
        return self._from_new_packs(id, damage)

    def _scan(self) -> bool:
        """Bring the known packs in step with the directory, newest first: what is asked for is mostly new.

        Says whether other packs are there than were known.
        """
        folder = os.fspath(self.pack_directory)
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


def _names(pack: PackFile) -> list[bytes]:
    try:
        return list(pack.names())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, pack.base, "read") from error
    except PackDamage as error:
        raise IntegrityError(f"the index of a pack of the history is damaged: {error}", where=pack.base) from error


def _indexes_in(folder: str) -> list[tuple[int, str, int]]:
    """When the index of each pack of a folder was made, the pack's name, and the size of the index."""
    found = []
    # By names in an open folder: a path is walked anew each time.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in os.listdir(descriptor):
            if name.endswith(".idx"):
                try:
                    status = os.stat(name, dir_fd=descriptor)
                except FileNotFoundError:
                    continue  # folded at this moment
                except OSError:
                    found.append((0, name[:-4], 0))  # who reads it says why that cannot be
                    continue
                found.append((status.st_mtime_ns, name[:-4], status.st_size))
    finally:
        os.close(descriptor)
    return found
