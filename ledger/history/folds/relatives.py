"""Which object is the best base for the delta of each object of a pack.

* A tree is an earlier state of the folder that stands at its path now: its base is the newest state of that folder.
* A manifest resembles the other manifests of its artifact, and a commit any other: the first that is met is the base.

Every base is newer than what builds on it and has no base itself in the same fold. So an object's chain grows by one
delta with each fold it goes through, and the newest objects, which are read most, stay whole.
"""

from collections.abc import Callable, Collection, Iterator

from ledger.history.git.forms import DIRECTORY, raw_entries

_ARTIFACTS = b"artifacts"
_NAME_AT = 2  # where in its path a file below ``artifacts`` has the artifact's name
_MOST_KEPT = 64  # trees of the newest state
_SPECIAL = (b"version.json", b"run.json", b"end.json")  # names that are kinds of their own

Segments = tuple[bytes, ...]
"""A path in a tree, by the bytes of the names."""

Family = tuple[bytes, bytes, bytes]
"""What files that resemble each other share: the top folder, the artifact (or none), and the kind."""


class Relatives:
    """The bases for the objects of several packs, asked for pack by pack, the newest first."""

    def __init__(self, newest: bytes | None, read_tree: Callable[[bytes], bytes | None]) -> None:
        """``newest`` is the root of the newest commit, where one is known; ``read_tree`` gives the bytes of a tree."""
        self._newest = newest
        self._read_tree = read_tree
        self._families: dict[Family, bytes] = {}
        self._first_commit: bytes | None = None
        self._kept: dict[bytes, dict[bytes, bytes]] = {}

    def of_commit(self, name: bytes) -> bytes | None:
        """The base for a commit: the first one that was asked about, which itself has none."""
        if self._first_commit is None:
            self._first_commit = name
        return self._first_commit if self._first_commit != name else None

    def of_pack(self, names: Collection[bytes], root: bytes) -> dict[bytes, bytes]:
        """The base of each tree and blob of a pack that stands in a tree, if it has one."""
        found: dict[bytes, bytes] = {}
        for name, base in self._walk(names, root):
            if base is not None and base != name:
                found.setdefault(name, base)
        return found

    def _walk(self, names: Collection[bytes], root: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        """Every object of a pack below a root, with its base; the walk does not go through objects of other packs."""
        waiting: list[tuple[bytes, bytes | None, Segments]] = [(root, self._newest, ())]
        seen: set[bytes] = set()
        while waiting:
            tree, newer, path = waiting.pop()
            if tree in seen or tree not in names:
                continue
            seen.add(tree)
            yield tree, newer
            is_newest = newer == tree
            newest = self._ids_in(newer) if newer is not None and not is_newest else {}
            for mode, name, id in raw_entries(self._read_tree(tree) or b""):
                if id not in names:
                    continue
                if mode != DIRECTORY:
                    yield id, self._of_blob(id, (*path, name))
                else:
                    waiting.append((id, id if is_newest else newest.get(name), (*path, name)))

    def _ids_in(self, tree: bytes) -> dict[bytes, bytes]:
        """What stands in a tree of the newest state, which most packs are compared with."""
        ids = self._kept.get(tree)
        if ids is None:
            ids = {name: id for _, name, id in raw_entries(self._read_tree(tree) or b"")}
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[tree] = ids
        return ids

    def _of_blob(self, id: bytes, path: Segments) -> bytes:
        """The first file of its kind that was met of the same artifact, or else of any; itself if it is the first."""
        own, others = families_of(path)
        base = self._families.get(own) or self._families.get(others) or id
        self._families.setdefault(own, id)
        self._families.setdefault(others, id)
        return base


def families_of(path: Segments) -> tuple[Family, Family]:
    """What files a file resembles: those of its kind in its artifact, and those of its kind."""
    kind = path[-1] if path[-1] in _SPECIAL else b""
    artifact = path[_NAME_AT] if path[0] == _ARTIFACTS and len(path) > _NAME_AT else b""
    return (path[0], artifact, kind), (path[0], b"", kind)
