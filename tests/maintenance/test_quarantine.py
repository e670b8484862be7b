"""What a repair keeps of what was bad, and where; and what stays where it is."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import StorageError
from ledger.history.upkeep import mending
from ledger.maintenance import QUARANTINE
from tests.kit.ledgers import damage, damage_every_pack, files_below, git, objects_of, values_of
from tests.kit.maintaining import repair

IN_LITTLE = """
import collections, gc, os, resource, sys
from ledger import Ledger
from ledger.errors import StorageError
from ledger.history.upkeep import GitFault, plan_mending
ledger, fault = Ledger.open(sys.argv[1]), GitFault("HEAD", "corrupt", "it is damaged")
expected = plan_mending(ledger.workspace.afresh().history, None, [fault])
assert (expected.fetched, expected.lost) == ((), ())
gc.collect()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
used = len(os.listdir("/proc/self/fd")) - 1
found = collections.Counter()
for more in range(12):
    gc.collect()
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, hard))
    try:
        plan = plan_mending(ledger.workspace.afresh().history, None, [fault])
        found["as before" if plan == expected else str(plan)] += 1
    except StorageError as error:
        found[f"{type(error).__name__} {error.errno}"] += 1
print(sorted(found))
"""


def damage_pack(ledger: Ledger) -> Path:
    """Change a byte of a pack of the store."""
    path = objects_of(ledger, "packs")[-1]
    damage(path)
    return path


def test_what_was_bad_is_kept(kept: Ledger) -> None:
    """The damaged bytes lie in the quarantine, under the name they had; nothing else does."""
    path = damage_pack(kept)
    bad = path.read_bytes()
    found = repair(kept)
    key = path.relative_to(kept.path).as_posix()
    assert {key: bad} == files_below(found.quarantine)
    assert found.quarantine.parent == kept.path / QUARANTINE


def test_each_round_keeps_what_it_finds_in_a_folder_of_its_own(kept: Ledger) -> None:
    """What shows when the history is mended takes no place of what was kept before."""
    damage_pack(kept)
    damage_every_pack(kept)
    first = repair(kept).quarantine
    assert [first.name, f"{first.name}-2"] == sorted(path.name for path in first.parent.iterdir())


def test_nothing_is_kept_behind_a_link(kept: Ledger, tmp_path: Path) -> None:
    """A ledger may come from anybody: a link in the place of the quarantine leads to a folder of somebody's own."""
    damage_pack(kept)
    (tmp_path / "own").mkdir()
    (kept.path / QUARANTINE).symlink_to(tmp_path / "own")
    with pytest.raises(StorageError, match=f"cannot write in {kept.path}/{QUARANTINE}: it is a link"):
        repair(kept)
    assert [] == list((tmp_path / "own").iterdir())
    (kept.path / QUARANTINE).unlink()
    repair(kept)


def test_a_list_of_refs_makes_way_once_the_branch_has_a_file_of_its_own(kept: Ledger) -> None:
    """A line in it is no ref, so that Git reads none: the branch that is read from it stays where it was."""
    expected, tip = values_of(kept), kept.revision
    git(kept, "pack-refs", "--all")
    packed = kept.git_dir / "packed-refs"
    packed.write_bytes(bad := packed.read_bytes() + b"no ref\n")
    assert repair(kept).report.ok
    assert (expected, tip) == (values_of(kept), git(kept, "rev-parse", "main"))
    assert not packed.exists()
    assert [bad] == [kept_aside.read_bytes() for kept_aside in kept.path.glob(f"{QUARANTINE}/*/history/packed-refs")]


@pytest.mark.parametrize("told", ["1" * 40, "illegible"])
def test_a_list_of_refs_that_names_a_lost_branch_stays(kept: Ledger, told: str) -> None:
    """What it says that the branch was is all that is known of that."""
    git(kept, "pack-refs", "--all")
    packed = kept.git_dir / "packed-refs"
    good = packed.read_text()
    packed.write_text(bad := good.replace(kept.revision, told) + "no ref\n")
    assert not repair(kept).report.ok
    assert bad == packed.read_text()
    packed.write_text(good)


def test_a_link_to_a_folder_that_is_not_there_stays(kept: Ledger, tmp_path: Path) -> None:
    """Loose objects may lie on a disk that is not mounted now, and some of them nowhere else."""
    link = kept.git_dir / "objects" / "ab"
    link.symlink_to(tmp_path / "not mounted")
    damage_pack(kept)
    repair(kept)
    assert link.is_symlink()
    link.unlink()


def test_many_objects_come_back_in_more_than_one_pack(kept: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them do, though no pack is made of more than some at a time."""
    monkeypatch.setattr(mending, "_PACK_OBJECTS", 3)
    expected = values_of(kept)
    shutil.rmtree(kept.git_dir / "objects" / "pack")
    assert repair(kept).report.ok
    assert len(list((kept.git_dir / "objects" / "pack").glob("*.pack"))) > 2
    assert expected == values_of(kept)


def test_good_objects_of_a_bad_pack_stay_under_its_name(kept: Ledger) -> None:
    """Where a repair made a pack that is damaged now, the next one makes the same of what is good in it."""
    packs = kept.git_dir / "objects" / "pack"
    before = set(packs.glob("*.pack"))
    kept.save("only here", "x")
    found: list[Path] = []
    for _ in range(2):
        [pack] = set(packs.glob("*.pack")) - before
        data = bytearray(pack.read_bytes())
        data[-1] ^= 1  # of the checksum at its end, which no look-up minds
        pack.chmod(0o644)
        pack.write_bytes(data)
        assert repair(kept).report.ok
        assert "only here" == Ledger.open(kept.path).load("x")
        found += set(packs.glob("*.pack")) - before
    assert found[0] == found[1]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts its descriptors in /proc")
def test_a_process_without_descriptors_calls_nothing_lost(kept: Ledger) -> None:
    """An object whose pack could not be opened for want of descriptors may be sound: that is an error, and no plan."""
    program = subprocess.run(
        [sys.executable, "-c", IN_LITTLE, str(kept.path)], capture_output=True, text=True, check=True
    )
    assert str([f"StorageError {errno.EMFILE}", "as before"]) == program.stdout.strip()
