"""What differs between two trees, by path, without reading what is the same.

Trees may come from elsewhere, so depth, lengths of names and number of paths are bounded: a small pack cannot describe
more than a reader can walk, or a message show. Empty folders are refused for the same reason: nested in each other they
would cost a long walk, and there would be nothing to report at its end.
"""

import msgspec

from ledger.errors import FormatError, IntegrityError
from ledger.history.git.damage import raise_if_object_damaged
from ledger.history.git.forms import Entry, ObjectId, differing_entries
from ledger.history.git.kinds import TREE
from ledger.history.git.objects import Objects
from ledger.history.tree.layout import TreePath
from ledger.ids import CommitId

DEPTH_LIMIT = 12
"""Most folders above a folder."""

PATH_LIMIT = 5_000_000
"""Most files that are gone through at once."""

_NAME_LIMIT = 255  # characters: no file system takes more
_NAME_SHOWN = 40  # characters of a name that is too long for a message as well


class Difference(msgspec.Struct, frozen=True):
    """Files that only the second tree has, that only the first has, and that both have with other bytes."""

    added: tuple[TreePath, ...]
    removed: tuple[TreePath, ...]
    edited: tuple[TreePath, ...]

    @property
    def breach(self) -> tuple[str, str] | None:
        """How this breaks the rule that a history only grows: the verb, and the first file; ``None`` if it does not."""
        for verb, paths in (("removes", self.removed), ("edits", self.edited)):
            if paths:
                return verb, "/".join(paths[0])
        return None


def compare(objects: Objects, before: ObjectId | None, after: ObjectId) -> Difference:
    """What must happen to the tree ``before`` (``None``: no files) to make it ``after``.

    Raises `FormatError` with the path for what is neither a file nor a directory, and for an empty one in ``after``.
    """
    walk = _Walk(objects)
    walk.descend((), Entry(is_directory=True, id=before) if before else None, Entry(is_directory=True, id=after))
    return Difference(tuple(walk.added), tuple(walk.removed), tuple(walk.edited))


def compare_commits(objects: Objects, before: CommitId | None, after: CommitId) -> Difference:
    """As `compare`, of the trees of two commits."""
    return compare(objects, objects.commit(before).tree if before is not None else None, objects.commit(after).tree)


class _Walk:
    """A walk through two trees at once, and what it has met."""

    def __init__(self, objects: Objects) -> None:
        self.added: list[TreePath] = []
        self.removed: list[TreePath] = []
        self.edited: list[TreePath] = []
        self._objects = objects

    def descend(self, path: TreePath, before: Entry | None, after: Entry | None) -> None:
        """Note what differs at a path and below it; equal trees are not read.

        Where a folder has become a file, that file is added and those in the folder are removed, or the other way
        round.
        """
        if before == after:
            return
        was_file = before is not None and not before.is_directory
        is_file = after is not None and not after.is_directory
        if was_file and is_file:
            self._note(self.edited, path)
            return
        if was_file:
            self._note(self.removed, path)
        if is_file:
            self._note(self.added, path)
        old, new = self._read(path, before), self._read(path, after)
        if not new and after is not None and after.is_directory:
            raise _refused(path, "an empty folder, which no ledger has")
        try:
            differing = differing_entries(old, new)
        except ValueError as error:
            raise _refused(path, error) from error
        for name, one, other in differing:
            if len(name) > _NAME_LIMIT:
                shown = f"{name[:_NAME_SHOWN]}..."
                raise _refused((*path, shown), f"a name of {len(name)} characters, over {_NAME_LIMIT}")
            self.descend((*path, name), one, other)

    def _read(self, path: TreePath, entry: Entry | None) -> bytes:
        """The folder at a path; nothing where there is none."""
        if entry is None or not entry.is_directory:
            return b""
        if len(path) > DEPTH_LIMIT:
            raise _refused(path, f"folders nest deeper than {DEPTH_LIMIT}")
        try:
            return self._objects.get(entry.id, TREE)
        except IntegrityError as error:
            raise_if_object_damaged(error)
            raise _refused(path, error) from error

    def _note(self, paths: list[TreePath], path: TreePath) -> None:
        paths.append(path)
        if len(paths) > PATH_LIMIT:
            raise _refused(path, f"more than {PATH_LIMIT} files differ")


def _refused(path: TreePath, reason: object) -> FormatError:
    """The error of a tree that no ledger has."""
    where = "/".join(path) or "the root"
    return FormatError(f"{where}: {reason}", where=where)
