"""Trees as folders of names: one that is committed, and one that is being added to.

Both answer the same two questions (`Folders`), so what looks a version up does not
know whether it is published already or part of the commit being built. Nothing here
removes or replaces a path: the history only grows.
"""

from typing import Final, Protocol

from ledger.errors import FormatError, IntegrityError
from ledger.history.git.damage import bad_tree
from ledger.history.git.forms import (
    NO_NAMES,
    Entry,
    ObjectId,
    change_tree,
    decode_tree,
    find_in_tree,
    names_beginning,
    names_in_tree,
    object_id,
    put_ids,
)
from ledger.history.git.kinds import BLOB, TREE, RawObject
from ledger.history.tree.layout import TreePath

_OFTEN: Final = 16
"""After this many look-ups in one folder it is decoded, as each look-up until then searches all of its bytes."""


class Folders(Protocol):
    """Named files in folders."""

    def names(self, path: TreePath, start: str = "") -> list[str]:
        """The names in a folder that begin with a text, in order; none if there is no such folder."""

    def read(self, path: TreePath) -> bytes | None:
        """The bytes of a file, or ``None`` if there is no such file."""


class ObjectReader(Protocol):
    """Where trees and files are: the objects of a repository, or those with what is about to join them."""

    def get(self, id: ObjectId, kind: int, named_by: ObjectId | None = None) -> bytes:
        """The bytes of an object; the tree that names it tells where it is sought first."""


class CommittedTree:
    """The tree of a commit."""

    def __init__(self, objects: ObjectReader, root: ObjectId) -> None:
        self._objects = objects
        self.root = root
        # The folders on the way to what was asked for last: the next is likely to be near. One value, for threads.
        self._way: tuple[TreePath, tuple[Entry, ...]] = (), ()
        # The folder that was last looked into, how often in a row, and from a certain number on its entries.
        self._asked: tuple[ObjectId, int, dict[str, Entry] | None] = root, 0, None

    def names(self, path: TreePath, start: str = "") -> list[str]:
        """The names in a folder that begin with a text, in Git's order."""
        entry = self.find(path)
        if entry is None or not entry.is_directory:
            return []
        try:
            data = self._get(entry, TREE)
            return names_beginning(data, start) if start else names_in_tree(data)
        except ValueError as error:
            raise bad_tree(entry.id, error) from error

    def read(self, path: TreePath) -> bytes | None:
        """The bytes of a file."""
        entry = self.find(path)
        return None if entry is None or entry.is_directory else self._get(entry, BLOB)

    def find(self, path: TreePath) -> Entry | None:
        """The entry at a path, or ``None``."""
        known, entries = self._way
        depth = 0
        for segment, other in zip(path, known, strict=False):
            if segment != other:
                break
            depth += 1
        way = [*entries[:depth]]
        entry = way[-1] if way else Entry(is_directory=True, id=self.root)
        for segment in path[depth:]:
            found = self._find_in(entry, segment, way[-2].id if len(way) > 1 else self.root)
            if found is None:
                break
            entry = found
            way.append(entry)
        self._way = path[: len(way)], tuple(way)
        return entry if len(way) == len(path) else None

    def _get(self, found: Entry, kind: int) -> bytes:
        """The bytes of what was just found."""
        _, way = self._way
        return self._objects.get(found.id, kind, way[-2].id if len(way) > 1 else self.root)

    def _find_in(self, folder: Entry, name: str, named_by: ObjectId) -> Entry | None:
        """An entry of a folder, whose tree is searched as it is at first, and decoded whole when it is asked often."""
        if not folder.is_directory:
            return None
        id, times, entries = self._asked
        if id != folder.id:
            times, entries = 0, None
        try:
            if entries is None:
                data = self._objects.get(folder.id, TREE, named_by)
                if times < _OFTEN:
                    self._asked = folder.id, times + 1, None
                    found = find_in_tree(data, name)
                    return None if found is None else found[1]
                entries = decode_tree(data)
                self._asked = folder.id, times, entries
        except ValueError as error:
            raise bad_tree(folder.id, error) from error
        return entries.get(name)


class GrowingTree:
    """A committed tree with files added to it that are not yet in any commit."""

    def __init__(self, objects: ObjectReader, base: ObjectId | None) -> None:
        self._objects = objects
        self._base = CommittedTree(objects, base) if base is not None else None
        self._root = _Folder()

    def add(self, path: TreePath, data: bytes) -> None:
        """Add a file; one that exists is never replaced. Raises `FormatError` for a path that no tree of Git has."""
        if not path or not all(map(_is_name, path)):
            raise FormatError(f"{'/'.join(path)!r}: no path of a tree", where="/".join(path))
        if self.read(path) is not None:
            raise IntegrityError(
                f"the history already holds {'/'.join(path)}; records are never edited", where="/".join(path)
            )
        folder = self._root
        for segment in path[:-1]:
            folder = folder.folders.setdefault(segment, _Folder())
        folder.files[path[-1]] = data

    def names(self, path: TreePath, start: str = "") -> list[str]:
        """The names in a folder that begin with a text, committed and added, in order."""
        committed = self._base.names(path, start) if self._base is not None else []
        folder = self._folder(path)
        if folder is None:
            return committed
        added = (name for name in (*folder.files, *folder.folders) if name.startswith(start))
        return sorted({*committed, *added})

    def read(self, path: TreePath) -> bytes | None:
        """The bytes of a file, committed or added."""
        folder = self._folder(path[:-1])
        if folder is not None and path[-1] in folder.files:
            return folder.files[path[-1]]
        return self._base.read(path) if self._base is not None else None

    def write(self, new: dict[ObjectId, RawObject]) -> ObjectId:
        """Put every new blob and tree into ``new``, each folder after what is in it; returns the id of the root."""
        return self._write(self._root, self._base.root if self._base is not None else None, new)

    def _folder(self, path: TreePath) -> "_Folder | None":
        folder: _Folder | None = self._root
        for segment in path:
            folder = folder.folders.get(segment) if folder is not None else None
        return folder

    def _write(self, folder: "_Folder", base: ObjectId | None, new: dict[ObjectId, RawObject]) -> ObjectId:
        """As `write`, for one folder, which is added to the committed tree ``base``; returns the id of its new tree."""
        before = self._objects.get(base, TREE) if base is not None else b""
        files = {name: Entry(is_directory=False, id=add_object(new, BLOB, data)) for name, data in folder.files.items()}
        folders: dict[str, Entry] = {}
        known: dict[int, ObjectId] = {}
        for name, child in folder.folders.items():
            below = find_in_tree(before, name)
            id = self._write(child, below[1].id if below is not None else None, new)
            folders[name] = Entry(is_directory=True, id=id)
            if below is not None and below[1].is_directory:
                known[below[0]] = id
        # Usually one folder of many has changed: then the others are not looked at.
        is_known = not files and len(known) == len(folders)
        data = put_ids(before, known) if is_known else change_tree(before, {**files, **folders})
        return add_object(new, TREE, data)


def add_object(new: dict[ObjectId, RawObject], kind: int, data: bytes) -> ObjectId:
    """Put an object among new ones; returns its id."""
    id = object_id(kind, data)
    new[id] = (kind, data)
    return id


class _Folder:
    """What is added below one path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: dict[str, _Folder] = {}


def _is_name(segment: str) -> bool:
    """Whether an entry of a tree may have this name, also on systems that ignore case."""
    return segment.lower().encode(errors="replace") not in NO_NAMES and not {"/", "\0"}.intersection(segment)
