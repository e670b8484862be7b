"""Trees that are committed, and trees that grow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import FormatError, IntegrityError
from ledger.history import History, RecordDraft, Snapshot
from ledger.history.git.forms import Entry, ObjectId, differing_entries, encode_tree
from ledger.history.git.kinds import TREE
from ledger.history.git.objects import Objects
from ledger.history.tree.trees import CommittedTree, Folders, GrowingTree
from ledger.ids import CommitId
from tests.kit.histories import AUTHOR, NOW, draft, git, publish


def walk(folders: Folders, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Every file at or below a path, with its bytes."""
    data = folders.read(path) if path else None
    if data is not None:
        yield path, data
        return
    for name in folders.names(path):
        yield from walk(folders, (*path, name))


PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c.x"]), min_size=1, max_size=3).map(lambda path: (*path, "file")),
    unique=True,
    max_size=8,
)


@given(PATHS)
def test_a_growing_tree_shows_what_was_added(
    tmp_path_factory: pytest.TempPathFactory, paths: list[tuple[str, ...]]
) -> None:
    """Every added file is read back, and a walk meets each file once."""
    tree = GrowingTree(Objects(tmp_path_factory.getbasetemp()), None)
    files = {path: "/".join(path).encode() for path in paths}
    for path, data in files.items():
        tree.add(path, data)
    assert files == dict(walk(tree, ()))
    assert all(data == tree.read(path) for path, data in files.items())


def test_a_path_is_never_taken_twice(history: History) -> None:
    """Neither an added file nor a committed one is replaced: the history only grows."""
    objects = Objects(history.git_dir)
    tree = GrowingTree(objects, objects.commit(history.tip()).tree)
    tree.add(("a", "b"), b"1")
    for path in (("a", "b"), ("ledger.json",)):
        with pytest.raises(
            IntegrityError, match=f"the history already holds {'/'.join(path)}; records are never edited"
        ):
            tree.add(path, b"2")
    assert b"1" == tree.read(("a", "b"))
    assert tree.read(("a", "none")) is None
    assert [] == tree.names(("none",))


@pytest.mark.parametrize("path", [(), ("",), ("a", ""), ("..", "a"), ("a", ".GIT"), ("a/b",), ("a", "b\0")])
def test_a_path_that_no_tree_has_is_refused(path: tuple[str, ...], tmp_path: Path) -> None:
    """One of them, in what another process leaves in the queue, would keep everybody from publishing ever after."""
    tree = GrowingTree(Objects(tmp_path), None)
    with pytest.raises(FormatError, match="no path of a tree"):
        tree.add(path, b"1")
    assert [] == tree.names(())


def test_the_names_of_a_folder_are_committed_and_added_ones(history: History) -> None:
    """A tree that grows shows both, in order."""
    publish(history, draft("iris"))
    objects = Objects(history.git_dir)
    tree = GrowingTree(objects, objects.commit(history.tip()).tree)
    tree.add(("a", "b"), b"")
    tree.add(("zoo",), b"")
    assert ["a", "artifacts", "ledger.json", "zoo"] == tree.names(())
    assert ["a", "artifacts"] == tree.names((), "a")
    assert ["iris"] == Snapshot(tree).artifact_names()


ENTRIES = st.dictionaries(
    st.sampled_from(["a", "a.b", "a0", "b", "c"]),
    st.builds(Entry, st.booleans(), st.sampled_from([ObjectId("1" * 40), ObjectId("2" * 40)])),
)


@given(ENTRIES, ENTRIES)
def test_two_trees_differ_in_the_entries_that_are_not_the_same(one: dict[str, Entry], other: dict[str, Entry]) -> None:
    """However much of the beginning both have, and whether a name is a file in one and a folder in the other."""
    expected = [(name, one.get(name), other.get(name)) for name in sorted({*one, *other})]
    found = differing_entries(encode_tree(one), encode_tree(other))
    assert [each for each in expected if each[1] != each[2]] == found


def test_a_name_that_stands_twice_in_a_tree_is_not_passed_over() -> None:
    """It would be taken for a new file where both trees begin with the first, else hide what the first says."""
    one, other = (encode_tree({"a": Entry(is_directory=False, id=ObjectId(digit * 40))}) for digit in "12")
    for twice in (one + one, other + one):
        with pytest.raises(ValueError, match="stands twice"):
            differing_entries(one, twice)


def test_a_committed_tree_has_what_git_lists(history: History) -> None:
    """A walk over a commit meets exactly the files that `git ls-tree -r` lists, with their bytes."""
    publish(history, draft("iris", "cat"), draft("a/b"))
    objects = Objects(history.git_dir)
    files = dict(walk(CommittedTree(objects, objects.commit(history.tip()).tree), ()))
    listed = git(history, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert sorted(listed) == sorted("/".join(path) for path in files)
    assert all(git(history, "show", f"main:{'/'.join(path)}") == data.decode() for path, data in files.items())


def test_files_and_folders_are_told_apart(history: History) -> None:
    """A file has no names, a folder no bytes, and below a file there is nothing."""
    objects = Objects(history.git_dir)
    tree = CommittedTree(objects, objects.commit(history.tip()).tree)
    assert ([], None, None) == (tree.names(("ledger.json",)), tree.read(()), tree.find(("ledger.json", "x")))


class CountingObjects(Objects):
    """Counts how often a folder is fetched."""

    fetched = 0

    def get(self, id: ObjectId | CommitId, kind: int, named_by: ObjectId | None = None) -> bytes:
        self.fetched += kind == TREE
        return super().get(id, kind, named_by)


def test_a_folder_of_many_files_is_not_searched_anew_for_each(history: History) -> None:
    """Reading all files of a folder fetches it a few times, however many they are; what is not there is not there."""
    fetched = []
    for count in (40, 400):
        files = {("runs", str(count), f"{number}.json"): b"%d" % number for number in range(count)}
        drafts = [RecordDraft(path=path, data=data) for path, data in files.items()]
        history.publish(drafts, author=AUTHOR, now=NOW)
        objects = CountingObjects(history.git_dir)
        tree = CommittedTree(objects, objects.commit(history.tip()).tree)
        assert files == {path: tree.read(path) for path in files}
        assert tree.read(("runs", str(count), "none.json")) is None
        fetched.append(objects.fetched)
    assert fetched[0] == fetched[1]
