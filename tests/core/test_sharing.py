"""Two laptops and a hub: saved offline, synced in any order, and everybody loads everything."""

import contextlib
import itertools
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from ledger import Ledger
from ledger.blobs import LocalStore, create_store
from ledger.blobs.pruning import alone_with
from ledger.core import SyncReport, Workspace, sharing, uploading
from ledger.core.noted_stores import NOTED_STORES_FILE
from ledger.disk import alone
from ledger.errors import (
    ArgumentError,
    ConfigError,
    HistoryRewrittenError,
    IntegrityError,
    LedgerError,
    LedgerExistsError,
    LedgerNotFoundError,
    LockTimeoutError,
    MissingDependencyError,
    NameCollisionError,
    ReadOnlyError,
    RemoteError,
    RemoteNotFoundError,
    StorageError,
    StoreAccessError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ledger.history import History, Remote
from ledger.history.sharing import adopt_plan, plan_sync
from ledger.lookup import settings_for, store_of_remote, write_remote
from ledger.maintenance import plan_gc
from ledger.meters import Progress, progress
from ledger.records import Name
from tests.conftest import check_histories
from tests.kit.contents import noise
from tests.kit.git import check_objects, run_git
from tests.kit.histories import start
from tests.kit.hubs import hub_git, hub_tip, new_hub, shared
from tests.kit.ledgers import files_below, git
from tests.kit.web import served

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Path]:
    yield new_hub(tmp_path)
    check_histories(tmp_path)
    assert 0 == check_objects(tmp_path / "hub.git").returncode


@pytest.fixture
def pair(tmp_path: Path, hub: Path) -> tuple[Ledger, Ledger]:
    """Two ledgers that share ``iris@1`` through the hub."""
    ada = shared(tmp_path / "ada", hub)
    ada.save("first", "iris")
    ada.sync()
    return ada, Ledger.clone(hub, tmp_path / "bob" / ".ledger")


def values(ledger: Ledger, name: str = "iris") -> dict[str, object]:
    return {version.version: version.load() for version in ledger.versions(name)}


def test_two_laptops_and_a_hub(pair: tuple[Ledger, Ledger]) -> None:
    """Both save offline; after syncing, both have the same versions under the same numbers, with tags and metadata."""
    ada, bob = pair
    mine = bob.save("of bob", "iris", tags=["draft"])
    bob.log_metadata({"rows": 2}, mine)
    ada.save("of ada", "iris")
    assert ("iris@2",) == ada.sync().pushed
    report = bob.sync()
    assert (("iris@3",), ("iris@2",)) == (report.pushed, report.fetched)
    assert [(str(mine.id), "iris@2", "iris@3")] == [(each.id, each.before, each.after) for each in report.renumbered]
    assert ("iris@3",) == ada.sync().fetched
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values(ada) == values(bob)
    found = ada.get(mine.id)
    assert ("3", ("draft",), 2, True) == (found.version, found.tags, found.metadata["rows"], found.published)
    assert ada.revision == bob.revision
    assert (True, True) == (ada.verify().ok, bob.verify().ok)


def test_a_version_is_published_once_the_remote_holds_it(pair: tuple[Ledger, Ledger]) -> None:
    """Until then its number is provisional."""
    ada, bob = pair
    assert bob.get("iris").published
    saved = ada.save("x", "iris")
    assert not saved.published
    ada.sync()
    assert saved.published


def test_a_remote_is_read_from_as_long_as_the_settings_name_it(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Whatever an open ledger has read before one is removed or added."""
    _, bob = pair
    assert "first" == bob.load("iris")
    bob.remove_remote("origin")
    with pytest.raises(IntegrityError, match="is missing"):
        bob.load("iris")
    bob.add_remote("origin", str(hub))
    assert "first" == bob.load("iris")


def test_a_second_sync_does_nothing(pair: tuple[Ledger, Ledger]) -> None:
    """Nothing to push, fetch or renumber, and no commit."""
    ada, _ = pair
    before = ada.revision
    expected = SyncReport(
        remote="origin", commit=before, pushed=(), fetched=(), renumbered=(), other_pushed=0, other_fetched=0
    )
    assert expected == ada.sync()
    assert before == ada.revision


def test_large_and_small_values_travel(pair: tuple[Ledger, Ledger]) -> None:
    """Chunks, packs and tables reach the hub's store; what a clone adds to a large value is all that it stores."""
    ada, bob = pair
    large = np.arange(1_000_000)
    ada.save(large, "large")
    ada.save(b"", "empty")
    ada.sync()
    bob.sync()
    assert np.array_equal(large, bob.load("large"))
    assert b"" == bob.load("empty")
    bob.save(np.append(large, 1), "large")
    own = sum(path.stat().st_size for path in (bob.path / "store").rglob("*") if path.is_file())
    assert own < large.nbytes / 4
    bob.sync()
    ada.sync()
    assert len(large) + 1 == len(ada.load("large"))


def test_the_hub_holds_all_bytes(pair: tuple[Ledger, Ledger], tmp_path: Path, hub: Path) -> None:
    """When both laptops are gone, a new clone has everything."""
    ada, bob = pair
    bob.save(np.arange(100_000), "large")
    bob.sync()
    shutil.rmtree(ada.path)
    shutil.rmtree(bob.path)
    fresh = Ledger.clone(hub, tmp_path / "fresh")
    assert fresh.verify().ok
    assert 100_000 == len(fresh.load("large"))


def test_registered_data_travels(pair: tuple[Ledger, Ledger]) -> None:
    """Linked files are copied to the same place of the hub's store, and load as a path that is checked."""
    ada, bob = pair
    assert isinstance(ada.store, LocalStore)
    folder = ada.store.root / "raw" / "2026"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "link").symlink_to("a.csv")
    ada.register(folder, "raw")
    ada.register(folder / "a.csv", "single")
    ada.sync()
    bob.sync()
    assert "1,2\n" == (bob.load("raw") / "a.csv").read_text() == bob.load("single").read_text()
    assert bob.verify().ok


def test_a_registered_folder_that_grows_travels(pair: tuple[Ledger, Ledger]) -> None:
    """Registered with each checkpoint, and synced now and then: of each version the files that it registered arrive."""
    ada, bob = pair
    assert isinstance(ada.store, LocalStore)
    folder = ada.store.root / "checkpoints"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.pt").write_text(f"{number}")
        ada.register(folder, "checkpoints")
        if number % 2:
            ada.sync()
    bob.sync()
    assert "3" == (bob.load("checkpoints") / "3.pt").read_text()
    with bob.get("checkpoints", 1).open("0.pt") as file:
        assert b"0" == file.read()
    with pytest.raises(IntegrityError, match=r"checkpoints@1: the file '1\.pt' was added"):
        bob.load("checkpoints", 1)


def test_changed_registered_data_is_not_published(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """What is no longer what was registered stops the sync before anything is pushed."""
    ada, _ = pair
    assert isinstance(ada.store, LocalStore)
    (ada.store.root / "a.csv").write_text("1\n")
    ada.register(ada.store.root / "a.csv", "raw")
    (ada.store.root / "a.csv").write_text("2\n")
    before = hub_tip(hub)
    with pytest.raises(IntegrityError, match=r"raw@1: the file 'a.csv' has"):
        ada.sync()
    assert before == hub_tip(hub)


def test_damaged_bytes_are_not_published(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """A chunk that is not what was saved stops the sync before anything is pushed."""
    ada, _ = pair
    known = {path for path in (ada.path / "store").rglob("*") if path.is_file()}
    ada.save("precious", "iris")
    for path in (ada.path / "store" / "chunks").rglob("*"):
        if path.is_file() and path not in known:
            path.write_bytes(b"x" * path.stat().st_size)
    before = hub_tip(hub)
    with pytest.raises(IntegrityError, match="iris@2: chunk"):
        ada.sync()
    assert before == hub_tip(hub)


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


def test_tags_on_one_version_join(pair: tuple[Ledger, Ledger]) -> None:
    """Two tags that were put on the published version in two places are both there."""
    ada, bob = pair
    ada.tag("iris", ["a"])
    bob.tag("iris", ["b"])
    ada.sync()
    bob.sync()
    ada.sync()
    assert ("a", "b") == ada.get("iris").tags == bob.get("iris").tags


def test_a_custom_version_taken_by_both(pair: tuple[Ledger, Ledger]) -> None:
    """Whoever syncs first keeps the word."""
    ada, bob = pair
    ada.save("of ada", "iris", "best")
    late = bob.save("of bob", "iris", "best")
    ada.sync()
    bob.sync()
    assert "of ada" == bob.load("iris", "best")
    assert "of bob" == bob.load("iris", f"best.variant-{str(late.id)[:4]}")


def test_names_that_differ_in_case_do_not_meet(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """The second one to sync gets an error, and nothing is changed."""
    ada, bob = pair
    ada.save(1, "model")
    bob.save(2, "Model")
    ada.sync()
    before, known = bob.revision, hub_tip(hub)
    with pytest.raises(NameCollisionError, match="differs only in case"):
        bob.sync()
    assert (before, known) == (bob.revision, hub_tip(hub))


def save_anew(old: Ledger, new: Path, url: str) -> None:
    """Do what specs/sharing.md, 3 tells to do where two ledgers cannot be merged."""
    steps = re.search(r"```python\n(.*?)```", (ROOT / "specs" / "sharing.md").read_text(), re.DOTALL)
    assert steps is not None
    code = steps[1].replace("old/.ledger", str(old.path)).replace("new/.ledger", str(new))
    exec(code, {"Ledger": Ledger, "url": url})


def test_a_name_that_cannot_be_merged_has_a_way_out(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """What specs/sharing.md, 3 says brings all that only one ledger holds to the others, under the other spelling."""
    ada, old = pair
    ada.save("of ada", "n2")
    old.save("of bob", "N2", tags=["draft"], run_metadata={"rows": 2})
    old.save("more", "N2", "best")
    old.save("other", "plain")
    ada.sync()
    with pytest.raises(NameCollisionError, match=f"^cannot sync with origin .*{hub.name}") as caught:
        old.sync()
    assert "with 'n2' for 'N2'" in caught.value.hint
    save_anew(old, tmp_path / "new" / ".ledger", str(hub))
    ada.sync()
    assert {"1": "of ada", "2": "of bob", "best": "more"} == values(ada, "n2")
    assert (("draft",), 2) == (ada.get("n2", 2).tags, ada.get("n2", 2).metadata["rows"])
    assert {"1": "other"} == values(ada, "plain")


def test_a_remote_that_went_another_way_has_a_way_out(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """Of two histories that were published, one is saved anew behind the other, as the page of the hint says."""
    ada, bob = pair
    before = hub_tip(hub)
    ada.save("of ada", "iris")
    ada.sync()
    hub_git(hub, "update-ref", "refs/heads/main", before)
    bob.save("of bob", "iris")
    bob.sync()
    with pytest.raises(HistoryRewrittenError, match="was rewritten") as caught:
        ada.sync()
    assert "specs/sharing.md, 3" in caught.value.hint
    save_anew(ada, tmp_path / "new" / ".ledger", str(hub))
    bob.sync()
    assert {"1": "first", "2": "of bob", "3": "of ada"} == values(bob)
    words = shlex.split(caught.value.hint.split("`")[1])
    assert 0 == run_git(ada.git_dir, *words[2:]).returncode
    assert () == ada.sync().fetched


def test_ledgers_sync_without_a_hub(pair: tuple[Ledger, Ledger]) -> None:
    """A path to another ledger is a remote, its store the place for the bytes."""
    ada, bob = pair
    write_remote(bob.path, "ada", str(ada.path.parent))
    bob.save("of bob", "other")
    assert ("other@1",) == bob.sync("ada").pushed
    assert "of bob" == ada.load("other")
    assert ada.revision == bob.revision


def test_a_peer_does_not_move_what_origin_has_published(pair: tuple[Ledger, Ledger]) -> None:
    """Numbers that the hub holds stay, whoever else is met."""
    ada, bob = pair
    ada.save("of ada", "iris")
    bob.save("of bob", "iris")
    ada.sync()
    write_remote(ada.path, "bob", str(bob.path))
    with pytest.raises(ValueError, match="in the place of iris@2, which origin has published"):
        ada.sync("bob")
    assert "of ada" == ada.load("iris", 2)


def test_what_a_peer_moved_goes_back_to_where_origin_has_it(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Somebody else published it meanwhile: its number at the hub stays, and the other versions come behind it."""
    ada, bob = pair
    ada.save("of ada", "iris")
    bob.save("of bob", "iris")
    assert 0 == run_git(ada.path / "history.git", "push", "-q", str(hub), "main").returncode
    write_remote(ada.path, "bob", str(bob.path))
    assert [("iris@2", "iris@3")] == [(each.before, each.after) for each in ada.sync("bob").renumbered]
    for one in (ada, bob):
        one.sync()
        assert {"1": "first", "2": "of ada", "3": "of bob"} == values(one)
    assert ada.revision == bob.revision


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
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values(bob)


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
    assert {"1": "first", "2": "of ada", "3": "one", "4": "two"} == values(bob)


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
    with pytest.raises(LockTimeoutError, match="20 attempts to sync were overtaken"):
        ada.sync()


@pytest.mark.parametrize(
    ("when", "step"),
    [("before", "uploaded"), *itertools.product(("before", "after"), ("push_plan", "adopt_plan", "_report"))],
)
def test_a_sync_that_dies_is_made_good_by_the_next(
    pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch, when: str, step: str
) -> None:
    """Killed before or after any of its steps: the next sync converges, nothing is lost or twice."""
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
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values(ada) == values(bob)
    assert ada.revision == bob.revision


def test_a_remote_that_refuses(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """A hook's words are shown; branch and what is known of the remote stay."""
    ada, _ = pair
    hook = hub / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho quota exceeded >&2\nexit 1\n")
    hook.chmod(0o755)
    saved = ada.save("x", "iris")
    known = git(ada, "rev-parse", "refs/ledger/known/origin")
    with pytest.raises(RemoteError, match=r"does not take .*quota exceeded"):
        ada.sync()
    assert (known, False) == (git(ada, "rev-parse", "refs/ledger/known/origin"), saved.published)


def test_no_hook_of_ours_runs(pair: tuple[Ledger, Ledger], tmp_path: Path) -> None:
    """A hook in the own history, and ``GIT_*`` in the environment, change nothing."""
    ada, _ = pair
    hook = ada.git_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    ada.save("x", "iris")
    os.environ["GIT_DIR"] = str(tmp_path / "nowhere")
    try:
        ada.sync()
    finally:
        del os.environ["GIT_DIR"]
    assert not (tmp_path / "ran").exists()


def test_no_program_of_a_copied_ledger_runs(pair: tuple[Ledger, Ledger], tmp_path: Path, hub: Path) -> None:
    """A program that the history's own configuration names is refused before Git is asked anything."""
    ada, _ = pair
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\nexec git-upload-pack "$@"\n')
    program.chmod(0o755)
    git(ada, "config", f"remote.{hub}.uploadpack", str(program))
    with pytest.raises(ConfigError, match=r"history\.git/config sets 'remote\.\S+\.uploadpack'"):
        ada.sync()
    assert not (tmp_path / "ran").exists()


def test_a_remote_that_nobody_knows(ledger: Ledger) -> None:
    """The error says how to add one."""
    with pytest.raises(RemoteNotFoundError, match="no remote 'origin'") as caught:
        ledger.sync()
    assert "run `ledger remote add origin URL`" == caught.value.hint
    with pytest.raises(RemoteNotFoundError, match=r"no remote '\.\./hub\.git'") as caught:
        ledger.sync("../hub.git")
    assert "`ledger remote add NAME URL`" in caught.value.hint


def test_a_url_without_a_store_is_not_pushed_to(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Versions whose bytes nobody else could read are not published; settings say where to put them."""
    ada, _ = pair
    ada.save("second", "iris")
    far = settings_for("https://ada:secret@example.com/team.git")
    assert "" == store_of_remote(ada.path, far)
    plan = plan_sync(ada.workspace.history, Remote("origin", str(hub)), author=ada.author, now=ada.now())
    there = structs.replace(plan, remote=Remote("origin", far.url))
    refused = pytest.raises(ConfigError, match=r"origin \(https://example.com/team.git\) has no store")
    with refused, uploading.uploaded(ada.workspace, far, there, sound=set()):
        pytest.fail("they would be pushed now")


def test_a_path_that_is_written_as_a_url(tmp_path: Path) -> None:
    """Bytes and history go to the same place: what Git decodes in a URL is decoded for the store as well."""
    (team := tmp_path / "the team").mkdir()
    hub = new_hub(team)
    ada = Ledger.init(tmp_path / "ada")
    write_remote(ada.path, "origin", f"file://{hub}".replace(" ", "%20"))
    ada.save("x", "iris")
    ada.sync()
    assert "x" == Ledger.clone(hub, tmp_path / "bob").load("iris")


def test_a_remote_with_a_store_of_its_own(tmp_path: Path, hub: Path) -> None:
    """``store`` in the settings wins over what lies beside the history."""
    ada = Ledger.init(tmp_path / "ada")
    write_remote(ada.path, "origin", str(hub), store=str(tmp_path / "bytes"))
    ada = Ledger.open(ada.path)
    ada.save("x", "iris")
    ada.sync()
    assert not (hub / "ledger-store").exists()
    assert (tmp_path / "bytes" / "store.json").exists()


@pytest.mark.parametrize("what", ["empty", "another"])
@pytest.mark.parametrize("who", ["first", "cloned"])
def test_a_store_that_was_unmounted_is_not_made_anew(tmp_path: Path, hub: Path, what: str, who: str) -> None:
    """Nothing is pushed whose bytes would lie in the mount point; with the disk back, everybody reads everything."""
    disk, mount = tmp_path / "disk", tmp_path / "mount"
    disk.mkdir()
    mount.symlink_to(disk)
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub), store=str(mount))
    ada.save("first", "iris")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger", str(mount))
    one, other = (ada, bob) if who == "first" else (bob, ada)
    mount.unlink()
    mount.mkdir()
    if what == "another":
        create_store(str(mount))
    one.save("second", "iris")
    before, files = hub_tip(hub), files_below(mount)
    with pytest.raises(StoreMismatchError, match="no artifact store at" if what == "empty" else "it had .* before"):
        one.sync()
    assert (before, files) == (hub_tip(hub), files_below(mount))
    shutil.rmtree(mount)
    mount.symlink_to(disk)
    assert ("iris@2",) == one.sync().pushed
    other.sync()
    assert {"1": "first", "2": "second"} == values(other)


def with_small_and_large(tmp_path: Path, hub: Path) -> Ledger:
    """A ledger that shares by the hub, with a text that is one chunk, and the folder ``data``, which is a pack."""
    ledger = shared(tmp_path / "ada", hub)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(noise(300_000))
    ledger.save("first", "iris")
    ledger.save(tmp_path / "data", "large")
    return ledger


@pytest.mark.parametrize("what", ["empty", "another", "gone"])
def test_a_remotes_store_that_is_unmounted_is_away_and_no_damage(tmp_path: Path, hub: Path, what: str) -> None:
    """What only it has cannot be read, and nothing is said of it, by loads and checks; saves go on without it."""
    ada = with_small_and_large(tmp_path, hub)
    ada.sync()
    store = hub / "ledger-store"
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    store.rename(tmp_path / "away")
    if what != "gone":
        store.mkdir()
    if what == "another":
        create_store(str(store))
    said = "it had .* before" if what == "another" else "no artifact store at"
    for name in ("iris", "large"):
        with pytest.raises(StoreUnavailableError, match=said) as caught:
            bob.load(name)
        assert "mount the right store" in caught.value.hint
    for deep in (True, False):
        with pytest.raises(StoreUnavailableError, match=said):
            bob.verify(deep=deep)
    with pytest.warns(UserWarning, match=f"going on without what lies in the store .*{said}"):
        bob.save(tmp_path / "data", "large")
    assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    shutil.rmtree(store, ignore_errors=True)
    (tmp_path / "away").rename(store)
    assert "first" == bob.load("iris")
    assert bob.verify().ok


@pytest.mark.parametrize("what", ["hub", "peer"])
def test_a_remotes_path_that_cannot_be_looked_at_is_away(tmp_path: Path, hub: Path, what: str) -> None:
    """As that of a dead mount: saves and loads of what is here go on, and what only it has is away, and no damage."""
    ada = with_small_and_large(tmp_path, hub)
    (ada.path / "store" / "linked").write_bytes(b"linked")
    ada.register(ada.path / "store" / "linked", "registered")
    ada.sync()
    there = hub if what == "hub" else ada.path
    path = Ledger.clone(there, tmp_path / "bob" / ".ledger").path
    there.rename(tmp_path / "away")
    there.symlink_to(there)
    bob = Ledger.open(path)
    for wanted in (lambda: bob.load("iris"), bob.sync):
        with pytest.raises(StorageError, match="Too many levels of symbolic links"):
            wanted()
    judging = (lambda: bob.load("iris"), lambda: bob.load("registered"), lambda: plan_gc(bob))
    for judges in (*judging, bob.verify, lambda: bob.verify(deep=False)):
        with pytest.raises(StoreUnavailableError, match="Too many levels of symbolic links"):
            judges()
    with pytest.warns(UserWarning, match="going on without what lies in the store .*Too many levels"):
        bob.save(tmp_path / "data", "large")
    assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    there.unlink()
    (tmp_path / "away").rename(there)
    if what == "peer":  # where its bytes are stands in its settings
        with pytest.raises(StoreUnavailableError, match="could not be looked for at first"):
            bob.load("iris")
    assert "first" == bob.load("iris")
    assert bob.verify().ok


@pytest.mark.parametrize("what", ["absent", "empty"])
def test_a_peer_whose_disk_is_not_mounted_is_away(tmp_path: Path, hub: Path, what: str) -> None:
    """Where its bytes are stands in its settings, which are away with them: nothing is said of what it holds."""
    ada = with_small_and_large(tmp_path, hub)
    bob = Ledger.open(Ledger.clone(ada.path, tmp_path / "bob" / ".ledger").path)
    ada.path.rename(tmp_path / "away")
    if what == "empty":
        ada.path.mkdir()
    for judges in (lambda: bob.load("iris"), lambda: bob.load("large"), bob.verify, lambda: bob.verify(deep=False)):
        with pytest.raises(StoreUnavailableError, match=f"nothing is at {ada.path}, where origin should be") as caught:
            judges()
        assert "`ledger remote remove origin`" in caught.value.hint
    bob.save("own", "own")
    assert "own" == bob.load("own")
    shutil.rmtree(ada.path, ignore_errors=True)
    (tmp_path / "away").rename(ada.path)
    with pytest.raises(StoreUnavailableError, match="could not be looked for at first") as caught:
        bob.load("iris")
    assert "it can be now: try again" == caught.value.hint
    assert "first" == bob.load("iris")


def test_what_one_remote_cannot_give_another_one_does(tmp_path: Path, hub: Path) -> None:
    """A folder in the first one's store that cannot be looked at keeps nobody from what the second one has."""
    ada = with_small_and_large(tmp_path, hub)
    (ada.path / "store" / "linked").write_bytes(b"linked")
    ada.register(ada.path / "store" / "linked", "registered")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.add_remote("ada", str(ada.path))
    store = hub / "ledger-store"
    for place in ("chunks", "packs", "linked"):
        (store / place).rename(tmp_path / place)
        (store / place).symlink_to(store / place)
    assert "first" == bob.load("iris")
    assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    assert b"linked" == bob.load("registered").read_bytes()
    assert bob.verify().ok


def test_a_remotes_store_that_cannot_be_opened_keeps_nobody_from_what_is_elsewhere(tmp_path: Path, hub: Path) -> None:
    """Where its host is down, or its library missing, what lies here or at another remote is loaded; only it is not."""
    ada = with_small_and_large(tmp_path, hub)
    (ada.path / "store" / "linked").write_bytes(b"linked")
    ada.register(ada.path / "store" / "linked", "registered")
    bob = Ledger.clone(ada.path, tmp_path / "bob" / ".ledger")
    bob.remove_remote("origin")
    write_remote(bob.path, "away", str(hub), store="sftp://127.0.0.1:1/store")
    bob = Ledger.open(bob.path)
    bob.save("own", "own")
    assert "own" == bob.load("own")
    for wanted in (lambda: bob.load("iris"), lambda: bob.load("registered"), bob.verify):
        with pytest.raises((StorageError, MissingDependencyError), match=r"sftp://127\.0\.0\.1:1/store"):
            wanted()
    bob.add_remote("peer", str(ada.path))
    assert ("first", b"linked") == (bob.load("iris"), bob.load("registered").read_bytes())
    assert bob.verify().ok


def test_a_folder_of_a_remotes_store_that_is_closed_is_no_damage(tmp_path: Path, hub: Path) -> None:
    """Who may not look into it is told so, by loads and checks."""
    with_small_and_large(tmp_path, hub).sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    closed = hub / "ledger-store" / "chunks"
    closed.chmod(0)
    try:
        if os.access(closed, os.X_OK):
            pytest.skip("root may look everywhere")
        for judges in (lambda: bob.load("iris"), bob.verify, lambda: bob.verify(deep=False)):
            with pytest.raises(StoreAccessError, match="Permission denied") as caught:
                judges()
            assert "check the permissions of the path" == caught.value.hint
        assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    finally:
        closed.chmod(0o755)


def test_a_clone_says_that_its_bytes_cannot_be_read_yet(tmp_path: Path, hub: Path) -> None:
    """Whoever gives no store, or another one than the versions were put to, learns it at once."""
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub), store=str(tmp_path / "bytes"))
    ada.save("first", "iris")
    ada.sync()
    with pytest.warns(UserWarning, match=r"cannot be read yet: no artifact store at .*config.toml says where they are"):
        bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    for judges in (lambda: bob.load("iris"), bob.verify):
        with pytest.raises(StoreUnavailableError, match="no artifact store at"):
            judges()
    hub_git(hub, "update-server-info")
    with served(hub) as url, pytest.warns(UserWarning, match=r"cannot be read yet: nobody has said where they lie"):
        cy = Ledger.clone(url, tmp_path / "url" / ".ledger")
    with pytest.raises(StoreUnavailableError, match="nobody has said where those are that origin"):
        cy.load("iris")
    config = bob.path / "config.toml"
    config.write_text(f'{config.read_text()}store = "{tmp_path / "bytes"}"\n')
    assert "first" == Ledger.open(bob.path).load("iris")


def test_a_store_that_was_replaced_on_purpose_is_filled_again(tmp_path: Path, hub: Path) -> None:
    """Once the note is deleted, as is said, each sync puts there what its ledger stores, be it published or not."""
    ada = shared(tmp_path / "ada", hub)
    ada.save("first", "iris")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.save("second", "iris")
    bob.sync()
    shutil.rmtree(hub / "ledger-store")
    with pytest.warns(UserWarning, match="the bytes at origin cannot be read: no artifact store at"):
        bob.sync()
    ada.save("third", "wine")
    with pytest.raises(StoreMismatchError, match="no artifact store at") as caught:
        ada.sync()
    assert f"delete {ada.path / NOTED_STORES_FILE}: the next sync puts there" in caught.value.hint
    (ada.path / NOTED_STORES_FILE).unlink()
    with pytest.warns(UserWarning, match="is a new store, without 1 of the versions that others saved"):
        assert ("wine@1",) == ada.sync().pushed
    (bob.path / NOTED_STORES_FILE).unlink()
    bob.sync()
    assert Ledger.clone(hub, tmp_path / "eve" / ".ledger").verify().ok


def test_a_bare_clone_gets_the_bytes_too(tmp_path: Path) -> None:
    """A remote that Git has made of the history holds all versions and no bytes: the first sync brings them."""
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    ada.save("first", "iris")
    hub = tmp_path / "bare.git"
    assert 0 == run_git(tmp_path, "clone", "-q", "--bare", str(ada.path / "history.git"), str(hub)).returncode
    write_remote(ada.path, "origin", str(hub))
    assert () == ada.sync().pushed
    assert "first" == Ledger.clone(hub, tmp_path / "bob" / ".ledger").load("iris")


def test_what_plain_git_has_pushed_gets_its_bytes(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """The next sync brings them, and if it fails at that, the one after it."""
    ada, bob = pair
    ada.save("second", "iris")
    assert 0 == run_git(ada.path / "history.git", "push", "-q", str(hub), "main").returncode
    (hub / "ledger-store").rename(tmp_path / "away")
    with pytest.raises(StoreMismatchError):
        ada.sync()
    (tmp_path / "away").rename(hub / "ledger-store")
    assert () == ada.sync().pushed
    bob.sync()
    assert {"1": "first", "2": "second"} == values(bob)


@pytest.mark.parametrize("what", ["moved back", "gone another way"])
def test_a_remote_that_was_put_back_gets_its_bytes_again(pair: tuple[Ledger, Ledger], hub: Path, what: str) -> None:
    """After the command that the refusal names, its store too has what its copy lacked."""
    ada, bob = pair
    shutil.copytree(hub, hub.parent / "copy")
    ada.save("second", "iris")
    ada.sync()
    shutil.rmtree(hub)
    (hub.parent / "copy").rename(hub)
    if what == "gone another way":
        other = Ledger.clone(hub, hub.parent / "other" / ".ledger")
        other.save("instead", "iris")
        other.sync()
    with pytest.raises(HistoryRewrittenError) as caught:
        ada.sync()
    command = next(each for each in caught.value.hint.split("`") if each.startswith("ledger git push"))
    git(ada, *shlex.split(command)[2:])
    ada.sync()
    bob.sync()
    assert {"1": "first", "2": "second"} == values(bob)


def test_a_past_revision_does_not_sync(pair: tuple[Ledger, Ledger]) -> None:
    """A ledger at a revision can only be read."""
    with pytest.raises(ReadOnlyError):
        pair[0].at("main").sync()


def test_a_clone_of_a_ledger_directory(ledger: Ledger, tmp_path: Path) -> None:
    """A path to a ledger is enough; its bytes are read where they are."""
    ledger.save([1, 2], "iris")
    copy = Ledger.clone(ledger.path, tmp_path / "copy")
    assert [1, 2] == copy.load("iris")
    assert [] == [path for path in (copy.path / "store").rglob("*") if path.is_file() and path.name != "store.json"]


def test_a_clone_of_a_clone_says_where_more_is(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """What the first clone reads from the hub is no damage in the second one, and is read once the hub is named."""
    _, bob = pair
    bob.save("bob's", "iris")
    path = Ledger.clone(bob.path, tmp_path / "cy" / ".ledger").path
    cy = Ledger.open(path)
    assert "bob's" == cy.load("iris")
    for judges in (lambda: cy.load("iris", 1), cy.verify):
        with pytest.raises(StoreUnavailableError, match=f"origin .* reads some of its own from {hub}") as caught:
            judges()
        assert f"`ledger remote add NAME {hub}`" in caught.value.hint
    cy.add_remote("hub", f"{hub.parent}/./{hub.name}")
    assert ("first", True) == (cy.load("iris", 1), cy.verify().ok)
    shutil.rmtree(bob.path / "store" / "chunks")
    assert "missing" in {problem.kind for problem in cy.verify().problems}


def test_a_clone_of_nothing(hub: Path, tmp_path: Path) -> None:
    """An empty hub is no ledger yet, and nothing is made."""
    with pytest.raises(LedgerNotFoundError, match="holds no ledger yet"):
        Ledger.clone(hub, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_remote_without_a_url_is_not_what_lies_around(
    pair: tuple[Ledger, Ledger], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a variable of the shell that is not set: the ledger of the working directory is not meant."""
    monkeypatch.chdir(pair[0].path.parent)
    with pytest.raises(ArgumentError, match="URL '' of remote 'origin'"):
        Ledger.clone("", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_clone_never_replaces(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Something that is there is left alone."""
    with pytest.raises(LedgerExistsError):
        Ledger.clone(hub, pair[0].path)


def test_a_clone_goes_on_numbering(pair: tuple[Ledger, Ledger]) -> None:
    """The next version of a clone is the one after the published ones."""
    assert "2" == pair[1].save("x", "iris").version


def test_many_commits_arrive_as_a_pack_with_deltas(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """What real Git packed is read like anything else."""
    ada, bob = pair
    for number in range(40):
        ada.save(number, "numbers", tags=[f"tag-{number}"])
    ada.sync()
    hub_git(hub, "repack", "-q", "-a", "-d", "-f")
    bob.sync()
    assert list(range(40)) == [version.load() for version in bob.versions("numbers")]
    snapshot = bob.workspace.snapshot()
    assert 40 == len(list(snapshot.claims(Name("numbers"))))


@pytest.mark.parametrize("seed", range(3))
def test_three_ledgers_in_any_order(tmp_path: Path, hub: Path, seed: int) -> None:
    """Random saves, tags and syncs, with the hub and with each other: in the end all hold everything, equally."""
    chance = random.Random(seed)
    ledgers = [shared(tmp_path / "0", hub)]
    ledgers[0].sync()
    ledgers += [Ledger.clone(hub, tmp_path / str(number)) for number in (1, 2)]
    for ledger, other in itertools.permutations(ledgers, 2):
        write_remote(ledger.path, f"peer-{ledgers.index(other)}", str(other.path))
    saved: dict[object, str] = {}
    for step in range(20):
        ledger, act = chance.choice(ledgers), chance.choice(["save", "save", "word", "tag", "sync", "peer"])
        if act in ("save", "word"):
            version = f"word-{step % 3}" if act == "word" else None
            taken = {found.version for found in ledger.versions("iris")} if ledger.artifacts() else set()
            value = f"value {step}"
            saved[ledger.save(value, "iris", None if version in taken else version).id] = value
        elif act == "tag" and ledger.artifacts():
            ledger.tag("iris", [f"tag-{step}"])
        elif act in ("sync", "peer"):
            with contextlib.suppress(ArgumentError):  # a peer that is to sync with the hub first
                ledger.sync("origin" if act == "sync" else f"peer-{(ledgers.index(ledger) + 1) % 3}")
    for ledger in [*ledgers, *ledgers]:
        ledger.sync()
    assert 1 == len({ledger.revision for ledger in ledgers})
    for ledger in ledgers:
        assert saved == {version.id: version.load() for version in ledger.versions("iris")}
        assert ledger.verify().ok


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a repository to somebody else")
def test_a_repository_of_another_user_is_told_how_to_be_read(
    pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path
) -> None:
    """Git reads no repository of another user unasked: the hint is how to ask, and not to look at the URL."""
    nobody = 65534
    for path in [hub, *hub.rglob("*")]:
        os.chown(path, nobody, nobody)
    if not subprocess.run(["git", "ls-remote", hub.as_uri()], check=False, capture_output=True).returncode:
        pytest.skip("this Git reads what others own")
    with pytest.raises(RemoteError, match="dubious ownership") as caught:
        Ledger.clone(hub, tmp_path / "copy")
    command = re.search("run `(git config .*)`$", caught.value.hint)
    assert command is not None
    subprocess.run(shlex.split(command[1]), check=True)
    assert pair[0].revision == Ledger.clone(hub, tmp_path / "copy").revision


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
    hook, lock = hub / "hooks" / "reference-transaction", hub / "refs" / "heads" / "main.lock"
    hook.parent.mkdir(exist_ok=True)
    # Not as soon as the lock is there: Git takes away what it has noted that it made, and notes it a moment later.
    hook.write_text(f'#!/bin/sh\n[ "$1" != prepared ] || {{ : > "{hub}/ready"; exec sleep 60; }}\n')
    hook.chmod(0o755)
    ada.save("late", "iris")
    with start("import sys; from ledger import Ledger; Ledger.open(sys.argv[1]).sync()", ada.path) as program:
        end = time.monotonic() + 30
        while not (hub / "ready").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        assert lock.exists()
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=30)
    hook.unlink()
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
