"""Threads that share a file: who has sought a place reads there before another one seeks."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger import Ledger
from ledger.filesystem import LedgerFileSystem, reservations


@pytest.fixture
def files(ledger: Ledger) -> LedgerFileSystem:
    return LedgerFileSystem(ledger_dir=ledger.path)


def test_every_way_to_read_ends_a_reservation(
    ledger: Ledger, files: LedgerFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that share a file follow one another at once, whichever call each reads by, as h5py's `readinto`."""
    monkeypatch.setattr(reservations, "_WAITS", 6000)  # a minute for each that does not
    ledger.save(b"line\n" * 9, "blob")
    ways: list[Any] = [
        lambda file: file.read(4),
        lambda file: file.read1(4),
        lambda file: file.readinto(bytearray(4)),
        lambda file: file.readinto1(bytearray(4)),
        lambda file: file.readline(),
    ]
    with files.open(files.ls("blob", detail=False)[0]) as shared_file, ThreadPoolExecutor(1) as other:
        start = time.monotonic()
        for way in ways * 4:
            shared_file.seek(5)
            assert way(shared_file) in (b"line", 4, b"line\n")
            other.submit(shared_file.seek, 5).result()
            assert other.submit(way, shared_file).result() in (b"line", 4, b"line\n")
        assert time.monotonic() - start < 50


def test_who_only_asks_for_the_size_keeps_no_other_thread_waiting(
    ledger: Ledger, files: LedgerFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrow goes to the end and back in one thread, and then reads in others: they need not wait until it reads."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(reservations, "_WAITS", 6000)  # a minute for each
    table = pa.table({"a": [1, 2], "b": [3, 4]})
    parquet.write_table(table, ledger.path.parent / "data.parquet")
    ledger.save(ledger.path.parent / "data.parquet", "table")
    start = time.monotonic()
    assert table.select(["b"]) == parquet.read_table("table@1/data.parquet", columns=["b"], filesystem=files)
    assert time.monotonic() - start < 50


def test_who_goes_back_to_where_the_file_was_keeps_no_other_thread_waiting(
    ledger: Ledger, files: LedgerFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That counts for every place, not only for the beginning of the file."""
    monkeypatch.setattr(reservations, "_WAITS", 6000)  # a minute
    ledger.save(b"0123456789", "blob")
    with files.open(files.ls("blob", detail=False)[0]) as shared_file, ThreadPoolExecutor(1) as other:
        start = time.monotonic()
        assert b"012" == shared_file.read(3)
        shared_file.seek(0, os.SEEK_END)
        shared_file.seek(3)
        assert 1 == other.submit(shared_file.seek, 1).result()
        assert time.monotonic() - start < 50


def test_a_thread_that_reads_is_waited_for_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seek of another thread comes when a slow read is over."""
    monkeypatch.setattr(reservations, "_WAITS", 1)
    reservation, order = reservations.Reservation(), list[str]()

    def seek(name: str) -> int:
        order.append(name)
        return 1

    with ThreadPoolExecutor(1) as other:
        reservation.seek(int, lambda: seek("one"))
        with reservation.reading():
            sought = other.submit(reservation.seek, int, lambda: seek("two"))
            time.sleep(0.1)
            order.append("read")
        assert 1 == sought.result()
    assert ["one", "read", "two"] == order


def test_a_thread_that_reads_after_it_asked_for_the_size_keeps_its_place(
    ledger: Ledger, files: LedgerFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who goes to the end and back, and then reads, is waited for."""
    monkeypatch.setattr(reservations, "_WAITS_IF_BACK", 6000)  # a minute, on a machine that is busy
    ledger.save(b"0123456789", "blob")
    with files.open(files.ls("blob", detail=False)[0]) as shared_file, ThreadPoolExecutor(1) as other:
        shared_file.seek(0, os.SEEK_END)
        shared_file.seek(0)
        sought = other.submit(lambda: (shared_file.seek(1), shared_file.read(1)))
        time.sleep(0.005)
        assert b"0" == shared_file.read(1)
        assert (1, b"1") == sought.result()


def test_a_thread_that_was_kept_from_running_keeps_its_place(ledger: Ledger, files: LedgerFileSystem) -> None:
    """A thread reads at the place that it sought, though the interpreter was held for long before it came to read."""
    ledger.save(b"0123456789", "blob")
    usual = sys.getswitchinterval()
    with files.open(files.ls("blob", detail=False)[0]) as shared_file, ThreadPoolExecutor(1) as other:
        shared_file.seek(5)
        sought = other.submit(lambda: (shared_file.seek(1), shared_file.read(1)))
        sys.setswitchinterval(60)
        try:
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                pass
        finally:
            sys.setswitchinterval(usual)
        time.sleep(0.005)
        assert b"5" == shared_file.read(1)
        assert (1, b"1") == sought.result()
