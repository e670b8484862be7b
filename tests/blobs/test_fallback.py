"""A store in front of others looks like one store."""

from pathlib import Path

import pytest

from ledger.blobs import FallbackStore, LocalStore
from tests.kit.stores import KEY, OTHER_KEY


@pytest.fixture
def own(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "own")


@pytest.fixture
def other(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "other")


def test_reads_from_the_first_that_has_it(own: LocalStore, other: LocalStore) -> None:
    """The own store comes first, the other one fills in; parts of an object, too."""
    own.put(KEY, [b"own"])
    other.put(KEY, [b"other"])
    other.put(OTHER_KEY, [b"only other"])
    both = FallbackStore(own, [other])
    assert (b"own", b"other") == (both.get(KEY), both.get(OTHER_KEY, 5))
    assert (True, own.url) == (both.has(OTHER_KEY), both.url)


def test_writes_to_the_own_store(own: LocalStore, other: LocalStore) -> None:
    """The others are read only."""
    FallbackStore(own, [other]).put(KEY, [b"new"])
    assert (True, False) == (own.has(KEY), other.has(KEY))


def test_what_none_has_is_not_found(own: LocalStore, other: LocalStore) -> None:
    """The error names every store that was asked."""
    both = FallbackStore(own, [other])
    with pytest.raises(FileNotFoundError, match=f"{KEY} is in none of {own.url}, {other.url}"):
        both.get(KEY)
    assert not both.has(KEY)
