"""How packs get to a store."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.blobs import ContentWriter, LocalStore
from ledger.blobs.chunks import packs
from ledger.blobs.chunks.packing import PackWriter
from ledger.blobs.chunks.packs import load_index
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.layout import pack_key
from ledger.blobs.stores.retrying import RetryingStore
from ledger.blobs.stores.spooled import stage
from ledger.blobs.stores.store import StagedObject, puts_at_once
from ledger.blobs.stores.workers import Workers, thread_count
from ledger.disk import StagedFile, durability
from ledger.enums import Durability
from ledger.errors import StorageError
from ledger.ids import digest_of, new_uuid
from tests.kit.contents import add, load, noise, save
from tests.kit.descriptors import open_descriptors
from tests.kit.stores import WholeStore, objects

LARGE = noise(5 << 20)

pytestmark = pytest.mark.usefixtures("no_threads_are_left")


def leftovers(store: LocalStore) -> list[str]:
    """Temporary files in a store."""
    return [name for _, _, names in os.walk(store.root) for name in names if name.startswith("tmp_")]


def test_both_ways_give_the_same_packs(store: LocalStore, tmp_path: Path) -> None:
    """A store that takes packs in parts and one that takes them whole end up with the same objects.

    Also where the memory that chunks were cut in is used again before the pack goes to the store.
    """
    whole, files = LocalStore(tmp_path / "whole"), {"a": noise(24 << 20)}
    assert save(store, files) == save(WholeStore(whole), files)
    assert objects(store) == objects(whole)
    assert [] == leftovers(store)


def test_a_distant_store_gets_the_same_packs(store: LocalStore) -> None:
    """A store whose packs wait on this machine's disk ends up with the same objects."""
    distant = RetryingStore(FsspecStore(f"memory://{new_uuid(0)}"))
    assert save(store, {"a": LARGE}) == save(distant, {"a": LARGE})
    assert objects(store) == objects(distant)


def test_a_full_pack_is_followed_by_another(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks for which one has no room go into the next, each found under the number that was told."""
    monkeypatch.setattr(packs, "PACK_LIMIT", 64_000)
    writer, chunk = PackWriter(store, is_large=True), noise(15_000)
    plain = [chunk[:-1] + bytes([number]) for number in range(10)]
    places = [writer.add(digest_of(each), len(each), each) for each in plain]
    names = writer.finish()
    writer.close()
    assert ([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)], 3) == (places[:5], len(names))
    for each, (pack, number) in zip(plain, places, strict=True):
        assert digest_of(each) == load_index(store, names[pack], label="iris@3").entries[number].digest
    assert all(len(store.get(pack_key(name))) <= 64_000 + 1000 for name in names)
    assert store.get(pack_key(names[0]), 15_000, 15_000) == plain[1]


def filled(writer: PackWriter, going: threading.Event) -> tuple[int, list[int]]:
    """How many of 20 blocks of a chunk were taken before the store goes on, and those whose memory is free then."""
    taken, free = list[int](), list[int]()

    def fill() -> None:
        for number in range(20):
            chunk = noise(60, number)
            writer.add(digest_of(chunk), len(chunk), chunk)
            writer.write(partial(free.append, number))
            taken.append(number)

    thread = threading.Thread(target=fill)
    thread.start()
    thread.join(0.3)
    before = len(taken)
    going.set()
    thread.join()
    writer.finish()
    writer.close()
    return before, free


def test_few_packs_wait_for_a_store(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow one is that takes whole packs, no more are filled than it takes at once."""
    monkeypatch.setattr(packs, "PACK_LIMIT", 100)
    going = threading.Event()

    class Slow(WholeStore):
        def put(self, key: str, parts: Sequence[bytes]) -> None:
            going.wait(20)
            super().put(key, parts)

    before, free = filled(PackWriter(Slow(store), is_large=True), going)
    assert (list(range(20)), 20) == (free, len(list(store.list("packs"))))
    assert before <= puts_at_once(store) + 1


def test_few_blocks_wait_for_a_disk(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow it is, no more blocks are in memory than threads may write, and one."""
    going, write_at = threading.Event(), StagedFile.write_at

    def slowly(file: StagedFile, start: int, parts: Sequence[bytes | memoryview]) -> None:
        going.wait(20)
        write_at(file, start, parts)

    monkeypatch.setattr(StagedFile, "write_at", slowly)
    before, free = filled(PackWriter(store, is_large=True), going)
    assert list(range(20)) == sorted(free)
    assert before <= thread_count() + 1


def test_an_equal_pack_stays_and_a_damaged_one_is_replaced(store: LocalStore) -> None:
    """A pack that is there with the same bytes is left alone; one with other bytes is put right."""
    save(store, {"a": LARGE})
    (pack,) = store.list("packs")
    (table,) = store.list("tables")
    whole, path = store.get(pack), store.root / pack
    before = path.stat().st_ino
    (store.root / table).unlink()
    save(store, {"a": LARGE})
    assert before == path.stat().st_ino
    path.write_bytes(whole[:1000] + b"x" + whole[1001:])
    (store.root / table).unlink()
    with pytest.warns(UserWarning, match=f"{path} does not hold what its name says, and is written again"):
        save(store, {"a": LARGE})
    assert (whole, []) == (store.get(pack), leftovers(store))


@pytest.mark.parametrize("how", ["abort", "forget"])
def test_a_content_that_is_given_up_leaves_no_file(store: LocalStore, how: str) -> None:
    """What was written of a pack goes with its writer."""
    writer = ContentWriter(store)
    add(writer, "a", LARGE)
    assert 1 == len(leftovers(store))
    if how == "abort":
        writer.abort()
    del writer
    deadline = time.monotonic() + 5  # threads let go of it when they are done with what they have
    while leftovers(store) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [] == leftovers(store)


@pytest.mark.parametrize("number", range(3))
def test_an_interrupt_while_a_content_is_given_up_leaves_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever threads are waited for when Ctrl-C comes once more, the others end, too, and no file stays."""
    writer, ended = ContentWriter(store), list[Workers[Any]]()
    add(writer, "a", LARGE)
    close = Workers.close

    def interrupted(workers: Workers[Any]) -> None:
        close(workers)
        ended.append(workers)
        if len(ended) == number + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Workers, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.abort()
    assert (3, []) == (len(ended), leftovers(store))


def test_an_equal_content_leaves_no_file(store: LocalStore) -> None:
    """A content that is found whole by its digest drops the pack it was about to write."""
    content = save(store, {"a": LARGE})
    before = objects(store)
    assert (content, before, []) == (save(store, {"a": LARGE}), objects(store), leftovers(store))


@pytest.mark.parametrize("begin", [LocalStore.stage, lambda store: stage(WholeStore(store))])
def test_a_pack_that_a_store_does_not_take_leaves_no_file(
    store: LocalStore, begin: Callable[[LocalStore], StagedObject]
) -> None:
    """It goes at once, wherever it waited, and not only when nobody keeps the error any more."""
    (store.root / "packs").mkdir()
    (store.root / "packs" / "ab").write_bytes(b"in the way")
    before = open_descriptors()
    staged = begin(store)
    staged.write_at(0, [b"bytes"])
    with pytest.raises(StorageError):
        staged.publish(f"packs/ab/{'0' * 62}")
    assert ({}, []) == (open_descriptors() - before, leftovers(store))


def test_folders_that_were_removed_are_made_again(store: LocalStore) -> None:
    """A store whose empty folders were tidied away takes packs all the same."""
    save(store, {"a": noise(3 << 20, seed=9)})
    for key in [*store.list("packs"), *store.list("tables")]:
        store.delete(key)
        (store.root / key).parent.rmdir()
    (store.root / "packs").rmdir()
    assert {"a": LARGE} == load(store, save(store, {"a": LARGE}))


def test_relaxed_packs_are_not_synced(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where durability is relaxed, no thread that writes a pack asks for fsync."""
    monkeypatch.setattr(os, "fsync", None)
    with durability(Durability.RELAXED):
        content = save(store, {"a": LARGE})
    assert {"a": LARGE} == load(store, content)


def test_parts_are_written_in_any_order(tmp_path: Path) -> None:
    """However many parts there are and whichever comes first, the file holds each where it belongs."""
    parts = [noise(number % 50, number) for number in range(2000)]
    start = sum(map(len, parts[:700]))
    staged = StagedFile(tmp_path)
    staged.write_at(start, parts[700:])
    staged.write_at(0, parts[:700])
    staged.publish(tmp_path / "file")
    assert b"".join(parts) == (tmp_path / "file").read_bytes()
    assert ["file"] == [each.name for each in tmp_path.iterdir()]


def test_a_staged_file_that_cannot_be_published_goes(tmp_path: Path) -> None:
    """Where its folder is gone, a staged file is an error and leaves nothing."""
    staged = StagedFile(tmp_path)
    staged.write_at(0, [b"bytes"])
    with pytest.raises(StorageError):
        staged.publish(tmp_path / "gone" / "file")
    assert [] == list(tmp_path.iterdir())
