"""Room comes back from what nobody needs, and nothing that anybody relies on goes."""

import errno
import itertools
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.blobs import ContentReader, LocalStore
from ledger.blobs.chunks.codec import encode_frame, frame_size, open_frame
from ledger.blobs.stores.layout import table_key
from ledger.blobs.stores.sought import Sought
from ledger.errors import ArgumentError, IntegrityError, ReadOnlyError, StorageError, StoreMismatchError
from ledger.history.writing.waiting import Ticket
from ledger.ids import Digest
from ledger.maintenance import execute_gc, plan_gc
from ledger.records import decode_compact, encode_compact
from tests.kit.contents import noise
from tests.kit.disks import disk_at, remount
from tests.kit.ledgers import LIES, damage, files_below, git, grow_old, lie, objects_of, store_of, values_of, waste
from tests.kit.maintaining import LARGE, collect
from tests.kit.sparse import make_mostly_dead

# Bytes that no version names are made by transactions that nobody commits.
pytestmark = pytest.mark.filterwarnings("ignore:a transaction with .* was never committed")


def fill(disk: Path, data: bytes) -> None:
    """Make files with some bytes until there is no room for more."""
    for number in itertools.count():
        (disk / str(number)).write_bytes(data)


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
    with pytest.raises(ArgumentError, match="other ledgers") as caught:
        plan_gc(ledger)
    assert "say exclusive=True, in the shell --exclusive," in caught.value.hint
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


def test_a_ref_whose_versions_cannot_be_read_may_need_anything(used: Ledger) -> None:
    """Where what a remote's branch held is damaged here, what it needs is not taken for spare."""
    tip = git(used, "rev-parse", "main")
    before = {path.stem for path in (used.git_dir / "objects" / "pack").iterdir()}
    used.save("published there", "there")
    git(used, "update-ref", "refs/remotes/origin/main", "main")
    git(used, "update-ref", "refs/heads/main", tip)
    grow_old(used)
    lost = [path for path in (used.git_dir / "objects" / "pack").iterdir() if path.stem not in before]
    away = [path.rename(used.path / path.name) for path in lost]
    with pytest.raises(IntegrityError, match="what refs/remotes/origin/main needs cannot be told"):
        collect(used)
    for path, place in zip(away, lost, strict=True):
        path.rename(place)


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
