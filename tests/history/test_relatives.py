"""Which object each object of a pack is best told by."""

from ledger.history.folds.relatives import Relatives

Files = dict[str, "bytes | Files"]


def object_of(text: bytes) -> bytes:
    """The name of a file, by what it is called in a test."""
    return text.ljust(20, b".")


class Trees:
    """Trees by their names, which are their numbers."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def add(self, files: Files) -> bytes:
        """Hold a tree, with those below it; gives its name."""
        entries = [
            b"40000 %s\0%s" % (name.encode(), self.add(below))
            if isinstance(below, dict)
            else b"100644 %s\0%s" % (name.encode(), object_of(below))
            for name, below in files.items()
        ]
        name = object_of(b"tree %d" % len(self.held))
        self.held[name] = b"".join(entries)
        return name

    def below(self, root: bytes, *path: str) -> bytes:
        """The name of what stands at a path."""
        for segment in path:
            start = self.held[root].index(b" %s\0" % segment.encode()) + len(segment) + 2
            root = self.held[root][start : start + 20]
        return root


def artifact(name: str, *versions: bytes) -> Files:
    return {"artifacts": {"ab": {name: {version.decode(): {"version.json": version} for version in versions}}}}


def test_a_tree_is_told_by_the_newest_state_of_its_path() -> None:
    """Every tree of an older state has the one at its path now for its base; the newest have none."""
    trees = Trees()
    old, new = trees.add(artifact("iris", b"1")), trees.add(artifact("iris", b"1", b"2"))
    relatives = Relatives(new, trees.held.get)
    path = ("artifacts", "ab", "iris")
    assert not relatives.of_pack({new, *(trees.below(new, *path[:depth]) for depth in range(1, 4))}, new)
    found = relatives.of_pack(trees.held.keys(), old)
    assert [trees.below(new, *path[:depth]) for depth in range(4)] == [
        found[trees.below(old, *path[:depth])] for depth in range(4)
    ]


def test_a_manifest_is_told_by_one_of_its_artifact() -> None:
    """The first manifest of an artifact that was met is the base of its others; without one, any first does."""
    trees = Trees()
    states = [trees.add(artifact("iris", b"1")), trees.add(artifact("wine", b"2")), trees.add(artifact("wine", b"3"))]
    relatives = Relatives(None, trees.held.get)
    names = {*trees.held, *map(object_of, (b"1", b"2", b"3"))}
    found = [relatives.of_pack(names, state) for state in states]
    assert [None, object_of(b"1"), object_of(b"2")] == [
        bases.get(object_of(name)) for bases, name in zip(found, (b"1", b"2", b"3"), strict=True)
    ]


def test_what_lies_in_another_pack_is_no_way() -> None:
    """A tree that the pack does not hold is not looked through, and nothing has a base that is itself."""
    trees = Trees()
    root = trees.add(artifact("iris", b"1"))
    relatives = Relatives(root, trees.held.get)
    assert {} == relatives.of_pack({root, object_of(b"1")}, root)
    assert {} == relatives.of_pack({object_of(b"1"), *trees.held} - {root}, root)


def test_commits_are_told_by_the_newest_one() -> None:
    """The first commit asked for is the base of all others, and has none."""
    relatives = Relatives(None, Trees().held.get)
    assert [None, b"first", b"first", None] == [
        relatives.of_commit(name) for name in (b"first", b"second", b"third", b"first")
    ]
