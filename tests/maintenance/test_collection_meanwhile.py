"""What others save, hold, change or lose between the plan of a gc and its end."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.blobs import LocalStore, hold
from ledger.blobs.chunks.tables import load_table, put_runs
from ledger.blobs.stores.layout import pack_key, table_key
from ledger.errors import IntegrityError, LockTimeoutError, StoreMismatchError
from ledger.history import History
from ledger.maintenance import GcPlan, execute_gc, plan_gc
from tests.kit.contents import noise
from tests.kit.ledgers import files_below, grow_old, store_of, values_of, waste
from tests.kit.maintaining import LARGE, collect
from tests.kit.sparse import make_mostly_dead

# Bytes that no version names are made by transactions that nobody commits.
pytestmark = pytest.mark.filterwarnings("ignore:a transaction with .* was never committed")


def give_up(ledger: Ledger) -> None:
    """Save in a transaction that nobody refers to any more."""
    ledger.transaction().save("never published", "wasted")


def stop_publishing(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let the next save stop between relying on bytes and publishing; events for "it is there" and "go on"."""
    started, go_on = threading.Event(), threading.Event()
    publish = History.publish

    def waiting(self: History, *args: Any, **kwargs: Any) -> Any:
        started.set()
        go_on.wait(20)
        return publish(self, *args, **kwargs)

    monkeypatch.setattr(History, "publish", waiting)
    return started, go_on


def impatient(ledger: Ledger, act: Callable[[Ledger], object]) -> object:
    """Act on a ledger that waits for nobody for long."""
    config = ledger.path / "config.toml"
    text = config.read_text()
    config.write_text(text.replace("lock_timeout = 60.0", "lock_timeout = 0.3"))
    try:
        return act(Ledger.open(ledger.path))
    finally:
        config.write_text(text)


@pytest.mark.parametrize("value", ["small", noise(500_000, seed=7)], ids=["chunk", "pack"])
def test_a_save_that_relies_on_a_spare_object_keeps_it(
    used: Ledger, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It found its bytes stored by somebody who died: gc waits for it, and then they are needed."""
    waste(used, value)
    grow_old(used)
    plan = plan_gc(used)
    assert plan.spare
    started, go_on = stop_publishing(monkeypatch)
    saving = threading.Thread(target=lambda: Ledger.open(used.path).save(value, "x"))
    saving.start()
    started.wait(20)
    with pytest.raises(LockTimeoutError, match="in use"):
        impatient(used, lambda ledger: execute_gc(ledger, plan))
    go_on.set()
    saving.join()
    assert () == execute_gc(Ledger.open(used.path), plan).removed
    assert value == Ledger.open(used.path).load("x")
    assert used.verify().ok


def test_a_saver_beside_it_may_name_the_old_pack(used: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that found its chunks in the old pack and publishes after the rewriting is whole, also after the grace."""
    make_mostly_dead(used, "weights")
    grow_old(used)
    started, go_on = stop_publishing(monkeypatch)
    saving = threading.Thread(target=lambda: Ledger.open(used.path).save(LARGE + b"other", "weights"))
    saving.start()
    started.wait(20)
    with pytest.raises(LockTimeoutError):
        impatient(used, lambda ledger: execute_gc(ledger, plan_gc(ledger, grace_days=0)))
    go_on.set()
    saving.join()
    for _ in range(2):
        collect(used, grace_days=0)
    assert LARGE + b"other" == Ledger.open(used.path).load("weights")
    assert used.verify().ok


def test_a_save_during_the_removal_stores_again(used: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that begins while objects are being removed waits, finds them gone, and puts them back."""
    waste(used, LARGE[::-1])
    grow_old(used)
    plan = plan_gc(used)
    removing, saved = threading.Event(), threading.Event()
    delete = LocalStore.delete

    def slowly(self: LocalStore, key: str) -> None:
        removing.set()
        assert not saved.wait(0.3), "no save gets in between"
        delete(self, key)

    monkeypatch.setattr(LocalStore, "delete", slowly)

    def save() -> None:
        removing.wait(20)
        Ledger.open(used.path).save(LARGE[::-1], "x")
        saved.set()

    saving = threading.Thread(target=save)
    saving.start()
    assert 2 == len(execute_gc(used, plan).removed)
    saving.join()
    assert LARGE[::-1] == Ledger.open(used.path).load("x")


def test_a_version_published_since_the_plan_is_needed(used: Ledger) -> None:
    """What was spare when it was planned and is named by now stays."""
    waste(used, LARGE[::-1])
    grow_old(used)
    plan: GcPlan = plan_gc(used)
    used.save(LARGE[::-1], "x")
    grow_old(used)
    assert () == execute_gc(used, plan).removed
    assert LARGE[::-1] == Ledger.open(used.path).load("x")


@pytest.mark.parametrize("rounded", [0, 1], ids=["a fine clock", "a coarse clock"])
def test_a_table_that_was_put_back_since_the_plan_is_believed(ledger: Ledger, rounded: int) -> None:
    """A save of the same bytes that wrote their table and died makes needed again what the plan calls spare.

    Where a disk keeps whole seconds, the table seems to have been there a moment before the plan.
    """
    content = ledger.save(LARGE, "weights").content
    before = load_table(ledger.store, content, label="x").runs
    make_mostly_dead(ledger, "weights", dead=2)
    grow_old(ledger)
    plan = plan_gc(ledger)
    assert () == plan.rewrites
    assert {pack_key(pack) for pack, _, _ in before} <= {each.key for each in plan.spare}
    put_runs(ledger.store, content, before)
    if rounded:
        os.utime(store_of(ledger) / table_key(content.digest), (plan.began - rounded, plan.began - rounded))
    execute_gc(ledger, plan)
    assert [LARGE] == values_of(ledger)


def test_a_table_that_was_lost_since_the_plan_may_have_named_anything(used: Ledger) -> None:
    """What a version needs cannot be told then, so nothing goes."""
    waste(used)
    grow_old(used)
    plan = plan_gc(used)
    (store_of(used) / table_key(used.get("weights", 1).content.digest)).unlink()
    before = files_below(store_of(used))
    with pytest.raises(IntegrityError, match="nothing can be told to be spare"):
        execute_gc(used, plan)
    assert before == files_below(store_of(used))


def test_what_is_no_longer_old_stays(used: Ledger) -> None:
    """A pack that another gc has rewritten since the plan is there for readers of the old table for 14 days more."""
    waste(used, LARGE[::-1])
    grow_old(used)
    plan = plan_gc(used)
    young, old = sorted(each.key for each in plan.spare)
    os.utime(store_of(used) / young)
    assert (old,) == execute_gc(used, plan).removed
    assert (store_of(used) / young).exists()


def test_a_store_that_takes_the_place_of_the_one_waited_for_keeps_all(used: Ledger, tmp_path: Path) -> None:
    """Another disk may be mounted there before gc is alone; what is spare here may be what a version there needs."""
    other = Ledger.init(tmp_path / "other")
    other.save("never published", "x")
    give_up(used)
    grow_old(used)
    grow_old(other)
    plan = plan_gc(used)
    held = hold(used.store, timeout=1)
    with ThreadPoolExecutor(1) as pool:
        collecting = pool.submit(execute_gc, used, plan)
        while not (store_of(used) / "store.json.wanted").exists():
            time.sleep(0.01)
        store_of(used).rename(tmp_path / "away")
        store_of(other).rename(store_of(used))
        held.let_go()
        with pytest.raises(StoreMismatchError):
            collecting.result(20)
    store_of(used).rename(store_of(other))
    (tmp_path / "away").rename(store_of(used))
    assert ["never published"] == values_of(other)


@pytest.fixture
def free(used: Ledger) -> Callable[[], bool]:
    """Whether nobody holds the store."""

    def is_free() -> bool:
        try:
            impatient(used, lambda ledger: execute_gc(ledger, plan_gc(ledger, grace_days=0)))
        except LockTimeoutError:
            return False
        return True

    return is_free


def test_a_transaction_lets_go(used: Ledger, free: Callable[[], bool]) -> None:
    """Published, failed, or given up without a word: the store is held no longer than the transaction lasts."""
    with used.transaction() as transaction:
        transaction.save(1, "x")
        give_up(used)
        assert not free()
    give_up(used)
    assert free()
    with pytest.raises(ZeroDivisionError), used.transaction() as transaction:
        transaction.save(1 // 0, "x")
    give_up(used)
    assert free()


def test_reading_holds_nothing(used: Ledger, free: Callable[[], bool]) -> None:
    """Looking and loading keep nobody from removing."""
    values_of(used)
    waste(used)
    assert free()


def test_a_hold_ends_with_its_process(used: Ledger, free: Callable[[], bool]) -> None:
    """A saver that is killed holds nothing any more."""
    held = hold(used.store, timeout=1)
    waste(used)
    assert not free()
    held.let_go()
    held.let_go()
    assert free()
