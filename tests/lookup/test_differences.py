"""What differs between two records: the algebra of it, and what counts as different."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from ledger.lookup.differences import Change, VersionDiff, compare_versions
from ledger.lookup.facts import Facts, paths_in
from ledger.lookup.file_differences import FileChange, FilesDiff
from ledger.records import Producer
from tests.kit.comparing import facts_with, linked, stored

scalars = st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | st.just(math.nan) | st.sampled_from("xy")
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=3),
    max_leaves=6,
)
versions = st.builds(
    facts_with,
    st.integers(1, 3),
    tags=st.sets(st.sampled_from("tuv")).map(lambda tags: tuple(sorted(tags))),
    metadata=st.dictionaries(st.sampled_from(["a", "b", "a.b"]), values),
    type=st.sampled_from(["DataArtifact", "ModelArtifact"]),
)


def diff(old: Facts, new: Facts) -> VersionDiff:
    return compare_versions(old, new, FilesDiff())


def of_metadata(old: Any, new: Any) -> dict[tuple[str, ...], Change]:
    return dict(diff(facts_with(1, metadata={"a": old}), facts_with(2, metadata={"a": new})).metadata)


@given(versions)
def test_a_version_does_not_differ_from_itself(version: Facts) -> None:
    """Nothing differs, NaN in it or not."""
    assert diff(version, version).is_empty


@given(versions, versions)
def test_the_other_way_round_it_is_mirrored(old: Facts, new: Facts) -> None:
    """Old and new, added and removed change places, and nothing else."""
    there, back = diff(old, new), diff(new, old)
    assert (there.old, there.new) == (back.new, back.old)
    assert (there.added_tags, there.removed_tags) == (back.removed_tags, back.added_tags)
    for one, other in ((there.properties, back.properties), (there.metadata, back.metadata)):
        assert repr(sorted(one.items())) == repr(
            sorted((key, Change(each.new, each.old)) for key, each in other.items())
        )


@given(versions, versions)
def test_the_old_side_with_the_changes_is_the_new_one(old: Facts, new: Facts) -> None:
    """What is told is enough to make one from the other."""
    found = diff(old, new)
    made = {**dict(paths_in(old.metadata)), **{path: change.new for path, change in found.metadata.items()}}
    assert repr(sorted(paths_in(new.metadata))) == repr(sorted(item for item in made.items() if item[1] is not UNSET))
    assert {*new.tags} == {*old.tags, *found.added_tags} - {*found.removed_tags}


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (None, "None"), ([1], [True])])
def test_what_records_hold_otherwise_differs(old: Any, new: Any) -> None:
    """Values that Python takes for equal, or shows alike, are told apart."""
    assert {("a",): repr(Change(old, new))} == {path: repr(change) for path, change in of_metadata(old, new).items()}


def test_groups_are_compared_value_by_value() -> None:
    """A nested value is named by the keys that lead to it, and a key with a dot is no group."""
    found = diff(facts_with(1, metadata={"m": {"x": 1, "y": 2}}), facts_with(2, metadata={"m": {"x": 1}, "m.y": 2}))
    assert {("m", "y"): Change(2, UNSET), ("m.y",): Change(UNSET, 2)} == found.metadata


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (1, 3, 2),
        (10**30, 10**30 - 1, -1),
        (0.5, 0.75, 0.25),
        (1, 0.5, -0.5),
        (True, 2, None),
        ("1", 2, None),
        (math.nan, 1.0, None),
        (math.inf, 1.0, None),
        (10**400, 1.0, None),
        (UNSET, 1, None),
        (1, UNSET, None),
        (1, True, None),
    ],
)
def test_numbers_have_a_difference(old: Any, new: Any, difference: float | None) -> None:
    """Of what is no number, or of what no float can hold, there is none."""
    assert difference == Change(old, new).difference


def test_a_side_that_has_no_value_is_told() -> None:
    """A change is an addition, a removal, or neither."""
    told = [(each.is_added, each.is_removed) for each in (Change(UNSET, 1), Change(1, UNSET), Change(1, None))]
    assert [(True, False), (False, True), (False, False)] == told


SAME = diff(facts_with(1, metadata={}), facts_with(1, metadata={}))


@pytest.mark.parametrize(
    "difference",
    [
        {"has_same_content": False},
        {"has_same_content": None},
        {"properties": {"type": Change("DataArtifact", "ModelArtifact")}},
        {"metadata": {("a",): Change(1, 2)}},
        {"added_tags": ("best",)},
        {"removed_tags": ("draft",)},
        {"problems": ("a table is missing",)},
    ],
    ids=repr,
)
def test_a_diff_with_anything_in_it_is_not_empty(difference: dict[str, Any]) -> None:
    """One difference is enough, and so is what could not be told."""
    assert (True, False) == (SAME.is_empty, msgspec.structs.replace(SAME, **difference).is_empty)


def found_with(*changes: Any) -> FilesDiff:
    return FilesDiff(changes=tuple(FileChange("a", change, None, None) for change in changes))


@pytest.mark.parametrize(
    ("copy", "files", "expected"),
    [
        ({"a": b"12", "b": b"3"}, found_with(), True),
        ({"a": b"12", "b": b"4"}, found_with("changed"), False),
        ({"a": b"34", "b": b"4"}, found_with("undecided", "changed"), False),
        ({"a": b"12", "b": b"3"}, found_with("undecided"), None),
        ({"a": b"12", "b": b"3"}, None, None),
        ({"a": b"12", "b": b"34"}, None, False),
        ({"a": b"123"}, None, False),
    ],
)
def test_registered_data_and_a_copy_are_equal_where_their_files_are(
    copy: dict[str, bytes], files: FilesDiff | None, *, expected: bool | None
) -> None:
    """Their digests are made otherwise: sizes and counts tell, then the files, and without those it is not known."""
    raw = facts_with(1, metadata={}, content=linked({"a": b"12", "b": b"3"}))
    saved = facts_with(2, metadata={}, content=stored(copy).content)
    assert expected is compare_versions(raw, saved, files).has_same_content
    assert expected is compare_versions(saved, raw, files).has_same_content


def test_a_side_says_which_step_made_it() -> None:
    """A version that no step made has neither run nor step."""
    made = facts_with(2, metadata={}, producer=Producer(run="a run", step="train", output="model"))
    found = diff(facts_with(1, metadata={}), made)
    assert ((None, None), ("a run", "train")) == ((found.old.run, found.old.step), (found.new.run, found.new.step))


def test_what_a_user_does_with_a_diff_changes_no_version() -> None:
    """The lists in it are its own."""
    old, new = facts_with(1, metadata={"a": [1]}), facts_with(2, metadata={"a": [2]})
    diff(old, new).metadata["a",].old.append(7)
    assert {"a": [1]} == old.metadata
