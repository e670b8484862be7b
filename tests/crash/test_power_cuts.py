"""A power cut, with the journal's tail or the unwritten data lost, takes nothing that was acknowledged."""

from pathlib import Path

import pytest

from tests.crash import disks, tracing
from tests.crash.harness import crash_all
from tests.crash.operations import WRITING

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
def test_a_power_cut_loses_nothing(tmp_path: Path, file_system: str, mode: str, operation: str, every: int) -> None:
    """Right after the acknowledgement or at any call before: what was acknowledged is there, the rest whole or not."""
    if reason := disks.why_not(file_system):
        pytest.skip(reason)
    crashes = list(crash_all(operation, mode, tmp_path, every=every, file_system=file_system))
    assert len(crashes) > 2
    assert [] == [crash for crash in crashes if not crash.verdict.survived]
