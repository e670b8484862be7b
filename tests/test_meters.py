"""`ledger.progress`: what a program is told of long work."""

import threading
from pathlib import Path

import pytest

from ledger import Ledger, Progress, progress
from ledger.errors import ArgumentTypeError
from ledger.meters import advance, expect, task

MEBI = 1 << 20


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.init(tmp_path / ".ledger")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    for number in range(3):
        (made / f"{number}.bin").write_bytes(bytes([number]) * 3 * MEBI)
    return made


def test_a_save_is_told_of_byte_by_byte(ledger: Ledger, folder: Path) -> None:
    """Bytes grow up to the size of the folder, which is known from the beginning; the last word is that it is over."""
    told: list[Progress] = []
    with progress(told.append):
        ledger.save(folder, "raw")
    assert {"save raw"} == {at.label for at in told}
    assert {9 * MEBI} == {at.total for at in told}
    assert sorted(at.done for at in told) == [at.done for at in told]
    assert Progress("save raw", 9 * MEBI, 9 * MEBI, finished=True) == told[-1]
    assert [True] == [at.finished for at in told if at.finished]


def test_a_listener_that_is_no_function_is_refused() -> None:
    """What cannot be called is named before any work is begun."""
    with pytest.raises(ArgumentTypeError, match=r"^a listener is a function, got int: 5"), progress(5):  # type: ignore[arg-type]
        pass


def test_every_kind_of_reading_is_told_of(ledger: Ledger, folder: Path, tmp_path: Path) -> None:
    """Load, restore and download count the bytes they check."""
    ledger.save(folder, "raw")
    version = ledger.get("raw")
    told: list[Progress] = []
    with progress(told.append):
        version.load()
        version.restore(tmp_path / "restored")
        version.download_files(tmp_path / "all.zip")
    over = [(at.label, at.done, at.total) for at in told if at.finished]
    expected = ["load raw@1", "get raw@1", "get raw@1"]
    assert [(label, 9 * MEBI, 9 * MEBI) for label in expected] == over


def test_a_value_in_memory_knows_its_size(ledger: Ledger) -> None:
    """The total of a buffer is its size, about which its file is."""
    told: list[Progress] = []
    with progress(told.append):
        ledger.save(b"x" * 4 * MEBI, "buffer")
    assert 4 * MEBI == told[0].total


class EnoughError(Exception):
    """What a program raises to stop what it has started."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, EnoughError])
def test_a_listener_can_end_the_work(ledger: Ledger, folder: Path, kind: type[BaseException]) -> None:
    """What the listener raises comes out as it is, blamed on no materializer, and nothing is published."""
    ledger.save(bytes(9 * MEBI), "kept")

    def stop(_: Progress) -> None:
        raise kind("so far")

    for work in (
        lambda: ledger.save(folder, "raw"),
        lambda: ledger.save(bytes([1]) * 9 * MEBI, "raw"),
        lambda: ledger.load("kept"),
        lambda: ledger.get("kept").download_files(folder / "x.zip"),
    ):
        with progress(stop), pytest.raises(kind, match=r"^so far$") as caught:
            work()
        assert caught.value.__cause__ is None
    assert ["kept"] == [artifact.name for artifact in ledger.artifacts()]
    assert not (folder / "x.zip").exists()


@pytest.mark.parametrize("size", [1, 9 * MEBI])
def test_a_listener_that_raises_stop_iteration_ends_no_iteration(ledger: Ledger, tmp_path: Path, size: int) -> None:
    """It would look like the end of the bytes: it is an error that says so, and nothing is published or cut off."""
    (tmp_path / "file").write_bytes(bytes(size))
    ledger.save(tmp_path / "file", "kept")

    def stop(_: Progress) -> None:
        raise StopIteration

    for work in (lambda: ledger.save(tmp_path / "file", "raw"), lambda: ledger.get("kept").download_files("x.zip")):
        with progress(stop), pytest.raises(RuntimeError, match=r"^the listener raised StopIteration$"):
            work()
    assert ["kept"] == [artifact.name for artifact in ledger.artifacts()]


def test_nobody_is_told_outside_of_the_block(ledger: Ledger, folder: Path) -> None:
    """The listener holds for its block and its thread alone."""
    told: list[Progress] = []
    with progress(told.append):
        thread = threading.Thread(target=ledger.save, args=(folder, "raw"))
        thread.start()
        thread.join()
    ledger.load("raw")
    assert [] == told


def test_a_total_is_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes more than was expected grows to what is done: a listener that divides by the total goes on."""
    monkeypatch.setattr("ledger.meters._INTERVAL", 0)
    told: list[Progress] = []
    with progress(told.append), task("work"):
        expect(5)
        advance(3)
        advance(3)
    assert [5, 6, 6] == [at.total for at in told]


def test_work_without_a_known_end_says_so() -> None:
    """The total is unknown until something is expected."""
    told: list[Progress] = []
    with progress(told.append), task("work"):
        advance(1)
    assert [None, 1] == [at.total for at in told]
    told.clear()
    with progress(told.append), task("work"):
        expect(5)
        advance(3)
    assert [5, 3] == [at.total for at in told]


def test_a_failed_task_is_not_finished() -> None:
    """Work that ends in an error is never said to be over."""
    told: list[Progress] = []

    def fail() -> None:
        with task("work", 10):
            advance(1)
            raise KeyError

    with progress(told.append), pytest.raises(KeyError):
        fail()
    assert [Progress("work", 1, 10, finished=False)] == told
