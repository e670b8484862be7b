"""The store in a folder."""

import errno
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ledger.blobs import LocalStore
from ledger.errors import ReadOnlyError, StorageError
from tests.kit.stores import KEY, StoreContract


class TestLocalStore(StoreContract):
    """A folder keeps objects."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "store")


def test_an_object_is_a_file(tmp_path: Path) -> None:
    """An object lies below the root under its key, and nothing else does."""
    LocalStore(tmp_path).put(KEY, [b"bytes"])
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert (found, (tmp_path / KEY).read_bytes()) == ([KEY], b"bytes")


def test_an_equal_object_is_left_alone(tmp_path: Path) -> None:
    """Putting the same bytes again does not touch the file."""
    store = LocalStore(tmp_path)
    store.put(KEY, [b"bytes"])
    before = os.stat(tmp_path / KEY)
    store.put(KEY, [b"bytes"])
    after = os.stat(tmp_path / KEY)
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("door", ["put", "stage"])
def test_writers_of_one_object_at_one_moment_see_no_damage(tmp_path: Path, door: str) -> None:
    """Threads that put the same bytes under one key together warn of nothing, and the bytes are there."""
    stores = [LocalStore(tmp_path) for _ in range(8)]
    data = b"bytes" * 1000
    with ThreadPoolExecutor(len(stores)) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(60):
            key = f"packs/{number:02}/{'0' * 62}"
            together = Barrier(len(stores))

            def put(store: LocalStore, key: str = key, together: Barrier = together) -> None:
                if door == "put":
                    together.wait()
                    store.put(key, [data])
                    return
                file = store.stage()
                file.write_at(0, [data])
                together.wait()
                file.publish(key)

            list(pool.map(put, stores))
            assert data == stores[0].get(key)


def test_a_removed_folder_is_made_again(tmp_path: Path) -> None:
    """A store that made a folder once makes it again when somebody has removed it."""
    store = LocalStore(tmp_path)
    store.put(KEY, [b"bytes"])
    store.delete(KEY)
    (tmp_path / KEY).parent.rmdir()
    store.put(KEY, [b"bytes"])
    assert store.get(KEY) == b"bytes"


def test_temporary_files_are_no_objects(tmp_path: Path) -> None:
    """What a dead writer left is not listed."""
    store = LocalStore(tmp_path)
    store.put(KEY, [b"bytes"])
    (tmp_path / KEY).with_name("tmp_0123").write_bytes(b"half")
    assert list(store.list("chunks")) == [KEY]


def stage_and_publish(store: LocalStore, key: str, parts: list[bytes]) -> None:
    file = store.stage()
    file.write_at(0, parts)
    file.publish(key)


@pytest.mark.parametrize("put", [LocalStore.put, stage_and_publish])
def test_damage_is_told_wherever_the_store_lies(
    tmp_path: Path, put: Callable[[LocalStore, str, list[bytes]], None]
) -> None:
    """A pack that is put right is warned of, also in a store below a folder that has the name of one of its own."""
    store = LocalStore(tmp_path / "tables")
    key = f"packs/ab/{'0' * 62}"
    store.put(key, [b"damage"])
    with pytest.warns(UserWarning, match="does not hold what its name says"):
        put(store, key, [b"bytes"])
    assert store.get(key) == b"bytes"


def test_what_fails_in_deleting_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be synced is what the error of a deletion names, and its own words are all there is."""
    store = LocalStore(tmp_path)
    store.put(KEY, [b"bytes"])

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    folder = (tmp_path / KEY).parent
    with pytest.raises(StorageError) as caught:
        store.delete(KEY)
    assert (f"cannot sync {folder}: Input/output error", str(folder)) == (str(caught.value), caught.value.filename)


def test_a_file_that_was_replaced_from_afar_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handle that is stale, as on network file systems, keeps nobody from reading to where the bytes belong."""
    store, target = LocalStore(tmp_path), bytearray(5)
    store.put(KEY, [b"bytes"])
    read, stale = os.preadv, iter([True])

    def refuse_once(descriptor: int, buffers: list[memoryview], at: int) -> int:
        if next(stale, False):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return read(descriptor, buffers, at)

    monkeypatch.setattr(os, "preadv", refuse_once)
    assert (5, b"bytes") == (store.get_into(KEY, 0, memoryview(target)), bytes(target))


def test_an_error_is_not_an_absence(tmp_path: Path) -> None:
    """A path that cannot be looked at is a StorageError, for `has` as for `get`."""
    (tmp_path / "chunks").write_text("a file where a folder belongs")
    store = LocalStore(tmp_path)
    with pytest.raises(StorageError, match="cannot read"):
        store.has(KEY)
    with pytest.raises(StorageError, match="cannot read"):
        store.get(KEY)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    """Writing into a folder without permission is a ReadOnlyError with the path."""
    tmp_path.chmod(0o555)
    with pytest.raises(ReadOnlyError, match=str(tmp_path)):
        LocalStore(tmp_path).put(KEY, [b"bytes"])
