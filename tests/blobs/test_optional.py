"""A store that a save can do without."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.blobs import FallbackStore, LocalStore, OptionalStore, Store, create_store
from ledger.blobs.stores.optional import AWAY_SECONDS, AwayError
from ledger.errors import (
    ArgumentError,
    FormatError,
    MissingDependencyError,
    StoreAccessError,
    StoreMismatchError,
    StoreUnavailableError,
)
from tests.kit.contents import load, noise, save
from tests.kit.stores import KEY, CountingStore

AWAY = "ignore:going on without what lies in the store:UserWarning"
FAILURES = [
    StoreUnavailableError("no network"),
    StoreAccessError("expired"),
    StoreMismatchError("no bucket"),
    MissingDependencyError("no library"),
    FormatError("it cannot be told which store it is"),
]


class Failing(CountingStore):
    """A store that fails as long as there is something to fail with."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.error: Exception | None = None
        self.asked = 0

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self._fail()
        return super().get(key, start, length)

    def has(self, key: str) -> bool:
        self._fail()
        return super().has(key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        self._fail()
        super().put(key, parts)

    def _fail(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def failing(tmp_path: Path) -> Failing:
    return Failing(create_store(str(tmp_path / "other")))


def test_as_long_as_it_answers_it_is_a_store(failing: Failing) -> None:
    """Everything is asked of the store behind it."""
    optional = OptionalStore("there", lambda: failing)
    optional.put(KEY, [b"bytes"])
    target = bytearray(5)
    assert (b"yte", True, 5, 5) == (
        optional.get(KEY, 1, 3),
        optional.has(KEY),
        optional.size(KEY),
        optional.get_into(KEY, 0, memoryview(target)),
    )
    assert (b"bytes", b"bytes", b"bytes") == (bytes(target), optional.uncached.get(KEY), optional.fresh.get(KEY))


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_what_fails_holds_nothing_for_a_while(failing: Failing, error: Exception) -> None:
    """It is told once, and asked again a minute later; every view of it knows."""
    now = [0.0]
    optional = OptionalStore("there", lambda: failing, clock=lambda: now[0])
    optional.put(KEY, [b"bytes"])
    failing.error, failing.asked = error, 0
    with pytest.warns(UserWarning, match=f"going on without what lies in the store there: {error}"):
        assert not optional.has(KEY)
    with pytest.raises(AwayError):  # and no further warning, which would be an error here
        optional.fresh.get(KEY)
    assert (None, False, 1) == (optional.size(KEY), optional.uncached.has(KEY), failing.asked)
    failing.error = None
    assert not optional.has(KEY)
    now[0] = AWAY_SECONDS
    assert optional.has(KEY)


@pytest.mark.filterwarnings(AWAY)
def test_a_store_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    """Where there are no credentials, it is the same; a URL that nobody understands stays an error."""

    def refuse() -> Store:
        raise StoreAccessError("no credentials")

    own = LocalStore(tmp_path / "own")
    assert not FallbackStore(own, [OptionalStore("there", refuse)]).has(KEY)
    wrong = OptionalStore("there", lambda: create_store("nonsense://there"))
    with pytest.raises(ArgumentError, match="nonsense"):
        wrong.has(KEY)


def test_contents_are_written_without_it(failing: Failing, tmp_path: Path) -> None:
    """A new content, one that is there already, and one like it are whole in the own store, with one warning."""
    own = create_store(str(tmp_path / "own"))
    similar = save(failing, {"a": noise(1_000_000)})
    failing.error = StoreUnavailableError("no network")
    both = FallbackStore(own, [OptionalStore("there", lambda: failing)])
    with pytest.warns(UserWarning, match="there: no network"):
        first = save(both, {"a": noise(1_000_000) + b"more"}, similar=[similar])
    again = save(both, {"a": noise(1_000_000) + b"more"}, similar=[similar, first])
    assert (first, {"a": noise(1_000_000) + b"more"}) == (again, load(own, first))


def test_chunks_that_it_holds_are_not_stored_again(failing: Failing, tmp_path: Path) -> None:
    """While it answers, it saves room."""
    own = create_store(str(tmp_path / "own"))
    assert isinstance(own, LocalStore)
    similar = save(failing, {"a": noise(1_000_000)})
    save(
        FallbackStore(own, [OptionalStore("there", lambda: failing)]), {"a": noise(1_000_000) + b"x"}, similar=[similar]
    )
    assert sum(len(own.get(key)) for key in own.list("packs")) < 300_000


def test_what_a_content_relies_on_there_is_made_to_last(tmp_path: Path, synced: list[str]) -> None:
    """Whoever put it may have died before its name was durable, and then nobody else makes it so."""
    own, other = create_store(str(tmp_path / "own")), create_store(str(tmp_path / "other"))
    save(other, {"a": noise(1_000_000)})
    synced.clear()
    save(FallbackStore(own, [OptionalStore("there", lambda: other)]), {"a": noise(1_000_000)})
    files = {path for kind in ("packs", "tables") for path in (tmp_path / "other" / kind).glob("*/*")}
    assert {str(path) for file in files for path in (file, file.parent)} == set(synced)
