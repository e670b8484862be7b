"""Calls that fail: a typed error that names a path, or success; nothing half-visible, and the next save works."""

import errno
import os
import resource

import pytest

from ledger import Ledger
from ledger.errors import DiskFullError
from tests.conftest import check_histories
from tests.crash import tracing
from tests.crash.conftest import CrashProgram
from tests.crash.faults import FAILING, Fault, main
from tests.crash.operations import LARGE
from tests.kit.forking import in_a_fork

SLICE = {"fold": 1381, "gc": 3989, "save": 193}


def cases() -> list[object]:
    """A few faults of each operation in the short run, all in the long one."""
    long = [pytest.mark.slow, pytest.mark.timeout(3600)]
    short = [(name, SLICE.get(name, 499)) for name in FAILING]
    return [*short, *(pytest.param(name, 1, marks=long) for name in FAILING)]


@pytest.mark.skipif(bool(tracing.why_not()), reason=tracing.why_not() or "none")
@pytest.mark.parametrize(("operation", "every"), cases())
def test_a_call_that_fails_is_told_and_costs_nothing(fail: CrashProgram, operation: str, every: int) -> None:
    """Each call fails once or for ever: success or a typed error with a path, and no trace of what failed."""
    assert fail("--operation", operation, "--slice", every)


def test_the_program_exits_with_1_if_anything_was_amiss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One fault of two after which a lock was left is counted, shown and told by the code."""
    found = [Fault("write:error=EIO:when=1", []), Fault("write:error=EIO:when=2", ["main.lock was left"])]
    monkeypatch.setattr("tests.crash.faults.fail_all", lambda *_, **__: iter(found))
    assert 1 == main(["--operation", "tag"])
    head, line, fault = capsys.readouterr().out.splitlines()
    assert ["operation", "faults", "amiss"] == head.split()
    assert ["tag", "2", "1"] == line.split()
    assert "    write:error=EIO:when=2: ['main.lock was left']" == fault


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
