"""Packing by hand: a plan that is executed once, saves beside it, and nothing lost when it dies."""

import shutil
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.disk import LockFile
from ledger.errors import ArgumentError, LockTimeoutError
from ledger.history import History
from ledger.history.folds.old_packs import MOST_BYTES, open_old_packs
from ledger.history.git.entries import read_head
from ledger.history.git.kinds import BLOB
from ledger.history.upkeep import execute_packing, plan_packing, repacking
from ledger.history.upkeep.repacking import MOST_PACKED, PackSize, group_packs
from tests.conftest import check_histories
from tests.history.test_folding import EVENTS, objects_of, saves
from tests.kit.histories import again, die_at, draft, git, new_history, packs_of, publish, versions_of
from tests.kit.ledgers import files_below

SIZES = st.lists(st.tuples(st.integers(1, MOST_PACKED * 2), st.integers(1, MOST_BYTES * 2)), max_size=30)


def nothing(_: int) -> None:
    return None


@given(SIZES)
def test_groups_are_large_and_not_too_large(sizes: list[tuple[int, int]]) -> None:
    """Each group is two packs or more that have room in one pack, in their order; what is half full stays."""
    packs = [PackSize(str(number), *size) for number, size in enumerate(sizes)]
    groups = group_packs(packs)
    grouped = [pack for group in groups for pack in group]
    assert grouped == sorted(grouped, key=lambda pack: int(pack.stem))
    assert all(len(group) > 1 and sum(pack.objects for pack in group) <= MOST_PACKED for group in groups)
    assert all(sum(pack.bytes for pack in group) <= MOST_BYTES for group in groups)
    assert all(pack.objects <= MOST_PACKED // 2 and pack.bytes <= MOST_BYTES // 2 for pack in grouped)


def test_packing_leaves_one_pack_of_what_there_was(history: History) -> None:
    """Every object is in the one pack, which is smaller than those before, and there is nothing more to do."""
    saves(history, 60)
    before = objects_of(history)
    told: list[int] = []
    plan = plan_packing(again(history))
    done = execute_packing(again(history), plan, told.append)
    assert plan.objects == sum(told)
    assert (1, len(packs_of(history))) == (done.packs_after, done.packs_after)
    assert done.bytes_after < done.bytes_before
    assert before == objects_of(history)
    assert 60 == len(versions_of(again(history)))
    assert [] == plan_packing(again(history)).groups
    assert not history.staging.plan_under_way()


def test_a_plan_changes_nothing_and_is_executed_once(history: History) -> None:
    """Planning writes nothing; a second execution is refused."""
    saves(history, 10)
    before = {path: path.stat().st_mtime_ns for path in history.git_dir.rglob("*")}
    plan = plan_packing(history)
    assert before == {path: path.stat().st_mtime_ns for path in history.git_dir.rglob("*")}
    execute_packing(history, plan, nothing)
    with pytest.raises(ArgumentError, match="executed once"):
        execute_packing(history, plan, nothing)


def test_saves_go_on_beside_packing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its slices others save and fold their own packs; nothing of either is lost."""
    monkeypatch.setattr(repacking, "_SLICE", 20)
    saves(history, 30)
    writer = again(history)
    execute_packing(history, plan_packing(history), lambda _: saves(writer, 2))
    assert len(versions_of(again(history))) > 50
    assert len(packs_of(history)) < 12


@pytest.mark.parametrize("lock", ["lock", "fold.lock"])
def test_nothing_is_packed_while_others_publish_or_fold(history: History, lock: str) -> None:
    """What is loose may be a writer's that is still at it, as may a pack: past one's patience that is an error."""
    saves(history, 3)
    git(history, "hash-object", "-w", "--stdin", data=b"loose")
    folder = history.git_dir.parent
    impatient, before = History.open(folder, lock_timeout=0.05), files_below(history.git_dir / "objects")
    plan = plan_packing(impatient)
    with LockFile(folder / lock).hold(timeout=1), pytest.raises(LockTimeoutError):
        execute_packing(impatient, plan, nothing)
    assert before == files_below(history.git_dir / "objects")


@pytest.mark.parametrize("step", [0, 1], ids=["begin", "slice"])
def test_each_step_of_packing_waits_for_the_lock(history: History, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Others have the locks between them: who holds one then keeps the next step from being done."""
    monkeypatch.setattr(repacking, "_SLICE", 20)
    saves(history, 20)
    folder, steps = history.git_dir.parent, iter(range(100))
    impatient, before = History.open(folder, lock_timeout=0.05), packs_of(history)
    with ExitStack() as held:

        def take_lock(_: int) -> None:
            if next(steps) == step:
                held.enter_context(LockFile(folder / "lock").hold(timeout=1))

        with pytest.raises(LockTimeoutError):
            execute_packing(impatient, plan_packing(impatient), take_lock)
    assert (before, bool(step)) == (packs_of(history), history.staging.is_under_way())


def test_a_fold_that_was_taken_for_dead_begins_anew(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a writer has thrown the fold away, packing starts over, and ends."""
    monkeypatch.setattr(repacking, "_SLICE", 60)
    saves(history, 20)
    steps = iter(range(100))

    def interfere(_: int) -> None:
        if next(steps) == 1:
            shutil.rmtree(history.git_dir / "ledger-fold")

    execute_packing(history, plan_packing(history), interfere)
    assert 1 == len(packs_of(history))


def test_packs_that_went_meanwhile_need_no_packing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a fold was thrown away and Git's housekeeping has taken its packs, there is nothing to start over with."""
    monkeypatch.setattr(repacking, "_SLICE", 60)
    saves(history, 20)
    steps = iter(range(100))

    def interfere(_: int) -> None:
        if next(steps) == 1:
            history.staging.discard()
            git(history, "repack", "-a", "-d", "-q")

    execute_packing(history, plan_packing(history), interfere)
    assert 1 == len(packs_of(history))


def test_a_damaged_pack_stays_as_it_is(tmp_path: Path) -> None:
    """What cannot be read is left for repair; the others are packed."""
    history = new_history(tmp_path)
    saves(history, 20)
    target = min(packs_of(history), key=lambda pack: pack.stat().st_size)
    damaged = bytearray(target.read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    target.unlink()
    target.write_bytes(damaged)
    execute_packing(again(history), plan_packing(again(history)), nothing)
    assert bytes(damaged) == target.read_bytes()
    assert 2 == len(packs_of(history))


def test_no_pack_is_left_out_for_the_damage_of_another(tmp_path: Path) -> None:
    """An object's relative may lie in another pack: where that cannot be read, its own pack stays, and no other."""
    history = new_history(tmp_path)
    saves(history, 23)  # the last of them has folded the newest packs
    newest, *others = open_old_packs(history.objects.pack_directory, history.objects.packs.counts())
    heads = [read_head(newest.pack.content(), offset) for offset in newest.offsets[: len(newest)]]
    manifest = next(head for head in heads if head.kind == BLOB and head.size)
    damaged = bytearray(newest.pack.content())
    damaged[manifest.at + 10] ^= 0x10
    Path(f"{newest.base}.pack").unlink()
    Path(f"{newest.base}.pack").write_bytes(damaged)
    done = execute_packing(again(history), plan_packing(again(history)), nothing)
    assert (1 + len(others), 2) == (done.packs_before, done.packs_after)
    assert damaged == Path(f"{newest.base}.pack").read_bytes()


def test_what_is_to_be_kept_and_what_is_loose(history: History) -> None:
    """A pack with somebody's ``.keep`` stays; loose objects become a pack."""
    saves(history, 5)
    kept = packs_of(history)[0]
    kept.with_suffix(".keep").write_text("mine\n")
    blob = git(history, "hash-object", "-w", "--stdin", data=b"loose")
    plan = plan_packing(history)
    assert ([kept.stem], 1) == ([pack.stem for pack in plan.left], plan.loose)
    done = execute_packing(history, plan, nothing)
    assert 1 == done.loose
    assert kept in packs_of(history)
    assert [] == list((history.git_dir / "objects").glob("??/*"))
    assert "loose" == git(history, "cat-file", "blob", blob)
    kept.with_suffix(".keep").unlink()


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_packing_killed_at_any_step_loses_nothing(tmp_path: Path, stride: int) -> None:
    """Killed before any file operation, every version is there, and the next save and packing just work."""
    full = new_history(tmp_path / "full")
    saves(full, 12)
    before = objects_of(full)

    def act(folder: Path) -> None:
        repacking._SLICE = 40
        history = History.open(folder / ".ledger")
        execute_packing(history, plan_packing(history), nothing)

    for step in range(1, 1000, stride):
        copy = tmp_path / str(step)
        shutil.copytree(tmp_path / "full", copy)
        killed = die_at(step, EVENTS, partial(act, copy))
        history = History.open(copy / ".ledger")
        assert before.items() <= objects_of(history).items()
        publish(history, draft("iris"))
        for _ in range(2):  # the second time also what a killed one left without an index
            execute_packing(again(history), plan_packing(again(history)), nothing)
        assert 1 == len(packs_of(history))
        assert before.items() <= objects_of(history).items()
        check_histories(copy)
        shutil.rmtree(copy)
        if not killed:
            return
    pytest.fail("packing never ended")
