"""Room is made in a store beside those who use it."""

import os
import signal

import pytest

from ledger.blobs import LocalStore
from ledger.blobs.chunks.moving import repack
from ledger.blobs.pruning import clock_of, hold, point_anew
from ledger.blobs.stores.layout import table_key
from ledger.errors import LockTimeoutError
from tests.kit.contents import load, noise, save


def test_a_table_is_rewritten_while_nobody_holds_the_store(store: LocalStore) -> None:
    """Who holds it relies on what it has read; afterwards the table names the new packs, and once is enough."""
    data = noise(2_000_000)
    content = save(store, {"data.bin": data})
    [pack] = store.list("packs")
    moves = repack(store, {pack: [(1, 1_000_000)]})
    table = store.get(table_key(content.digest))
    held = hold(store, timeout=1)
    with pytest.raises(LockTimeoutError):
        point_anew(store, content, moves, timeout=0.05)
    assert table == store.get(table_key(content.digest))
    held.let_go()
    assert (True, False) == tuple(point_anew(store, content, moves, timeout=1) for _ in range(2))
    assert {"data.bin": data} == load(store, content)


def test_whoever_dies_while_asking_for_the_time_leaves_nothing(store: LocalStore) -> None:
    """No file of the store is made for it that nobody would remove."""
    before = sorted(store.root.rglob("*"))
    child = os.fork()
    if child == 0:
        os.stat = os.fstat = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        clock_of(store)
        os._exit(0)
    assert signal.SIGKILL == os.WTERMSIG(os.waitpid(child, 0)[1])
    assert before == sorted(store.root.rglob("*"))
