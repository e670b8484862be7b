"""A power cut, with the journal's tail or the unwritten data lost, takes nothing that was acknowledged."""

import os
import signal
import stat
from pathlib import Path

import pytest

from ledger import Ledger
from tests.crash import disks, tracing
from tests.crash.conftest import CrashProgram
from tests.crash.disks import JOURNAL_LOST
from tests.crash.operations import LARGE, WRITING

pytestmark = pytest.mark.skipif(bool(tracing.why_not()), reason=tracing.why_not() or "none")

SLICE = 31
CUTS = [(file_system, mode) for file_system in ("ext4", "xfs") for mode in ("power-journal", "power-data")]
SHORT = dict(zip(CUTS, ("save-large", "fold", "fold", "save-large"), strict=True))


def cases() -> list[object]:
    """One operation per kind of cut in the short run, all in the long one."""
    long = [pytest.mark.slow, pytest.mark.timeout(1800)]
    everything = [pytest.param(*cut, name, 1, marks=long) for cut in CUTS for name in WRITING]
    return [*((*cut, name, SLICE) for cut, name in SHORT.items()), *everything]


@pytest.mark.parametrize(("file_system", "mode", "operation", "every"), cases())
def test_a_power_cut_loses_nothing(
    crash: CrashProgram, file_system: str, mode: str, operation: str, every: int
) -> None:
    """Right after the acknowledgement or at any call before: what was acknowledged is there, the rest whole or not."""
    if reason := disks.why_not(file_system):
        pytest.skip(reason)
    assert crash("--mode", mode, "--fs", file_system, "--operation", operation, "--slice", every) > 2


@pytest.mark.parametrize("file_system", ["ext4", "xfs"])
@pytest.mark.parametrize(("value", "kind"), [(b"small", "chunks"), (LARGE, "tables"), (LARGE, "packs")])
def test_a_save_makes_last_what_a_dead_one_put(tmp_path: Path, file_system: str, value: bytes, kind: str) -> None:
    """On a disk of the store's own, nothing else makes names durable that a killed save gave to the same bytes."""
    if reason := disks.why_not(file_system):
        pytest.skip(reason)
    with disks.mounted(tmp_path, file_system) as disk:
        ledger = Ledger.init(tmp_path / ".ledger", store=disk.root / "store")
        disk.settle()
        child = os.fork()
        if not child:
            _save_until_folder(ledger, value, kind)
        assert signal.SIGKILL == -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert any(path.is_file() for path in (disk.root / "store" / kind).rglob("*"))
        ledger.save(value, "alive")
        disk.cut_power(JOURNAL_LOST)
        assert value == Ledger.open(ledger.path).load("alive")


def _save_until_folder(ledger: Ledger, value: bytes, kind: str) -> None:
    """Save in a fork that is killed where it is about to sync a folder of such objects."""
    real = os.fsync

    def sync_or_die(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if is_folder and f"/{kind}/" in os.readlink(f"/proc/self/fd/{descriptor}"):
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    pytest.MonkeyPatch().setattr(os, "fsync", sync_or_die)
    ledger.save(value, "dead")
    os._exit(0)
