"""Good copies come from elsewhere, bad ones are kept, and the ledger is sound again."""

import errno
import functools
import itertools
import os
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import RemoteError, StorageError
from ledger.history.git.forms import object_id
from ledger.history.git.kinds import BLOB
from ledger.history.writing.waiting import Ticket
from ledger.lookup import write_remote
from ledger.maintenance import execute_repair, find_source, plan_repair
from tests.kit.git import unpack
from tests.kit.histories import NOW
from tests.kit.hubs import new_hub
from tests.kit.ledgers import (
    LIES,
    damage,
    damage_every_pack,
    files_below,
    git,
    lie,
    loose_object,
    manifest_path,
    objects_of,
    store_of,
    values_of,
    write_files,
)
from tests.kit.maintaining import repair
from tests.maintenance.corruption import Sound

LONG = [pytest.mark.slow, pytest.mark.timeout(3600)]
KINDS = ["chunks", "packs", "tables"]


def test_a_ledger_whose_bytes_are_in_a_bucket_is_told_as_that(kept: Ledger) -> None:
    """Its settings may be anybody's and are not followed; the warning has the command that reads the bucket."""
    copy = kept.path.parent / "copy"
    settings = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(settings.replace('store = "store"', 'store = "s3://bucket/folder"'))
    told = r"copy are not looked at: .* in s3://bucket/folder; `ledger repair --from s3://bucket/folder`"
    with pytest.warns(UserWarning, match=told):
        source = find_source(kept, str(copy))
    assert (None, copy / "history.git") == (source.store, source.git_dir)


@pytest.mark.parametrize("how", [damage, Path.unlink], ids=["damaged", "missing"])
@pytest.mark.parametrize("source", ["copy", "copy/store"])
def test_objects_of_the_store_come_back(kept: Ledger, how: Callable[[Path], None], source: str) -> None:
    """From a ledger or from a store alone: what was damaged or missing is whole again, byte for byte."""
    before, expected = files_below(store_of(kept)), values_of(kept)
    for kind in KINDS:
        how(objects_of(kept, kind)[-1])
        assert repair(kept, str(kept.path.parent / source)).report.ok, kind
        assert (before, expected) == (files_below(store_of(kept)), values_of(kept)), kind


@pytest.mark.parametrize("how", [damage, Path.unlink], ids=["damaged", "missing"])
def test_the_list_of_registered_files_comes_back(ledger: Ledger, how: Callable[[Path], None]) -> None:
    """The table that lists very many of them is the ledger's own, and a copy mends it."""
    folder = write_files(store_of(ledger) / "raw", {f"{number}.txt": b"raw" for number in range(65)})
    raw = ledger.register(folder, "raw")
    shutil.copytree(ledger.path, ledger.path.parent / "copy")
    how(objects_of(ledger, "tables")[0])
    assert repair(ledger).report.ok
    assert folder == raw.load()


@pytest.mark.parametrize("about", LIES)
def test_what_a_manifest_says_falsely_keeps_nothing_from_coming_back(kept: Ledger, about: str) -> None:
    """What others need is mended; of the version that says it, which nothing mends, a problem is left."""
    label = lie(kept, about, kept.get("iris"), kept.get("weights", 1))
    for kind in KINDS:
        damage(objects_of(kept, kind)[-1])
    plan = plan_repair(kept, find_source(kept, str(kept.path.parent / "copy")))
    assert not plan.is_enough
    report = repair(kept).report
    assert {(label,)} == {problem.versions for problem in report.problems}


@pytest.mark.filterwarnings("ignore:.* was deleted and is made again:UserWarning")
def test_a_deleted_store_comes_back(kept: Ledger) -> None:
    """Where the whole store is gone, a repair fills it again."""
    expected = values_of(kept)
    shutil.rmtree(store_of(kept))
    assert repair(kept).report.ok
    assert expected == values_of(kept)


def _lose_pack(ledger: Ledger) -> None:
    pack = next((ledger.git_dir / "objects" / "pack").glob("*.pack"))
    for suffix in (".pack", ".idx"):
        pack.with_suffix(suffix).unlink()


def _damage_packs_and_indexes(ledger: Ledger) -> None:
    for path in (ledger.git_dir / "objects" / "pack").glob("*"):
        damage(path)


def _damage_behind_a_link(ledger: Ledger) -> None:
    packs = ledger.git_dir / "objects" / "pack"
    packs.symlink_to(packs.rename(ledger.path.parent / "on another disk"))
    damage_every_pack(ledger)


def _one_large_pack(ledger: Ledger) -> None:
    git(ledger, "repack", "-a", "-d", "-q")
    damage_every_pack(ledger)


def _loose(ledger: Ledger) -> None:
    unpack(ledger.git_dir)
    for path in list((ledger.git_dir / "objects").glob("??/*"))[::3]:
        damage(path)


def _head_and_settings(ledger: Ledger) -> None:
    (ledger.git_dir / "HEAD").write_text("nowhere\n")
    (ledger.git_dir / "config").write_text("[core\n")


def _no_head_and_settings(ledger: Ledger) -> None:
    for name in ("HEAD", "config"):
        (ledger.git_dir / name).unlink()
    assert {"rows": 1} == Ledger.open(ledger.path).load("iris")


def _no_folder_of_packs(ledger: Ledger) -> None:
    shutil.rmtree(ledger.git_dir / "objects" / "pack")


def _empty_folder_of_objects(ledger: Ledger) -> None:
    """As whoever has lost it makes it anew; without it nothing is opened."""
    shutil.rmtree(ledger.git_dir / "objects")
    (ledger.git_dir / "objects").mkdir()


HISTORY = [
    _no_head_and_settings,
    _no_folder_of_packs,
    _empty_folder_of_objects,
    _lose_pack,
    damage_every_pack,
    _damage_packs_and_indexes,
    _damage_behind_a_link,
    _one_large_pack,
    _loose,
    _head_and_settings,
]


@pytest.mark.parametrize("hurt", HISTORY, ids=lambda act: act.__name__.strip("_"))
def test_objects_of_the_history_come_back(kept: Ledger, hurt: Callable[[Ledger], None]) -> None:
    """From another clone's repository; commits keep their ids, and Git finds the history sound."""
    expected, tip = values_of(kept), git(kept, "rev-parse", "main")
    hurt(kept)
    assert repair(kept).report.ok
    assert (expected, tip) == (values_of(kept), git(kept, "rev-parse", "main"))
    assert "5" == str(kept.save(1, "iris").position + 3)


def test_a_plan_tells_which_objects_of_the_history_are_nowhere(kept: Ledger, tmp_path: Path) -> None:
    """One that a source has is enough to do, and one that it lacks, as a store alone does, is more than it can do."""
    blob = git(kept, "rev-parse", f"main:{manifest_path(kept.get('iris', 1))}")
    unpack(kept.git_dir)
    (kept.git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    told = []
    copy = kept.path.parent / "copy"
    for source in (copy, Ledger.init(tmp_path / "other").path, copy / "store"):
        plan = plan_repair(kept, find_source(kept, str(source)))
        told.append((len(plan.history.fetched), len(plan.history.lost), plan.is_empty, plan.is_enough))
    assert [(1, 0, False, True), *[(0, 1, True, False)] * 2] == told
    assert repair(kept).report.ok


def test_a_bare_repository_gives_the_history(kept: Ledger) -> None:
    """A plain `git clone --bare` is a source for records, and none for bytes."""
    bare = kept.path.parent / "bare.git"
    git(kept, "clone", "-q", "--bare", "--no-hardlinks", str(kept.git_dir), str(bare))
    damage_every_pack(kept)
    assert repair(kept, str(bare)).report.ok


def test_good_objects_that_only_a_bad_file_has_are_taken_along(kept: Ledger) -> None:
    """A save made after the copy lies in the same pack as the damage: it is there after the repair."""
    kept.save("only here", "iris")
    git(kept, "repack", "-a", "-d", "-q")
    [pack] = (kept.git_dir / "objects" / "pack").glob("*.pack")
    name = git(kept, "rev-parse", "main:ledger.json")
    [line] = [line for line in git(kept, "verify-pack", "-v", str(pack)).splitlines() if line.startswith(name)]
    data = bytearray(pack.read_bytes())
    data[int(line.split()[4]) + 4] ^= 0xFF
    pack.chmod(0o644)
    pack.write_bytes(data)
    assert repair(kept).report.ok
    assert "only here" == Ledger.open(kept.path).load("iris")


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _fill(path: Path) -> None:
    path.mkdir()
    (path / "file").write_bytes(b"in the way")


def test_packs_behind_a_link_to_nowhere_wait_for_their_disk(kept: Ledger) -> None:
    """A repair brings nothing in and says what to do: without the link everything comes back from elsewhere."""
    packs = kept.git_dir / "objects" / "pack"
    shutil.rmtree(packs)
    packs.symlink_to(kept.path.parent / "on another disk")
    with pytest.raises(StorageError, match="a link that leads to no folder") as told:
        repair(kept)
    assert "mount the disk that it leads to, or remove the link and repair again" == told.value.hint
    packs.unlink()
    assert repair(kept).report.ok


UNREADABLE = [_circle, _fill, os.mkfifo]
PLACES = ["objects/pack/*.pack", "objects/pack/*.idx", "objects/??/*", "refs/remotes/origin/main", "packed-refs"]


@pytest.mark.parametrize("spoil", UNREADABLE, ids=["circle", "folder", "fifo"])
def test_what_cannot_be_read_is_mended(kept: Ledger, spoil: Callable[[Path], None]) -> None:
    """A file of the history on a bad sector, or what is no file in its place: found, and out of the way afterwards."""
    git(kept, "hash-object", "-w", "--stdin", data=b"loose")
    git(kept, "update-ref", "refs/remotes/origin/main", "main")
    git(kept, "pack-refs", "--all")
    git(kept, "update-ref", "refs/remotes/origin/main", "main~1")
    kept.save("later", "iris")  # the branch is loose again
    newer, expected = shutil.copytree(kept.path, kept.path.parent / "newer"), values_of(kept)
    for place in PLACES:
        shutil.rmtree(kept.path)
        shutil.copytree(newer, kept.path)
        path = max(kept.git_dir.glob(place))
        path.unlink()
        spoil(path)
        assert repair(kept, str(newer)).report.ok, place
        assert expected == values_of(kept), place


@pytest.mark.parametrize("spoil", [Path.touch, os.mkfifo], ids=["file", "fifo"])
@pytest.mark.parametrize("folder", ["ab", "pack"])
def test_what_is_no_folder_of_objects_makes_way(kept: Ledger, folder: str, spoil: Callable[[Path], None]) -> None:
    """Nothing can lie in it."""
    expected, place = values_of(kept), kept.git_dir / "objects" / folder
    shutil.rmtree(place, ignore_errors=True)
    spoil(place)
    assert f"objects/{folder}" in {problem.object for problem in kept.verify().problems}
    found = repair(kept)
    assert found.report.ok
    assert expected == values_of(kept)
    assert os.path.lexists(found.quarantine / f"history/objects/{folder}")


@pytest.mark.parametrize("spoil", UNREADABLE, ids=["circle", "folder", "fifo"])
def test_what_is_no_file_in_the_store_makes_way(kept: Ledger, spoil: Callable[[Path], None]) -> None:
    """It lies in the quarantine, and the good copy in its place."""
    before, expected = files_below(store_of(kept)), values_of(kept)
    for kind in KINDS:
        path = objects_of(kept, kind)[-1]
        path.unlink()
        spoil(path)
        found = repair(kept)
        assert found.report.ok, kind
        assert (before, expected) == (files_below(store_of(kept)), values_of(kept)), kind
        assert os.path.lexists(found.quarantine / path.relative_to(kept.path)), kind


@pytest.mark.parametrize("spoil", [Path.touch, os.mkfifo], ids=["file", "fifo"])
@pytest.mark.parametrize("level", [0, 1], ids=["of-some", "of-all"])
def test_what_is_no_folder_in_the_store_makes_way(kept: Ledger, spoil: Callable[[Path], None], level: int) -> None:
    """It lies in the quarantine, and the folder with the good copies in its place."""
    before, expected = files_below(store_of(kept)), values_of(kept)
    for kind in KINDS:
        folder = objects_of(kept, kind)[-1].parents[level]
        shutil.rmtree(folder)
        spoil(folder)
        found = repair(kept)
        assert found.report.ok, kind
        assert (before, expected) == (files_below(store_of(kept)), values_of(kept)), kind
        assert os.path.lexists(found.quarantine / folder.relative_to(kept.path)), kind


def test_loose_objects_beside_one_that_cannot_be_read_stay(kept: Ledger) -> None:
    """What only this ledger has lies in the same folder of loose objects: none of it goes."""
    old = git(kept, "rev-parse", "main")
    blobs = (b"%d" % number for number in itertools.count())
    beside = next(blob for blob in blobs if object_id(BLOB, blob)[:2] == old[:2])
    late = git(kept, "hash-object", "-w", "--stdin", data=beside)
    unpack(kept.git_dir)
    path = kept.git_dir / "objects" / old[:2] / old[2:]
    path.unlink()
    _circle(path)
    assert repair(kept).report.ok
    assert "blob" == git(kept, "cat-file", "-t", late)


def test_a_ref_of_a_sync_that_leads_nowhere_makes_way(kept: Ledger, tmp_path: Path) -> None:
    """What a remote held is asked for again; until then Git refuses to fetch, and the error says what to do."""
    write_remote(kept.path, "origin", str(hub := new_hub(tmp_path)))
    Ledger.open(kept.path).sync()
    other = Ledger.clone(hub, tmp_path / "other")
    other.save("from elsewhere", "iris")
    other.sync()
    (kept.git_dir / "refs" / "remotes" / "origin" / "main").write_text("1" * 40 + "\n")
    with pytest.raises(RemoteError, match="bad object") as caught:
        Ledger.open(kept.path).sync()
    assert "ledger repair" in caught.value.hint
    assert repair(kept, str(hub)).report.ok
    assert ("iris@2",) == Ledger.open(kept.path).sync().fetched


def test_a_ref_to_what_a_sync_refused_makes_way_where_that_is_lost(kept: Ledger) -> None:
    """No source has it, and Git complains of the ref as long as it is there."""
    (refused := kept.git_dir / "refs" / "ledger" / "quarantine").mkdir(parents=True)
    (refused / ("1" * 40)).write_text("1" * 40 + "\n")
    assert repair(kept).report.ok
    assert not (refused / ("1" * 40)).exists()


def test_what_a_tag_with_a_message_names_comes_back(kept: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commit may be on no branch."""
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Eve")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "eve@example.com")
    commit = git(kept, "commit-tree", "main^{tree}", "-p", "main", "-m", "aside")
    git(kept, "tag", "-a", "-m", "kept", "aside", commit)
    shutil.copytree(kept.path, kept.path.parent / "newer")
    (kept.git_dir / "objects" / commit[:2] / commit[2:]).unlink()
    assert repair(kept, str(kept.path.parent / "newer")).report.ok
    assert "aside" == git(kept, "log", "-1", "--format=%s", "aside")


@pytest.mark.parametrize("kind", ["commit", "tree"])
def test_an_object_that_says_nothing_keeps_nothing_from_coming_back(kept: Ledger, kind: str) -> None:
    """It is what its id says, so no copy of it would be better; a remote's ref that names it goes."""
    id = git(kept, "hash-object", "-w", "-t", kind, "--literally", "--stdin", data=b"nothing")
    (kept.git_dir / "refs" / "remotes" / "origin").mkdir(parents=True)
    (kept.git_dir / "refs" / "remotes" / "origin" / "main").write_text(f"{id}\n")
    damage_every_pack(kept)
    assert repair(kept).report.ok
    assert {"rows": 1} == Ledger.open(kept.path).load("iris")


def test_a_pack_whose_index_cannot_be_read_stays(kept: Ledger) -> None:
    """The index is made again of the pack, also where the source has none of what is in it."""
    before = set((kept.git_dir / "objects" / "pack").glob("*.idx"))
    kept.save("only here", "iris")
    [index] = set((kept.git_dir / "objects" / "pack").glob("*.idx")) - before
    index.unlink()
    _fill(index)
    assert repair(kept).report.ok
    assert "only here" == Ledger.open(kept.path).load("iris")


@pytest.mark.parametrize("is_loose", [False, True], ids=["pack", "loose"])
def test_a_file_that_does_not_open_stays_while_objects_are_nowhere(
    kept: Ledger, monkeypatch: pytest.MonkeyPatch, *, is_loose: bool
) -> None:
    """No source has them, and they may be in it: once it opens again, all is as it was."""
    before = set(kept.git_dir.glob("objects/pack/*.pack"))
    kept.save("only here", "iris")
    [path] = set(kept.git_dir.glob("objects/pack/*.pack")) - before
    if is_loose:
        _, path = loose_object(kept, "main")
    opened = os.open

    def refuse(error: int, place: Any, *arguments: Any, **named: Any) -> int:
        if str(place) == str(path):
            raise OSError(error, os.strerror(error), str(path))
        return opened(place, *arguments, **named)

    for error in (errno.EACCES, errno.EIO, errno.ESTALE):
        with monkeypatch.context() as failing:
            failing.setattr(os, "open", functools.partial(refuse, error))
            assert not repair(kept).report.ok
        fresh = Ledger.open(kept.path)
        assert ("only here", True) == (fresh.load("iris"), fresh.verify().ok)


def test_an_index_that_misses_nothing_is_made_again(kept: Ledger) -> None:
    """A checksum in it is wrong, which no look-up minds."""
    index = min((kept.git_dir / "objects" / "pack").glob("*.idx"))
    data = bytearray(index.read_bytes())
    count = int.from_bytes(data[1028:1032])
    data[1032 + 20 * count] ^= 1
    index.chmod(0o644)
    index.write_bytes(data)
    found = repair(kept)
    assert found.report.ok
    assert {f"history/objects/pack/{index.name}": bytes(data)} == files_below(found.quarantine)


def test_a_plan_changes_nothing(kept: Ledger) -> None:
    """Planning reads both sides and writes nowhere."""
    damage(objects_of(kept, "packs")[-1])
    before = files_below(kept.path.parent)
    plan = plan_repair(kept, find_source(kept, str(kept.path.parent / "copy")))
    assert (False, True) == (plan.is_empty, plan.is_enough)
    assert before == files_below(kept.path.parent)


def test_a_sound_ledger_needs_nothing(kept: Ledger) -> None:
    """There is nothing to do, and nothing is done."""
    plan = plan_repair(kept, find_source(kept, str(kept.path.parent / "copy")))
    assert (True, True, ()) == (plan.is_empty, plan.is_enough, plan.problems)


def test_a_repair_is_done_again_without_harm(kept: Ledger) -> None:
    """The same plan executed twice, as after a crash in the middle, gives the same ledger."""
    damage(objects_of(kept, "packs")[-1])
    damage_every_pack(kept)
    plan = plan_repair(kept, find_source(kept, str(kept.path.parent / "copy")))
    for _ in range(2):
        assert execute_repair(Ledger.open(kept.path), plan, now=NOW).report.ok


def test_who_waits_for_the_lock_is_woken(kept: Ledger) -> None:
    """A writer that waits while a ledger is repaired is told when the lock is free."""
    damage(objects_of(kept, "packs")[-1])
    (queue := kept.path / "queue").mkdir()
    with closing(Ticket(queue, b"")) as ticket:
        assert not ticket.wait(0)
        assert repair(kept).report.ok
        assert ticket.wait(0)


@pytest.mark.parametrize("count", [6, pytest.param(1_000, marks=LONG)])
def test_any_damage_to_objects_is_repaired(sound: Sound, tmp_path: Path, count: int) -> None:
    """Damage of every kind to chunks, packs, tables and Git's objects: after a repair from a copy all is sound."""
    shutil.copytree(sound.ledger_dir, tmp_path / "copy")
    for number in range(count):
        chance = random.Random(number)
        with sound.damaged(
            number, chance, below=("store/chunks", "store/packs", "store/tables", "history.git/objects")
        ):
            fresh = Ledger.open(sound.ledger_dir)
            plan = plan_repair(fresh, find_source(fresh, str(tmp_path / "copy")))
            report = execute_repair(fresh, plan, now=NOW).report
            assert (True, ()) == (report.ok, report.problems), (number, plan.problems)
            assert set() == sound.lost([])


def test_a_history_that_was_cut_off_is_whole_again(kept: Ledger) -> None:
    """`git fetch --depth` and a housekeeping that went by it: the objects come back, and Git sees all commits."""
    before = git(kept, "rev-list", "main")
    (kept.git_dir / "shallow").write_text(git(kept, "rev-parse", "main") + "\n")
    git(kept, "gc", "--prune=now", "--quiet")
    assert 1 == len(git(kept, "rev-list", "main").split())
    found = repair(kept)
    assert found.report.ok
    assert ["history/shallow"] == list(files_below(found.quarantine))
    assert before == git(kept, "rev-list", "main")


def test_a_list_of_where_a_history_is_cut_off_stays_while_it_is(kept: Ledger, tmp_path: Path) -> None:
    """A source that lacks the commits behind it mends nothing, and Git reads the history as before."""
    (kept.git_dir / "shallow").write_text(git(kept, "rev-parse", "main") + "\n")
    git(kept, "gc", "--prune=now", "--quiet")
    assert not repair(kept, str(Ledger.init(tmp_path / "other").path)).report.ok
    assert 1 == len(git(kept, "rev-list", "main").split())


@pytest.mark.parametrize("place", ["objects/info/commit-graphs", "objects/info/commit-graph"])
def test_what_lies_behind_a_link_stays(kept: Ledger, tmp_path: Path, place: str) -> None:
    """A ledger may come from anybody: of a link to a folder of the user's goes the link, and no file."""
    (own := tmp_path / "own").mkdir()
    (own / "letter").write_text("dear")
    link = kept.git_dir / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(own)
    assert repair(kept).report.ok
    assert ["letter"] == os.listdir(own)


@pytest.mark.parametrize("place", ["objects/pack/multi-pack-index.d", "objects/info/commit-graphs"])
def test_layers_that_build_on_a_damaged_one_go_with_it(kept: Ledger, place: str) -> None:
    """What Git keeps in layers is derived: the chain and every layer make way together."""
    layers = kept.git_dir / place
    layers.mkdir(parents=True)
    for name in ("multi-pack-index-chain", "commit-graph-chain", "layer"):
        (layers / name).write_bytes(b"1" * 40)
    assert [f"{place}/layer"] == [problem.object for problem in Ledger.open(kept.path).verify().problems]
    assert repair(kept).report.ok
    assert [] == list(layers.iterdir())


def test_an_index_over_packs_goes_with_a_pack(kept: Ledger) -> None:
    """Git's index over several packs names those that a repair takes away, and its check would complain."""
    git(kept, "multi-pack-index", "write")
    damage(max((kept.git_dir / "objects" / "pack").glob("*.pack")))
    assert repair(kept).report.ok
    assert not (kept.git_dir / "objects" / "pack" / "multi-pack-index").exists()
