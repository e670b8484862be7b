"""Room comes back from what nobody needs, and nothing that anybody relies on goes."""

import errno
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.blobs import ContentReader, LocalStore, hold
from ledger.blobs.codec import encode_frame, frame_size, open_frame
from ledger.blobs.layout import pack_key, table_key
from ledger.blobs.sought import Sought
from ledger.blobs.tables import load_table, put_runs
from ledger.errors import (
    ArgumentError,
    IntegrityError,
    LockTimeoutError,
    ReadOnlyError,
    StorageError,
    StoreMismatchError,
)
from ledger.history import History
from ledger.history.waiting import Ticket
from ledger.ids import Digest
from ledger.maintenance import Collected, GcPlan, execute_gc, plan_gc
from ledger.records import decode_compact, encode_compact
from tests.kit.contents import noise
from tests.kit.disks import disk_at, remount
from tests.kit.ledgers import LIES, damage, files_below, git, lie, objects_of, store_of, values_of, waste
from tests.kit.sparse import make_mostly_dead

# Bytes that no version names are made by transactions that nobody commits.
pytestmark = pytest.mark.filterwarnings("ignore:a transaction with .* was never committed")

DAY = 86_400
LARGE = noise(700_000)


def grow_old(ledger: Ledger, days: float = 15) -> None:
    """Let every file of the store be so many days old."""
    then = time.time() - days * DAY
    for path in store_of(ledger).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def collect(ledger: Ledger, **options: Any) -> Collected:
    fresh = Ledger.open(ledger.path)
    return execute_gc(fresh, plan_gc(fresh, **options))


def fill(disk: Path, data: bytes) -> None:
    """Make files with some bytes until there is no room for more."""
    for number in itertools.count():
        (disk / str(number)).write_bytes(data)


def give_up(ledger: Ledger) -> None:
    """Save in a transaction that nobody refers to any more."""
    ledger.transaction().save("never published", "wasted")


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    """Small, large and shared versions."""
    ledger.save({"rows": 1}, "iris")
    ledger.save(LARGE, "weights")
    ledger.save(LARGE + b"more", "weights")
    return ledger


def test_what_nobody_names_goes_when_it_is_old(used: Ledger) -> None:
    """Chunks, packs, tables and leftovers of dead writers; everything else stays, byte for byte.

    A plan that another process has carried out meanwhile finds nothing more to do.
    """
    before = files_below(store_of(used))
    waste(used)
    waste(used, noise(500_000, seed=1))
    (store_of(used) / "packs" / f"tmp_{'0' * 16}").write_bytes(b"half a pack")
    grow_old(used)
    plan = plan_gc(used)
    done = collect(used)
    assert () == execute_gc(used, plan).removed
    assert before == files_below(store_of(used))
    assert ["chunks", "packs", "packs", "tables"] == sorted(key.split("/")[0] for key in done.removed)
    assert done.freed > 500_000
    assert used.verify().ok


@pytest.mark.parametrize("size", ["6m", "9m,nr_inodes=400"], ids=["bytes", "files"])
def test_a_disk_that_is_full_gets_room(tmp_path: Path, size: str) -> None:
    """No byte and no file more fits: what is spare goes first, so that there is room to rewrite packs."""
    with disk_at(tmp_path / "disk", size) as disk:
        ledger = Ledger.init(disk / ".ledger")
        ledger.save(LARGE, "weights")
        waste(ledger)
        make_mostly_dead(ledger, "weights")
        grow_old(ledger)
        with pytest.raises(OSError, match="No space left"):
            fill(disk, b"" if "nr_inodes" in size else b"x" * 4096)
        collected = collect(ledger)
        assert (2, 1) == (len(collected.removed), collected.packs)
        assert LARGE == Ledger.open(ledger.path).load("weights")
        assert ledger.verify().ok


def test_who_waits_for_the_lock_is_woken(used: Ledger) -> None:
    """A writer that waits while something is removed is told when the lock is free."""
    waste(used)
    grow_old(used)
    (queue := used.path / "queue").mkdir()
    with closing(Ticket(queue, b"")) as ticket:
        assert not ticket.wait(0)
        assert collect(used).removed
        assert ticket.wait(0)


def test_what_is_young_stays(used: Ledger) -> None:
    """A save that is under way has put its bytes and has not published yet."""
    grow_old(used)
    waste(used)
    plan = plan_gc(used)
    assert ((), 1, True) == (plan.spare, plan.young, plan.is_empty)
    assert 1 == len(plan_gc(used, grace_days=0).spare)
    grow_old(used)
    waste(used, "later")
    plan = plan_gc(used)
    assert (1, 1, False) == (len(plan.spare), plan.young, plan.is_empty)


def test_what_comes_from_the_future_is_young(used: Ledger) -> None:
    """Where clocks disagree nothing is removed: a negative age is no age."""
    waste(used)
    grow_old(used, days=-400)
    assert () == plan_gc(used, grace_days=0.001).spare


def test_a_clock_that_ran_ahead_removes_nothing(used: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Age is told by the store's own disk, not by this machine's clock."""
    waste(used)
    monkeypatch.setattr(time, "time", lambda: 10_000_000_000.0)
    assert () == plan_gc(used).spare


def test_a_plan_changes_nothing(used: Ledger) -> None:
    """Planning reads, and writes nothing that stays."""
    waste(used)
    grow_old(used)
    before = files_below(used.path)
    assert 1 == len(plan_gc(used).spare)
    assert before == files_below(used.path)


def test_the_wrong_store_is_refused(used: Ledger, tmp_path: Path) -> None:
    """Another store in the place of this one, before the plan or after it: nothing goes."""
    other = Ledger.init(tmp_path / "other" / ".ledger")
    waste(used)
    grow_old(used)
    plan = plan_gc(used)
    mine = (store_of(used) / "store.json").read_bytes()
    shutil.copy(store_of(other) / "store.json", store_of(used) / "store.json")
    before = files_below(store_of(used))
    for act in (lambda: plan_gc(Ledger.open(used.path)), lambda: execute_gc(Ledger.open(used.path), plan)):
        with pytest.raises(StoreMismatchError):
            act()
    assert before == files_below(store_of(used))
    (store_of(used) / "store.json").write_bytes(mine)


def test_a_store_that_others_may_use_is_refused(tmp_path: Path) -> None:
    """A store outside of the ledger, unless somebody says that nobody else uses it."""
    ledger = Ledger.init(tmp_path / ".ledger", store=tmp_path / "shared")
    waste(ledger)
    with pytest.raises(ArgumentError, match="other ledgers"):
        plan_gc(ledger)
    plan = plan_gc(ledger, grace_days=0, exclusive=True)
    with pytest.raises(ArgumentError, match="other ledgers"):
        execute_gc(ledger, plan)
    assert 1 == len(execute_gc(ledger, plan, exclusive=True).removed)


@pytest.mark.parametrize("part", ["", "packs"])
def test_a_store_behind_a_link_may_be_used_by_others(used: Ledger, tmp_path: Path, part: str) -> None:
    """A ledger from elsewhere may bring a link to the store of another one: that is a store outside of it, too."""
    waste(used)
    grow_old(used)
    shutil.move(store_of(used) / part, tmp_path / "elsewhere")
    (store_of(used) / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArgumentError, match="other ledgers"):
        plan_gc(Ledger.open(used.path))
    assert 1 == len(plan_gc(Ledger.open(used.path), exclusive=True).spare)


def test_a_plan_can_be_looked_at_on_a_disk_that_can_only_be_read(tmp_path: Path) -> None:
    """It is the same one, and nothing can be done about it; once it can, it is done."""
    with disk_at(tmp_path / "disk", "4m") as disk:
        ledger = Ledger.init(disk / ".ledger")
        ledger.save(LARGE, "weights")
        waste(ledger)
        grow_old(ledger)
        expected = [each.key for each in plan_gc(ledger).spare]
        remount(disk, "ro")
        plan = plan_gc(ledger)
        assert (1, expected) == (len(expected), [each.key for each in plan.spare])
        with pytest.raises(ReadOnlyError):
            execute_gc(ledger, plan)
        remount(disk, "rw")
        assert tuple(expected) == execute_gc(ledger, plan).removed
        assert LARGE == Ledger.open(ledger.path).load("weights")


def test_a_store_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """Of a bucket nobody can say who is about to name something in it."""
    ledger = Ledger.init(tmp_path / ".ledger", store="memory://gc-test")
    with pytest.raises(ArgumentError, match="stores in folders"):
        plan_gc(ledger, exclusive=True)


@pytest.mark.parametrize("kind", ["tables", "history"])
def test_damage_that_hides_what_is_needed_is_refused(used: Ledger, kind: str) -> None:
    """A version whose record or table cannot be read may need anything: nothing goes."""
    waste(used)
    grow_old(used)
    if kind == "tables":
        damage(objects_of(used, "tables")[-1])
    else:
        shutil.copytree(used.git_dir, used.path.parent / "aside")
        for pack in (used.git_dir / "objects" / "pack").glob("*.pack"):
            damage(pack)
    with pytest.raises(IntegrityError):
        plan_gc(Ledger.open(used.path), grace_days=0)
    if kind == "history":
        shutil.rmtree(used.git_dir)
        (used.path.parent / "aside").rename(used.git_dir)


@pytest.mark.parametrize("about", LIES)
def test_what_a_manifest_says_falsely_takes_nothing_from_others(used: Ledger, about: str) -> None:
    """A version that gives a digest to other bytes than it is of hides nothing that sound versions need."""
    before = files_below(store_of(used))
    lie(used, about, used.get("iris"), used.get("weights", 1))
    grow_old(used)
    assert plan_gc(used).is_empty
    make_mostly_dead(used, "weights")
    grow_old(used)
    collected = collect(used)
    assert (1, ()) == (collected.packs, collected.removed)
    assert before.keys() <= files_below(store_of(used)).keys()
    assert LARGE == used.load("weights", 1)


def test_what_other_refs_hold_is_needed(used: Ledger) -> None:
    """A version that only a remote's branch has, as after a sync that died, is not spare."""
    tip = git(used, "rev-parse", "main")
    waste(used)
    used.save("published there", "there")
    git(used, "update-ref", "refs/remotes/origin/main", "main")
    git(used, "update-ref", "refs/heads/main", tip)
    grow_old(used)
    assert 1 == len(collect(used).removed)
    git(used, "update-ref", "refs/heads/main", "refs/remotes/origin/main")
    assert "published there" == Ledger.open(used.path).load("there")


def test_refs_that_cannot_be_listed_may_need_anything(used: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of refs that the disk does not list is an error that names it, and no folder without refs."""
    folder = used.path / "history.git" / "refs" / "heads"

    def refuse(path: Any, really: Callable[..., Any] = os.scandir) -> Any:
        if str(path) == str(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))
        return really(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StorageError, match=f"cannot list {folder}"):
        collect(used)


def test_tags_with_a_message_are_no_reason_to_refuse(used: Ledger) -> None:
    """What such a tag leads to is needed; a tag of a file needs nothing."""
    ada = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    tip = git(used, "rev-parse", "main")
    used.save(noise(300_000), "tagged")
    git(used, *ada, "tag", "-a", "-m", "by hand", "release", "main")
    git(used, *ada, "tag", "-a", "-m", "by hand", "file", "main:ledger.json")
    git(used, "update-ref", "refs/heads/main", tip)
    waste(used)
    grow_old(used)
    assert 1 == len(collect(used).removed)
    git(used, "update-ref", "refs/heads/main", "release^{commit}")
    assert noise(300_000) == Ledger.open(used.path).load("tagged")


# -- packs that are mostly dead ------------------------------------------------


@pytest.fixture
def sparse(used: Ledger) -> Ledger:
    """A ledger whose weights@1 lies in a pack that is mostly dead."""
    make_mostly_dead(used, "weights")
    return used


def size_of(ledger: Ledger) -> int:
    return sum(map(len, files_below(store_of(ledger)).values()))


def test_a_pack_that_is_mostly_dead_is_rewritten(sparse: Ledger) -> None:
    """What is alive moves, the table says where, Git is untouched; the old pack goes when its time has come."""
    history, expected = files_below(sparse.git_dir), values_of(sparse)
    plan = plan_gc(sparse)
    [rewrite] = plan.rewrites
    assert rewrite.live < rewrite.size / 2
    assert not plan.is_empty
    done = collect(sparse)
    assert (1, 1, ()) == (done.packs, done.tables, done.removed)
    assert (history, expected) == (files_below(sparse.git_dir), values_of(sparse))
    assert (store_of(sparse) / rewrite.key).exists()
    before = size_of(sparse)
    grow_old(sparse)
    assert rewrite.key in collect(sparse).removed
    assert size_of(sparse) < before - 2_000_000
    assert expected == values_of(sparse)
    assert sparse.verify().ok
    assert plan_gc(sparse).is_empty


def test_what_is_alive_may_be_a_spare_pack(ledger: Ledger) -> None:
    """Where the new pack is one that was spare until now, it goes, is put again, and is needed from then on."""
    ledger.save(LARGE, "weights")
    make_mostly_dead(ledger, "weights")
    grow_old(ledger)
    [spare] = plan_gc(ledger).spare
    assert (spare.key,) == collect(ledger).removed
    assert (store_of(ledger) / spare.key).exists()
    assert (LARGE, True) == (Ledger.open(ledger.path).load("weights"), ledger.verify().ok)


def test_a_reader_beside_it_finds_its_chunks(sparse: Ledger) -> None:
    """Who has read the old table goes on reading the old pack, however old that is, until its time has come anew."""
    content = sparse.get("weights", 1).content
    reader = ContentReader(sparse.store, content, label="weights@1")
    grow_old(sparse)
    for _ in range(2):
        collect(sparse)
    assert LARGE == b"".join(reader.read(file.path) for file in reader.files)[-len(LARGE) :]


def test_a_saver_beside_it_may_name_the_old_pack(sparse: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that found its chunks in the old pack and publishes after the rewriting is whole, also after the grace."""
    grow_old(sparse)
    started, go_on = stop_publishing(monkeypatch)
    saving = threading.Thread(target=lambda: Ledger.open(sparse.path).save(LARGE + b"other", "weights"))
    saving.start()
    started.wait(20)
    with pytest.raises(LockTimeoutError):
        impatient(sparse, lambda ledger: execute_gc(ledger, plan_gc(ledger, grace_days=0)))
    go_on.set()
    saving.join()
    for _ in range(2):
        collect(sparse, grace_days=0)
    assert LARGE + b"other" == Ledger.open(sparse.path).load("weights")
    assert sparse.verify().ok


def test_damage_is_not_carried_along(sparse: Ledger) -> None:
    """A chunk that is alive and damaged stops the rewriting: no table points at anything new."""
    [rewrite] = plan_gc(sparse).rewrites
    tables = files_below(store_of(sparse) / "tables")
    path = store_of(sparse) / rewrite.key
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        collect(sparse)
    assert tables == files_below(store_of(sparse) / "tables")


def test_a_table_that_the_system_does_not_read_is_told_as_that(sparse: Ledger) -> None:
    """It may be sound: the error is the disk's, and names the table."""
    path = store_of(sparse) / table_key(Digest(sparse.get("weights", 1).digest))
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=rf"what weights@1 needs cannot be told, .* read {path}: ") as caught:
        plan_gc(sparse)
    assert not isinstance(caught.value, IntegrityError)
    assert str(path) == caught.value.facts["path"]
    path.rmdir()


def test_a_table_keeps_what_it_says_besides(sparse: Ledger) -> None:
    """Only the runs of a table change: what a newer program has written in it stays."""
    path = store_of(sparse) / table_key(Digest(sparse.get("weights", 1).digest))
    record = {**table_of(path), "novelty": [1, 2]}
    path.write_bytes(encode_frame(encode_compact(record)))
    collect(sparse)
    runs = table_of(path)["runs"]
    assert runs != record["runs"]
    assert {**record, "runs": runs} == table_of(path)


def table_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    sought = Sought("x", "table", "x", LocalStore(path.parent), path.name)
    table: dict[str, Any] = decode_compact(open_frame(data, frame_size(data, sought), sought), dict, where="x")
    return table


# -- saves at the same moment ----------------------------------------------------


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
