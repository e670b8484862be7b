"""Calls that fail: a typed error that names a path, or success; nothing half-visible, and the next save works."""

import errno
import os
import resource
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import DiskFullError
from tests.conftest import check_histories
from tests.crash import tracing
from tests.crash.faults import fail_all
from tests.crash.operations import LARGE
from tests.crash.survival import in_a_fork

FAILING = (
    *("save", "save-large", "save-huge", "tag", "register", "fold", "group", "gc"),
    *("load", "list", "program-tag", "program-list"),
)
SLICE = {"fold": 1381, "gc": 3989, "save": 193}


def cases() -> list[object]:
    """A few faults of each operation in the short run, all in the long one."""
    long = [pytest.mark.slow, pytest.mark.timeout(3600)]
    short = [(name, SLICE.get(name, 499)) for name in FAILING]
    return [*short, *(pytest.param(name, 1, marks=long) for name in FAILING)]


@pytest.mark.skipif(bool(tracing.why_not()), reason=tracing.why_not() or "none")
@pytest.mark.parametrize(("operation", "every"), cases())
def test_a_call_that_fails_is_told_and_costs_nothing(tmp_path: Path, operation: str, every: int) -> None:
    """Each call fails once or for ever: success or a typed error with a path, and no trace of what failed."""
    faults = list(fail_all(operation, tmp_path, every=every))
    print(f"\n{operation}: {len(faults)} faults")
    assert faults
    assert [] == [fault for fault in faults if fault.complaints]


def test_short_reads_and_writes_are_continued(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes and gives a few bytes at a time stores and returns the same bytes."""
    read, pread, write = os.read, os.pread, os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:1000]))
    monkeypatch.setattr(os, "read", lambda file, size: read(file, min(size, 1000)))
    monkeypatch.setattr(os, "pread", lambda file, size, at: pread(file, min(size, 1000), at))
    ledger.save(LARGE, "weights")
    fresh = Ledger.open(ledger.path)
    assert LARGE == fresh.load("weights")
    assert fresh.verify().ok


@pytest.mark.parametrize("limit", [10, 700, 9_000, 100_000])
def test_a_write_cut_short_for_good_publishes_nothing(ledger: Ledger, limit: int) -> None:
    """Where a file may grow to a limit only, a write is cut short, then fails: a `DiskFullError`, and no trace."""
    ledger.save(1, "weights")

    def save() -> tuple[type, int | None]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(DiskFullError) as caught:
            Ledger.open(ledger.path).save(LARGE, "weights")
        return type(caught.value), caught.value.errno

    assert (DiskFullError, errno.EFBIG) == in_a_fork(save)
    assert ["1"] == [version.version for version in Ledger.open(ledger.path).versions("weights")]
    assert [] == [*ledger.path.rglob("*tmp_*"), *ledger.path.glob("history.git/**/*.lock")]
    assert "2" == ledger.save(LARGE, "weights").version
    check_histories(ledger.path)
