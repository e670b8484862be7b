"""The setting that says what a save survives: a power cut, or the end of a program only."""

import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest

from ledger import Ledger
from ledger.errors import ConfigError
from ledger.history.folds import packing
from ledger.history.folds.packing import FOLD_AT
from ledger.records import INLINE_FILES
from tests.crash.operations import LARGE
from tests.kit.hubs import hub_git, new_hub, shared
from tests.kit.ledgers import git
from tests.kit.web import served

MANY_CHUNKS = 6 << 20


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced: ``file`` or ``folder``, in order."""
    seen: list[str] = []
    really = os.fsync

    def note(descriptor: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        really(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return seen


def with_durability(ledger: Ledger, value: str) -> Ledger:
    """The ledger, opened anew with a setting."""
    config = ledger.path / "config.toml"
    config.write_text(re.sub(r'durability = "\w+"', f"durability = {value}", config.read_text()))
    return Ledger.open(ledger.path)


def work_on(ledger: Ledger) -> None:
    """Everything that writes: small and large saves, several at once, tags, metadata, a registration."""
    ledger.save({"number": 1}, "small")
    ledger.save(LARGE, "large")
    ledger.save(np.random.default_rng(0).bytes(MANY_CHUNKS), "many-chunks")
    with ledger.transaction() as transaction:
        transaction.save(1, "left")
        transaction.save(2, "right")
    ledger.tag("small", ["best"])
    ledger.log_metadata({"accuracy": 1.0}, "small")
    (parts := ledger.path / "store" / "parts").mkdir()
    for number in range(INLINE_FILES + 1):
        (parts / f"{number}.csv").write_text("a,b\n")
    ledger.register(parts, "parts")


def test_relaxed_syncs_nothing_and_keeps_everything(
    ledger: Ledger, syncs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``relaxed`` no save asks for fsync, and a fresh process finds all of it whole."""
    monkeypatch.setattr(packing, "FOLD_AT", 100)
    relaxed = with_durability(ledger, '"relaxed"')
    syncs.clear()
    work_on(relaxed)
    assert [] == syncs
    fresh = Ledger.open(ledger.path)
    assert (LARGE, ("best",)) == (fresh.load("large"), fresh.get("small").tags)
    assert fresh.verify().ok


def test_a_fold_is_durable_whatever_saves_are(ledger: Ledger, syncs: list[str]) -> None:
    """What a fold moves was there before: it is synced before the old packs go, with ``relaxed`` as well."""
    relaxed = with_durability(ledger, '"relaxed"')
    syncs.clear()
    for number in range(FOLD_AT):
        relaxed.save(number, "filler")
    assert ["file", "file", "folder"] == syncs[:3]
    assert FOLD_AT == len(list(Ledger.open(ledger.path).versions("filler")))


def test_the_first_durable_save_makes_durable_what_relaxed_ones_left(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It builds on their commits, and may share their bytes: once everything is synced, before the branch moves."""
    tips: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: tips.append(ledger.revision))
    relaxed = with_durability(ledger, '"relaxed"')
    relaxed.save(1, "number")
    before = relaxed.revision
    assert (ledger.path / "unsynced").exists()
    assert [] == tips
    full = with_durability(ledger, '"full"')
    for number in (1, 2):
        full.save(number, "number")
    assert [before] == tips
    assert not (ledger.path / "unsynced").exists()


@pytest.mark.parametrize(("value", "objects"), [(b"small", 1), (LARGE, 2)])
def test_a_durable_save_syncs_what_a_relaxed_one_has_not_published_yet(
    ledger: Ledger, syncs: list[str], value: bytes, objects: int
) -> None:
    """Bytes that lie there already, which no mark tells of yet, are on the disk before a durable save names them."""
    relaxed = with_durability(ledger, '"relaxed"').transaction()
    relaxed.save(value, "later")
    full = with_durability(ledger, '"full"')
    syncs.clear()
    full.save(value, "now")
    assert [*["file", "folder"] * objects, "file", "file", "folder", "file", "folder"] == syncs
    relaxed.commit()


def test_what_is_registered_is_durable_before_it_is_named(ledger: Ledger, syncs: list[str]) -> None:
    """Nobody else makes last what a program wrote a moment ago: its file, and each folder that leads there."""
    (folder := ledger.path / "store" / "runs" / "one").mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    syncs.clear()
    ledger.register(folder, "checkpoint")
    assert ["file", *["folder"] * 3, "file", "file", "folder", "file", "folder"] == syncs


def test_many_files_that_are_registered_are_made_durable_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than 64 everything that the system holds back is written, before a version names them."""
    ledger.save(1, "number")
    before, tips = ledger.revision, list[str]()
    monkeypatch.setattr(os, "sync", lambda: tips.append(ledger.revision))
    for count, expected in ((65, [before]), (64, [before])):
        (folder := ledger.path / "store" / f"runs-{count}").mkdir()
        for number in range(count):
            (folder / f"{number}.csv").write_text("a,b\n")
        ledger.register(folder, f"runs-{count}")
        assert expected == tips


def test_a_sync_makes_durable_what_relaxed_saves_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others have from now on does not get lost here, also where the branch stays where it is."""
    ledger = with_durability(shared(tmp_path / "laptop", new_hub(tmp_path)), '"relaxed"')
    ledger.save(1, "number")
    synced: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(ledger.revision))
    ledger.sync()
    assert ([ledger.revision], False) == (synced, (ledger.path / "unsynced").exists())


def test_what_a_relaxed_ledger_shares_is_durable_before_others_build_on_it(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever clones it or syncs with it as a remote may save what shares chunks with its bytes."""
    relaxed = with_durability(ledger, '"relaxed"')
    relaxed.save(1, "number")
    synced: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: synced.append(ledger.revision))
    first = relaxed.revision
    other = Ledger.clone(ledger.path, tmp_path / "clone")
    relaxed.save(2, "number")
    other.sync()
    assert [first, relaxed.revision] == synced


def test_a_save_makes_durable_what_was_pushed_here(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git by itself syncs no loose object, and the commit that a save builds on may be one; once is enough."""
    other = Ledger.clone(ledger.path, tmp_path / "clone")
    other.save(1, "number")
    git(other, "push", "--quiet", str(ledger.git_dir), "main")
    pushed, synced = ledger.revision, list[str]()
    monkeypatch.setattr(os, "sync", lambda: synced.append(ledger.revision))
    for number in (2, 3):
        ledger.save(number, "number")
    assert [pushed] == synced


def test_loose_objects_that_a_sync_has_fetched_are_durable_before_the_branch_moves(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a web server that knows nothing of Git these are taken one by one, and Git syncs none of them."""
    hub = new_hub(tmp_path)
    ledger.add_remote("origin", hub)
    ledger.sync()
    synced: list[str] = []
    with served(hub) as url:
        hub_git(hub, "update-server-info")
        clone = Ledger.clone(url, tmp_path / "clone", hub / "ledger-store")
        before = clone.revision
        monkeypatch.setattr(os, "sync", lambda: synced.append(clone.revision))
        ledger.save(1, "number")
        git(ledger, "push", "--quiet", str(hub), "main")
        hub_git(hub, "update-server-info")
        clone.sync()
    assert ([before], ledger.revision) == (synced, clone.revision)


def test_full_syncs_each_file_and_folder_of_a_save_once(ledger: Ledger, syncs: list[str]) -> None:
    """By default a small save syncs four files and three folders: chunk, pack, index and branch."""
    ledger.save({"number": 1}, "small")
    syncs.clear()
    ledger.save({"number": 2}, "small")
    assert ["file", "folder", "file", "file", "folder", "file", "folder"] == syncs


@pytest.mark.parametrize("value", ['"fast"', "1", "true"])
def test_another_setting_is_refused_with_the_right_ones(ledger: Ledger, value: str) -> None:
    """A word that is none of the settings is a `ConfigError` that lists them."""
    with pytest.raises(ConfigError, match=r"config.toml: durability is .*, expected 'full' or 'relaxed'"):
        with_durability(ledger, value)


def test_a_ledger_without_the_setting_is_fully_durable(ledger: Ledger, syncs: list[str]) -> None:
    """Settings that say nothing about durability, as older ones do, mean the safe value."""
    config = Path(ledger.path, "config.toml")
    config.write_text("\n".join(line for line in config.read_text().splitlines() if "durability" not in line))
    Ledger.open(ledger.path).save(1, "small")
    assert syncs
