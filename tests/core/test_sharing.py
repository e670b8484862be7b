"""Two laptops and a hub: saved offline, synced in any order, and everybody loads everything."""

import contextlib
import itertools
import os
import pickle
import random
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ledger import Ledger
from ledger.blobs import LocalStore
from ledger.core import SyncReport
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    ConfigError,
    HistoryRewrittenError,
    IntegrityError,
    NameCollisionError,
    ReadOnlyError,
    RemoteError,
    RemoteNotFoundError,
)
from ledger.lookup import read_config, write_remote
from ledger.records import Name
from tests.kit.contents import noise
from tests.kit.git import run_git, set_hook
from tests.kit.hubs import hub_git, hub_tip, new_hub, push_by_hand, shared
from tests.kit.ledgers import git, store_of, values_by_version

ROOT = Path(__file__).parents[2]


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
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values_by_version(ada) == values_by_version(bob)
    found = ada.get(mine.id)
    assert ("3", ("draft",), 2, True) == (found.version, found.tags, found.metadata["rows"], found.published)
    assert ada.revision == bob.revision
    assert (True, True) == (ada.verify().ok, bob.verify().ok)


def test_a_pickled_artifact_outlives_a_merge(pair: tuple[Ledger, Ledger]) -> None:
    """Its latest version is found where the merge has moved it."""
    ada, bob = pair
    bob.save("of bob", "iris")
    pickled = pickle.dumps(bob.artifact("iris"))
    ada.save("of ada", "iris")
    ada.sync()
    bob.sync()
    assert "of bob" == pickle.loads(pickled).load()


def test_a_custom_version_that_comes_behind_others_is_not_renumbered(pair: tuple[Ledger, Ledger]) -> None:
    """Its place changes, and not what it is called."""
    ada, bob = pair
    bob.save("of bob", "iris", "raw")
    ada.save("of ada", "iris")
    ada.sync()
    report = bob.sync()
    assert (("iris@raw",), ("iris@2",), ()) == (report.pushed, report.fetched, report.renumbered)


def test_a_version_is_published_once_the_remote_holds_it(pair: tuple[Ledger, Ledger]) -> None:
    """Until then its number is provisional."""
    ada, bob = pair
    assert bob.get("iris").published
    saved = ada.save("x", "iris")
    assert not saved.published
    ada.sync()
    assert saved.published


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
    large = np.arange(200_000)
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
    with pytest.raises(IntegrityError, match=r"raw@1: the file 'a.csv' has") as caught:
        ada.sync()
    assert before == hub_tip(hub)
    assert "put registered data back" in caught.value.hint


def test_what_lies_where_registered_data_should_go_is_told_as_that(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Nothing here is damaged, and saving it again would not help."""
    ada, _ = pair
    for root in (ada.path / "store", hub / "ledger-store"):
        (root / "a.csv").write_text(root.name)
    ada.register(ada.path / "store" / "a.csv", "raw")
    with pytest.raises(IntegrityError, match=r"'a.csv' is another thing in file://") as caught:
        ada.sync()
    assert caught.value.hint.startswith("if it belongs to no version, give it another place")


def test_damaged_bytes_are_not_published(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """A chunk that is not what was saved stops the sync before anything is pushed."""
    ada, _ = pair
    known = {path for path in (ada.path / "store").rglob("*") if path.is_file()}
    ada.save("precious", "iris")
    for path in (ada.path / "store" / "chunks").rglob("*"):
        if path.is_file() and path not in known:
            path.write_bytes(b"x" * path.stat().st_size)
    before = hub_tip(hub)
    with pytest.raises(IntegrityError, match="iris@2: chunk") as caught:
        ada.sync()
    assert before == hub_tip(hub)
    assert "save the same bytes again" in caught.value.hint
    with pytest.warns(UserWarning, match="is written again"):
        ada.save("precious", "iris")
    assert ("iris@2", "iris@3") == ada.sync().pushed


@pytest.mark.parametrize("is_shared", [False, True], ids=["saved again", "of another version"])
def test_damage_that_no_version_needs_keeps_nothing_back(pair: tuple[Ledger, Ledger], *, is_shared: bool) -> None:
    """Of a pack with a damaged chunk a sync puts what is needed elsewhere, so that others load what is sound here."""
    ada, bob = pair
    data = noise(400_000)
    ada.save(data, "big")
    [pack] = (path for path in store_of(ada).glob("packs/*/*"))
    harmed = bytearray(pack.read_bytes())
    harmed[1000] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(harmed)
    expected = [data, data]
    with pytest.warns(UserWarning, match="is written again"):
        ada.save(data, "big")
    if is_shared:
        expected.append(data[200_000:])
        ada.save(expected[-1], "big")
    assert ada.verify().ok
    assert [f"big@{number + 1}" for number, _ in enumerate(expected)] == [*ada.sync().pushed]
    bob.sync()
    assert expected == [version.load() for version in bob.versions("big")]
    assert (True, True) == (ada.verify().ok, bob.verify().ok)


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
    steps = re.search(r"```python\n(.*?)```", (ROOT / "specs" / "sharing.md").read_text(encoding="utf-8"), re.DOTALL)
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
    assert {"1": "of ada", "2": "of bob", "best": "more"} == values_by_version(ada, "n2")
    assert (("draft",), 2) == (ada.get("n2", 2).tags, ada.get("n2", 2).metadata["rows"])
    assert {"1": "other"} == values_by_version(ada, "plain")


def test_a_ledger_that_was_made_apart_has_a_way_out(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """It shares no commit with the remote; as the page of the hint says, its versions are saved behind those there."""
    ada, _ = pair
    ada.save("of ada", "iris")
    ada.sync()
    old = Ledger.init(tmp_path / "apart" / ".ledger")
    old.save("of bob", "iris")
    old.add_remote("origin", str(hub))
    with pytest.raises(ArgumentError, match="no commit in common") as caught:
        old.sync()
    assert "specs/sharing.md, 3" in caught.value.hint
    save_anew(old, tmp_path / "new" / ".ledger", str(hub))
    ada.sync()
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values_by_version(ada)


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
    assert {"1": "first", "2": "of bob", "3": "of ada"} == values_by_version(bob)
    words = shlex.split(caught.value.hint.split("`")[1])
    assert 0 == run_git(ada.git_dir, *words[2:]).returncode
    assert () == ada.sync().fetched


def test_another_remote_of_the_same_name_has_a_way_out(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """What it holds is not offered to be thrown away first: under a name of its own it is merged with."""
    ada, bob = pair
    other = new_hub(tmp_path / "other")
    ada.add_remote("other", str(other))
    ada.save("of ada", "there")
    ada.sync("other")
    bob.save("of bob", "here")
    bob.sync()
    bob.remove_remote("origin")
    bob.add_remote("origin", str(other))
    with pytest.raises(HistoryRewrittenError) as caught:
        bob.sync()
    way_out, _, force = caught.value.hint.partition("add it under a name of its own")
    assert force
    assert "--force" not in way_out
    bob.remove_remote("origin")
    bob.add_remote("origin", str(hub))
    bob.add_remote("other", str(other))
    assert ("there@1",) == bob.sync("other").fetched
    assert ("here@1",) == ada.sync("other").fetched


def test_a_ledger_that_was_put_back_from_a_copy_has_a_way_out(pair: tuple[Ledger, Ledger], tmp_path: Path) -> None:
    """It takes nothing by force; once it has synced with the one that refuses it, both hold what either saved."""
    ada, bob = pair
    ada.add_remote("bob", bob.path)
    shutil.copytree(bob.path, tmp_path / "copy")
    ada.save("of ada", "iris")
    ada.sync("bob")
    shutil.rmtree(bob.path)
    shutil.move(tmp_path / "copy", bob.path)
    bob = Ledger.open(bob.path)
    bob.save("of bob", "iris")
    with pytest.raises(HistoryRewrittenError, match="was rewritten") as caught:
        ada.sync("bob")
    assert "if it is a ledger that was put back from a copy, sync there first" in caught.value.hint
    bob.add_remote("ada", ada.path)
    assert ("iris@3",) == bob.sync("ada").pushed
    assert bob.revision == ada.sync("bob").commit
    assert {"1": "first", "2": "of ada", "3": "of bob"} == values_by_version(ada)


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


def test_a_second_hub_that_gave_other_numbers_has_a_way_out(pair: tuple[Ledger, Ledger], tmp_path: Path) -> None:
    """An empty one takes its place under another name, as the hint says: under the old one it would be a loss."""
    ada, bob = pair
    ada.add_remote("second", new_hub(tmp_path / "second"))
    ada.save("of ada", "iris")
    ada.sync("second")
    bob.save("of bob", "iris")
    bob.sync()
    ada.sync()
    with pytest.raises(ArgumentError) as caught:
        ada.sync("second")
    assert "add an empty one in its stead, under another name" in caught.value.hint
    ada.remove_remote("second")
    ada.add_remote("third", new_hub(tmp_path / "third"))
    assert ("iris@1", "iris@2", "iris@3") == ada.sync("third").pushed
    assert {"1": "first", "2": "of bob", "3": "of ada"} == values_by_version(ada)


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
        assert {"1": "first", "2": "of ada", "3": "of bob"} == values_by_version(one)
    assert ada.revision == bob.revision


def test_a_remote_that_refuses(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """A hook's words are shown; branch and what is known of the remote stay."""
    ada, _ = pair
    set_hook(hub, "pre-receive", "echo quota exceeded >&2\nexit 1")
    saved = ada.save("x", "iris")
    known = git(ada, "rev-parse", "refs/ledger/known/origin")
    with pytest.raises(RemoteError, match=r"does not take .*quota exceeded"):
        ada.sync()
    assert (known, False) == (git(ada, "rev-parse", "refs/ledger/known/origin"), saved.published)


def test_no_hook_of_ours_runs(pair: tuple[Ledger, Ledger], tmp_path: Path) -> None:
    """A hook in the own history, and ``GIT_*`` in the environment, change nothing."""
    ada, _ = pair
    set_hook(ada.git_dir, "pre-push", f"touch {tmp_path}/ran")
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
    """The error says how to add it, and where there are others, how to see them."""
    with pytest.raises(RemoteNotFoundError, match="no remote 'origin'") as caught:
        ledger.sync()
    assert "run `ledger remote add origin URL`" == caught.value.hint
    for name in ("../hub.git", "hub\udcff"):
        with pytest.raises(RemoteNotFoundError, match=r"no remote '.*hub.*' in") as caught:
            ledger.sync(name)
        assert "`ledger remote add NAME URL`" in caught.value.hint
    ledger.add_remote("hub", "hub.git")
    with pytest.raises(RemoteNotFoundError, match="no remote 'origin'") as caught:
        ledger.sync()
    assert (
        "run `ledger remote list` to see what there is, `ledger remote add origin URL` to add it" == caught.value.hint
    )


def test_a_remote_that_only_git_knows_is_read_from_once_it_is_synced_with(
    pair: tuple[Ledger, Ledger], hub: Path
) -> None:
    """As after `git remote add`: the first sync writes it into the settings, like any other remote."""
    ada, bob = pair
    bob.remove_remote("origin")
    git(bob, "remote", "add", "origin", str(hub))
    ada.save("second", "iris")
    ada.sync()
    bob.sync()
    assert ("second", str(hub)) == (bob.load("iris"), read_config(bob.path).remotes["origin"].url)


def test_a_remote_whose_name_is_mistyped(pair: tuple[Ledger, Ledger]) -> None:
    """The error names the remote that was probably meant, instead of how to add another one."""
    ada, _ = pair
    with pytest.raises(RemoteNotFoundError) as caught:
        ada.sync("orgin")
    assert "did you mean 'origin'?" == caught.value.hint


def test_a_ledger_does_not_sync_with_itself(ledger: Ledger) -> None:
    """However its path is written, the error says that it is no remote, and nothing counts as published."""
    version = ledger.save("x", "iris")
    for name, url in (("origin", ledger.path), ("history", f"file://{ledger.git_dir}")):
        ledger.add_remote(name, url)
        with pytest.raises(ArgumentError, match=f"{name} .* is this ledger itself"):
            ledger.sync(name)
    assert not ledger.refreshed(version).published


def test_a_past_revision_does_not_sync(pair: tuple[Ledger, Ledger]) -> None:
    """A ledger at a revision can only be read."""
    with pytest.raises(ReadOnlyError):
        pair[0].at("main").sync()


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


def test_a_remote_is_a_path_object_as_well(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """As for a clone, a remote and its store may be given as a Path; anything else is refused by name."""
    ledger.add_remote("hub", hub, tmp_path / "store")
    found = read_config(ledger.path).remotes["hub"]
    assert (str(hub), str(tmp_path / "store")) == (found.url, found.store)
    with pytest.raises(ArgumentTypeError, match="a remote is named by a str, got bytes"):
        ledger.add_remote(b"x", "u")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="a remote is named by a str, got list"):
        ledger.remove_remote(["x"])  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"a remote is a str or a Path, got float: 3\.5"):
        ledger.add_remote("x", 3.5)  # type: ignore[arg-type]


def test_a_record_that_is_published_with_other_bytes_takes_no_place(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Somebody else's record at the path of a version that is not published yet is refused, and that one stays."""
    ada, _ = pair
    made = ada.save("mine", "iris")
    files = hub_git(ada.path / "history.git", "ls-tree", "-r", "--name-only", "main").splitlines()
    path = next(file for file in files if made.id.hex in file and file.endswith("version.json"))
    record = hub_git(ada.path / "history.git", "show", f"main:{path}")
    push_by_hand(hub, add={path: record.replace(made.digest, f"sha256:{'0' * 64}").encode()})
    with pytest.raises(IntegrityError, match="has two forms"):
        ada.sync()
    assert ada.load("iris") == "mine"
