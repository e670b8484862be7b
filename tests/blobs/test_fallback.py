"""A store in front of others looks like one store."""

import errno
from pathlib import Path
from typing import NoReturn

import pytest

from ledger.blobs import ContentReader, ContentWriter, FallbackStore, LocalStore, ObjectCache, Store
from ledger.blobs.stores.buckets import BucketStore
from ledger.blobs.stores.cached import CachedStore
from ledger.blobs.stores.fallback import SILENT_SECONDS, WAITED_SECONDS
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.retrying import RetryingStore
from ledger.blobs.stores.spooled import SpooledObject
from ledger.blobs.stores.store import gets_at_once, puts_at_once
from ledger.errors import IntegrityError, StorageError, StoreAccessError, StoreMismatchError, StoreUnavailableError
from ledger.ids import new_uuid
from ledger.records import Content
from ledger.system_errors import storage_error
from tests.kit.contents import add, copy_content, load, noise, save
from tests.kit.stores import KEY, OTHER_KEY, WholeStore, objects


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


def test_reads_to_where_bytes_belong(own: LocalStore, other: LocalStore) -> None:
    """Memory is filled from the first store that has an object; what none has is not found."""
    own.put(KEY, [b"own"])
    other.put(OTHER_KEY, [b"other"])
    both = FallbackStore(own, [other])
    target = bytearray(4)
    assert (3, b"own\0") == (both.get_into(KEY, 0, memoryview(target)), bytes(target))
    assert (4, b"ther") == (both.get_into(OTHER_KEY, 1, memoryview(target)), bytes(target))
    with pytest.raises(FileNotFoundError, match="is in none of"):
        both.get_into(KEY.replace("c", "e"), 0, memoryview(target))


def test_a_large_content_is_written_as_to_the_own_store(own: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    """Packs are written while they fill, into the own store, and given up without a trace."""
    files = {"a": noise(5 << 20)}
    alone = LocalStore(tmp_path / "alone")
    writer = ContentWriter(FallbackStore(own, [other]))
    add(writer, "a", files["a"])
    assert 1 == len(list(own.root.glob("packs/tmp_*")))
    writer.abort()
    assert [] == list(own.root.glob("packs/*"))
    assert save(alone, files) == save(FallbackStore(own, [other]), files)
    assert (objects(alone), {}) == (objects(own), objects(other))


def test_a_distant_own_store_takes_packs_from_files(other: LocalStore) -> None:
    """Where the own store is distant, or takes only whole objects, packs wait on this machine's disk."""
    for store in (RetryingStore(BucketStore("gs://bucket")), WholeStore(other)):
        assert isinstance(FallbackStore(store, [other]).stage(), SpooledObject)


def test_what_none_has_is_not_found(own: LocalStore, other: LocalStore) -> None:
    """The error names every store that was asked."""
    both = FallbackStore(own, [other])
    with pytest.raises(FileNotFoundError, match=f"{KEY} is in none of {own.url}, {other.url}"):
        both.get(KEY)
    assert not both.has(KEY)


def test_an_object_is_located_where_it_is_or_would_be(own: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    """The first store that has it is named, past one that fails; of what none has, the own one."""
    other.put(KEY, [b"other"])
    stores = FallbackStore(own, [Failing(tmp_path / "failing", BROKEN), other])
    assert (f"{other.url}/{KEY}", f"{own.url}/{OTHER_KEY}") == (stores.location_of(KEY), stores.location_of(OTHER_KEY))


def test_an_object_is_made_last_where_it_is_read_from(own: LocalStore, other: LocalStore, synced: list[str]) -> None:
    """Whoever relies on what another store has makes it durable there, as if it were put now; elsewhere is nothing."""
    other.put(KEY, [b"other"])
    synced.clear()
    FallbackStore(own, [other]).settle(KEY)
    assert str(other.root / KEY) in synced
    assert [] == [path for path in synced if path.startswith(str(own.root))]


def test_a_size_is_told_past_a_bucket_that_is_gone(own: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    """What lies behind it is found, and before an object is said to have no size it is asked who should have it."""

    class Gone(LocalStore):
        def size(self, key: str) -> int | None:
            message = f"no bucket for {key}"
            raise StoreMismatchError(message)

    def refuse() -> None:
        message = "a store is away"
        raise StoreUnavailableError(message)

    other.put(KEY, [b"other"])
    stores = FallbackStore(own, [Gone(tmp_path / "gone"), other], refuse)
    assert stores.size(KEY) == len(b"other")
    with pytest.raises(StoreUnavailableError):
        stores.size(OTHER_KEY)


class Failing(LocalStore):
    """A store that fails, and counts how often."""

    def __init__(self, root: Path, error: StorageError) -> None:
        super().__init__(root)
        self.error = error
        self.asked = 0

    def get(self, *_: object, **__: object) -> NoReturn:
        self.asked += 1
        raise self.error

    get_into = has = size = get


CLOSED = storage_error(PermissionError(errno.EACCES, "Permission denied"), KEY, "read")
BROKEN = storage_error(OSError(errno.EIO, "Input/output error"), KEY, "read")
SILENT = StoreUnavailableError("a store does not answer")


@pytest.mark.parametrize(
    ("error", "expected"), [(CLOSED, StoreAccessError), (BROKEN, StorageError), (SILENT, StoreUnavailableError)]
)
def test_where_one_fails_the_next_may_have_it(
    own: LocalStore, other: LocalStore, tmp_path: Path, error: StorageError, expected: type[StorageError]
) -> None:
    """The failure is an error only if none has it; that a path is closed says nothing about what lies there."""
    other.put(KEY, [b"other"])
    failing = Failing(tmp_path / "failing", error)
    stores = FallbackStore(own, [failing, other])
    target = bytearray(5)
    assert (b"other", True, 5, other) == (
        stores.get(KEY),
        stores.has(KEY),
        stores.size(KEY),
        stores.first_of(lambda store: store.has(KEY)),
    )
    assert (5, b"other") == (stores.get_into(KEY, 0, memoryview(target)), bytes(target))
    assert (1 if error is SILENT else 5) == failing.asked  # one that was waited for comes last
    for ask in (stores.get, stores.has, stores.size):
        with pytest.raises(expected) as caught:
            ask(OTHER_KEY)
        assert (expected, str(error)) == (type(caught.value), str(caught.value))


def test_a_silent_store_is_waited_for_once_in_a_moment(own: LocalStore, tmp_path: Path) -> None:
    """Of many objects that only it can have each would be waited for, by who goes on without them."""
    now = [0.0]

    class Waiting(Failing):
        def has(self, *_: object, **__: object) -> NoReturn:
            now[0] += 100.0
            self.get()

    silent = Waiting(tmp_path / "silent", SILENT)
    stores = FallbackStore(own, [silent], clock=lambda: now[0])
    for later, asked in ((0.0, 1), (SILENT_SECONDS - 0.1, 1), (0.1, 2)):
        now[0] += later
        for key in (KEY, OTHER_KEY):
            with pytest.raises(StoreUnavailableError, match=str(SILENT)):
                stores.has(key)
        assert asked == silent.asked


def test_a_store_is_silent_for_as_long_as_it_was_waited_for(own: LocalStore, tmp_path: Path) -> None:
    """From the shortest wait that counts as one."""
    now = [0.0]

    class Waiting(Failing):
        def has(self, *_: object, **__: object) -> NoReturn:
            now[0] += WAITED_SECONDS
            self.get()

    silent = Waiting(tmp_path / "silent", SILENT)
    stores = FallbackStore(own, [silent], clock=lambda: now[0])
    for later, asked in ((0.0, 1), (WAITED_SECONDS / 2, 1), (WAITED_SECONDS / 2, 2)):
        now[0] += later
        with pytest.raises(StoreUnavailableError):
            stores.has(KEY)
        assert asked == silent.asked


def test_what_is_refused_at_once_says_nothing_about_other_objects(own: LocalStore, other: LocalStore) -> None:
    """One of them may be archived: the next is read without a pause."""

    class Refusing(LocalStore):
        def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            now[0] += WAITED_SECONDS / 2
            if key == KEY:
                message = "archived"
                raise StoreAccessError(message)
            return super().get(key, start, length)

    now = [0.0]
    other.put(OTHER_KEY, [b"other"])
    stores = FallbackStore(own, [Refusing(other.root)], clock=lambda: now[0])
    with pytest.raises(StoreAccessError):
        stores.get(KEY)
    assert b"other" == stores.get(OTHER_KEY)


def test_a_silent_store_is_not_waited_for_in_each_view_nor_for_each_damage(
    own: LocalStore, other: LocalStore, tmp_path: Path
) -> None:
    """What is read past a cache, and what is read because it is damaged elsewhere, waits no longer than anything."""
    now = [0.0]

    class Waiting(Failing):
        def get(self, *_: object, **__: object) -> NoReturn:
            now[0] += 100.0
            super().get()

    content = save(own, FILES)
    save(other, FILES)
    damage(own, "packs")
    silent = Waiting(tmp_path / "silent", SILENT)
    stores = FallbackStore(own, [silent, other], tries_all=True, clock=lambda: now[0])
    with pytest.warns(UserWarning, match=f": it was read from {other.url}"):
        assert FILES == load(stores, content)
    for view in (stores, stores.uncached, stores.fresh):
        with pytest.raises(StoreUnavailableError):
            view.get(OTHER_KEY)
    assert 1 == silent.asked


def test_a_failure_of_the_own_store_is_an_error(own: LocalStore, other: LocalStore) -> None:
    """What it holds is not known then, and damage there is to be mended."""
    other.put(KEY, [b"other"])
    stores = FallbackStore(Failing(own.root, CLOSED), [other])
    for ask in (stores.get, stores.has, stores.size):
        with pytest.raises(StorageError) as caught:
            ask(KEY)
        assert CLOSED is caught.value


def test_copies_are_those_of_all_its_stores(own: LocalStore, tmp_path: Path) -> None:
    """A bad copy is dropped wherever it is, and without caches the same objects are there."""
    inner = FsspecStore(f"memory://{new_uuid(0)}")
    cached = CachedStore(inner, ObjectCache(tmp_path / "cache", 1 << 30))
    cached.put(KEY, [b"bytes"])
    both = FallbackStore(own, [cached])
    inner.delete(KEY)
    inner.put(KEY, [b"other"])
    assert (b"bytes", b"other") == (both.get(KEY, 0, 5), both.uncached.get(KEY, 0, 5))
    both.forget(KEY)
    assert b"other" == both.get(KEY, 0, 5)


def test_a_distant_store_behind_it_is_asked_for_much_at_once(own: LocalStore) -> None:
    """Puts go to the own store, reads to whichever takes longest to answer."""
    distant = BucketStore("gs://bucket")
    both = FallbackStore(own, [distant])
    assert (1, gets_at_once(distant)) == (puts_at_once(both), gets_at_once(both))
    assert puts_at_once(own) < puts_at_once(distant) == puts_at_once(FallbackStore(distant, [own]))
    assert (1, None) == (puts_at_once(FallbackStore(own, [])), gets_at_once(FallbackStore(own, [])))


FILES = {"a": noise(3 << 20), "b": b"text\n" * 400_000, "c": b"small"}


def damage(store: LocalStore, kind: str) -> None:
    """Change each object of a kind in the middle, and at its end, where a pack has its index."""
    for path in store.root.glob(f"{kind}/*/*"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        data[-1] ^= 1
        path.write_bytes(data)


def read_from(store: Store, content: Content, start: int) -> bytes:
    """The file ``a`` of a content from a position on."""
    file = ContentReader(store, content, label="iris@3").open("a")
    file.seek(start)
    return file.read()


@pytest.mark.parametrize(
    ("files", "kind", "elsewhere"),
    [({"a": b"small"}, "chunks", "packs"), (FILES, "packs", "tables"), (FILES, "tables", "packs")],
)
def test_what_is_damaged_in_one_is_read_from_another(
    own: LocalStore, other: LocalStore, tmp_path: Path, files: dict[str, bytes], kind: str, elsewhere: str
) -> None:
    """Each object from wherever it is sound, with a warning; who judges the stores meets the damage."""
    content = save(own, files)
    save(other, files)
    damage(own, kind)
    damage(other, elsewhere)
    stores = FallbackStore(own, [LocalStore(tmp_path / "none"), other], tries_all=True)
    with pytest.warns(UserWarning, match=f"{own.url}/{kind}/.* is damaged: it was read from {other.url}; run"):
        assert files == load(stores, content)
    with pytest.warns(UserWarning, match=f": it was read from {other.url}"):
        assert files["a"][2:] == read_from(stores, content, 2)
    with pytest.warns(UserWarning, match=f": it was read from {other.url}"):
        ContentReader(stores, content, label="iris@3").check()
    with pytest.warns(UserWarning, match=f": it was read from {other.url}"):
        copy_content(stores, whole := LocalStore(tmp_path / "whole"), content, label="iris@3")
    assert files == load(whole, content)
    for view in (stores.uncached, stores.fresh):
        with pytest.raises(IntegrityError, match=own.url):
            ContentReader(view, content, label="iris@3").check()


def test_what_cannot_be_read_in_the_own_store_is_read_from_another(own: LocalStore, other: LocalStore) -> None:
    """As from a bad sector of its disk; not so where this process is short of descriptors."""
    content = save(other, {"c": b"small"})
    failing = Failing(own.root, BROKEN)
    stores = FallbackStore(failing, [other], tries_all=True)
    with pytest.warns(UserWarning, match=f"{KEY}: Input/output error: it was read from {other.url}; run"):
        assert {"c": b"small"} == load(stores, content)
    failing.error = storage_error(OSError(errno.EMFILE, "Too many open files"), KEY, "read")
    with pytest.raises(StorageError, match="Too many"):
        load(stores, content)


def test_what_is_damaged_everywhere_is_an_error(own: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    """The damage of the first that has it is told, whatever else the others do."""
    content = save(own, {"c": b"small"})
    save(other, {"c": b"small"})
    damage(own, "chunks")
    damage(other, "chunks")
    stores = FallbackStore(own, [Failing(tmp_path / "away", SILENT), other], tries_all=True)
    with pytest.raises(IntegrityError, match=own.url):
        load(stores, content)
