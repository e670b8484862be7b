"""Git objects of the history, each by its id: found, checked, kept at hand.

Owns the way from an id to an object. Rules it keeps:

* bytes are handed out only if their SHA-1 is the id they were asked for by;
* an operating system error is a `StorageError`, never "not there";
* an object that is not there is an `IntegrityError`: only what something
  reachable names is ever asked for.

`packs` seeks in packs, `loose` in the files of single objects; `forms` knows what objects say.
"""

from collections.abc import Mapping
from pathlib import Path

from ledger.errors import IntegrityError
from ledger.history.git.damage import Damage, bad_tree
from ledger.history.git.forms import Commit, Entry, ObjectId, decode_commit, decode_tree
from ledger.history.git.kinds import COMMIT, KINDS, TREE, RawObject
from ledger.history.git.loose import LooseObjects
from ledger.history.git.packs import Packs
from ledger.history.git.recent_objects import RecentObjects
from ledger.ids import CommitId

_CACHE_BYTES = 8 << 20
_CACHED_COMMITS = 100
_CACHED_COMMIT_BYTES = 1 << 16  # of the largest commit that is kept
_CACHED_ENTRIES = 40_000  # about 12 MB


class Objects:
    """The objects of one repository; threads may share it."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir
        self.directory = git_dir / "objects"
        self.pack_directory = self.directory / "pack"
        self.loose = LooseObjects(self.directory)
        self.packs = Packs(self.pack_directory)
        self._cache = RecentObjects(_CACHE_BYTES)
        self._commits: dict[CommitId, Commit] = {}
        self._trees: dict[ObjectId, dict[str, Entry]] = {}
        self._tree_entries = 0

    def get(self, id: ObjectId | CommitId, kind: int, named_by: ObjectId | None = None) -> bytes:
        """The bytes of an object, checked; raises `IntegrityError` if it is missing, damaged or of another kind.

        ``named_by`` is the tree that names it, if that was just read: nothing that a tree names is newer than the tree.
        """
        actual, data = self._cache.get(id) or self.read(ObjectId(id), named_by)
        if actual != kind:
            raise IntegrityError(
                f"git object {id} is a {KINDS[actual].decode()}, expected a {KINDS[kind].decode()}", digest=id
            )
        self._cache.put(id, actual, data)
        return data

    def read(self, id: ObjectId, named_by: ObjectId | None = None) -> RawObject:
        """The kind and bytes of an object, checked: from known packs, loose files, or packs that are new."""
        damage = Damage()
        found = self.packs.read(id, damage, named_by)
        for look in (self.loose.read, self.packs.read_from_new, self.packs.read_again):
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
            except ValueError as error:
                raise bad_tree(id, error) from error
            self._tree_entries += len(entries)
            if self._tree_entries > _CACHED_ENTRIES:
                self._trees.clear()
                self._tree_entries = len(entries)
            self._trees[id] = entries
        return entries

    def commit(self, id: CommitId) -> Commit:
        """The parts of a commit."""
        commit = self._commits.get(id)
        if commit is None:
            try:
                data = self.get(id, COMMIT)
                commit = decode_commit(id, data)
            except ValueError as error:
                raise IntegrityError(f"git commit {id} cannot be read: {error}", digest=id) from error
            if len(data) > _CACHED_COMMIT_BYTES:
                return commit
            if len(self._commits) >= _CACHED_COMMITS:
                self._commits = {}
            self._commits[id] = commit
        return commit

    def remember(self, new: Mapping[ObjectId, RawObject]) -> None:
        """Keep at hand what this process has made durable: its saver looks at it, and the next save builds on it."""
        for id, (kind, data) in new.items():
            self._cache.put(id, kind, data)

    def ids_with_prefix(self, prefix: str) -> set[ObjectId]:
        """The ids of all objects that begin with some hex digits, at least two."""
        return {*self.loose.ids_beginning(prefix), *self.packs.ids_beginning(prefix)}
