"""The cache: what it holds, how much, and that it is never believed."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs import ObjectCache
from ledger.blobs.stores.cache import CachedPage, cache_folder, excess
from ledger.blobs.stores.cached import PAGE_SIZE, CachedStore
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.store import PrunableStore
from ledger.errors import IntegrityError, StorageError
from ledger.ids import digest_of, new_uuid
from tests.kit.contents import load, noise, save
from tests.kit.descriptors import open_descriptors
from tests.kit.disks import disk_at, remount
from tests.kit.forking import in_a_fork
from tests.kit.stores import KEY, CountingStore, StoreContract, objects

MIB = 1 << 20
PACK = "packs/00/" + "a" * 62


@pytest.fixture
def cache(tmp_path: Path) -> ObjectCache:
    return ObjectCache(tmp_path / "cache", 1 << 30)


def memory_store() -> FsspecStore:
    return FsspecStore(f"memory://{new_uuid(0)}/store")


class TestCachedStore(StoreContract):
    """A store with a cache before it is a store."""

    @pytest.fixture
    def store(self, cache: ObjectCache) -> PrunableStore:
        return CachedStore(memory_store(), cache)


class Counted(CountingStore):
    """A counting store that lists and deletes too."""

    def __init__(self, store: PrunableStore) -> None:
        super().__init__(store)
        self.list = store.list
        self.delete = store.delete


@pytest.fixture
def counted() -> Counted:
    return Counted(memory_store())


@given(
    size=st.integers(0, 3 * PAGE_SIZE + 1),
    reads=st.lists(st.tuples(st.integers(-4 * PAGE_SIZE, 4 * PAGE_SIZE), st.none() | st.integers(0, 4 * PAGE_SIZE))),
)
def test_any_part_is_what_the_store_gives(size: int, reads: list[tuple[int, int | None]]) -> None:
    """Whatever is asked in whatever order, with whatever is cached by then, is what the store itself gives."""
    folder = Path(os.environ["XDG_CACHE_HOME"]) / str(new_uuid(0))
    store = memory_store()
    store.put(KEY, [noise(size)])
    cached = CachedStore(store, ObjectCache(folder, 1 << 30))
    for start, length in reads:
        assert store.get(KEY, start, length) == cached.get(KEY, start, length)
        if length is not None and start >= 0:
            target = bytearray(length)
            count = cached.get_into(KEY, start, memoryview(target))
            assert store.get(KEY, start, length) == target[:count]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("size", [0, 1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE])
def test_what_was_put_is_read_from_the_cache(cache: ObjectCache, counted: Counted, size: int) -> None:
    """What a process has put is not fetched, be it read by itself or into memory; nor is what it has read."""
    store, target = CachedStore(counted, cache), bytearray(size + 1)
    store.put(KEY, [noise(size)[: size // 3], noise(size)[size // 3 :]])
    assert (noise(size), []) == (store.get(KEY, 0, size + 1), counted.gets)
    assert (size, []) == (store.get_into(KEY, 0, memoryview(target)), counted.gets)
    assert noise(size) == target[:size]
    assert [noise(size)[-9:]] * 2 == [store.get(KEY, -9), CachedStore(counted, cache).get(KEY, -9)]
    assert 1 == len(counted.gets)


@pytest.mark.parametrize("size", [0, 10, PAGE_SIZE, PAGE_SIZE + 1])
def test_what_was_put_from_a_file_is_read_from_the_cache(cache: ObjectCache, counted: Counted, size: int) -> None:
    """An object that came from a file is there without being fetched, to its last byte."""
    with tempfile.TemporaryFile() as file:
        file.write(noise(size))
        CachedStore(counted, cache).put_file(KEY, file)
    assert (noise(size), []) == (CachedStore(counted, cache).get(KEY, 0, size + 10), counted.gets)


def test_neighbouring_pages_are_fetched_at_once(cache: ObjectCache, counted: Counted) -> None:
    """Missing pages are fetched with one request on each side of those that are there, and never again."""
    counted.put(KEY, [noise(7 * PAGE_SIZE)])
    store = CachedStore(counted, cache)
    store.get(KEY, 3 * PAGE_SIZE, 1)
    for _ in range(2):
        assert noise(7 * PAGE_SIZE) == store.get(KEY, 0, 7 * PAGE_SIZE)
    assert (3, 7 * PAGE_SIZE) == (len(counted.gets), counted.bytes_read)


def test_presence_is_asked_of_the_store(cache: ObjectCache) -> None:
    """A cached object that the store no longer has is not there."""
    inner = memory_store()
    store = CachedStore(inner, cache)
    store.put(KEY, [b"bytes"])
    inner.delete(KEY)
    assert not store.has(KEY)


@pytest.mark.parametrize("key", ["tables/00/" + "a" * 62, "data/file.csv"])
def test_what_may_change_is_asked_of_the_store(cache: ObjectCache, key: str) -> None:
    """A part of a table, or of a file that was registered in place, is what the store holds now; none is kept."""
    inner = memory_store()
    store, target = CachedStore(inner, cache), bytearray(3)
    for now in (b"old", b"new"):
        inner.delete(key)
        inner.put(key, [now])
        assert (now, now, now) == (store.get(key), store.get(key, 0, 3), store.get(key, -3))
        assert (3, now) == (store.get_into(key, 0, memoryview(target)), bytes(target))
        store.put(key, [now])
    assert 0 == cache.usage().files


def test_nothing_is_left_of_what_was_replaced_or_deleted(cache: ObjectCache) -> None:
    """What is put in the place of a damaged object has its pages and its end alone; a deleted one has none."""
    store = CachedStore(memory_store(), cache)
    for data in (noise(PAGE_SIZE + 3), b"short"):
        store.put(KEY, [data])
        assert (data[-3:], data) == (store.get(KEY, -3), store.get(KEY, 0, PAGE_SIZE + 3))
    store.delete(KEY)
    for start in (0, -3):
        with pytest.raises(FileNotFoundError):
            store.get(KEY, start, 3)


def test_one_cache_serves_many_stores(cache: ObjectCache, counted: Counted) -> None:
    """What went through one store is not fetched from another that holds it too, because keys are digests."""
    inner = memory_store()
    content = save(CachedStore(inner, cache), {"a": noise(MIB)})
    for key, data in objects(inner).items():
        counted.put(key, [data])
    assert {"a": noise(MIB)} == load(CachedStore(counted, cache), content)
    # The table, and the end of the pack, where its index is.
    assert (2, True) == (len(counted.gets), counted.bytes_read < 100_000)


def test_a_table_may_be_written_anew(cache: ObjectCache) -> None:
    """Chunks that maintenance moved to other packs are found, also by who has read the content before."""
    inner = memory_store()
    store = CachedStore(inner, cache)
    content = save(store, {"a": noise(MIB)})
    assert {"a": noise(MIB)} == load(store, content)
    for key in [*inner.list("packs"), *inner.list("tables")]:
        inner.delete(key)
    save(inner, {"b": b"x" * 100})
    other = save(inner, {"first": noise(200_000, 1), "a": noise(MIB)})
    moved = save(inner, {"a": noise(MIB)}, similar=[other])
    assert (content, {"a": noise(MIB)}) == (moved, load(store, content))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "long"])
def test_a_damaged_page_is_fetched_again(cache: ObjectCache, damage: str) -> None:
    """Whatever happened to the files of the cache, a load gives the saved bytes, and the cache is whole afterwards."""
    store = CachedStore(memory_store(), cache)
    files = {"a": noise(3 * MIB), "b": noise(100)}
    content = save(store, files)
    load(store, content)
    for path in [path for path in cache.folder.rglob("*") if path.is_file()]:
        spoil(path, damage)
    assert files == load(store, content)
    assert files == load(store, content)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "long"])
def test_a_damaged_page_is_no_damaged_chunk(cache: ObjectCache, damage: str) -> None:
    """Whatever happened to the files of the cache, a save warns of no damage and stores no chunk again."""
    inner = memory_store()
    store = CachedStore(inner, cache)
    first = save(store, {"a": noise(3 * MIB)})
    (pack,) = inner.list("packs")
    for path in [path for path in cache.folder.rglob("*") if path.is_file()]:
        spoil(path, damage)
    save(store, {"a": noise(3 * MIB), "b": b"more"}, similar=[first])
    assert MIB > sum(len(inner.get(key)) for key in inner.list("packs") if key != pack)


def spoil(path: Path, damage: str) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    path.write_bytes({"flip": flipped, "cut": data[:middle], "empty": b"", "long": data + b"x"}[damage])


def test_a_page_that_is_too_long_is_fetched_again(cache: ObjectCache) -> None:
    """More bytes than a page has are none of ours, and spill into no other page."""
    data = noise(3 * PAGE_SIZE)
    store = CachedStore(memory_store(), cache)
    store.put(KEY, [data])
    for path in [path for path in cache.folder.rglob("*") if path.is_file()]:
        path.write_bytes(2 * path.read_bytes())
    target = bytearray(len(data))
    assert (len(data), data) == (store.get_into(KEY, 0, memoryview(target)), bytes(target))


@pytest.mark.parametrize("what", ["folder", "link"])
def test_what_is_no_page_is_not_followed(cache: ObjectCache, what: str) -> None:
    """Where something else lies in a page's place, the cache is given up, and the load goes on without it."""
    store = CachedStore(memory_store(), cache)
    content = save(store, {"a": noise(300_000)})
    for path in [path for path in cache.folder.rglob("*") if path.is_file()]:
        path.unlink()
        if what == "folder":
            path.mkdir()
        else:
            path.symlink_to("/etc/passwd")
    with pytest.warns(UserWarning, match="not used from here on"):
        assert {"a": noise(300_000)} == load(store, content)


def test_damage_in_the_store_stays_damage(cache: ObjectCache) -> None:
    """Where the store itself is damaged, asking it again does not hide it."""
    inner = memory_store()
    store = CachedStore(inner, cache)
    content = save(store, {"a": noise(300_000)})
    for key in list(inner.list("packs")):
        inner.put(key, [bytes(len(inner.get(key)))])
    cache.clear()
    with pytest.raises(IntegrityError):
        load(store, content)


def test_the_cache_is_this_users_alone(cache: ObjectCache) -> None:
    """Folders are 0700, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        save(CachedStore(memory_store(), cache), {"a": noise(300_000)})
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in [cache.folder, *cache.folder.rglob("*")]}
    assert {0o700, 0o600} == modes


STRANGE = ["open to a group", "open to others", "a link", "a file", "out of reach"]
if os.geteuid() == 0:
    STRANGE.append("another user's")


@pytest.mark.parametrize("how", STRANGE)
def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path, how: str) -> None:
    """A cache that is not this user's alone is said to be so and left alone; saving and loading go on."""
    folder = tmp_path / "cache"
    if how.startswith("open"):
        folder.mkdir()
        folder.chmod(0o770 if how == "open to a group" else 0o707)
    elif how == "another user's":
        folder.mkdir(mode=0o700)
        os.chown(folder, 54321, 54321)
    elif how == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif how == "out of reach":
        (tmp_path / "loop").symlink_to("loop")
        folder = tmp_path / "loop" / "cache"
    else:
        folder.write_text("in the way")
    store = CachedStore(memory_store(), ObjectCache(folder, 1 << 30))
    told = f"put it in place of {tmp_path}" if how == "a link" else "not used"
    with pytest.warns(UserWarning, match=told):
        content = save(store, {"a": noise(300_000)})
    assert {"a": noise(300_000)} == load(store, content)
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file() and path != folder]


def test_a_full_disk_costs_only_the_cache(tmp_path: Path) -> None:
    """Where nothing can be written, the cache is given up with a warning, and everything else works."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    (folder / "packs").write_text("in the way")
    store = CachedStore(memory_store(), ObjectCache(folder, 1 << 30))
    with pytest.warns(UserWarning, match="not used from here on"):
        content = save(store, {"a": noise(300_000)})
    assert {"a": noise(300_000)} == load(store, content)


def test_the_size_is_bounded(tmp_path: Path) -> None:
    """What is kept never goes far beyond the limit, and what was used last stays."""
    cache = ObjectCache(tmp_path, 100_000)
    for number in range(300):
        cache.remember(f"packs/ab/{number}", bytes(1000))
        assert cache.usage().size <= 106_000
    cache.trim()
    assert (True, False) == (cache.has("packs/ab/299"), cache.has("packs/ab/0"))


def test_a_use_is_noted(tmp_path: Path) -> None:
    """A page that is read counts as used now."""
    cache = ObjectCache(tmp_path, 100_000)
    for number in range(100):
        cache.remember(f"packs/ab/{number}", bytes(1000))
        long_ago = time.time() - 100_000 + number
        os.utime(tmp_path / f"packs/ab/{number}", (long_ago, long_ago))
    cache.get("packs/ab/0")
    cache.remember("packs/ab/100", bytes(1000))
    cache.trim()
    assert (True, False) == (cache.has("packs/ab/0"), cache.has("packs/ab/1"))


def test_short_processes_look_at_the_size_too(tmp_path: Path) -> None:
    """Processes that keep little each keep the bound together: the first look comes by chance."""
    for number in range(400):
        ObjectCache(tmp_path, 100_000).remember(f"packs/ab/{number}", bytes(1000))
    assert ObjectCache(tmp_path, 1 << 30).usage().size <= 150_000


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 10))), st.integers(0, 1000))
def test_what_goes_was_used_longest_ago(pages: list[tuple[int, float]], limit: int) -> None:
    """What stays fits, nothing that goes was used after something that stays, and nothing goes while all fits."""
    all_pages = [CachedPage(str(number), size, used) for number, (size, used) in enumerate(pages)]
    going = excess(all_pages, limit)
    staying = [page for page in all_pages if page not in going]
    assert sum(page.size for page in staying) <= limit
    assert max((page.used for page in going), default=0) <= min((page.used for page in staying), default=10)
    assert (not going) == (sum(page.size for page in all_pages) <= limit)


@pytest.mark.parametrize("place", ["", "packs"])
def test_a_file_in_its_place_is_told_once(tmp_path: Path, place: str) -> None:
    """Where a file stands in the place of the cache or of its folder, that is said, and bytes come from the store."""
    cache = ObjectCache(tmp_path / "cache", 1 << 30)
    (tmp_path / "cache" / place).parent.mkdir(mode=0o700, exist_ok=True)
    (tmp_path / "cache" / place).write_text("a file")
    store = CachedStore(memory_store(), cache)
    files = {"a": noise(2 * MIB)}
    with pytest.warns(UserWarning, match="the cache is not used from here on: cannot (use|write|read)") as caught:
        loaded = load(store, save(store, files))
    assert (files, 1) == (loaded, len(caught))


def test_what_cannot_be_listed_is_not_called_empty(cache: ObjectCache) -> None:
    """Without a descriptor left for its folders, the cache is neither told as empty nor as cleared."""
    cache.remember(f"{KEY}.0", b"page")

    def ask() -> list[str]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        told = []
        for act in (cache.usage, cache.clear):
            with pytest.raises(StorageError, match=f"cannot list {cache.folder}") as caught:
                act()
            told.append(type(caught.value).__name__)
        return told

    assert ["StorageError"] * 2 == in_a_fork(ask)
    assert cache.usage().files == 1


def test_a_page_that_another_machine_removes_while_it_is_read_is_missing(
    cache: ObjectCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines may share a cache over a network: what one of them drops costs the others that page, and no cache."""
    cache.remember(f"{PACK}.0", b"bytes")
    read, stale = os.read, iter([True])

    def refuse_once(descriptor: int, length: int) -> bytes:
        if next(stale, False):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return read(descriptor, length)

    monkeypatch.setattr(os, "read", refuse_once)
    assert (None, b"bytes") == (cache.get(f"{PACK}.0"), cache.get(f"{PACK}.0"))


def test_it_may_be_deleted_while_it_is_used(cache: ObjectCache) -> None:
    """Readers and writers get the right bytes while somebody deletes the cache again and again."""
    store = CachedStore(memory_store(), cache)
    files = {"a": noise(2 * MIB)}
    content = save(store, files)
    done = threading.Event()

    def delete() -> None:
        while not done.is_set():
            shutil.rmtree(cache.folder, ignore_errors=True)

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        loaded = [load(store, content) for _ in range(10)]
    finally:
        done.set()
        thread.join()
    assert [files] * 10 == loaded


@pytest.mark.parametrize("clean", [lambda cache: cache.forget(f"{KEY}."), ObjectCache.trim], ids=["forget", "trim"])
def test_a_cache_that_cannot_be_cleaned_is_given_up(cache: ObjectCache, clean: Callable[[ObjectCache], None]) -> None:
    """Without a descriptor left for its folders nobody can drop a page that is bad, or make room."""
    cache.remember(f"{KEY}.0", b"page")

    def act() -> bool:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        with pytest.warns(UserWarning, match="the cache is not used from here on: cannot clean"):
            clean(cache)
        return cache.has(f"{KEY}.0")

    assert (False, True) == (in_a_fork(act), cache.has(f"{KEY}.0"))


def test_a_cache_that_was_deleted_comes_back_as_the_users_alone(cache: ObjectCache) -> None:
    """Whoever used it when it went makes it again for itself, and the next process uses it without a word."""
    cache.remember(f"{KEY}.0", b"page")
    shutil.rmtree(cache.folder)
    for number in range(3):
        cache.remember(f"{KEY}.{number}", b"page")
    modes = {path.stat().st_mode & 0o777 for path in (cache.folder, *cache.folder.rglob("*")) if path.is_dir()}
    assert ({0o700}, b"page") == (modes, ObjectCache(cache.folder, cache.limit).get(f"{KEY}.2"))


@pytest.mark.filterwarnings("ignore:the cache is not used from here on")
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_piece(cache: ObjectCache, make: Callable[[Path], None]) -> None:
    """A folder or a fifo in the place of a page keeps nobody waiting, and no descriptor."""
    cache.remember(f"{KEY}.0", b"page")
    (cache.folder / f"{KEY}.0").unlink()
    make(cache.folder / f"{KEY}.0")
    before = open_descriptors()
    assert not cache.get(f"{KEY}.0")
    assert {} == open_descriptors() - before


def test_pages_of_many_objects_are_kept(cache: ObjectCache) -> None:
    """Each object's lie in a folder by its key, beside those of the objects before it."""
    names = [f"{kind}/{first}/{'a' * 62}.0" for kind in ("packs", "chunks") for first in ("00", "01")]
    for name in names:
        cache.remember(name, name.encode())
    assert [name.encode() for name in names] == [cache.get(name) for name in names]


def test_what_stays_is_not_called_cleared(tmp_path: Path) -> None:
    """On a disk that can only be read, clearing is an error with the page that stays."""
    with disk_at(tmp_path / "disk", "1m") as disk:
        cache = ObjectCache(disk / "cache", MIB)
        cache.remember(f"{KEY}.0", b"page")
        remount(disk, "ro")
        with pytest.raises(StorageError, match=f"cannot delete {cache.folder / KEY}"):
            cache.clear()
        assert cache.usage().files == 1


def test_behind_a_link_nothing_is_cleared(tmp_path: Path) -> None:
    """Such a folder is not used: what lies there is the user's own."""
    (letter := tmp_path / "own" / "letter").parent.mkdir()
    letter.write_text("dear")
    (tmp_path / "cache").symlink_to(letter.parent)
    cache = ObjectCache(tmp_path / "cache", 0)
    cache.trim()
    assert (0, 0) == cache.clear() == cache.usage()
    assert letter.is_file()


def test_processes_share_it(tmp_path: Path) -> None:
    """Processes that fill and clear one small cache at once all read the right bytes."""
    program = f"""
import sys, uuid
from pathlib import Path
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs import ObjectCache
from ledger.blobs.stores.cached import CachedStore
from tests.kit.contents import load, noise, save
from tests.kit.descriptors import open_descriptors
cache = ObjectCache(Path({str(tmp_path / "cache")!r}), 2 << 20)
store = CachedStore(FsspecStore("memory://here"), cache)
for number in range(6):
    files = {{"a": noise(1 << 20, number)}}
    content = save(store, files)
    for _ in range(2):
        assert files == load(store, content)
"""
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", program]) for _ in range(3)]
    assert [0, 0, 0] == [process.wait(60) for process in processes]
    assert ObjectCache(tmp_path / "cache", 1 << 30).usage().size <= 3 * MIB


def test_the_folder_is_the_users(tmp_path: Path) -> None:
    """The cache lies where XDG_CACHE_HOME says, else in the home folder; a relative path there says nothing."""
    assert tmp_path / "ledger" / "objects" == cache_folder({"XDG_CACHE_HOME": str(tmp_path)})
    for environment in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "caches"}):
        assert Path(os.environ["HOME"]) / ".cache" / "ledger" / "objects" == cache_folder(environment)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_a_user_without_a_home_has_a_folder_among_the_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the machine does not know, and without HOME, has one folder wherever they work."""
    monkeypatch.delenv("HOME")

    def as_stranger() -> Path:
        os.setuid(54321)
        return cache_folder({})

    assert Path(tempfile.gettempdir(), "ledger-54321", ".cache", "ledger", "objects") == in_a_fork(as_stranger)


@pytest.mark.filterwarnings("ignore:stored chunks are")
@pytest.mark.parametrize("folder", ["packs", "tables"])
def test_a_new_content_relies_on_the_store_not_on_the_cache(cache: ObjectCache, folder: str) -> None:
    """What only the cache still has is stored again: new versions come back without the cache."""
    inner = memory_store()
    store = CachedStore(inner, cache)
    first = save(store, {"a": noise(MIB)})
    load(store, first)
    for key in list(inner.list(folder)):
        inner.delete(key)
    longer = save(store, {"a": noise(MIB) + b"more"}, similar=[first])
    again = save(store, {"a": noise(MIB)}, similar=[first])
    cache.clear()
    assert {"a": noise(MIB) + b"more"} == load(store, longer)
    assert {"a": noise(MIB)} == load(store, again)


def test_what_others_kept_is_read_once_from_the_store(cache: ObjectCache, counted: Counted) -> None:
    """For who is to rely on an object, only what this process has taken from the store itself is a copy."""
    CachedStore(counted, cache).put(KEY, [noise(MIB)])
    ours = CachedStore(counted, cache)
    assert (noise(MIB), 0) == (ours.get(KEY, 0, MIB), len(counted.gets))
    assert noise(MIB)[-10:] == ours.fresh.get(KEY, -10)
    assert [noise(MIB)] * 2 == [ours.fresh.get(KEY, 0, MIB) for _ in range(2)]
    assert 2 == len(counted.gets)


@pytest.mark.filterwarnings("ignore:.*written again")
@pytest.mark.parametrize("more", [b"", b"more"])
def test_damage_in_the_store_is_healed_though_the_cache_is_good(cache: ObjectCache, more: bytes) -> None:
    """A process that has not looked yet finds a stored chunk damaged before a new content relies on it."""
    inner = memory_store()
    first = save(CachedStore(inner, cache), {"a": noise(MIB)})
    (pack,) = inner.list("packs")
    good = inner.get(pack)
    inner.delete(pack)
    inner.put(pack, [bytes([good[0] ^ 1]) + good[1:]])
    again = save(CachedStore(inner, cache), {"a": noise(MIB) + more}, similar=[first])
    assert {"a": noise(MIB) + more} == load(inner, again)


class Tagged(Counted):
    """A counting store that tells ETags."""

    def etag(self, key: str, *, just_put: bool = False) -> str:  # noqa: ARG002  # it is the same either way
        return digest_of(self._store.get(key))


def test_what_another_process_has_put_need_not_be_read_from_the_store(cache: ObjectCache) -> None:
    """Its ETag is kept beside the pages: as long as the store tells the same, they may be relied on."""
    counted = Tagged(memory_store())
    CachedStore(counted, cache).put(PACK, [noise(MIB)])
    assert (noise(MIB), 0) == (CachedStore(counted, cache).fresh.get(PACK, 0, MIB), counted.bytes_read)


def test_what_was_put_is_put_though_its_etag_is_not_told(cache: ObjectCache) -> None:
    """A service that fails when it is asked for the ETag has the object all the same."""

    class Silent(Tagged):
        def etag(self, key: str, *, just_put: bool = False) -> str:  # noqa: ARG002  # it is the same either way
            raise StorageError(f"the service does not tell the ETag of {key}")

    counted = Silent(memory_store())
    CachedStore(counted, cache).put(PACK, [noise(MIB)])
    assert noise(MIB) == counted.get(PACK)


def test_nobody_takes_old_pages_for_those_of_a_pack_that_was_written_anew(cache: ObjectCache) -> None:
    """Whoever sees another ETag drops all pages, so that the next one finds only what was read from then on."""
    counted, new = Tagged(memory_store()), noise(2 * PAGE_SIZE, seed=1)
    CachedStore(counted, cache).put(PACK, [noise(2 * PAGE_SIZE)])
    CachedStore(counted, cache).get(PACK, -9)
    counted.delete(PACK)
    counted.put(PACK, [new])
    assert new[-9:] == CachedStore(counted, cache).fresh.get(PACK, -9)
    for stop in (PAGE_SIZE, 2 * PAGE_SIZE):
        assert new[:stop] == CachedStore(counted, cache).fresh.get(PACK, 0, stop)
    assert 2 * PAGE_SIZE + 18 == counted.bytes_read
