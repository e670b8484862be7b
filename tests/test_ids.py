"""Identifiers."""

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.ids import bytes_of, derived_uuid, digest_of, hex_of, is_digest, is_uuid, new_uuid

MILLISECONDS = st.integers(0, 2**47)


@given(MILLISECONDS)
def test_a_new_id_is_a_uuid_of_version_7_for_its_time(time_ms: int) -> None:
    """The version, the variant and the 48 bits of time are where RFC 9562 wants them."""
    parsed = uuid.UUID(new_uuid(time_ms))
    assert (7, uuid.RFC_4122, time_ms) == (parsed.version, parsed.variant, parsed.int >> 80)


@given(MILLISECONDS, MILLISECONDS)
def test_an_id_sorts_after_the_one_before_whatever_the_clock_says(first_ms: int, second_ms: int) -> None:
    """A clock that runs back cannot make a newer event lose."""
    first = new_uuid(first_ms)
    second = new_uuid(second_ms, after=first)
    assert first < second
    assert uuid.UUID(second).version == 7


def test_many_ids_of_one_moment_are_in_order() -> None:
    """A thousand ids while the clock stands still sort as they were made, and differ."""
    made = [new_uuid(5)]
    for _ in range(1000):
        made.append(new_uuid(5, after=made[-1]))
    assert made == sorted(set(made))


@given(st.uuids() | st.uuids(version=4) | st.uuids(version=1))
def test_an_id_sorts_after_uuids_made_by_other_hands(other: uuid.UUID) -> None:
    """An event whose id is a UUID of another version is followed by a greater one all the same."""
    if other.int >> 80 < 2**48 - 1:
        assert str(other) < new_uuid(0, after=str(other))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("ffffffff-ffff-7000-8000-000000000000", "ffffffff-ffff-7000-8000-000000000001"),
        ("ffffffff-ffff-7000-bfff-ffffffffffff", "ffffffff-ffff-7001-8000-000000000000"),
    ],
)
def test_the_next_id_counts_through_the_free_bits(before: str, expected: str) -> None:
    """In the last millisecond there is, the new id is the smallest one above; version and variant are stepped over."""
    assert expected == derived_uuid(b"", after=before)


def test_two_clones_with_slow_clocks_do_not_make_one_id() -> None:
    """Where the clock is behind, the new id follows in the same millisecond, and chance tells it from another's."""
    before = "00000000-0005-7001-8000-000000000000"
    made = {new_uuid(0, after=before) for _ in range(100)}
    assert (100, {"00000000-0005-7002"}) == (len(made), {id[:18] for id in made})


def test_a_millisecond_whose_count_is_full_is_followed_by_the_next() -> None:
    """The 12 bits that count on within a millisecond overflow into its number."""
    assert new_uuid(0, after="00000000-0005-7fff-8000-000000000000").startswith("00000000-0006-7")


def test_ids_of_one_moment_hardly_run_ahead_of_the_clock() -> None:
    """Ten thousand ids made while the clock stands still are of a few milliseconds, not of ten seconds."""
    last = new_uuid(5)
    for _ in range(10_000):
        last = new_uuid(5, after=last)
    assert uuid.UUID(last).int >> 80 <= 5 + 100


@given(st.binary(), st.uuids(version=4))
def test_a_derived_id_is_the_same_everywhere(seed: bytes, after: uuid.UUID) -> None:
    """The same seed behind the same id gives the same, greater id."""
    made = derived_uuid(seed, after=str(after))
    assert made == derived_uuid(seed, after=str(after))
    assert str(after) < made or after.int >> 80 == 2**48 - 1


def test_a_clock_before_1970_counts_as_1970() -> None:
    """A negative time does not become the end of time, after which nothing could sort."""
    assert uuid.UUID(new_uuid(-1)).int >> 80 == 0


@given(st.binary(max_size=100))
def test_a_digest_is_sha256_in_hex(data: bytes) -> None:
    """The digest of bytes is ``sha256:`` and what sha256sum prints."""
    digest = digest_of(data)
    found = hashlib.sha256(data)
    assert (found.hexdigest(), found.digest()) == (hex_of(digest), bytes_of(digest))
    assert is_digest(digest)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "a" * 64, "sha256:" + "A" * 64, "sha256:" + "a" * 64 + "\n", "md5:" + "a" * 64]
)
def test_other_texts_are_no_digests(text: str) -> None:
    """One spelling of a digest is known: lower case, whole, nothing behind it."""
    assert not is_digest(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 32,
        "{00000000-0000-7000-8000-000000000000}",
        "00000000-0000-7000-8000-00000000000A",
        "-" * 36,
        "00000000-0000-7000-8000-000000000000\n",
    ],
)
def test_other_spellings_are_no_uuids(text: str) -> None:
    """Records use the canonical 36-character form in lower case only."""
    assert not is_uuid(text)
    assert is_uuid("00000000-0000-7000-8000-000000000000")
