"""Bytes behind a web server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.blobs import LocalStore, ObjectCache, Store, open_store, store_id
from ledger.blobs.stores.store import PrunableStore
from ledger.errors import IntegrityError, ReadOnlyError, StorageError
from tests.kit.contents import load, noise, save
from tests.kit.stores import KEY
from tests.kit.web import served


@pytest.fixture
def url(store: LocalStore) -> Iterator[str]:
    with served(store.root) as url:
        yield url


@pytest.fixture
def web(url: str, tmp_path: Path) -> Store:
    return open_store(url, cache=ObjectCache(tmp_path / "cache", 1 << 30))


def test_a_served_folder_is_a_store(store: LocalStore, web: Store) -> None:
    """A store's folder behind a web server has its id and gives its contents."""
    files = {"a": noise(2_000_000), "b/c": b"small"}
    assert (store_id(store), files) == (store_id(web), load(web, save(store, files)))
    assert {"a": b"one chunk"} == load(web, save(store, {"a": b"one chunk"}))


@pytest.mark.parametrize(
    ("start", "length"), [(0, None), (0, 3), (4, 3), (7, None), (8, 9), (10, 5), (-3, None), (-3, 2)]
)
def test_parts_are_those_of_the_folder(store: LocalStore, web: Store, start: int, length: int | None) -> None:
    """Parts come as from the folder itself."""
    store.put(KEY, [b"0123456789"])
    assert store.get(KEY, start, length) == web.get(KEY, start, length)


def test_what_a_server_sends_beyond_a_part_does_not_fill_the_memory(store: LocalStore) -> None:
    """A server that says to send a few bytes, and sends as many as it likes, is not listened to until its end."""
    store.put(KEY, [noise(1000)])
    with served(store.root, surplus=8 << 20) as url:
        assert 100 == len(open_store(url).get(KEY, 10, 100)) == len(open_store(url).get(KEY, -100))


def test_what_is_not_there_is_not_found(web: Store) -> None:
    """A file that the server does not have is not found."""
    assert not web.has(KEY)
    with pytest.raises(FileNotFoundError):
        web.get(KEY, 0, 5)


def test_a_refusal_in_another_encoding_means_the_same(store: LocalStore) -> None:
    """A page in Latin-1 that says what is not there, or where a file ends, is not taken for a service that is away."""
    store.put(KEY, [b"0123456789"])
    with served(store.root, page="nicht verfügbar: ü".encode("latin-1")) as url:
        web = open_store(url, attempts=1)
        assert (True, b"", b"6789") == (web.has(KEY), web.get(KEY, 10, 5), web.get(KEY, 6, 5))
        assert not web.has(f"{KEY}0")
        for start, length in ((0, 5), (0, None), (-3, None)):
            with pytest.raises(FileNotFoundError):
                web.get(f"{KEY}0", start, length)


def test_nothing_can_be_written(web: Store) -> None:
    """Writing is refused, and there is no way to list or delete."""
    with pytest.raises(ReadOnlyError, match=KEY):
        web.put(KEY, [b"bytes"])
    assert not isinstance(web, PrunableStore)


@pytest.mark.parametrize("lacking", ["parts", "lengths"])
def test_a_server_without_parts_is_named(store: LocalStore, lacking: str) -> None:
    """One that gives whole files only, or does not say how long they are, is told what it lacks, and is not away."""
    store.put(KEY, [b"0123456789"])
    parts, lengths = lacking != "parts", lacking != "lengths"
    with served(store.root, parts=parts, lengths=lengths) as url, pytest.raises(StorageError) as caught:
        open_store(url).get(KEY, 4, 3)
    assert "HTTP ranges" in caught.value.hint


def test_a_damaged_copy_is_fetched_again(store: LocalStore, web: Store, tmp_path: Path) -> None:
    """The cache before a web server is believed no more than any other."""
    content = save(store, {"a": noise(300_000)})
    load(web, content)
    for path in (tmp_path / "cache").rglob("*.*"):
        path.write_bytes(bytes(path.stat().st_size))
    assert {"a": noise(300_000)} == load(web, content)


def test_damage_behind_the_server_is_damage(store: LocalStore, web: Store) -> None:
    """Bytes that are not what was saved are an error."""
    content = save(store, {"a": noise(300_000)})
    for key in list(store.list("packs")):
        (store.root / key).write_bytes(bytes((store.root / key).stat().st_size))
    with pytest.raises(IntegrityError):
        load(web, content)
