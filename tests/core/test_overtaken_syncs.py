"""Syncs beside other work: overtaken, run at once, killed, interrupted or failed half way."""

import os
import shutil
import signal
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.blobs import LocalStore
from ledger.blobs.pruning import alone_with
from ledger.core import Workspace, sharing, uploading
from ledger.disk import alone
from ledger.errors import (
    ArgumentError,
    IntegrityError,
    LedgerError,
    LockTimeoutError,
    NameCollisionError,
)
from ledger.history import History
from ledger.history.sharing import SyncPlan, adopt_plan
from ledger.lookup import write_remote
from ledger.meters import Progress, progress
from tests.kit.contents import noise
from tests.kit.git import set_hook
from tests.kit.histories import start
from tests.kit.hubs import hub_tip, new_hub
from tests.kit.ledgers import values_by_version


def test_nothing_is_moved_while_it_is_uploaded(pair: tuple[Ledger, Ledger]) -> None:
    """Who wants to be alone with the own store has to wait for the upload, and no longer than that."""
    ada, _ = pair
    store = ada.store
    assert isinstance(store, LocalStore)
    ada.save(noise(1 << 20), "large")
    tried: list[str] = []

    def try_alone(at: Progress) -> None:
        if not at.finished:
            with pytest.raises(LockTimeoutError), alone_with(store, timeout=0):
                pass
            tried.append(at.label)

    with progress(try_alone):
        ada.sync()
    assert ["sync origin"] == sorted(set(tried))
    with alone_with(store, timeout=0):
        pass


def test_a_lost_race_starts_over(pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody pushes between our look and our push: we merge behind them, and nothing is reported twice."""
    ada, bob = pair
    ada.save("of ada", "iris")
    bob.save("of bob", "iris")
    raced: list[object] = []

    def uploaded_late(workspace: Workspace, *arguments: Any, **sound: Any) -> AbstractContextManager[None]:
        if workspace.path == bob.path and not raced:
            raced.append(ada.sync())
        return uploaded(workspace, *arguments, **sound)

    uploaded = uploading.uploaded
    with monkeypatch.context() as patched:
        patched.setattr(sharing, "uploaded", uploaded_late)
        report = bob.sync()
    assert (("iris@3",), ("iris@2",)) == (report.pushed, report.fetched)
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values_by_version(bob)


def test_a_save_during_a_sync_waits_for_the_next(pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is saved while a merge is pushed moves behind it and is pushed as well."""
    ada, bob = pair
    ada.save("of ada", "iris")
    ada.sync()
    bob.save("one", "iris")
    saved: list[object] = []

    def adopt_late(history: History, plan: object) -> bool:
        if not saved:
            saved.append(Ledger.open(bob.path).save("two", "iris"))
        return adopt_plan(history, plan)  # type: ignore[arg-type]

    monkeypatch.setattr(sharing, "adopt_plan", adopt_late)
    assert ("iris@3", "iris@4") == bob.sync().pushed
    assert {"1": "first", "2": "of ada", "3": "one", "4": "two"} == values_by_version(bob)


def test_a_sync_beside_saves_without_a_pause_ends(pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who saves more often than a sync takes does not keep it from ending, and the report says all that happened."""
    ada, bob = pair
    ada.save("of ada", "iris", tags=["new"])
    ada.sync()
    bob.save("one", "iris")
    saved: list[str] = []

    def adopt_late(history: History, plan: object) -> bool:
        saved.append(Ledger.open(bob.path).save(len(saved), "iris").version)
        return adopt_plan(history, plan)  # type: ignore[arg-type]

    monkeypatch.setattr(sharing, "adopt_plan", adopt_late)
    report = bob.sync()
    assert ["3", "5"] == saved, "the first is number 4 now; the second waits for the next sync"
    assert (("iris@2",), ("iris@3", "iris@4")) == (report.fetched, report.pushed)
    assert [("iris@2", "iris@3"), ("iris@3", "iris@4")] == [(each.before, each.after) for each in report.renumbered]
    assert (0, 0) == (report.other_pushed, report.other_fetched), "what its own merges noted is nobody's news"
    assert {"1": "first", "2": "of ada", "3": "one", "4": 0, "5": 1} == values_by_version(bob)
    assert bob.verify().ok


def test_what_a_sync_that_died_has_published_is_not_reported_as_published_again(
    pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one reports what each side lacked then; the record that a version was moved came with the merge."""
    ada, bob = pair
    ada.save("of ada", "iris")
    ada.tag("iris", ["hers"])
    ada.sync()
    bob.save("of bob", "iris")
    bob.tag("iris", ["his"])

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sharing, "adopt_plan", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bob.sync()
    bob.tag("iris", ["later"])
    report = bob.sync()
    assert ((), ("iris@2",)) == (report.pushed, report.fetched)
    assert [("iris@2", "iris@3")] == [(each.before, each.after) for each in report.renumbered]
    assert (1, 2) == (report.other_pushed, report.other_fetched)


def test_a_name_saved_during_a_sync_may_collide(pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that differs in case from one that is being fetched is told as one that was there before the sync."""
    ada, bob = pair
    ada.save("of ada", "Wine")
    ada.sync()

    def adopt_late(history: History, plan: object) -> bool:
        Ledger.open(bob.path).save("of bob", "wine")
        return adopt_plan(history, plan)  # type: ignore[arg-type]

    monkeypatch.setattr(sharing, "adopt_plan", adopt_late)
    for _ in ("during", "before"):
        with pytest.raises(
            NameCollisionError, match=r"cannot sync with origin .*'wine' differs only in case from 'Wine'"
        ):
            bob.sync()


def test_a_number_that_origin_publishes_during_a_sync_with_another_stays(
    pair: tuple[Ledger, Ledger], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a save and a sync beside it have published is not merged behind the other remote."""
    _, bob = pair
    peer = Ledger.clone(bob.path, tmp_path / "peer")
    peer.save("of peer", "iris")
    write_remote(bob.path, "peer", str(peer.path))
    published: list[str] = []

    def adopt_late(history: History, plan: SyncPlan) -> bool:
        if plan.remote.name == "peer":
            other = Ledger.open(bob.path)
            other.save("of bob", "iris")
            published.extend(other.sync().pushed)
        return adopt_plan(history, plan)

    monkeypatch.setattr(sharing, "adopt_plan", adopt_late)
    with pytest.raises(ArgumentError, match=r"peer .* holds another version in the place of iris@2, which origin has"):
        bob.sync("peer")
    assert (["iris@2"], {"1": "first", "2": "of bob"}) == (published, values_by_version(bob))


def test_a_second_hub_that_holds_other_numbers_than_origin_is_replaced_by_an_empty_one(
    pair: tuple[Ledger, Ledger], tmp_path: Path
) -> None:
    """Nobody can bring a bare repository into the order of origin; what it holds is in the ledgers."""
    ada, bob = pair
    for name in ("second", "third"):
        (tmp_path / name).mkdir()
        write_remote(bob.path, name, str(new_hub(tmp_path / name)))
    bob.save("of bob", "iris")
    bob.sync("second")
    ada.save("of ada", "iris")
    ada.sync()
    bob.sync()
    with pytest.raises(ArgumentError, match="holds another version in the place of iris@2, which origin") as caught:
        bob.sync("second")
    assert (
        "sync that ledger with origin first; where it is a bare repository, which nobody can sync" in caught.value.hint
    )
    assert ("iris@1", "iris@2", "iris@3") == bob.sync("third").pushed


def test_a_merge_is_written_under_the_ledgers_lock(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Whoever holds the lock may take files without a name away, as those of the dead: so a merge waits for it."""
    ada, bob = pair
    ada.save("of ada", "iris")
    bob.save("of bob", "iris")
    ada.sync()
    before = hub_tip(hub)
    settings = bob.path / "config.toml"
    settings.write_text(settings.read_text().replace("lock_timeout = 60.0", "lock_timeout = 0.2"))
    with Ledger.open(bob.path).workspace.history.exclusively(), pytest.raises(LockTimeoutError):
        Ledger.open(bob.path).sync()
    assert before == hub_tip(hub)


def test_a_race_that_never_ends_is_given_up(pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """After a number of attempts the error says that nothing is lost."""
    ada, _ = pair
    ada.save("x", "iris")
    monkeypatch.setattr(sharing, "push_plan", lambda *_: False)
    monkeypatch.setattr(sharing, "_LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(sharing, "ATTEMPTS", 3)
    with pytest.raises(LockTimeoutError, match="3 attempts to sync were overtaken"):
        ada.sync()


@pytest.mark.parametrize(
    ("when", "step"),
    [("before", "uploaded"), ("before", "push_plan"), ("after", "push_plan"), ("after", "adopt_plan")],
)
def test_a_sync_that_dies_is_made_good_by_the_next(
    pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch, when: str, step: str
) -> None:
    """Killed between any two of its steps: the next sync converges, nothing is lost or twice."""
    ada, bob = pair
    ada.save("of ada", "iris")
    bob.save("of bob", "iris")
    ada.sync()
    child = os.fork()
    if not child:
        try:
            whole = getattr(sharing, step)

            def dying(*arguments: object, **_: object) -> object:
                if when == "after":
                    whole(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
                return None

            monkeypatch.setattr(sharing, step, dying)
            bob.sync()
        finally:
            os._exit(0)  # a fork never goes on as its parent
    assert signal.SIGKILL == os.waitpid(child, 0)[1]
    bob.sync()
    ada.sync()
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values_by_version(ada) == values_by_version(bob)
    assert ada.revision == bob.revision


def test_syncs_of_one_ledger_at_once(pair: tuple[Ledger, Ledger]) -> None:
    """Several processes of one user sync while others publish: each of them fetches for itself."""
    ada, bob = pair
    failed: list[BaseException] = []

    def sync() -> None:
        try:
            Ledger.open(bob.path).sync()
        except LedgerError as error:
            failed.append(error)

    for number in range(4):
        ada.save(number, "other")
        ada.sync()
        threads = [threading.Thread(target=sync) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [] == failed
    assert ada.revision == Ledger.open(bob.path).revision


def test_an_interrupted_sync_leaves_no_lock_in_the_remote(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Git is asked to end before it is ended: it takes away the lock that everybody else would wait for."""
    ada, bob = pair
    lock = hub / "refs" / "heads" / "main.lock"
    # Not as soon as the lock is there: Git takes away what it has noted that it made, and notes it a moment later.
    set_hook(hub, "reference-transaction", f'[ "$1" != prepared ] || {{ : > "{hub}/ready"; exec sleep 60; }}')
    ada.save("late", "iris")
    with start("import sys; from ledger import Ledger; Ledger.open(sys.argv[1]).sync()", ada.path) as program:
        end = time.monotonic() + 30
        while not (hub / "ready").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        assert lock.exists()
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=30)
    (hub / "hooks" / "reference-transaction").unlink()
    assert not lock.exists()
    bob.sync()
    assert ("iris@2",) == ada.sync().pushed


def test_a_sync_that_fails_lets_go_of_the_remotes_store(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Also while its error is looked at: whoever cleans that store need not wait for it."""
    ada, _ = pair
    ada.save("soon gone", "iris")
    shutil.rmtree(ada.path / "store" / "chunks")
    with pytest.raises(IntegrityError, match="is missing") as caught:
        ada.sync()
    with alone(hub / "ledger-store" / "store.json", timeout=0):
        assert caught.traceback
