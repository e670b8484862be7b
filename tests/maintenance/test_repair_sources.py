"""What a repair is given: a source may be arranged otherwise, damaged, out of reach, or no source at all."""

import shutil
import tracemalloc
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.blobs.chunks.tables import load_table, put_runs
from ledger.blobs.stores.layout import table_key
from ledger.errors import (
    ArgumentError,
    IntegrityError,
    LedgerError,
    LedgerNotFoundError,
    StorageError,
    StoreAccessError,
    StoreUnavailableError,
)
from ledger.lookup import write_remote
from ledger.maintenance import execute_repair, find_source, plan_repair
from tests.kit.contents import noise
from tests.kit.faults import Fault, Proxy, nothing, on
from tests.kit.histories import NOW
from tests.kit.hubs import new_hub
from tests.kit.ledgers import damage, files_below, objects_of, plant, store_of, values_of
from tests.kit.maintaining import repair
from tests.kit.s3 import Bucket
from tests.kit.web import served


def test_the_source_may_hold_the_chunks_elsewhere(kept: Ledger, tmp_path: Path) -> None:
    """Another ledger saved the same bytes in other packs: they come with the table that says so."""
    other = Ledger.init(tmp_path / "other" / ".ledger")
    weights = noise(700_000)
    other.save(weights + b"more", "weights")
    other.save(weights, "weights")
    for path in (store_of(kept) / "packs").rglob("*"):
        if path.is_file():
            damage(path)
    report = repair(kept, str(other.path)).report
    assert report.ok
    assert [weights, weights + b"more"] == [version.load() for version in Ledger.open(kept.path).versions("weights")]


def test_a_source_without_the_table_gives_the_packs(kept: Ledger) -> None:
    """Two backups, each with damage of its own: the table that is whole here says where the chunks lie there."""
    copy = Ledger.open(kept.path.parent / "copy")
    expected = values_of(kept)
    damage(objects_of(kept, "packs")[-1])
    for path in (store_of(copy) / "tables").rglob("*"):
        if path.is_file():
            damage(path)
    assert repair(kept, str(copy.path)).report.ok
    assert expected == values_of(kept)


def test_the_table_may_lie_in_the_store_of_a_remote(kept: Ledger, tmp_path: Path) -> None:
    """A clone that reads from a hub which has lost its packs: whoever has the packs alone can make all of it whole."""
    hub, copy = new_hub(tmp_path), Ledger.open(kept.path.parent / "copy")
    write_remote(kept.path, "origin", str(hub))
    Ledger.open(kept.path).sync()
    clone = Ledger.clone(str(hub), tmp_path / "clone")
    shutil.rmtree(hub / "ledger-store" / "packs")
    shutil.rmtree(store_of(copy) / "tables")
    plan = plan_repair(clone, find_source(clone, str(copy.path)))
    assert ((), True) == (plan.hopeless, plan.is_enough)
    assert repair(clone, str(copy.path)).report.ok
    assert values_of(Ledger.open(kept.path)) == values_of(Ledger.open(clone.path))


def test_a_damaged_source_is_no_help(kept: Ledger) -> None:
    """What the source cannot give whole is not taken: the plan says so, and nothing changes."""
    copy = Ledger.open(kept.path.parent / "copy")
    for ledger in (kept, copy):
        damage(objects_of(ledger, "packs")[-1])
    before = files_below(kept.path)
    plan = plan_repair(kept, find_source(kept, str(copy.path)))
    assert (["weights@1"], ()) == (list(plan.hopeless)[:1], plan.contents)
    assert (True, False) == (plan.is_empty, plan.is_enough)
    assert before == files_below(kept.path)
    shutil.copy(next(iter((copy.path / "history.git").glob("HEAD"))), kept.git_dir / "HEAD")


def test_a_table_that_says_where_other_chunks_lie_is_not_taken(kept: Ledger) -> None:
    """Whatever the source holds may be whole: by that table the version would be made of the wrong pieces."""
    copy, content = Ledger.open(kept.path.parent / "copy"), kept.get("weights", 1).content
    [(pack, first, count)] = load_table(copy.store, content, label="x").runs
    put_runs(copy.store, content, ((pack, first + 1, count - 1), (pack, first, 1)))
    (store_of(kept) / table_key(content.digest)).unlink()
    assert ("weights@1",) == plan_repair(kept, find_source(kept, str(copy.path))).hopeless


def test_what_a_source_holds_elsewhere_is_looked_at_too(kept: Ledger, tmp_path: Path) -> None:
    """Another ledger's table is sound, and its packs, which this ledger never had, are damaged: it is no help."""
    other = Ledger.init(tmp_path / "other" / ".ledger")
    for version in kept.versions("weights"):
        other.save(version.load() + b"more", "weights")
        other.save(version.load(), "weights")
    for ledger in (kept, other):
        for pack in objects_of(ledger, "packs"):
            damage(pack)
    plan = plan_repair(kept, find_source(kept, str(other.path)))
    assert ["weights@1", "weights@2"] == sorted(plan.hopeless)


def test_what_is_sound_here_need_not_be_so_in_the_source(kept: Ledger) -> None:
    """Of a version's two packs each side has lost the other one: what is missed here is brought back all the same."""
    expected, copy = values_of(kept), Ledger.open(kept.path.parent / "copy")
    ours, theirs = objects_of(kept, "packs")
    ours.unlink()
    (store_of(copy) / theirs.relative_to(store_of(kept))).unlink()
    assert repair(kept, str(copy.path)).report.ok
    assert expected == values_of(kept)


def test_a_damaged_pack_gives_what_is_sound_in_it(kept: Ledger) -> None:
    """A version whose chunks in it are sound is brought back without the others."""
    data, before = noise(400_000, seed=5), {*store_of(kept).glob("packs/*/*")}
    kept.save(data, "big")
    [pack] = {*store_of(kept).glob("packs/*/*")} - before
    kept.save(data[200_000:], "big")
    copy = kept.path.parent / "other"
    shutil.copytree(kept.path, copy)
    harmed = copy / pack.relative_to(kept.path)
    harmed.chmod(0o644)
    harmed.write_bytes(b"damaged" + harmed.read_bytes()[7:])
    pack.unlink()
    assert ("big@1",) == plan_repair(kept, find_source(kept, str(copy))).hopeless
    assert {"big@1"} == {version for problem in repair(kept, str(copy)).report.problems for version in problem.versions}
    assert data[200_000:] == kept.load("big", 2)


def test_what_no_source_has_is_left_and_said(kept: Ledger) -> None:
    """A record in the wrong place, and a store that cannot be told from another one, are for a person to look at."""
    source = find_source(kept, str(kept.path.parent / "copy"))
    (store_of(kept) / "store.json").write_bytes(b"{")
    plan = plan_repair(kept, source)
    assert (True, False) == (plan.is_empty, plan.is_enough)
    shutil.copy(kept.path.parent / "copy" / "store" / "store.json", store_of(kept))
    plant(kept, {"artifacts/astray.json": b"{}"})
    plan = plan_repair(kept, source)
    assert (True, False) == (plan.is_empty, plan.is_enough)


@pytest.mark.parametrize("kind", ["chunks", "packs", "tables"])
def test_what_the_source_lost_since_the_plan_is_told(kept: Ledger, kind: str) -> None:
    """Its copy is no longer there to be compared with what is bad here, which stays."""
    path = objects_of(kept, kind)[-1]
    damage(path)
    bad, fresh = path.read_bytes(), Ledger.open(kept.path)
    plan = plan_repair(fresh, find_source(fresh, str(kept.path.parent / "copy")))
    (kept.path.parent / "copy" / path.relative_to(kept.path)).unlink()
    with pytest.raises(IntegrityError):
        execute_repair(fresh, plan, now=NOW)
    assert bad == path.read_bytes()


def test_a_source_that_does_not_end_does_not_fill_the_memory(kept: Ledger) -> None:
    """Nothing is asked for up to its end, which a web server may never come to."""
    damage(objects_of(kept, "packs")[-1])
    with served(kept.path.parent / "copy" / "store", unending=32 << 20) as url:
        tracemalloc.start()
        try:
            report = repair(kept, url).report
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
    assert report.ok


def test_a_source_may_need_a_password(kept: Ledger) -> None:
    """It is read and written nowhere: so its URL may have what that of a store may have, which is not shown."""
    url = f"memory://ada:canary@{kept.path.parent.name}"
    Ledger.init(kept.path.parent / "other", store=url)
    source = find_source(kept, url)
    assert source.store is not None
    assert "canary" not in source.where


def test_a_source_that_is_none_is_refused(kept: Ledger, tmp_path: Path) -> None:
    """A folder that is neither a store nor a ledger, or whose store.json says nothing, and the ledger itself."""
    with pytest.raises(LedgerNotFoundError, match="neither a store nor a ledger"):
        find_source(kept, str(tmp_path))
    (tmp_path / "store.json").write_bytes(b"{")
    with pytest.raises(LedgerNotFoundError, match="neither a store nor a ledger"):
        find_source(kept, str(tmp_path))
    with pytest.raises(ArgumentError, match="this ledger itself"):
        find_source(kept, str(kept.path))


def test_a_source_that_cannot_be_asked_is_not_called_none(kept: Ledger) -> None:
    """Nobody is sent to look for another one."""
    with served(store_of(kept), parts=False) as url, pytest.raises(StorageError, match="Range request not supported"):
        find_source(kept, url)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("answer", status=503, code="SlowDown"), StoreUnavailableError),
        (Fault("answer", status=403, code="ExpiredToken"), StoreAccessError),
    ],
    ids=["away", "closed"],
)
def test_a_source_that_fails_meanwhile_is_not_called_empty(
    kept: Ledger, bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Fault, kind: type[LedgerError]
) -> None:
    """What a bucket did not answer is its own error, and not said to be lost; asked later, it mends."""
    monkeypatch.setattr("ledger.blobs.stores.retrying._FIRST_PAUSE", 0.0)
    for key, data in files_below(store_of(kept)).items():
        bucket.plant(key, data)
    objects_of(kept, "packs")[-1].unlink()
    source = find_source(kept, bucket.url)
    proxy.plan = on(fault)
    with pytest.raises(kind):
        plan_repair(kept, source)
    proxy.plan = nothing
    assert repair(kept, bucket.url).report.ok


def test_a_history_that_went_is_told_by_the_plan(kept: Ledger, tmp_path: Path) -> None:
    """Where an open ledger has lost its history, a source is found all the same, and the plan says what is gone."""
    other = Ledger.init(tmp_path / "other" / ".ledger")
    kept.git_dir.rename(tmp_path / "gone")
    source = find_source(kept, str(other.path))
    with pytest.raises(IntegrityError, match="should hold one history"):
        plan_repair(kept, source)
