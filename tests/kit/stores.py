"""What every store must do, as a class to inherit, and stores for other tests.

A test class of a store derives from `StoreContract` and gives it the fixture `store`.
"""

import hashlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ledger.blobs import Store
from ledger.blobs.stores.spooled import put_file
from ledger.blobs.stores.store import PrunableStore, get_into, size_of
from tests.kit.contents import noise

KEY = "chunks/ab/" + "c" * 62
OTHER_KEY = "chunks/ab/" + "d" * 62


class StoreContract:
    """A store keeps objects whole, gives parts of them, lists and deletes them."""

    @pytest.fixture
    def store(self) -> PrunableStore:
        raise NotImplementedError

    def test_gives_back_what_was_put(self, store: PrunableStore) -> None:
        """An object's bytes are the parts that were put, one after another."""
        store.put(KEY, [b"one ", b"", b"two"])
        assert store.get(KEY) == b"one two"

    def test_an_empty_object_is_an_object(self, store: PrunableStore) -> None:
        """An object without bytes is there."""
        store.put(KEY, [])
        assert (store.has(KEY), store.get(KEY)) == (True, b"")

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 3, b"012"),
            (4, 3, b"456"),
            (7, None, b"789"),
            (8, 10, b"89"),
            (10, 5, b""),
            (-3, None, b"789"),
            (-3, 2, b"78"),
            (-20, None, b"0123456789"),
            (0, 0, b""),
        ],
    )
    def test_gives_parts(self, store: PrunableStore, start: int, length: int | None, expected: bytes) -> None:
        """A part is counted from the beginning, or from the end, and stops where the object does."""
        store.put(KEY, [b"0123456789"])
        assert store.get(KEY, start, length) == expected

    @pytest.mark.parametrize(("start", "length"), [(0, 3), (4, 6), (7, 20), (10, 5), (0, 0)])
    def test_reads_to_where_bytes_belong(self, store: PrunableStore, start: int, length: int) -> None:
        """Memory is filled as far as the object goes, and not beyond."""
        store.put(KEY, [b"0123456789"])
        target = bytearray(b"." * length)
        count = get_into(store, KEY, start, memoryview(target))
        expected = b"0123456789"[start : start + length]
        assert (len(expected), expected.ljust(length, b".")) == (count, bytes(target))

    @pytest.mark.parametrize("start", [0, 5, -5])
    def test_a_missing_object_is_not_found(self, store: PrunableStore, start: int) -> None:
        """Reading what is not there is a FileNotFoundError, and `has` says no."""
        assert not store.has(KEY)
        with pytest.raises(FileNotFoundError):
            store.get(KEY, start)

    @pytest.mark.filterwarnings("ignore:.*is written again:UserWarning")
    @pytest.mark.parametrize("damaged", [b"damaged!", b"expected and more", b"expect", b""])
    def test_put_replaces_other_bytes(self, store: PrunableStore, damaged: bytes) -> None:
        """An object with other bytes under its name, or more or fewer, is damaged, and is replaced."""
        store.put(KEY, [damaged])
        store.put(KEY, [b"expec", b"ted"])
        assert store.get(KEY) == b"expected"

    def test_put_twice_is_put_once(self, store: PrunableStore) -> None:
        """Putting the same bytes again changes nothing and leaves nothing else."""
        store.put(KEY, [b"bytes"])
        store.put(KEY, [b"by", b"tes"])
        assert (store.get(KEY), list(store.list("chunks"))) == (b"bytes", [KEY])

    def test_lists_by_folder(self, store: PrunableStore) -> None:
        """Keys are listed in order, those of other folders are not."""
        for key in (OTHER_KEY, "packs/00/" + "a" * 62, KEY):
            store.put(key, [key.encode()])
        assert list(store.list("chunks/")) == [KEY, OTHER_KEY]
        assert list(store.list("tables/")) == []

    def test_says_how_large_an_object_is(self, store: PrunableStore) -> None:
        """The bytes of what is there, none of an empty object, and nothing of what is not there."""
        store.put(KEY, [b"0123456789"])
        store.put(OTHER_KEY, [])
        assert (10, 0, None) == (size_of(store, KEY), size_of(store, OTHER_KEY), size_of(store, KEY[:-1] + "e"))

    def test_delete_removes_one(self, store: PrunableStore) -> None:
        """A deleted object is gone, its neighbour is not, and deleting it again is no error; put again, it is there."""
        store.put(KEY, [b"1"])
        store.put(OTHER_KEY, [b"2"])
        store.delete(KEY)
        store.delete(KEY)
        assert (store.has(KEY), store.get(OTHER_KEY)) == (False, b"2")
        store.put(KEY, [b"1"])
        assert store.get(KEY) == b"1"

    def test_a_large_object_comes_back(self, store: PrunableStore) -> None:
        """Objects of several MiB keep their bytes."""
        parts = [hashlib.sha256(bytes([number])).digest() * 65536 for number in range(3)]
        store.put(KEY, parts)
        assert store.get(KEY) == b"".join(parts)

    @pytest.mark.parametrize("size", [0, 10, 300_000])
    def test_takes_a_file(self, store: PrunableStore, size: int, tmp_path: Path) -> None:
        """A file's bytes are put from its beginning, wherever it stands, and twice is once."""
        (tmp_path / "file").write_bytes(noise(size))
        with open(tmp_path / "file", "rb") as file:
            for place in (5, 0):
                file.seek(place)
                put_file(store, KEY, file)
        assert (noise(size), [KEY]) == (store.get(KEY), list(store.list("chunks")))

    @pytest.mark.filterwarnings("ignore:.*is written again:UserWarning")
    @pytest.mark.parametrize("size", [10, 9 << 20])
    def test_a_file_replaces_other_bytes(self, store: PrunableStore, size: int, tmp_path: Path) -> None:
        """An object with other bytes under its name, as many or fewer, is replaced by those of a file."""
        (tmp_path / "file").write_bytes(noise(size))
        for damaged in (bytes(size), b"short"):
            store.put(KEY, [damaged])
            with open(tmp_path / "file", "rb") as file:
                put_file(store, KEY, file)
            assert noise(size) == store.get(KEY)


class CountingStore:
    """A store that notes which objects are read and put through it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.gets: list[str] = []
        self.puts: list[str] = []
        self.bytes_read = 0

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self.gets.append(key)
        data = self._store.get(key, start, length)
        self.bytes_read += len(data)
        return data

    def has(self, key: str) -> bool:
        return self._store.has(key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        self.puts.append(key)
        self._store.put(key, parts)


def put_at_once(stores: Sequence[Store]) -> None:
    """Put one object through several stores at the same moment, without a warning from any."""
    threads = [threading.Thread(target=store.put, args=(KEY, [b"bytes"])) for store in stores]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def objects(store: PrunableStore) -> dict[str, bytes]:
    """Every object of a store by its key."""
    return {key: store.get(key) for folder in ("chunks", "packs", "tables") for key in _keys(store, folder)}


def _keys(store: PrunableStore, folder: str) -> Iterator[str]:
    yield from list(store.list(folder))


class WholeStore(CountingStore):
    """A store that takes whole objects only, as a distant one does; it notes the largest."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.largest = 0

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        self.largest = max(self.largest, sum(map(len, parts)))
        super().put(key, parts)
