"""Merging is a pure function: nothing is lost, what is published stays, every order ends in one tree."""

import cProfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import IntegrityError, NameCollisionError
from ledger.history.tree.layout import MANIFEST, Claim
from ledger.ids import VersionId, new_uuid
from ledger.records import RenumberedEvent, check_name, decode_event, number_of
from ledger.records.names import VersionString
from tests.kit.clones import ADA, MILLISECONDS, NAME, TIME, Clone, Files, manifest_bytes, merge_files

WORDS = st.sampled_from([None, None, VersionString("cat"), VersionString("dog"), VersionString("7")])
SAVE = st.tuples(st.just("save"), st.integers(0, 2), WORDS)
TAG = st.tuples(st.just("tag"), st.integers(0, 2), st.integers(0, 9))
SYNC = st.tuples(st.just("sync"), st.integers(0, 2), st.integers(0, 2))
STORY = st.lists(st.one_of(SAVE, TAG, SYNC), max_size=25)


def copies(clone: Clone, count: int) -> list[Clone]:
    return [clone.copy() for _ in range(count)]


def play(step: tuple[str, int, object], clones: list[Clone], peers: list[Clone]) -> None:
    """One step of a story: a save, a tag, or a sync with a peer."""
    verb, who, what = step
    clone = clones[who % len(clones)]
    if verb == "save":
        clone.save(VersionString(what) if isinstance(what, str) else None)
    elif verb == "tag" and clone.claims:
        assert isinstance(what, int)
        clone.tag(clone.claims[what % len(clone.claims)], f"tag-{what}")
    elif verb == "sync":
        assert isinstance(what, int)
        peer = peers[what % len(peers)]
        if peer is not clone:
            clone.sync(peer)


def assert_sound(clone: Clone) -> None:
    """Dense positions, unique version strings that are found, counters that never go back."""
    claims = clone.claims
    assert list(range(1, len(claims) + 1)) == [claim.position for claim in claims]
    assert len(claims) == len({claim.version for claim in claims})
    assert len(claims) == len({claim.id for claim in claims})
    assert claims == [clone.snapshot.claim_of(NAME, claim.version) for claim in claims]
    for before, after in pairwise(claims):
        assert max(before.counter, number_of(after.version) or 0) == after.counter


def records_of(clone: Clone) -> set[tuple[VersionId, str, bytes]]:
    """Every record of every version, by the version's id and its file name."""
    ids = {claim.path: claim.id for claim in clone.claims}
    return {(ids[path[:-1]], path[-1], data) for path, data in clone.files.items() if path[:-1] in ids}


@settings(max_examples=150)
@given(story=STORY, count=st.integers(2, 3))
def test_clones_with_a_hub_end_in_one_tree(story: list[tuple[str, int, object]], count: int) -> None:
    """Whatever happens in which order: nothing is lost, published claims stay, and all end with equal files."""
    start = Clone()
    start.save()
    hub, *clones = copies(start, count + 1)
    records: set[tuple[VersionId, str, bytes]] = set()
    for step in story:
        published = set(hub.claims)
        play(step, clones, [hub])
        assert published <= set(hub.claims)
        records = records.union(*map(records_of, clones))
        for clone in [hub, *clones]:
            assert_sound(clone)
    for clone in [*clones, *clones]:
        clone.sync(hub)
    assert [hub.files] * count == [clone.files for clone in clones]
    assert records <= records_of(hub)


@settings(max_examples=150)
@given(story=STORY, last=st.permutations([(0, 1), (1, 2), (2, 0)]))
def test_clones_that_merge_each_other_end_in_one_tree(
    story: list[tuple[str, int, object]], last: list[tuple[int, int]]
) -> None:
    """Without a hub, any order of pairwise syncs ends with equal files and nothing lost."""
    start = Clone()
    start.save()
    clones = copies(start, 3)
    records: set[tuple[VersionId, str, bytes]] = set()
    for step in story:
        play(step, clones, clones)
        records = records.union(*map(records_of, clones))
        for clone in clones:
            assert_sound(clone)
    for ours, theirs in [*last, *last]:
        clones[ours].sync(clones[theirs])
    assert [clones[0].files] * 3 == [clone.files for clone in clones]
    assert records <= records_of(clones[0])


@given(story=st.lists(st.one_of(SAVE, TAG), max_size=15))
def test_merging_again_adds_nothing(story: list[tuple[str, int, object]]) -> None:
    """A side that is merged already has nothing more to add, and the same merge gives the same bytes."""
    start = Clone()
    start.save()
    ours, theirs = copies(start, 2)
    for step in story:
        play(step, [ours, theirs], [])
    first = merge_files(theirs.files, ours.files)
    assert first == merge_files(theirs.files, ours.files)
    merged = {**theirs.files, **first.added}
    assert ({}, ()) == (merge_files(merged, ours.files).added, merge_files(merged, ours.files).moved)
    assert {} == merge_files(merged, theirs.files).added


def two(requested: str | None = None) -> tuple[Clone, Clone, Claim, Claim]:
    """Two clones of one version that each saved one more, and the claims of those: theirs and ours."""
    start = Clone()
    start.save()
    theirs, ours = copies(start, 2)
    word = VersionString(requested) if requested is not None else None
    return theirs, ours, theirs.save(word), ours.save(word, at=1)


def test_a_local_version_moves_behind_the_published_one() -> None:
    """Both claim position 2: the published one keeps it, ours is number 3, and its manifest's bytes are the same."""
    theirs, ours, kept, claim = two()
    before = ours.files[*claim.path, MANIFEST]
    [(was, now)] = ours.sync(theirs).moved
    assert (claim, 3, "3", claim.id) == (was, now.position, now.version, now.id)
    assert kept == theirs.snapshot.claim_at(NAME, 2)
    assert before == theirs.files[*now.path, MANIFEST]


def test_a_renumbered_event_says_from_where() -> None:
    """It sorts after the version's other events, which move along."""
    theirs, ours, _, claim = two()
    ours.tag(claim, "best", at=1000)
    [(_, now)] = ours.sync(theirs).moved
    tags, renumbered = (decode_event(data, where="") for _, data in theirs.snapshot.events(now))
    assert "tags" == tags.kind
    expected = RenumberedEvent(id=renumbered.id, created_at=TIME, created_by=ADA, from_position=2, from_version="2")
    assert expected == renumbered


def test_a_custom_version_taken_by_both_becomes_a_variant() -> None:
    """The published one keeps the word, ours gets four digits of its id behind it."""
    theirs, ours, kept, claim = two("cat")
    [(_, now)] = ours.sync(theirs).moved
    assert f"cat.variant-{claim.id[:4]}" == now.version
    assert kept == theirs.snapshot.claim_of(NAME, "cat")


def test_a_second_variant_takes_more_digits() -> None:
    """Ids that begin alike are told apart by as many digits as it takes."""
    theirs, ours, _, _ = two("cat")
    third = Clone({path: data for path, data in theirs.files.items() if "00000002" not in path[-1] + path[-2]})
    third.commits = frozenset()
    third.files = {path: data for path, data in third.files.items() if path[3] != "names"}
    claim = third.save(VersionString("cat"), at=2)
    ours.sync(theirs)
    [(_, now)] = third.sync(theirs).moved
    assert now.version.startswith(f"cat.variant-{claim.id[:4]}")
    assert len(f"cat.variant-{claim.id[:4]}") < len(now.version)


def test_a_long_version_is_cut_for_its_variant() -> None:
    """A variant is no longer than a version may be."""
    theirs, ours, _, _ = two("c" * 100)
    [(_, now)] = ours.sync(theirs).moved
    assert (100, True) == (len(now.version), ".variant-" in now.version)


def test_a_requested_number_that_is_free_is_kept() -> None:
    """Only the position moves."""
    start = Clone()
    start.save()
    theirs, ours = copies(start, 2)
    theirs.save()
    ours.save(VersionString("10"))
    [(_, now)] = ours.sync(theirs).moved
    assert (3, "10", 10) == (now.position, now.version, now.counter)
    assert "11" == ours.save().version


def test_a_requested_number_that_another_moved_to_is_taken() -> None:
    """Of two versions that move together the first may be given the number that the second asked for."""
    start = Clone()
    theirs, ours = copies(start, 2)
    theirs.save()
    ours.save()
    asked = ours.save(VersionString("2"), at=2)
    moved = ours.sync(theirs).moved
    assert ["2", f"2.variant-{asked.id[:4]}"] == [now.version for _, now in moved]
    assert_sound(theirs)


def test_a_version_keeps_its_string_where_no_number_is_left() -> None:
    """It is merged as one that was asked for: its number if that is free, else a variant of it."""
    start = Clone()
    start.save()
    theirs, ours, others = copies(start, 3)
    theirs.save(VersionString("999999999"))
    ours.save()
    second = others.save(at=1)
    [(_, free)] = ours.sync(theirs).moved
    [(_, taken)] = others.sync(theirs).moved
    assert (3, "2", 999_999_999) == (free.position, free.version, free.counter)
    assert (4, f"2.variant-{second.id[:4]}") == (taken.position, taken.version)
    assert_sound(theirs)


def test_other_records_join() -> None:
    """Runs, cache entries and events on an artifact stand side by side."""
    theirs, ours, _, _ = two()
    run = ("runs", "2026-11-23", new_uuid(MILLISECONDS), "run.json")
    ours.files[run] = b"{}"
    ours.sync(theirs)
    assert b"{}" == theirs.files[run]


def test_names_that_differ_in_case_are_refused() -> None:
    """Two clones that made `iris` and `Iris` cannot be merged."""
    claim = Claim(check_name("Iris"), 1, VersionString("1"), 1, VersionId(new_uuid(MILLISECONDS)))
    theirs, ours, _, _ = two()
    ours.files[*claim.path, MANIFEST] = manifest_bytes(claim.id, None, "Iris")
    with pytest.raises(NameCollisionError, match="differs only in case from 'iris'"):
        ours.sync(theirs)


def test_two_forms_of_one_record_are_refused() -> None:
    """An id stands for one manifest."""
    theirs, ours, _, claim = two()
    ours.sync(theirs)
    moved = theirs.snapshot.claim_by_id(NAME, claim.id)
    assert moved is not None
    stale: Files = {(*claim.path, MANIFEST): manifest_bytes(claim.id, VersionString("other"))}
    with pytest.raises(IntegrityError, match="has two forms"):
        merge_files(theirs.files, stale)


def claims_read(act: Callable[[], object]) -> int:
    """How many claims an act parses."""
    profile = cProfile.Profile()
    profile.runcall(act)
    profile.create_stats()
    return sum(calls for (_, _, name), (calls, *_) in profile.stats.items() if name == "parse_claim")


def test_a_merge_looks_at_what_differs() -> None:
    """Whoever clones does every merge again: the work of one does not grow with the versions that both sides have."""
    found = []
    for count in (10, 500):
        start = Clone()
        for _ in range(count):
            start.save()
        ours, theirs = copies(start, 2)
        ours.save(VersionString("cat"))
        theirs.save(VersionString("cat"))
        found.append(claims_read(partial(merge_files, theirs.files, ours.files)))
    assert found[0] == found[1] > 0
