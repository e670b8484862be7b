"""Packs stay few, and nothing that is in them is lost on the way."""

import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.disk import LockFile
from ledger.errors import IntegrityError, LockTimeoutError, StorageError
from ledger.history import History
from ledger.history.folds import packing, replacing
from ledger.history.folds.folding import Fold
from ledger.history.folds.new_pack import NewPack
from ledger.history.folds.old_packs import open_old_packs
from ledger.history.folds.pack_writing import release_pack, write_pack
from ledger.history.folds.packing import FOLD_AT, TIERS, plan_fold, tidy
from ledger.history.folds.replacing import fold_at_once, put_in_place
from ledger.history.git.forms import ObjectId, object_id
from ledger.history.git.indexing import restore_indexes
from ledger.history.git.kinds import BLOB
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import PackFile, count_in_index, encode_index
from ledger.history.upkeep.repacking import execute_packing, plan_packing
from ledger.records import check_name
from tests.conftest import check_histories
from tests.kit.histories import again, die_at, draft, git, new_history, packs_of, publish, versions_of
from tests.kit.waiting import wait_until

COUNTS = st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 40_000), max_size=60)


@given(COUNTS)
def test_a_fold_takes_one_full_tier(counts: dict[str, int]) -> None:
    """What is folded are all packs of one full tier; a larger pack is never touched."""
    folded = plan_fold(counts)
    tiers = [next((number for number, most in enumerate(TIERS) if counts[stem] <= most), None) for stem in folded]
    assert len(set(tiers)) <= 1
    assert None not in tiers
    assert len(folded) == 0 or len(folded) >= FOLD_AT


@given(COUNTS)
def test_folding_comes_to_an_end_with_few_packs(counts: dict[str, int]) -> None:
    """After folding until nothing is left to fold, no tier is full."""
    rounds = 0
    while stems := plan_fold(counts):
        total = sum(counts.pop(stem) for stem in stems)
        counts[f"folded {rounds}"] = total
        rounds += 1
    for low, high in zip((0, *TIERS), TIERS, strict=False):
        assert len([count for count in counts.values() if low < count <= high]) < FOLD_AT
    assert rounds <= 5


def saves(history: History, count: int) -> None:
    for number in range(count):
        publish(history, draft("iris", size=100 + number))


def assert_whole(history: History, count: int) -> None:
    snapshot = again(history).snapshot()
    claims = list(snapshot.claims(check_name("iris")))
    assert count == len(claims)
    assert all(snapshot.manifest(claim) for claim in claims)


def test_a_pack_that_is_to_be_kept_is_kept(history: History) -> None:
    """A ``.keep`` beside a pack is respected."""
    saves(history, 5)
    kept, closed = packs_of(history)[2:4]
    kept.with_suffix(".keep").write_text("")
    closed.with_suffix(".keep").mkdir()  # cannot be read, as another user's may not
    saves(history, 30)
    assert {kept, closed} <= {*packs_of(history)}
    assert len(packs_of(history)) < 20
    assert_whole(history, 35)


@pytest.mark.parametrize("mark", [".promisor", ".mtimes"])
def test_a_pack_that_git_treats_in_its_own_way_is_not_folded(history: History, mark: str) -> None:
    """What a partial clone was promised, or what Git keeps only for a while, is not mixed with anything else."""
    saves(history, 2)
    marked, *others = packs_of(history)
    marked.with_suffix(mark).touch()
    packs = open_old_packs(history.objects.pack_directory, [marked.stem, *(other.stem for other in others)])
    marked.with_suffix(mark).unlink()
    assert {other.stem for other in others} == {old.base.name for old in packs}


def test_a_pack_that_lost_its_index_gets_it_back(history: History) -> None:
    """As one that a killed fold leaves: without it nobody would find what is in it, nor fold it."""
    saves(history, 3)
    index = packs_of(history)[1].with_suffix(".idx")
    before = index.read_bytes()
    index.unlink()
    tidy(history.objects)
    assert before == index.read_bytes()


def test_packs_with_deltas_are_left_alone(history: History) -> None:
    """What real Git packed stays as Git packed it; our packs beside it are folded."""
    saves(history, 10)
    git(history, "repack", "-a", "-d", "-f")
    (theirs,) = packs_of(history)
    before = theirs.read_bytes()
    saves(history, 30)
    assert before == theirs.read_bytes()
    assert len(packs_of(history)) < 20
    assert_whole(history, 40)


def test_packs_that_stay_keep_no_others_from_being_folded(history: History) -> None:
    """However many small packs somebody wants to stay, larger ones are folded."""
    for number in range(2 * FOLD_AT):
        blobs = [b"%d %d" % (number, each) for each in range(TIERS[0] + 1 if number % 2 else 1)]
        stem = write_pack(history.objects, {object_id(BLOB, data): (BLOB, data) for data in blobs})
        release_pack(history.objects, stem)
        if len(blobs) == 1:
            (history.objects.pack_directory / f"{stem}.keep").write_text("mine\n")
    publish(again(history))
    assert FOLD_AT + 3 == len(packs_of(history))  # those that stay, a large one, and two of a commit each


@pytest.mark.parametrize("flip", [0x81, 0x01])
@pytest.mark.parametrize(
    ("suffix", "place"),
    [
        *[(".pack", 0), (".pack", 12), (".pack", 13), (".pack", 20), (".pack", "cut"), (".pack", "gone")],
        *[(".idx", 0), (".idx", 1028), (".idx", 1031), (".idx", 1035), (".idx", -44), (".idx", -41), (".idx", "cut")],
    ],
)
def test_damaged_packs_are_left_as_they_are(tmp_path: Path, suffix: str, place: int | str, flip: int) -> None:
    """Damage of any kind neither stops a save nor is it copied: the damaged pack stays for who repairs it."""
    history = new_history(tmp_path)
    data = b"nobody needs this" * 2
    write_pack(Objects(history.git_dir), {object_id(BLOB, data): (BLOB, data)})
    (target,) = [pack.with_suffix(suffix) for pack in packs_of(history) if pack.stat().st_size < 100]
    damaged = bytearray(target.read_bytes())
    target.unlink()
    if isinstance(place, int):
        damaged[place] ^= flip
    if place != "gone":
        target.write_bytes(damaged[: -30 if place == "cut" else None])
    before = {path: path.read_bytes() for path in target.parent.glob(f"{target.stem}.*")}
    for _ in range(FOLD_AT + 4):
        publish(again(history))
    assert len(packs_of(history)) < 12
    assert_whole(history, FOLD_AT + 4)
    if place != 0 or suffix == ".idx":  # the first bytes of a pack are not needed to read what is in it
        assert before == {path: path.read_bytes() for path in target.parent.glob(f"{target.stem}.*")}


def test_a_pack_that_holds_another_object_is_left_as_it_is(tmp_path: Path) -> None:
    """Where all checksums fit and a name is another object's, that pack stays, and the others are folded."""
    history = new_history(tmp_path)
    stem = write_pack(history.objects, {object_id(BLOB, b"one"): (BLOB, b"another")})
    for _ in range(FOLD_AT + 4):
        publish(again(history))
    assert history.objects.pack_directory / f"{stem}.pack" in packs_of(history)
    assert len(packs_of(history)) < FOLD_AT
    assert FOLD_AT + 4 == len(versions_of(again(history)))


def small_packs(history: History) -> int:
    sizes = [pack.with_suffix(".idx").stat().st_size for pack in packs_of(history) if pack.with_suffix(".idx").exists()]
    return len([size for size in sizes if count_in_index(size) <= TIERS[0]])


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_a_fold_killed_at_any_step_harms_nothing(tmp_path: Path, stride: int) -> None:
    """Before each file operation of a save that folds, a kill leaves everything readable, and the next save works."""
    full = new_history(tmp_path / "full")
    saves(full, FOLD_AT - 2)
    left: set[int] = set()
    for step in range(1, 500, stride):
        copy = tmp_path / str(step)
        shutil.copytree(tmp_path / "full", copy)
        history = History.open(copy / ".ledger")
        act = partial(publish, History.open(copy / ".ledger"))
        killed = die_at(step, frozenset({"open", "os.rename", "os.remove"}), act)
        left.add(small_packs(history))
        published = len(versions_of(history))
        assert published in (FOLD_AT - 2, FOLD_AT - 1)
        assert str(published + 1) == publish(again(history)).claims[0].version
        assert_whole(history, published + 1)
        if step % 10 == 0:
            check_histories(copy)
        shutil.rmtree(copy)
        if not killed:
            break
    assert {0, FOLD_AT} <= left
    if stride == 1:
        assert set(range(FOLD_AT + 1)) == left


def test_what_dead_writers_left_goes_with_the_next_fold(history: History) -> None:
    """A pack that a dead writer was about to publish, and a file that it was writing, do not stay for ever."""
    saves(history, 3)
    left = packs_of(history)[0]
    left.with_suffix(".keep").write_text("ledger\n")
    half, living = (left.parent / f"ledger_tmp_{digit * 16}" for digit in "01")
    received = left.parent / "tmp_pack_0"  # as Git calls them
    for path, age in ((half, 61), (received, 3601)):
        path.write_text("half")
        os.utime(path, (time.time() - age, time.time() - age))
    living.write_text("another machine's")
    saves(history, FOLD_AT)
    assert [living.name] == [path.name for path in left.parent.iterdir() if path.suffix not in (".pack", ".idx")]
    assert left not in packs_of(history)
    assert_whole(history, FOLD_AT + 3)


def test_a_mark_whose_pack_never_came_goes_with_the_next_fold(history: History) -> None:
    """A writer may die between the ``.keep`` and its pack; one that another program has made stays."""
    folder = history.objects.pack_directory
    ours, others = (folder / f"pack-{digit * 40}.keep" for digit in "01")
    ours.write_text("ledger\n")
    others.write_text("receive-pack 1 on host\n")
    saves(history, FOLD_AT)
    assert [others] == list(folder.glob("*.keep"))


def test_what_a_killed_push_left_goes_with_a_fold(history: History) -> None:
    """Git keeps a push in a folder of its own until it has judged it; one in which somebody still writes stays."""
    old, objects = time.time() - 3601, history.git_dir / "objects"
    folders = [objects / name for name in ("tmp_objdir-incoming-a", "incoming-b", "tmp_objdir-incoming-live")]
    for folder in folders:
        (folder / "pack").mkdir(parents=True)
        (folder / "pack" / "tmp_pack_0").write_text("half")
        for path in (folder / "pack" / "tmp_pack_0", folder / "pack", folder):
            os.utime(path, (old, old))
    (folders[-1] / "pack" / "tmp_pack_0").write_text("some more")
    saves(history, FOLD_AT)
    assert [folders[-1]] == [folder for folder in folders if folder.exists()]


def test_a_fold_whose_file_was_taken_away_loses_nothing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where machines do not share the lock, one may remove what the other writes: no old pack goes then."""
    opened = os.open

    def take_away(path: str, flags: int, *arguments: int) -> int:
        if flags & os.O_CREAT and "/ledger_tmp_" in str(path):
            Path(path).unlink(missing_ok=True)
        return opened(path, flags, *arguments)

    monkeypatch.setattr(os, "open", take_away)
    with pytest.warns(UserWarning, match="does not hold what was written to it"):
        saves(history, FOLD_AT)
    monkeypatch.undo()
    assert_whole(history, FOLD_AT)
    saves(history, FOLD_AT)
    assert_whole(history, 2 * FOLD_AT)


@pytest.mark.parametrize("reading", [1, 2, 3], ids=["each object", "what is sealed", "the whole"])
def test_a_fold_whose_file_is_cut_short_loses_nothing(
    history: History, monkeypatch: pytest.MonkeyPatch, reading: int
) -> None:
    """As by a disk that loses what was written: no old pack goes then, and the error names the file."""
    opened, readings = os.open, itertools.count(1)

    def cut_short(path: str, flags: int, *arguments: int) -> int:
        is_read = "/ledger_tmp_" in str(path) and not flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
        if is_read and next(readings) == reading:
            os.truncate(path, 7)
        return opened(path, flags, *arguments)

    monkeypatch.setattr(os, "open", cut_short)
    with pytest.warns(UserWarning, match="does not hold what was written to it"):
        saves(history, FOLD_AT)
    monkeypatch.undo()
    assert_whole(history, FOLD_AT)


def test_a_folded_pack_lasts_before_another_goes(
    history: History, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes and its index are durable, and then their names, when the first of the old indexes is removed."""
    saves(history, 3)
    objects = Objects(history.git_dir)
    packs = open_old_packs(objects.pack_directory, [path.stem for path in packs_of(history)])
    unlink = os.unlink

    def note(path: str | Path) -> None:
        if str(path).endswith(".idx"):
            synced.append("gone")
        unlink(path)

    monkeypatch.setattr(os, "unlink", note)
    synced.clear()
    fold_at_once(objects, packs, 2)
    *files, folder = synced[: synced.index("gone")]
    assert str(objects.pack_directory) == folder
    assert 2 == len({path for path in files if "/ledger_tmp_" in path})


def test_an_index_that_lists_more_than_the_packs_takes_no_packs_place(history: History, tmp_path: Path) -> None:
    """As one would with a part of another fold's: what it was to replace stays."""
    saves(history, 3)
    before = packs_of(history)
    objects = Objects(history.git_dir)
    packs = open_old_packs(objects.pack_directory, [path.stem for path in before])
    fold = Fold(packs, NewPack(tmp_path / "new"), most_related=0)
    fold.advance(len(fold), durably=False)
    with pytest.raises(IntegrityError, match="lists more than its packs hold"):
        put_in_place(objects, fold, [fold.new.columns()] * 2)
    assert before == packs_of(history)


def test_layers_of_gits_index_that_cannot_be_listed_stop_no_fold(history: History) -> None:
    """Without their chain nobody reads them."""
    layers = history.objects.pack_directory / "multi-pack-index.d"
    layers.symlink_to(layers)
    saves(history, FOLD_AT)
    assert len(packs_of(history)) < FOLD_AT


def test_a_pack_is_kept_until_its_commit_is_published(history: History) -> None:
    """Between the pack and the move of the branch, Git's housekeeping takes nothing; afterwards no mark is left."""
    data = b"about to be published"
    objects = Objects(history.git_dir)
    stem = write_pack(objects, {object_id(BLOB, data): (BLOB, data)})
    git(history, "gc", "--prune=now", "--quiet")
    assert (BLOB, data) == Objects(history.git_dir).read(object_id(BLOB, data))
    release_pack(objects, stem)
    git(history, "gc", "--prune=now", "--quiet")
    with pytest.raises(IntegrityError):
        Objects(history.git_dir).read(object_id(BLOB, data))


def test_one_file_marks_pack_after_pack(history: History) -> None:
    """A save makes no file to mark its pack with, but where a dead writer has left it beside its own."""
    saves(history, 1)
    spare = history.git_dir / "ledger-keep"
    inode = spare.stat().st_ino
    saves(history, 2)
    assert inode == spare.stat().st_ino
    spare.rename(packs_of(history)[0].with_suffix(".keep"))
    saves(history, 1)
    assert "ledger\n" == spare.read_text()
    spare.write_text("")  # a power cut, where nothing is synced
    saves(history, 1)
    assert "ledger\n" == spare.read_text()


def test_a_folded_pack_is_as_old_as_what_it_was_made_of(history: History) -> None:
    """What was published beside a large fold is newer, so that what its trees name is found behind it."""
    saves(history, 3)
    objects = Objects(history.git_dir)
    folded = [path.stem for path in packs_of(history)]
    for stem in folded:
        os.utime(objects.pack_directory / f"{stem}.idx", (0, 0))  # two files in a row may be of one moment
    saves(history, 2)
    later = {path.stem for path in packs_of(history)} - {*folded}
    objects.packs.look_again()
    fold_at_once(objects, open_old_packs(objects.pack_directory, folded), 2)
    another = Objects(history.git_dir)
    another.packs.look_again()
    for known in (objects, another):
        assert later == {stem for stem, _ in known.packs._by_age[:-1]}
    assert_whole(history, 5)


def test_an_index_that_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    """The error of a pack that is to be folded names the file that cannot be read, and why, and no more."""
    pack = packs_of(new_history(tmp_path))[0]
    index = pack.with_suffix(".idx")
    index.unlink()
    index.mkdir()
    with pytest.raises(StorageError) as caught:
        open_old_packs(pack.parent, [pack.stem])
    assert f"cannot read {index}: Is a directory" == str(caught.value)


@pytest.mark.parametrize(
    "time_of",
    [lambda _: 1, lambda number: 1_000 - number, lambda number: number % 3 << 33],
    ids=["one moment", "backwards", "leaping"],
)
def test_the_times_of_indexes_cost_nothing(history: History, time_of: Callable[[int], int]) -> None:
    """Where packs are of one moment, or the clock was set back, everything is found and folded, by hand too."""
    reader, timed = again(history), set[Path]()
    for number in range(3 * FOLD_AT):
        publish(history, draft("iris", size=100 + number), seconds=-number)
        for path in packs_of(history):
            if path not in timed:
                os.utime(path.with_suffix(".idx"), (time_of(number), time_of(number)))
                timed.add(path)
        claims = [*reader.snapshot().claims(check_name("iris"))]
        assert number + 1 == len(claims)
        assert all(reader.snapshot().manifest(claim) for claim in claims)
    assert len(packs_of(history)) < 2 * FOLD_AT
    execute_packing(history, plan_packing(history), lambda _: None)
    assert 1 == len(packs_of(history))
    assert_whole(reader, 3 * FOLD_AT)
    check_histories(history.git_dir.parent)


def test_a_fold_loses_nothing_to_an_index_that_lists_too_little(tmp_path: Path) -> None:
    """An object that a sound but short index does not list is there after the folds that follow."""
    history = new_history(tmp_path)
    publish(history)
    pack = packs_of(history)[0]
    *listed, (_, unlisted) = PackFile(str(pack.with_suffix(""))).places()
    short = encode_index([(name, offset, 0) for offset, name in listed], pack.read_bytes()[-20:])
    pack.with_suffix(".idx").write_bytes(short)
    for _ in range(FOLD_AT + 2):
        publish(again(history))
    assert Objects(history.git_dir).read(ObjectId(unlisted.hex()))
    assert FOLD_AT + 3 == len(versions_of(again(history)))


def test_packs_are_folded_while_others_publish(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who folds holds the lock of those who fold, and not that of those who publish."""
    folder = history.git_dir.parent
    free = []

    def fold_at_once(*given: Any) -> None:
        for name in ("lock", "fold.lock"):
            held = LockFile(folder / name).try_hold()
            free.append(held is not None)
            if held is not None:
                held.let_go()
        replacing.fold_at_once(*given)

    monkeypatch.setattr(packing, "fold_at_once", fold_at_once)
    for _ in range(FOLD_AT):
        publish(history)
    assert [True, False] == free
    assert len(packs_of(history)) < FOLD_AT


def test_nobody_waits_to_fold(history: History) -> None:
    """While somebody folds, others publish and leave their packs to be folded later."""
    with LockFile(history.git_dir.parent / "fold.lock").hold(timeout=1):
        for _ in range(2 * FOLD_AT):
            publish(history)
        assert len(packs_of(history)) > 2 * FOLD_AT
    publish(history)
    assert len(packs_of(history)) < FOLD_AT


def test_who_waits_for_the_end_of_a_fold_keeps_nobody_from_publishing(history: History) -> None:
    """A fold's process may be stopped: a sync goes on beside it, and `ledger pack` waits before it locks the ledger."""
    folder = history.git_dir.parent
    waiting = History.open(folder, lock_timeout=0.05)
    with (
        LockFile(folder / "fold.lock").hold(timeout=1),
        history.exclusively(),
        pytest.raises(LockTimeoutError, match=r"fold\.lock"),
        waiting.undisturbed(),
    ):
        pass


def test_no_index_outlives_its_pack_where_a_reader_makes_it_anew(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that misses an object makes indexes again, maybe between the end of an index and that of its pack."""
    unlink = os.unlink

    def read_before(path: str | os.PathLike[str]) -> None:
        if os.fspath(path).endswith(".pack"):
            restore_indexes(history.objects.pack_directory)
        unlink(path)

    with monkeypatch.context() as reading:
        reading.setattr(os, "unlink", read_before)
        saves(history, FOLD_AT)
    packs = packs_of(history)
    assert len(packs) < FOLD_AT
    assert [pack.stem for pack in packs] == sorted(path.stem for path in packs[0].parent.glob("*.idx"))


def test_a_linked_scratch_folder_is_not_emptied(history: History, tmp_path: Path) -> None:
    """A ledger may come from anybody: what lies behind a link in the place of the folder is the user's own."""
    (own := tmp_path / "own").mkdir()
    for name in ("plan.json", "letter"):
        (own / name).write_bytes(b"{}")
    (history.git_dir / "ledger-fold").symlink_to(own)
    for _ in range(FOLD_AT):
        publish(history, draft())
    assert ["letter", "plan.json"] == sorted(path.name for path in own.iterdir())
    assert not (history.git_dir / "ledger-fold").is_symlink()


def test_behind_a_link_nothing_is_tidied(history: History, tmp_path: Path) -> None:
    """Other programs have files of such names, too."""
    shutil.copytree(history.objects.pack_directory, own := tmp_path / "own", dirs_exist_ok=True)
    (own / "tmp_letter").write_text("dear")
    os.utime(own / "tmp_letter", (0, 0))
    shutil.rmtree(history.objects.pack_directory)
    history.objects.pack_directory.symlink_to(own)
    for _ in range(2 * FOLD_AT):
        publish(history, draft())
    assert (own / "tmp_letter").is_file()


def test_loose_objects_behind_a_link_stay(history: History, tmp_path: Path) -> None:
    """They are another repository's: a fold neither takes them in nor removes them."""
    other = new_history(tmp_path / "other")
    id = git(other, "hash-object", "-w", "--stdin", data=b"of another repository")
    (history.git_dir / "objects" / id[:2]).symlink_to(other.git_dir / "objects" / id[:2])
    for _ in range(2 * FOLD_AT):
        publish(history, draft())
    assert (other.git_dir / "objects" / id[:2] / id[2:]).is_file()


SLOW_GIT = """\
#!/bin/sh
unset GIT_EXEC_PATH
{git} "$@" || exit
[ "$1" != pack-objects ] || {{ touch {listed}; until [ -e {published} ]; do sleep 0.02; done; }}
"""


def test_a_pack_that_is_tried_again_is_kept_all_the_time(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody held the branch at the first try: a repacking that begins before the second one leaves its pack alone.

    It has the same name. Git lists the packs that it takes away before it looks what is reached.
    """
    program, listed, published = (tmp_path / name for name in ("bin/git", "listed", "published"))
    program.parent.mkdir()
    program.write_text(SLOW_GIT.format(git=shutil.which("git"), listed=listed, published=published))
    program.chmod(0o755)
    repack = ["git", f"--git-dir={history.git_dir}", "repack", "-a", "-d", "-q"]
    packs: list[str] = []

    def refuse(*_: object, **__: object) -> bool:
        raise FileExistsError

    with contextlib.ExitStack() as running:

        def write(objects: Objects, contents: dict[ObjectId, tuple[int, bytes]]) -> str:
            if packs:
                environment = {**os.environ, "GIT_EXEC_PATH": str(program.parent)}
                running.enter_context(subprocess.Popen(repack, env=environment))
                running.callback(published.touch)
                wait_until(listed.exists)
            packs.append(write_pack(objects, contents))
            return packs[-1]

        monkeypatch.setattr("ledger.history.writing.publishing.move_branch", refuse)
        monkeypatch.setattr("ledger.history.writing.publishing.write_pack", write)
        publish(history, draft("iris"))
    assert packs[0] == packs[1]
    assert ["1"] == versions_of(again(history))
    assert [] == list(Objects(history.git_dir).pack_directory.glob("*.keep"))
