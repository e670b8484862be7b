"""A content goes to a store behind a URL, and comes from one, whatever a cache has kept of it."""

from pathlib import Path

import pytest

from ledger.blobs import ContentReader, LocalStore, ObjectCache, create_store
from ledger.blobs.stores.cached import CachedStore
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.errors import IntegrityError
from ledger.ids import new_uuid
from tests.kit.contents import copy_content, noise, save


def test_to_a_store_behind_a_url(store: LocalStore) -> None:
    """Any store will do."""
    content = save(store, {"data.bin": b"x" * 2_000_000})
    far = create_store("memory://far")
    copy_content(store, far, content, label="iris@1")
    assert b"x" * 2_000_000 == ContentReader(far, content, label="iris@1").read("data.bin")


def test_from_a_store_behind_a_url_with_a_bad_copy_kept(store: LocalStore, tmp_path: Path) -> None:
    """What this machine has kept of a distant store is checked like everything else, and fetched again."""
    cache = ObjectCache(tmp_path / "cache", 1 << 30)
    far = CachedStore(FsspecStore(f"memory://{new_uuid(0)}"), cache)
    small, large = save(far, {"data.bin": b"0123456789"}), save(far, {"data.bin": b"x" * 2_000_000})
    for path in cache.folder.rglob("*.*"):
        path.write_bytes(bytes(path.stat().st_size))
    for content in (small, large):
        copy_content(far, store, content, label="iris@1")
        ContentReader(store, content, label="iris@1").check()


def test_damage_to_an_index_is_not_passed_on_though_the_cache_is_good(store: LocalStore, tmp_path: Path) -> None:
    """The index that is put is the one that lies in the other store, and is checked as that."""
    inner = FsspecStore(f"memory://{new_uuid(0)}")
    far = CachedStore(inner, ObjectCache(tmp_path / "cache", 1 << 30))
    content = save(far, {"data.bin": noise(2_000_000)})
    ContentReader(far, content, label="iris@1").check()
    (pack,) = inner.list("packs")
    data = inner.get(pack)
    inner.delete(pack)
    inner.put(pack, [data[:-100], b"?" * 50, data[-50:]])
    with pytest.raises(IntegrityError, match="iris@1"):
        copy_content(far, store, content, label="iris@1")
    assert [] == list(store.list("packs"))
