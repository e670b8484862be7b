"""What became of files, by their lists and chunks: what is said is true, and what is not known is not said."""

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.lookup.file_differences import (
    FileChange,
    FilesDiff,
    Listed,
    at_hand,
    compare_files,
    decided,
    depend_on_chunks,
    open_stretches,
)
from ledger.records import FileEntry
from tests.kit.comparing import CUT, linked, stored

Folder = dict[str, bytes]

# Few different bytes and names, so that files are often equal, and chunks often shared.
paths = st.sampled_from("abcd")
bytes_of_files = st.lists(st.sampled_from([0, 1, 2]), max_size=7).map(bytes)
folders = st.dictionaries(paths, bytes_of_files)


@st.composite
def changed(draw: st.DrawFn) -> tuple[Folder, Folder]:
    """A folder, and what became of it: one byte of some files is another, some are new, some are gone."""
    old = draw(folders)
    new = {path: overwritten(data, draw(st.integers(0, 9)), draw(st.integers(0, 2))) for path, data in old.items()}
    new |= draw(st.dictionaries(paths, bytes_of_files, max_size=1))
    gone = draw(st.sets(paths, max_size=1))
    return old, {path: data for path, data in new.items() if path not in gone}


def overwritten(data: bytes, place: int, byte: int) -> bytes:
    """With another byte at a place, if it has that."""
    return data[:place] + bytes([byte]) + data[place + 1 :] if place < len(data) else data


sides = st.sampled_from(["stored", "stored without its chunks", "linked"])


def side_of(folder: Folder, kind: str) -> Listed:
    if kind == "linked":
        content = linked(folder)
        return at_hand(content, content.files or ())
    return stored(folder, with_chunks=kind == "stored")


def told(diff: FilesDiff) -> dict[str, str]:
    """What is said of each file that is not equal."""
    return {each.path: each.change for each in diff.changes}


def mirrored(each: FileChange) -> FileChange:
    words = {"added": "removed", "removed": "added"}
    path = each.old.path if each.old is not None else each.path
    return FileChange(path, words.get(each.change, each.change), each.new, each.old)  # type: ignore[arg-type]


@given(changed(), sides, sides)
@settings(max_examples=120)
def test_what_is_said_of_a_file_is_true(folders: tuple[Folder, Folder], old: str, new: str) -> None:
    """Files that are not named are equal byte by byte, those that changed are not, and renamed ones are."""
    one, other = folders
    before, after = side_of(one, old), side_of(other, new)
    assume(before.content.digest != after.content.digest)
    found = compare_files(before, after)
    named = {each.path for each in found.changes}
    same = (one.keys() & other.keys()) - named
    assert found.equal == len(same)
    assert [] == [path for path in same if one[path] != other[path]]
    for each in found.changes:
        match each.change:
            case "added" | "removed":
                assert (each.path in one, each.path in other) == (each.change == "removed", each.change == "added")
            case "changed":
                assert one[each.path] != other[each.path]
            case "renamed":
                assert each.old is not None
                assert one[each.old.path] == other[each.path]
            case "undecided":
                assert len(one[each.path]) == len(other[each.path])


@given(changed(), sides, sides)
@settings(max_examples=120)
def test_the_open_bytes_decide(folders: tuple[Folder, Folder], old: str, new: str) -> None:
    """Whoever compares undecided files where they are open, and there alone, knows which are equal."""
    one, other = folders
    before, after = side_of(one, old), side_of(other, new)
    assume(before.content.digest != after.content.digest)
    found = compare_files(before, after)
    undecided = [each.path for each in found.changes if each.change == "undecided"]
    are_equal = {
        path: all(one[path][start:stop] == other[path][start:stop] for start, stop in stretches)
        for path, stretches in open_stretches(before, after, undecided)
    }
    assert {path: one[path] == other[path] for path in undecided} == are_equal
    known = decided(found, are_equal)
    assert {path for path in one.keys() & other.keys() if one[path] != other[path]} == {
        each.path for each in known.changes if each.change == "changed"
    }
    assert len([path for path in one if one[path] == other.get(path)]) == known.equal


@given(changed(), sides, sides)
def test_the_other_way_round_it_is_mirrored(folders: tuple[Folder, Folder], old: str, new: str) -> None:
    """What was added was removed, what changed or moved did so back, and as many files are equal."""
    one, other = folders
    there = compare_files(side_of(one, old), side_of(other, new))
    back = compare_files(side_of(other, new), side_of(one, old))
    key = lambda each: each.path  # noqa: E731  # short
    assert sorted(map(mirrored, there.changes), key=key) == list(back.changes)
    assert there.equal == back.equal


@given(folders, st.sampled_from(["stored", "linked"]))
def test_a_folder_is_equal_to_itself(folder: Folder, kind: str) -> None:
    """Nothing became of any file."""
    assert FilesDiff(equal=len(folder)) == compare_files(side_of(folder, kind), side_of(folder, kind))


@given(changed())
def test_of_registered_files_all_is_told(folders: tuple[Folder, Folder]) -> None:
    """Each has its digest: nothing is left undecided, and a file is renamed wherever it lies."""
    one, other = folders
    found = compare_files(side_of(one, "linked"), side_of(other, "linked"))
    assert "undecided" not in told(found).values()
    gone = sorted(data for path, data in one.items() if path not in other and data)
    come = [data for path, data in other.items() if path not in one and data]
    moved = sum(min(gone.count(data), come.count(data)) for data in set(gone))
    assert moved == list(told(found).values()).count("renamed")


def test_one_file_alone_needs_no_chunks() -> None:
    """Where the contents differ and there is a single file of the same size, that file changed."""
    old, new = (stored({"a": data}, with_chunks=False) for data in (b"12345678", b"12345679"))
    assert {"a": "changed"} == told(compare_files(old, new))


def test_a_file_between_equal_ones_is_found_by_its_chunks() -> None:
    """Of three files of several chunks the one that changed is told, and the others are known to be equal."""
    old = {"a": b"1111222\0", "b": b"3333444\0", "c": b"5555666\0"}
    found = compare_files(stored(old), stored({**old, "b": b"3333499\0", "a": old["a"]}))
    assert ({"b": "changed"}, 2) == (told(found), found.equal)


def test_the_end_of_a_stream_is_no_cut() -> None:
    """A file that a stream ends with may be cut a byte before its end where another one follows, and is equal."""
    old, new = stored({"a": b"12\0004"}), stored({"a": b"12\0004", "b": b"567"})
    assert ([4], [3, 4]) == tuple([size for _, size in side.chunks or ()] for side in (old, new))
    assert {"a": "undecided", "b": "added"} == told(compare_files(old, new))


def test_small_files_in_one_chunk_are_undecided() -> None:
    """Which of the files of a chunk differs only their bytes tell."""
    found = compare_files(stored({"a": b"1", "b": b"2"}), stored({"a": b"1", "b": b"3"}))
    assert {"a": "undecided", "b": "undecided"} == told(found)


def test_no_byte_of_a_chunk_that_both_have_is_open() -> None:
    """Of a file of several equal chunks, and the beginning of one that differs, that beginning is open and no more."""
    equal = b"".join(bytes([number, CUT]) for number in range(1, 7))
    old, new = (stored({"a": equal + b"7", "b": end}) for end in (b"8", b"9"))
    assert [("a", [(12, 13)])] == list(open_stretches(old, new, ["a"]))


def test_a_file_that_became_executable_has_changed() -> None:
    """The kind of a file is a part of it."""
    old, new = stored({"a": b"1", "b": b"2"}), stored({"a": b"1", "b": b"2"})
    files = (new.files[0], type(new.files[0])(path="b", size=1, kind="executable"))
    found = compare_files(old, new._replace(files=files))
    assert ({"b": "changed"}, 1) == (told(found), found.equal)


def test_equal_files_move_in_the_order_of_their_paths() -> None:
    """Of several that are alike the first becomes the first, and one that is left over is new."""
    found = compare_files(
        side_of({"a": b"1", "b": b"1"}, "linked"), side_of({"c": b"1", "d": b"1", "e": b"1"}, "linked")
    )
    moves = [(each.old.path if each.old is not None else None, each.path) for each in found.changes]
    assert [("a", "c"), ("b", "d"), (None, "e")] == moves


def test_chunks_are_read_only_where_they_could_tell_more() -> None:
    """Of a file that is undecided, or one that is gone and may have come back under another path, with its size."""
    small, large = (FileEntry(path="a", size=size) for size in (1, 2))
    gone, come = FileChange("a", "removed", small, None), FileChange("b", "added", None, small)
    grown, shrunk = FileChange("c", "changed", small, large), FileChange("c", "changed", large, small)
    assert depend_on_chunks([FileChange("a", "undecided", small, small)])
    assert depend_on_chunks([gone, come])
    others = [gone], [come], [gone, grown], [gone, shrunk], [come, grown], [come, shrunk]
    assert not any(map(depend_on_chunks, others))
    assert not depend_on_chunks([gone, FileChange("b", "added", None, large)])


def test_chunks_that_the_manifest_names_are_at_hand() -> None:
    """Of stored data those; of registered data the digest of each file, if all have one."""
    content = stored({"a": b"1"}).content
    small = msgspec.structs.replace(content, chunks=((content.digest, 1),))
    assert small.chunks == at_hand(small, ()).chunks
    raw = linked({"a": b"1", "b": b""})
    (one, _) = files = raw.files or ()
    assert [(one.digest, 1)] == at_hand(raw, files).chunks
    assert at_hand(raw, [msgspec.structs.replace(one, digest=None)]).chunks is None
