"""Folding keeps every object, as deltas where that is shorter, in one step or in many."""

import errno
import itertools
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.disk import LockFile, durability
from ledger.enums import Durability
from ledger.history import FOLD_LOCK, History
from ledger.history.folds import folding, new_pack, old_packs, pack_writing, packing, staging
from ledger.history.folds.folding import LONGEST_OWN_CHAIN
from ledger.history.folds.name_filter import NameFilter
from ledger.history.folds.old_packs import Entries, OldPack
from ledger.history.folds.pack_writing import pack_loose_objects, release_pack, write_pack
from ledger.history.folds.packing import AT_ONCE, FOLD_AT, next_fold
from ledger.history.folds.relatives import families_of
from ledger.history.git.entries import is_stored, read_head
from ledger.history.git.forms import ObjectId, object_id
from ledger.history.git.kinds import BLOB
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import TRAILER, PackFile
from ledger.records import check_name
from tests.conftest import check_histories
from tests.kit import histories
from tests.kit.histories import again, die_at, draft, git, new_history, packs_of, publish, versions_of

_SECONDS = itertools.count()
EVENTS = frozenset({"open", "os.rename", "os.remove"})


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small folds take several saves."""
    use_small_slices(monkeypatch.setattr)


def use_small_slices(put: Callable[[object, str, int], object]) -> None:
    put(packing, "AT_ONCE", 0)
    put(packing, "SLICE", 40)
    put(packing, "SAVES_PER_SLICE", 1)
    put(packing, "_SLICE_PER_WRITTEN", 1)
    put(staging, "_SMALL", 10)


def saves(history: History, count: int, name: str = "iris") -> None:
    for number in range(count):
        # Each a little later than the one before, as saves are: what is newest is told by the time.
        version = f"v{os.urandom(8).hex()}" if number % 5 == 4 else None
        publish(history, draft(name, version, size=100 + number % 7), seconds=next(_SECONDS))


def objects_of(history: History) -> dict[str, bytes]:
    """Every object that is in any pack, as we read it."""
    indexed = [pack.with_suffix("") for pack in packs_of(history) if pack.with_suffix(".idx").exists()]
    names = {name for base in indexed for name in PackFile(str(base)).names()}
    objects = Objects(history.git_dir)
    return {name.hex(): objects.read(ObjectId(name.hex()))[1] for name in names}


def folder_of(history: History) -> Path:
    return history.git_dir / "ledger-fold"


def depths_of(history: History) -> Counter[int]:
    """How many objects are so many deltas away from a whole one, as Git sees it; 0 for the whole ones."""
    found: Counter[int] = Counter()
    for pack in packs_of(history):
        for line in git(history, "verify-pack", "-v", str(pack)).splitlines():
            words = line.split()
            if len(words) in (5, 7) and words[1] in ("commit", "tree", "blob"):
                found[int(words[5]) if len(words) == 7 else 0] += 1
    return found


def test_folded_objects_are_deltas_that_git_reads(history: History) -> None:
    """After many saves most trees are deltas, in short chains; a clone and `git gc` have every version."""
    saves(history, 3 * FOLD_AT**2 // 2)
    before = objects_of(history)
    depths = depths_of(history)
    assert sum(depths.values()) > 1.7 * depths[0]
    assert max(depths) <= 8
    clone = history.git_dir.parent / "clone.git"
    git(history, "clone", "-q", "--bare", str(history.git_dir), str(clone))
    count = "rev-list", "--objects", "--all", "--count"
    assert git(history, *count) == git(History(clone, clone / "lock"), *count)
    git(history, "gc", "-q", "--prune=now")
    assert before == objects_of(history)
    saves(history, FOLD_AT)
    assert before.items() <= objects_of(history).items()


def test_no_chain_of_a_fold_is_longer_than_allowed(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a delta builds on, and what builds on it already, count together; folds of what was folded keep to it."""
    monkeypatch.setattr(folding, "LONGEST_OWN_CHAIN", 1)
    saves(history, FOLD_AT**2)
    assert 1 == max(depths_of(history))


def test_a_chain_of_any_length_is_folded(tmp_path: Path) -> None:
    """Git limits the chains that it makes, not those that it takes: one may have 65,536 deltas."""
    pack = new_pack.NewPack(tmp_path / "new")
    pack.add(b"n" * 20, b"entry", depth=1 << 16)
    assert pack[0].depth > LONGEST_OWN_CHAIN


def test_a_fold_compresses_what_stays_whole(history: History) -> None:
    """What a save stores as it is does not stay so when it is folded."""
    saves(history, FOLD_AT)
    folded = [pack for base in packs_of(history) if len(pack := PackFile(str(base.with_suffix("")))) > packing.TIERS[0]]
    assert folded
    for pack in folded:
        heads = [read_head(pack.content(), offset) for offset in pack.offsets()]
        assert not any(is_stored(pack.content(), head) for head in heads if head.base is None)


def test_an_object_of_several_packs_is_folded_once(history: History) -> None:
    """The empty file of every custom version is in every pack, and once in the folded one."""
    for number in range(FOLD_AT):
        publish(history, draft("iris", f"word-{number}"))
    pack = max(packs_of(history), key=lambda pack: len(PackFile(str(pack.with_suffix("")))))
    assert len(set(PackFile(str(pack.with_suffix(""))).names())) == int.from_bytes(pack.read_bytes()[8:12])
    assert len(set(PackFile(str(pack.with_suffix(""))).offsets())) == int.from_bytes(pack.read_bytes()[8:12])


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_a_version_takes_little_in_git(history: History, count: int) -> None:
    """Of many, saved one by one, each takes at most 1.5 KB, and a look-up never meets 50 packs; all are there."""
    most = 0
    for _ in range(count // 5):
        saves(history, 5)
        most = max(most, len(packs_of(history)))
    size = sum(path.stat().st_size for path in (history.git_dir / "objects" / "pack").iterdir())
    print(f"\n{count} versions: {size / count:.0f} bytes each, up to {most} packs, {dict(depths_of(history))}")
    assert size / count <= 1500
    assert most < 50
    assert max(depths_of(history)) <= LONGEST_OWN_CHAIN
    snapshot = again(history).snapshot()
    claims = list(snapshot.claims(check_name("iris")))
    assert list(range(1, count + 1)) == [claim.position for claim in claims]
    assert all(snapshot.manifest(claim) for claim in claims[::20])


@pytest.mark.usefixtures("small_slices")
def test_a_large_fold_takes_several_saves(history: History) -> None:
    """Each save does a slice, whoever it is that saves; readers find everything at every moment."""
    slices = 0
    for number in range(1, 3 * FOLD_AT):
        before = objects_of(history)
        publish(again(history), draft("iris", size=number))
        slices += history.staging.plan_under_way() is not None
        assert before.items() <= objects_of(history).items()
        assert number == len(versions_of(again(history)))
    assert slices > 3
    assert len(packs_of(history)) < 3 * FOLD_AT
    assert max(depths_of(history)) >= 1


def begun(history: History) -> None:
    """A fold that has gone through some entries and not through others."""
    saves(history, FOLD_AT)
    while not (folder_of(history) / "records").exists():
        step = next_fold(history.staging)
        assert step is not None
        step()
    assert history.staging.plan_under_way() is not None


@pytest.mark.usefixtures("small_slices")
def test_packs_that_gather_beside_a_large_fold_are_folded(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time, where all of them are more than is folded at once: the large fold may take long."""
    begun(history)
    plan = history.staging.plan_under_way()
    fold_lock = LockFile(history.git_dir.parent / FOLD_LOCK)
    with fold_lock.hold(timeout=60):  # as `ledger pack` does, or a writer that was stopped
        saves(history, 4 * FOLD_AT)
    gathered = len(packs_of(history))
    monkeypatch.setattr(packing, "AT_ONCE", 10 * FOLD_AT)
    monkeypatch.setattr(packing, "SLICE", 1)
    saves(history, FOLD_AT)
    assert plan == history.staging.plan_under_way()
    assert len(packs_of(history)) < gathered - 2 * FOLD_AT


@pytest.mark.usefixtures("small_slices")
def test_writers_go_on_with_one_fold_in_turns(history: History) -> None:
    """Who made the last slice goes on with what it knows, unless somebody else has made one since."""
    writers = history, again(history)
    for number in range(4 * FOLD_AT):
        saves(writers[number // 2 % 2], 1)
    assert len(packs_of(history)) < 3 * FOLD_AT
    assert 4 * FOLD_AT == len(versions_of(again(history)))
    assert objects_of(history).keys() == objects_of(again(history)).keys()


@pytest.mark.parametrize("slices", [AT_ONCE, 10])
def test_packs_that_have_no_room_in_one_stay(history: History, monkeypatch: pytest.MonkeyPatch, slices: int) -> None:
    """What a save waits for is bounded, and so is what an index has to reach: the smaller packs are folded."""
    monkeypatch.setattr(old_packs, "MOST_BYTES", 1 << 18)
    monkeypatch.setattr(packing, "AT_ONCE", slices)
    data = os.urandom(1 << 18)
    stem = write_pack(history.objects, {object_id(BLOB, data): (BLOB, data)})
    release_pack(history.objects, stem)
    saves(history, 3 * FOLD_AT)
    assert stem in {pack.stem for pack in packs_of(history)}
    assert len(packs_of(history)) < 2 * FOLD_AT


def test_a_fold_that_grows_beyond_what_an_index_reaches_is_made_of_fewer_packs(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's deltas by name may make any number of bytes: the pack that holds one too many is left as it is."""
    saves(history, FOLD_AT - 2)
    before = objects_of(history)
    monkeypatch.setattr(new_pack, "_MOST_BYTES", most := 4_000)
    saves(history, 1)
    assert 1 < len(packs_of(history)) < FOLD_AT
    assert max(pack.stat().st_size for pack in packs_of(history)) <= most + TRAILER
    assert before.items() <= objects_of(history).items()
    git(history, "fsck", "--full", "--strict")


@pytest.mark.usefixtures("small_slices")
def test_a_fold_whose_files_are_no_files_begins_anew(history: History) -> None:
    """A ledger may come from anybody, with a fifo where the new pack would be: it goes, and no save waits for it."""
    begun(history)
    (folder_of(history) / "records").unlink()
    (folder_of(history) / "pack").unlink()
    os.mkfifo(folder_of(history) / "pack")
    saves(again(history), 2 * FOLD_AT)
    assert not (folder_of(history) / "pack").is_fifo()


@pytest.mark.usefixtures("small_slices")
def test_a_slice_that_failed_is_done_anew_from_what_is_on_the_disk(history: History) -> None:
    """What a failed step left in memory was never read back: nobody goes on with it."""
    saves(history, FOLD_AT - 1)
    was_at_hand = history.staging.fold_at_hand
    pack = folder_of(history) / "pack"
    aside = pack.rename(pack.with_name("aside"))
    pack.symlink_to(aside)
    with pytest.warns(UserWarning, match="could not be folded") as told:
        saves(history, 1)
    assert [histories.__file__] == [each.filename for each in told]  # whoever saved
    assert (True, None) == (was_at_hand is not None, history.staging.fold_at_hand)
    aside.rename(pack)
    saves(history, 2 * FOLD_AT)
    assert len(packs_of(history)) < 3 * FOLD_AT
    assert 3 * FOLD_AT == len(versions_of(again(history)))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("damage", ["gone", "cut", "one byte"])
def test_what_a_fold_in_slices_has_written_is_checked_once_more_in_the_end(history: History, damage: str) -> None:
    """A slice that goes bad between two saves costs the fold: the packs it was made from stay, and all objects."""
    saves(history, FOLD_AT - 1)
    assert history.staging.fold_at_hand is not None
    pack, before = folder_of(history) / "pack", objects_of(history)
    data = bytearray(pack.read_bytes())
    data[-5] ^= 1
    match damage:
        case "gone":
            pack.unlink()
        case "cut":
            pack.write_bytes(data[:30])
        case _:
            times = pack.stat()
            pack.write_bytes(data)
            os.utime(pack, ns=(times.st_atime_ns, times.st_mtime_ns))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        saves(history, 2 * FOLD_AT)
    warned = ["could not be folded" in str(each.message) for each in told]
    assert [True] * (damage == "one byte") == warned
    assert before.items() <= objects_of(again(history)).items()
    assert len(packs_of(history)) < 3 * FOLD_AT


def test_a_pack_whose_index_cannot_be_removed_stays_whole(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an old index stays, so does its pack: no index is left that speaks of a pack that is gone."""
    unlink = os.unlink

    def fail(path: str, **options: Any) -> None:
        if str(path).endswith(".idx"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(path, **options)

    with monkeypatch.context() as failing:
        failing.setattr(os, "unlink", fail)
        saves(history, FOLD_AT)
    folder = history.objects.pack_directory
    assert len(list(folder.glob("*.idx"))) > FOLD_AT
    assert [] == [index for index in folder.glob("*.idx") if not index.with_suffix(".pack").exists()]
    saves(again(history), FOLD_AT)
    assert len(packs_of(history)) <= FOLD_AT + 1


def put_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, Callable[[Path, History], object]] = {
    "plan gone": lambda folder, _: (folder / "plan.json").unlink(),
    "plan a fifo": lambda folder, _: put_fifo(folder / "plan.json"),
    "plan of no kind": lambda folder, _: (folder / "plan.json").write_text("{"),
    "plan of the future": lambda folder, _: (folder / "plan.json").write_text(
        (folder / "plan.json").read_text().replace('"format": 1', '"format": 2')
    ),
    "pack gone": lambda folder, _: (folder / "pack").unlink(),
    "pack cut": lambda folder, _: (folder / "pack").write_bytes((folder / "pack").read_bytes()[:50]),
    "records gone": lambda folder, _: (folder / "records").unlink(),
    "records a fifo": lambda folder, _: put_fifo(folder / "records"),
    "records cut": lambda folder, _: (folder / "records").write_bytes((folder / "records").read_bytes()[:-5]),
    "records zeroed": lambda folder, _: (folder / "records").write_bytes(bytes(38 * 20)),
    "more than was recorded": lambda folder, _: (folder / "pack").write_bytes(
        (folder / "pack").read_bytes() + b"\1" * 99
    ),
    "a pack taken by gc": lambda _, history: git(history, "gc", "-q", "--prune=now"),
}


@pytest.mark.usefixtures("small_slices")
def test_what_keeps_folds_from_being_chosen_fails_no_save(history: History) -> None:
    """A file lies in the place of their folder: each version is there, and a warning says what is the matter."""
    folder_of(history).write_text("in the way")
    with pytest.warns(UserWarning, match="could not be folded: .*ledger-fold"):
        saves(history, FOLD_AT)
    assert FOLD_AT == len(versions_of(again(history)))


@pytest.mark.usefixtures("small_slices")
def test_a_large_fold_is_durable_whatever_saves_are(history: History, synced: list[str]) -> None:
    """What it moves was there before: each slice is synced, with ``relaxed`` as well."""
    with durability(Durability.RELAXED):
        saves(history, FOLD_AT - 1)
    assert history.staging.fold_at_hand is not None
    assert str(folder_of(history) / "pack") in synced


@pytest.mark.usefixtures("small_slices")
def test_the_plan_of_a_fold_that_is_thrown_away_goes_first(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the rest is nothing, so that whoever dies meanwhile leaves no fold of which a part is gone."""
    begun(history)
    unlink = os.unlink
    removed: list[str] = []

    def note(path: Path) -> None:
        removed.append(path.name)
        unlink(path)

    monkeypatch.setattr(os, "unlink", note)
    history.staging.discard()
    assert ("plan.json", []) == (removed[0], os.listdir(folder_of(history)))


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_fold_that_does_not_fit_is_thrown_away(history: History, kind: str) -> None:
    """Whatever became of what was under way, nothing is lost, and folding comes to its end."""
    begun(history)
    before = objects_of(history)
    DAMAGE[kind](folder_of(history), history)
    for number in range(3 * FOLD_AT):
        publish(again(history), draft("iris", size=number))
    assert before.items() <= objects_of(history).items()
    assert len(packs_of(history)) < 3 * FOLD_AT


@pytest.mark.usefixtures("small_slices")
def test_a_fold_whose_records_were_altered_takes_no_packs_place(history: History) -> None:
    """An object whose name has changed there would be listed nowhere; the fold is thrown away and begun again."""
    begun(history)
    before = objects_of(history)
    records = bytearray((folder_of(history) / "records").read_bytes())
    records[3] ^= 1
    (folder_of(history) / "records").write_bytes(records)
    with pytest.warns(UserWarning, match=r"could not be folded: .* does not list what its packs hold"):
        saves(again(history), 3 * FOLD_AT)
    assert before.items() <= objects_of(history).items()
    assert len(packs_of(history)) < 3 * FOLD_AT


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_a_damaged_pack_is_left_out_of_a_large_fold(tmp_path: Path, at: float) -> None:
    """Where a byte has changed in one of the packs, that one stays as it is, and the others are folded."""
    history = new_history(tmp_path)
    saves(history, 3)
    data = b"nobody needs this, but it is there" * 9
    stem = write_pack(history.objects, {object_id(BLOB, data): (BLOB, data)})
    target = history.git_dir / "objects" / "pack" / f"{stem}.pack"
    damaged = bytearray(target.read_bytes())
    damaged[int(len(damaged) * at)] ^= 0x10
    target.unlink()
    target.write_bytes(damaged)
    for number in range(4 * FOLD_AT):
        publish(again(history), draft("iris", size=number))
    assert bytes(damaged) == target.read_bytes()
    assert len(packs_of(history)) < 3 * FOLD_AT
    assert 4 * FOLD_AT + 3 == len(versions_of(again(history)))


@pytest.mark.usefixtures("small_slices")
def test_a_fold_by_hand_is_nobody_elses(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves leave the packs of a living `ledger pack` alone, and throw away what a dead one left."""
    saves(history, 3)
    stems = [pack.stem for pack in packs_of(history)]
    assert history.staging.begin(stems, by_hand=True) is not None
    saves(history, 2 * FOLD_AT)
    assert set(stems) <= {pack.stem for pack in packs_of(history)}
    monkeypatch.setattr(staging, "DEAD_SECONDS", -1.0)
    saves(history, 3 * FOLD_AT)
    assert not set(stems) & {pack.stem for pack in packs_of(history)}


def test_what_a_dead_fold_by_hand_left_goes_soon(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few saves later it is thrown away, also where nothing else is to be folded by then."""
    blobs = [b"%d" % number for number in range(400)]
    stems = [
        write_pack(history.objects, {object_id(BLOB, data): (BLOB, data) for data in half})
        for half in (blobs[:200], blobs[200:])
    ]
    assert history.staging.begin(stems, by_hand=True) is not None
    monkeypatch.setattr(staging, "DEAD_SECONDS", -1.0)
    saves(history, FOLD_AT - 2)
    assert len(packs_of(history)) > FOLD_AT
    assert [] == os.listdir(folder_of(history))


def test_a_slice_killed_at_any_step_harms_nothing(tmp_path: Path) -> None:
    """Killed before file operations of the saves that carry a large fold, nothing is lost, and folding goes on."""
    full = new_history(tmp_path / "full")
    saves(full, FOLD_AT - 1)

    def act(folder: Path) -> None:
        use_small_slices(setattr)
        for number in range(5):
            publish(History.open(folder / ".ledger"), draft("iris", size=number))

    for step in range(1, 1000, 7):
        copy = tmp_path / str(step)
        shutil.copytree(tmp_path / "full", copy)
        killed = die_at(step, EVENTS, partial(act, copy))
        history = History.open(copy / ".ledger")
        published = len(versions_of(history))
        assert FOLD_AT - 1 <= published <= FOLD_AT + 4
        saves(again(history), FOLD_AT)
        snapshot = again(history).snapshot()
        assert all(snapshot.manifest(claim) for claim in snapshot.claims(check_name("iris")))
        if step % 10 == 1:
            check_histories(copy)
        shutil.rmtree(copy)
        if not killed:
            return
    pytest.fail("the saves never ended")


@pytest.mark.parametrize("few", [0, 3, 7, 1 << 20])
def test_an_object_is_found_whether_names_are_listed_or_not(
    history: History, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """The first row that holds it, up to where one is sought: of packs whose names take much memory as of others."""
    monkeypatch.setattr(old_packs, "FEW", few)
    blobs = [(BLOB, b"%d" % number) for number in range(9)]
    contents = [blobs[:5], blobs[3:6], blobs[5:]]
    stems = [write_pack(history.objects, {object_id(*blob): blob for blob in each}) for each in contents]
    entries = Entries([OldPack(history.objects.pack_directory / stem) for stem in stems])
    rows = [name for old in entries.packs for name in old.ordered_names]
    for stop, blob in itertools.product(range(1, len(rows) + 1), blobs):
        name = bytes.fromhex(object_id(*blob))
        assert (rows.index(name) if name in rows[:stop] else None) == entries.row_of(name, stop)
        assert blob == entries.read(name)
    assert entries.row_of(bytes(20)) is None


def test_loose_objects_become_a_pack(history: History) -> None:
    """What `git unpack-objects` left as loose files is in packs after the next fold, and the files are gone."""
    saves(history, 3)
    packs = [pack.read_bytes() for pack in packs_of(history)]
    before = objects_of(history)
    for path in (history.git_dir / "objects" / "pack").iterdir():
        path.unlink()
    for pack in packs:
        git(history, "unpack-objects", "-q", data=pack)
    damaged = history.git_dir / "objects" / "00" / ("0" * 38)
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_bytes(b"not an object")
    saves(again(history), FOLD_AT)
    assert before.items() <= objects_of(history).items()
    assert [damaged] == list((history.git_dir / "objects").glob("??/*"))
    damaged.unlink()


def test_large_loose_objects_stay(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that somebody has pushed by mistake fill no memory, and nobody waits for them: small ones are packed."""
    monkeypatch.setattr(pack_writing, "_MOST_LOOSE_BYTES", 1 << 16)
    large, *small = (os.urandom(size) for size in (1 << 17, 1 << 15, 1 << 10))
    ids = [git(history, "hash-object", "-w", "--stdin", data=data) for data in (large, *small)]
    assert 2 == pack_loose_objects(history.objects)
    assert ids[:1] == list(history.objects.loose.ids())
    assert [(BLOB, data) for data in (large, *small)] == [again(history).objects.read(ObjectId(id)) for id in ids]


def test_the_files_beside_a_pack_go_with_it(history: History) -> None:
    """What real Git made beside a pack, or of several packs, does not stay when they are folded."""
    saves(history, FOLD_AT - 2)
    git(history, "-c", "pack.writeReverseIndex=true", "repack", "-a", "-d", "--write-bitmap-index")
    git(history, "multi-pack-index", "write")
    # As `git multi-pack-index write --incremental` of Git 2.47 leaves it.
    layers = history.git_dir / "objects" / "pack" / "multi-pack-index.d"
    layers.mkdir()
    for name in ("multi-pack-index-chain", f"multi-pack-index-{'1' * 40}.midx"):
        (layers / name).write_bytes(b"")
    saves(history, FOLD_AT**2)
    assert [] == list(layers.iterdir())
    layers.rmdir()
    endings = {path.suffix for path in (history.git_dir / "objects" / "pack").iterdir()}
    assert {".pack", ".idx"} == endings


def test_what_a_file_resembles() -> None:
    """A manifest is told by the manifests of its artifact, else by any; other records by those of their kind."""
    path = (b"artifacts", b"4f", b"iris", b"0000", b"01", b"00000007~7~7~id", b"version.json")
    own, any_ = families_of(path)
    assert (b"artifacts", b"iris", b"version.json") == own
    assert (b"artifacts", b"", b"version.json") == any_
    assert ((b"runs", b"", b"run.json"),) * 2 == families_of((b"runs", b"2026-11-23", b"id", b"run.json"))
    assert ((b"ledger.json", b"", b""),) * 2 == families_of((b"ledger.json",))


def test_a_filter_of_names_forgets_none() -> None:
    """What was added may be there, most of what was not is surely not; one that does not begin empty excludes none."""
    names = [number.to_bytes(4) * 5 for number in range(0, 1 << 32, 1 << 22)]
    names_in, others = names[::2], names[1::2]
    known = NameFilter(len(names_in), is_empty=True)
    for name in names_in:
        known.add(name)
    assert all(map(known.may_hold, names_in))
    assert sum(map(known.may_hold, others)) < len(others) // 5
    assert all(map(NameFilter(5, is_empty=False).may_hold, others))
