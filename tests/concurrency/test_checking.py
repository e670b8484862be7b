"""A check beside writers finds nothing wrong: what is being written, folded or removed is no damage."""

import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.maintenance import execute_gc, plan_gc
from tests.kit.ledgers import git

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from ledger import Ledger
ledger = Ledger.open(sys.argv[1])
for number in range(int(sys.argv[2])):
    ledger.save({"number": number}, "numbers")
    ledger.save(bytes([number % 256]) * 300_000 + sys.argv[1].encode(), "bytes")
    ledger.transaction().save(f"never published {number}", "x")
"""


@pytest.mark.parametrize("saves", [20, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_a_check_beside_writers_finds_nothing(ledger: Ledger, saves: int) -> None:
    """Two processes save, folding packs as they go, while checks, gc and Git's own repacking run: no problem at all."""
    command = [sys.executable, "-c", WRITER, str(ledger.path), str(saves)]
    checks = 0
    with subprocess.Popen(command, cwd=ROOT) as one, subprocess.Popen(command, cwd=ROOT) as other:
        while one.poll() is None or other.poll() is None:
            fresh = Ledger.open(ledger.path)
            assert () == fresh.verify().problems
            checks += 1
            if checks % 3 == 1:
                execute_gc(fresh, plan_gc(fresh))
            elif checks % 3 == 2:
                git(fresh, "repack", "-d", "-q")
    assert (0, 0) == (one.returncode, other.returncode)
    assert checks
    report = Ledger.open(ledger.path).verify()
    assert (4 * saves, ()) == (report.versions, report.problems)
