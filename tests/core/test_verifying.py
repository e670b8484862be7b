"""A check finds what is wrong, says so once, and names every version that it touches."""

import errno
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable

import pytest

from ledger import Ledger
from ledger.blobs import LocalStore
from ledger.blobs.chunks.tables import load_table, put_runs
from ledger.blobs.stores.layout import table_key
from ledger.core.findings import Findings
from ledger.core.version_checking import VersionCheck
from ledger.core.workspace import Workspace
from ledger.errors import IntegrityError
from ledger.records import FileEntry, Name, content_digest, segments_of
from tests.kit.contents import noise
from tests.kit.git import unpack
from tests.kit.ledgers import (
    LIES,
    canonical,
    damage,
    damage_every_pack,
    files_below,
    forge,
    git,
    lie,
    manifest_of,
    objects_of,
    plant,
    store_of,
    waste,
)

# Bytes that no version names are made by transactions that nobody commits.
pytestmark = pytest.mark.filterwarnings("ignore:a transaction with .* was never committed")

IN_LITTLE = """
import collections, gc, os, resource, sys
from ledger import Ledger
from ledger.errors import StorageError
ledger = Ledger.open(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for deep in (True, False):
    assert ledger.verify(deep=deep).ok
    gc.collect()
    used = len(os.listdir("/proc/self/fd")) - 1
    found = collections.Counter()
    for more in range(12):
        gc.collect()
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, hard))
        try:
            report = ledger.verify(deep=deep)
            found["ok" if report.ok else str(report.problems[0])] += 1
        except StorageError as error:
            found[f"{type(error).__name__} {error.errno}"] += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(sorted(found))
"""


@pytest.fixture
def shared(ledger: Ledger) -> Ledger:
    """Two versions of weights that share most of their chunks, and one by itself."""
    weights = noise(700_000)
    ledger.save(weights, "weights")
    ledger.save(weights + b"more", "weights")
    ledger.save({"rows": 1}, "iris")
    return ledger


def test_damage_to_what_is_shared_is_one_problem(shared: Ledger) -> None:
    """One damaged pack is one problem, with every version that needs the damaged chunk."""
    packs = sorted(objects_of(shared, "packs"), key=lambda path: path.stat().st_size)
    damage(packs[-1])
    [problem] = shared.verify().problems
    assert ("corrupt", "weights@1", ("weights@1", "weights@2")) == (problem.kind, problem.label, problem.versions)
    assert problem.object.startswith("packs/")


def test_a_damaged_chunk_touches_only_those_that_need_it(shared: Ledger) -> None:
    """Of a pack that two versions share in part, damage to what is one's own is that one's."""
    [small, large] = sorted(objects_of(shared, "packs"), key=lambda path: path.stat().st_size)
    data = bytearray(small.read_bytes())
    data[10] ^= 1
    small.write_bytes(data)
    [problem] = shared.verify().problems
    assert ("weights@2",) == problem.versions
    assert large.exists()


def test_every_object_is_read_once(shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many versions share an object, a whole check reads its chunks once."""
    real = LocalStore.get
    read: dict[str, int] = {}

    def get(self: LocalStore, key: str, start: int = 0, length: int | None = None) -> bytes:
        data = real(self, key, start, length)
        if start >= 0:
            read[key] = read.get(key, 0) + len(data)
        return data

    monkeypatch.setattr(LocalStore, "get", get)
    report = shared.verify()
    sizes = {key: (store_of(shared) / key).stat().st_size for key in read if key.startswith(("packs", "chunks"))}
    assert report.ok
    assert [] == [key for key, size in sizes.items() if read[key] > size]
    assert len(files_below(store_of(shared))) - 1 == report.objects, "all but store.json"
    assert 700_000 < report.bytes <= sum(sizes.values())


def test_what_nothing_names_is_information(shared: Ledger) -> None:
    """An object that belongs to no version is listed, damaged or not, and is no problem."""
    waste(shared)
    [orphan] = shared.verify().orphans
    damage(store_of(shared) / orphan.object)
    report = shared.verify()
    assert (True, [(orphan.object, True)]) == (report.ok, [(each.object, each.is_damaged) for each in report.orphans])


def lose_table(ledger: Ledger) -> None:
    (store_of(ledger) / table_key(ledger.get("weights", 2).content.digest)).unlink()


def plant_event(ledger: Ledger) -> None:
    plant(ledger, {"/".join((*ledger.get("weights", 1).claim.path, f"{uuid.uuid4()}.json")): b"{}"})


def lose_folder(ledger: Ledger, path: str) -> None:
    """Lose the tree of a folder of the history."""
    tree = git(ledger, "rev-parse", f"main:{path}")
    unpack(ledger.git_dir)
    (ledger.git_dir / "objects" / tree[:2] / tree[2:]).unlink()


def lose_artifacts(ledger: Ledger) -> None:
    lose_folder(ledger, "artifacts")


def lose_versions(ledger: Ledger) -> None:
    lose_folder(ledger, "/".join(ledger.get("weights", 1).claim.path[:-1]))


@pytest.mark.parametrize("hide", [lose_table, plant_event, lose_artifacts, lose_versions])
def test_where_damage_hides_what_is_needed_nothing_is_an_orphan(shared: Ledger, hide: Callable[[Ledger], None]) -> None:
    """Bytes are not said to be needed by no version where a record or table that may name them cannot be read."""
    hide(shared)
    report = shared.verify()
    assert (False, ()) == (report.ok, report.orphans)
    shutil.rmtree(shared.path)  # it is beyond what the fixture expects


def test_what_may_be_needed_is_a_problem_where_it_is_damaged(shared: Ledger) -> None:
    """A damaged pack counts as one while the table that may name it is lost."""
    lose_table(shared)
    pack = min(objects_of(shared, "packs"), key=lambda path: path.stat().st_size)
    damage(pack)
    report = shared.verify()
    assert f"packs/{pack.parent.name}/{pack.name}" in [problem.object for problem in report.problems]
    assert () == report.orphans


def test_what_later_versions_need_is_no_orphan(shared: Ledger) -> None:
    """At a revision, what was saved after it is in the store, too, sound or not, and no version there names it."""
    then, before = shared.revision, objects_of(shared, "packs")
    shared.save(noise(500_000, seed=3), "later")
    [later] = [path for path in objects_of(shared, "packs") if path not in before]
    sound = shared.at(then).verify()
    damage(later)
    damaged = shared.at(then).verify()
    assert [(True, ())] * 2 == [(report.ok, report.orphans) for report in (sound, damaged)]


@pytest.mark.parametrize("is_needed", [True, False])
def test_what_goes_while_it_is_checked_is_missed_if_it_is_needed(shared: Ledger, *, is_needed: bool) -> None:
    """An object that is there at the beginning and gone at the end is a problem, unless no version needs it."""
    key = "/".join(objects_of(shared, "chunks")[0].parts[-3:])
    if not is_needed:
        before = objects_of(shared, "chunks")
        waste(shared)
        [key] = ["/".join(path.parts[-3:]) for path in objects_of(shared, "chunks") if path not in before]
    check = shared.checking()
    pieces = check.pieces()
    kept = (store_of(shared) / key).rename(shared.path / "kept")
    assert set(pieces) == set(check.run(pieces))
    report, expected = check.report(), [("missing", key)] if is_needed else []
    assert expected == [(problem.kind, problem.object) for problem in report.problems]
    assert not any(orphan.is_damaged for orphan in report.orphans)
    kept.rename(store_of(shared) / key)


def test_a_version_among_which_something_stands_needs_its_bytes(shared: Ledger) -> None:
    """What is wrong with where a version stands hides nothing of its bytes: they are no orphans, and are missed."""
    version = shared.get("iris")
    plant(shared, {"/".join((*version.claim.path, "stray.txt")): b"x"})
    report = shared.verify()
    assert ([("iris@1",)], ()) == ([problem.versions for problem in report.problems], report.orphans)
    [chunk] = objects_of(shared, "chunks")
    chunk.unlink()
    [_, missing] = shared.verify().problems
    assert ("missing", ("iris@1",)) == (missing.kind, missing.versions)


def test_what_a_version_names_that_contradicts_itself_is_needed(shared: Ledger) -> None:
    """Its manifest is wrong, which is told, and the bytes that it alone names are no orphans."""
    waste(shared)
    [orphan] = shared.verify().orphans
    whole = manifest_of(shared, shared.get("iris"))["content"]
    chunk = "sha256:" + "".join(orphan.object.split("/")[1:])
    label = forge(shared, shared.get("iris"), content={**whole, "chunks": [[chunk, whole["size"]]]})
    report = shared.verify()
    assert ([(label,)], ()) == ([problem.versions for problem in report.problems], report.orphans)


def test_what_a_dead_writer_left_is_information(shared: Ledger) -> None:
    """A temporary file that nobody has written to for a day is listed; a younger one may be a live writer's."""
    left = store_of(shared) / "packs" / f"tmp_{'0' * 16}"
    left.write_bytes(b"half")
    assert () == shared.verify().orphans
    then = time.time() - 2 * 86_400
    os.utime(left, (then, then))
    assert [f"packs/{left.name}"] == [orphan.object for orphan in shared.verify().orphans]


def test_a_part_of_a_check_calls_nothing_an_orphan(shared: Ledger) -> None:
    """What no version needs shows when all have been read; until then every object would look like it."""
    (left := store_of(shared) / "packs" / f"tmp_{'0' * 16}").write_bytes(b"half")
    os.utime(left, (time.time() - 90_000,) * 2)
    check = shared.checking()
    pieces = [piece for piece in check.pieces() if piece.kind == "object"]
    assert len(pieces) == len(list(check.run(pieces)))
    assert () == check.report(is_whole=False).orphans
    assert {f"packs/{left.name}", *(piece.name for piece in pieces)} == {each.object for each in check.report().orphans}


def test_damage_to_a_record_names_its_version(shared: Ledger) -> None:
    """A Git object that cannot be read is one problem with the versions that cannot be read for it."""
    path = next(path for path in git(shared, "ls-tree", "-r", "main").splitlines() if "version.json" in path)
    blob = path.split()[2]
    unpack(shared.git_dir)
    damage(shared.git_dir / "objects" / blob[:2] / blob[2:])
    [problem] = shared.verify().problems
    assert ("corrupt", 1) == (problem.kind, len(problem.versions))
    assert problem.versions[0] in ("iris@1", "weights@1", "weights@2")
    shutil.rmtree(shared.path)  # it is beyond what the fixture expects


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("about", LIES)
def test_what_a_manifest_says_falsely_is_its_own_fault(shared: Ledger, about: str, *, deep: bool) -> None:
    """A version that names the content or chunk of others, and not as it is, is the only one that is blamed."""
    label = lie(shared, about, shared.get("iris"), shared.get("weights"))
    blamed = {problem.versions for problem in shared.verify(deep=deep).problems}
    # What size a chunk has is known once it is read.
    assert (set() if about == "chunk" and not deep else {(label,)}) == blamed
    with pytest.raises(IntegrityError, match=label):
        shared.load("iris", 2)
    assert {"rows": 1} == shared.load("iris", 1)


def test_each_that_says_something_false_is_named(shared: Ledger) -> None:
    """Two versions with one false size are two problems; those that call a chunk larger than it is are one."""
    small, large = shared.get("iris"), shared.get("weights")
    labels = [lie(shared, about, small, large) for about in ("size", "size", "chunk", "chunk")]
    assert ["iris@2", "iris@3", "iris@4", "iris@5"] == labels
    problems = shared.verify().problems
    assert [("iris@2",), ("iris@3",), ("iris@4", "iris@5")] == [problem.versions for problem in problems]
    assert {"corrupt"} == {problem.kind for problem in problems}


def test_what_is_damaged_is_told_of_those_that_say_something_false_too(shared: Ledger) -> None:
    """Where a table or a chunk is damaged, it is so for all that need it, whatever they say of it."""
    lie(shared, "size", shared.get("iris"), shared.get("weights", 1))
    lie(shared, "chunk", shared.get("iris", 1), shared.get("weights"))
    damage(store_of(shared) / table_key(shared.get("weights", 1).content.digest))
    [chunk] = objects_of(shared, "chunks")
    damage(chunk)
    assert {("iris@2", "weights@1"), ("iris@1", "iris@3")} == {each.versions for each in shared.verify().problems}


def test_paths_that_lead_elsewhere_are_found(shared: Ledger) -> None:
    """A manifest whose files have impossible paths is read by nobody, and a check says so."""
    model = shared.get("iris")
    whole = manifest_of(shared, model)["content"]
    [[chunk, size]] = whole["chunks"]
    digest = content_digest([FileEntry(path="../x", size=size)], segments_of([(chunk, size)]))
    label = forge(shared, model, content={**whole, "digest": digest, "files": [{"path": "../x", "size": size}]})
    for deep in (True, False):
        [problem] = shared.verify(deep=deep).problems
        assert ("corrupt", label, (label,)) == (problem.kind, problem.label, problem.versions)


def test_a_record_that_is_wrong_is_told_once(shared: Ledger) -> None:
    """A version whose record says what none may say is one problem, though its content cannot be told either."""
    whole = manifest_of(shared, shared.get("iris"))["content"]
    label = forge(shared, shared.get("iris"), content={**whole, "size": -1})
    [problem] = shared.verify().problems
    assert ("corrupt", label, (label,)) == (problem.kind, problem.label, problem.versions)


def test_a_table_that_says_where_other_chunks_lie_is_damage(shared: Ledger) -> None:
    """Every object may be whole, and a version be made of the wrong pieces: it does not load, so a check says so."""
    content = shared.get("weights", 1).content
    runs = load_table(shared.store, content, label="x").runs
    [(pack, first, count)] = runs
    put_runs(shared.store, content, ((pack, first + 1, count - 1), (pack, first, 1)))
    with pytest.raises(IntegrityError):
        Ledger.open(shared.path).load("weights", 1)
    [problem] = shared.verify().problems
    assert ("corrupt", table_key(content.digest)) == (problem.kind, problem.object)
    assert "weights@1" in problem.versions
    put_runs(shared.store, content, runs)


def test_nothing_that_was_read_before_is_believed(ledger: Ledger) -> None:
    """A ledger that has the damaged record in memory finds the damage on the disk all the same."""
    ledger.save("one", "x")
    ledger.load("x")
    damage_every_pack(ledger)
    assert not ledger.verify().ok
    shutil.rmtree(ledger.path)  # it is beyond what the fixture expects


def test_records_of_runs_are_checked(ledger: Ledger) -> None:
    """A record in a place that is not its own, or that is no record, is named by its path."""
    day = "runs/2026-11-23"
    plant(ledger, {f"{day}/junk.json": canonical({"kind": "run"}), "stray.txt": b"x", "cache/ab/y.json": b"{}"})
    labels = sorted(problem.label for problem in ledger.verify(deep=False).problems)
    assert ["cache/ab/y.json", f"{day}/junk.json", "stray.txt"] == labels


@pytest.mark.parametrize("deep", [True, False])
def test_registered_data_that_is_gone_is_missing(ledger: Ledger, *, deep: bool) -> None:
    """A quick and a deep check call it so alike, and the hint says who may have it."""
    data = store_of(ledger) / "raw.bin"
    data.write_bytes(b"x")
    ledger.register(data, "raw")
    data.unlink()
    [problem] = ledger.verify(deep=deep).problems
    assert ("missing", True) == (problem.kind, "add the remote that has it" in problem.hint)


def test_each_that_has_lost_its_registered_data_is_named(ledger: Ledger) -> None:
    """Of two versions that list the same data, the second misses it as the first does, without reading any."""
    (data := store_of(ledger) / "data.csv").write_text("a,b")
    ledger.register(data, "one")
    ledger.register(data, "two")
    data.unlink()
    assert ["one@1", "two@1"] == sorted(problem.label for problem in ledger.verify(deep=False).problems)
    data.write_text("a,b")


def test_a_branch_that_was_set_back_is_a_problem(shared: Ledger) -> None:
    """All that is left is sound; what others had built on tells that it was published."""
    tip, built_on, before = git(shared, "rev-list", "-3", "main").split()
    git(shared, "update-ref", "refs/heads/main", before)
    assert [f"commit {built_on}"] == [problem.object for problem in shared.verify().problems]
    git(shared, "update-ref", "refs/heads/main", tip)


def test_pointers_that_are_lost_touch_all_that_are_sought_there(ledger: Ledger) -> None:
    """Versions that are no longer found by what they are called are named, though their records are whole."""
    ledger.save(1, "iris")
    saved = ledger.save(2, "iris", "setosa")
    lose_folder(ledger, "/".join((*saved.claim.path[:3], "names")))
    [problem] = ledger.verify().problems
    assert ("missing", ("iris@1", "iris@setosa")) == (problem.kind, problem.versions)
    shutil.rmtree(ledger.path)  # it is beyond what the fixture expects


def test_an_id_that_two_versions_have_is_a_problem(shared: Ledger) -> None:
    """Of two artifacts, each sound by itself: the second to be met is named, with the id."""
    iris, weights = shared.get("iris"), shared.get("weights", 1)
    folder = f"{'/'.join(iris.claim.path[:-1])}/00000002~2~2~{weights.id.hex}"
    manifest = {**manifest_of(shared, iris), "id": str(weights.id)}
    plant(shared, {f"{folder}/version.json": canonical(manifest)})
    [problem] = shared.verify().problems
    assert ("weights@1", True) == (problem.label, f"has the id {weights.id}, which another" in problem.message)


@pytest.mark.parametrize("kind", ["chunks", "packs", "tables"])
def test_a_quick_check_asks_for_every_object(shared: Ledger, kind: str) -> None:
    """It reads no bytes, and what is gone is missed all the same."""
    [*_, lost] = objects_of(shared, kind)
    lost.unlink()
    [problem] = shared.verify(deep=False).problems
    assert ("missing", lost.relative_to(store_of(shared)).as_posix()) == (problem.kind, problem.object)


def test_a_quick_check_tells_what_cannot_be_looked_at(shared: Ledger) -> None:
    """An object in a folder that is a link to itself is neither there nor gone: that is a problem of its own."""
    [chunk] = objects_of(shared, "chunks")
    shutil.rmtree(chunk.parent)
    chunk.parent.symlink_to(chunk.parent.name)
    [problem] = shared.verify(deep=False).problems
    assert ("corrupt", "iris@1") == (problem.kind, problem.label)


@pytest.mark.parametrize("place", ["artifacts", "runs"])
def test_a_quick_check_tells_of_folders_that_are_lost(shared: Ledger, place: str) -> None:
    """Who does not look at every object of the history meets one that is lost where its records are listed."""
    plant(shared, {"runs/2026-11-23/junk.json": b"{}"})
    tree = git(shared, "rev-parse", f"main:{place}")
    lose_folder(shared, place)
    assert f"object {tree}" in [problem.object for problem in shared.verify(deep=False).problems]
    shutil.rmtree(shared.path)  # it is beyond what the fixture expects


def test_what_is_no_version_is_among_none(shared: Ledger) -> None:
    """A record that is not of one, or an artifact that cannot be listed, is told, and no version is said to be it."""
    plant(shared, {"stray.txt": b"x"})
    lose_artifacts(shared)
    problems = shared.verify(deep=False).problems
    assert {("stray.txt", ()), ("artifacts", ())} == {(problem.label, problem.versions) for problem in problems}
    shutil.rmtree(shared.path)  # it is beyond what the fixture expects


def test_a_place_that_is_called_like_a_version_is_none(ledger: Ledger) -> None:
    """Whoever pushes may put a file ``iris@1`` into the tree: it is told, and touches no version."""
    plant(ledger, {"iris@1": b"x"})
    assert [("iris@1", ())] == [(problem.label, problem.versions) for problem in ledger.verify(deep=False).problems]


def test_pieces_are_done_in_any_order(shared: Ledger) -> None:
    """A check finds the same whichever way round its pieces are done."""
    damage(objects_of(shared, "packs")[0])
    reports = []
    for turned in (False, True):
        check = shared.checking()
        pieces = check.pieces()
        assert len(pieces) == len(list(check.run(reversed(pieces) if turned else pieces)))
        reports.append(check.report())
    assert reports[0].problems == reports[1].problems
    assert reports[0].orphans == reports[1].orphans


def test_a_piece_has_one_place(shared: Ledger) -> None:
    """No two pieces have the same key."""
    keys = [piece.key for piece in shared.checking().pieces()]
    assert len(keys) == len(set(keys))
    assert not any(one == other for one, other in itertools.pairwise(sorted(keys)))


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts its descriptors in /proc")
def test_a_process_without_descriptors_finds_no_damage(ledger: Ledger) -> None:
    """A file that could not be opened for want of descriptors was not judged: that is an error, and no fault."""
    for number in range(6):
        ledger.save(noise(50_000) + bytes([number]), "iris", tags=[f"round-{number}"])
    program = subprocess.run(
        [sys.executable, "-c", IN_LITTLE, str(ledger.path)], capture_output=True, text=True, check=True
    )
    assert [str([f"StorageError {errno.EMFILE}", "ok"])] * 2 == program.stdout.splitlines()


def test_the_bytes_of_many_artifacts_are_looked_for_at_a_time(ledger: Ledger) -> None:
    """What lies in a distant store is not asked for artifact by artifact, one answer after another."""

    class Distant(LocalStore):
        gets_at_once = 4
        meeting = threading.Barrier(16, timeout=10)

        def has(self, key: str) -> bool:
            self.meeting.wait()
            return super().has(key)

    for number in range(16):
        ledger.save(number, f"artifact-{number}")
    workspace, found = Workspace(ledger.path), Findings()
    check = VersionCheck(workspace, Distant(store_of(ledger)), frozenset(), found, deep=False)
    for number in range(16):
        check.check(workspace.snapshot(), Name(f"artifact-{number}"))
    check.finish()
    assert (16, {}) == (check.count, found.store)
