"""Chunks go into other packs, and runs say where they are."""

from ledger.blobs import LocalStore
from ledger.blobs.chunks.moving import moved_runs, numbers_in, pack_of, repack
from ledger.blobs.chunks.packs import PackedChunk, load_index
from tests.kit.contents import noise, save
from tests.kit.stores import objects


def test_chunks_that_follow_each_other_in_a_pack_are_one_run() -> None:
    """However they came there; those in another order, or in another pack, are runs of their own."""
    runs = [("a", 0, 2), ("a", 2, 1), ("a", 1, 2), ("b", 3, 1)]
    assert (("a", 0, 3), ("a", 1, 2), ("b", 3, 1)) == moved_runs(runs, {})
    moves = {"a": {0: PackedChunk("c", 4), 2: PackedChunk("c", 5)}}
    assert (("c", 4, 1), ("a", 1, 1), ("c", 5, 1)) == moved_runs([("a", 0, 3)], moves)
    assert () == moved_runs([], {})


def test_chunks_are_taken_in_the_order_of_their_pack(store: LocalStore) -> None:
    """Each once, whichever stretches name it, and none behind its end."""
    save(store, {"data.bin": noise(2_000_000)})
    [key] = store.list("packs")
    index = load_index(store, pack_of(key), label="the store")
    last = len(index.entries) - 1
    assert [9, 10, 16, last] == numbers_in(index, [(16, 17), (last, last + 5), (9, 11), (10, 11)])


def test_where_no_chunk_is_needed_no_pack_is_made(store: LocalStore) -> None:
    """Not even an empty one."""
    save(store, {"data.bin": noise(2_000_000)})
    before = objects(store)
    [key] = store.list("packs")
    assert {} == repack(store, {key: []})
    assert before == objects(store)
