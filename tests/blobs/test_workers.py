"""Work on all cores."""

import concurrent.futures
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.blobs import ContentReader, ContentWriter, LocalStore
from ledger.blobs.chunks import packs
from ledger.blobs.stores.workers import PARALLEL_SIZE, Workers, in_order, thread_count
from ledger.errors import IntegrityError, StorageError
from ledger.notices import warn_user
from tests.kit.contents import add, load, noise, save
from tests.kit.stores import CountingStore, objects

LARGE = noise(5 * PARALLEL_SIZE)

pytestmark = pytest.mark.usefixtures("no_threads_are_left")


def test_results_come_in_order() -> None:
    """Whichever thread is done first, results come in the order of the pieces."""

    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number

    assert list(range(30)) == list(in_order(work, range(30)))


def test_work_runs_a_bounded_way_ahead() -> None:
    """No more pieces are begun than threads and one, however slowly results are taken."""
    begun: list[int] = []
    results = in_order(begun.append, range(1000))
    next(results)
    time.sleep(0.05)
    assert len(begun) <= thread_count() + 2
    results.close()  # type: ignore[attr-defined]  # it is a generator


def test_the_first_error_comes_in_its_turn() -> None:
    """Results before the bad piece are given, then its error is raised, and nothing afterwards."""

    def work(number: int) -> int:
        if number >= 3:
            raise IntegrityError(f"piece {number}")
        return number

    results = in_order(work, range(100))
    assert [0, 1, 2] == [next(results) for _ in range(3)]
    with pytest.raises(IntegrityError, match="piece 3"):
        next(results)


def test_closing_drops_what_has_not_begun() -> None:
    """Closing waits for the pieces under way and drops the others."""
    workers: Workers[None] = Workers()
    begun, dropped = threading.Semaphore(0), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        begun.release()
        dropped.wait(10)
        done.append(number)

    for number in range(100):
        workers.give(partial(work, number))
    for _ in range(thread_count()):
        begun.acquire()
    workers._under_way[-1].future.add_done_callback(lambda _: dropped.set())
    workers.close()
    assert list(range(thread_count())) == sorted(done)


def test_an_iterator_that_is_collected_in_a_thread_of_its_own_ends_quietly() -> None:
    """Nobody takes the results of an iterator in a circle of garbage, which Python may find in any thread."""
    collected = threading.Event()
    dropped = threading.Event()

    def work(number: int) -> int:
        if number:
            dropped.wait(10)
            gc.collect()
            collected.set()
        return number

    def take_one() -> None:
        circle: list[Any] = [in_order(work, range(2), threads=1)]
        circle.append(circle)
        assert 0 == next(circle[0])

    take_one()
    dropped.set()
    assert collected.wait(10)


def test_an_interrupt_while_a_thread_starts_leaves_none_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes when a thread has begun and its pool does not know it yet: what it reads into goes only after it."""
    really, begun = threading.Thread.start, threading.Event()
    done: list[int] = []

    def start(thread: threading.Thread) -> None:
        really(thread)
        begun.wait(5)
        raise KeyboardInterrupt

    def work(number: int) -> None:
        begun.set()
        time.sleep(0.05)
        done.append(number)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, range(5)))
    assert [0] == done


def test_interrupts_of_the_waiting_leave_no_thread_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often Ctrl-C comes while work is waited for, the interrupt is raised when all that has begun is done."""
    interrupts, waits = [KeyboardInterrupt, KeyboardInterrupt], concurrent.futures.wait
    done: list[int] = []

    def wait(futures: Any) -> object:
        if interrupts:
            raise interrupts.pop()
        return waits(futures)

    def work() -> None:
        time.sleep(0.05)
        done.append(0)

    workers: Workers[None] = Workers(1)
    workers.give(work)
    while not workers._under_way[0].future.running():
        time.sleep(0.001)
    monkeypatch.setattr(concurrent.futures, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        workers.close()
    assert ([0], []) == (done, interrupts)


def test_warnings_come_with_the_results() -> None:
    """What a worker has to say is said by the thread that takes its result, at the line that called, in order."""
    told: list[tuple[str, str, threading.Thread]] = []

    def show(message: Warning | str, _category: object, filename: str, *_: object) -> None:
        told.append((str(message), filename, threading.current_thread()))

    def work(number: int) -> int:
        time.sleep((5 - number) / 100)
        warn_user(f"warning {number}")
        return number

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show  # type: ignore[assignment]  # put back by the block
        assert list(range(5)) == list(in_order(work, range(5)))
    assert [(f"warning {number}", __file__, threading.current_thread()) for number in range(5)] == told


def test_a_warning_of_what_failed_is_issued_too() -> None:
    """Work that warns and then raises does both when its result is taken."""

    def work() -> None:
        warn_user("before")
        raise StorageError("after", path="x")

    workers: Workers[None] = Workers(1)
    workers.give(work)
    with pytest.warns(UserWarning, match="before"), pytest.raises(StorageError, match="after"):
        workers.take()
    workers.close()


def test_small_contents_start_no_thread(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents below 1 MiB are saved and loaded by the thread that asks."""
    monkeypatch.setattr(Workers, "give", None)
    files = {"a": noise(PARALLEL_SIZE - 100_000), "b": b"small"}
    assert files == load(store, save(store, files))


@pytest.mark.parametrize("how", ["abort", "forget"])
def test_an_unfinished_content_leaves_no_thread(store: LocalStore, how: str) -> None:
    """A writer that is aborted, or only dropped, takes its threads with it."""
    before = threading.active_count()
    writer = ContentWriter(store)
    add(writer, "a", LARGE)
    assert threading.active_count() > before
    if how == "abort":
        writer.abort()
    del writer


def test_a_half_read_content_leaves_no_thread(store: LocalStore) -> None:
    """A restore that fails in the middle takes its threads with it."""
    reader = ContentReader(store, save(store, {"a": LARGE}), label="iris@3")
    blocks = reader._source.blocks(reader.files[0])
    next(blocks)
    del blocks


class _FullStore(CountingStore):
    def put(self, key: str, parts: Sequence[bytes]) -> None:  # noqa: ARG002  # there is no room for them
        raise StorageError(f"cannot write {key}: No space left on device")


def test_a_pack_that_cannot_be_written_fails_the_save(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error on another thread reaches the caller as it is, and no later than the next pack."""
    monkeypatch.setattr(packs, "PACK_LIMIT", 16 << 20)
    writer = ContentWriter(_FullStore(store))
    taken = 0
    with pytest.raises(StorageError, match="No space left"):  # noqa: PT012  # which call raises is the question
        for number in range(80):
            add(writer, str(number), os.urandom(1 << 20))
            taken += 1
    writer.abort()
    assert taken < 50


def test_damage_is_found_on_every_way_out(store: LocalStore, tmp_path: Path) -> None:
    """A large read into memory, a read in pieces, a restore and a check all refuse a damaged chunk."""
    content = save(store, {"a": LARGE})
    pack = next(key for key in objects(store) if key.startswith("packs"))
    stored = bytearray((store.root / pack).read_bytes())
    stored[3_000_000] ^= 1
    (store.root / pack).write_bytes(stored)
    reader = ContentReader(store, content, label="iris@3")
    for read in (
        lambda: reader.open("a").readinto(bytearray(len(LARGE))),  # type: ignore[attr-defined]  # it is buffered
        lambda: reader.open("a").read(),
        lambda: reader.read("a"),
        lambda: reader.restore(tmp_path / "out"),
        reader.check,
    ):
        with pytest.raises(IntegrityError, match="iris@3: chunk"):
            read()


@pytest.mark.parametrize("cut", [1, 2_000_000])
def test_a_shortened_pack_is_found(store: LocalStore, cut: int) -> None:
    """Reading straight into memory notices a pack that ends too early."""
    content = save(store, {"a": LARGE})
    pack = next(key for key in objects(store) if key.startswith("packs"))
    reader = ContentReader(store, content, label="iris@3")
    assert reader.open("a").read(10) == LARGE[:10]  # the index is known now
    data = (store.root / pack).read_bytes()
    (store.root / pack).write_bytes(data[: 5_000_000 - cut])
    with pytest.raises(IntegrityError, match="iris@3"):
        reader.open("a").read()


@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize(("start", "size"), [(0, 5 << 20), (1, 3 << 20), (100_000, (5 << 20) - 100_000)])
def test_large_parts_are_read_into_memory(store: LocalStore, start: int, size: int, *, is_plain: bool) -> None:
    """Any large part of a file, stored plain or compressed, fills the memory it is read into."""
    data = LARGE if is_plain else LARGE.translate(bytes(range(16)) * 16)
    reader = ContentReader(store, save(store, {"before": b"x" * 1000, "a": data, "after": b"y"}), label="iris@3")
    target = bytearray(size)
    with reader.open("a") as file:
        file.seek(start)
        assert size == file.readinto(target)  # type: ignore[attr-defined]  # it is buffered
        assert (start + size, data[start + size :]) == (file.tell(), file.read())
    assert data[start : start + size] == target


def refuse_threads(monkeypatch: pytest.MonkeyPatch, *, but: str) -> None:
    """Let no thread start but those with such a name, as in a container that limits them."""
    really = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if not thread.name.endswith(but):
            raise RuntimeError("can't start new thread")
        really(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


def test_where_no_more_threads_start_all_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is done once where all threads but the first are refused."""
    refuse_threads(monkeypatch, but="_0")
    done: list[int] = []
    assert [None] * 50 == list(in_order(done.append, range(50), threads=4))
    assert list(range(50)) == sorted(done)


def test_where_no_thread_starts_no_result_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no thread took up would hold on to its result, and memory to all of a large content."""
    refuse_threads(monkeypatch, but="none")
    held = weakref.WeakSet[threading.Event]()
    for event in in_order(lambda _: threading.Event(), range(20), threads=2):
        held.add(event)
        assert len(held) <= 2


def test_where_no_thread_starts_an_interrupt_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in work that the giver does itself is raised there, and not lost behind an earlier piece's error."""
    refuse_threads(monkeypatch, but="none")
    errors = [OSError, KeyboardInterrupt, OSError]
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        raise errors[number]

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, range(3), threads=4))
    assert [0, 1] == begun


def test_an_exit_handler_may_save(tmp_path: Path) -> None:
    """What a program saves when the interpreter starts no threads any more is saved all the same."""
    program = f"""
import atexit
from ledger.blobs import ContentReader, ContentWriter, create_store

def save():
    store = create_store({str(tmp_path / "late")!r})
    writer = ContentWriter(store)
    with writer.open("a") as file:
        file.write(bytes(range(256)) * 20_000)
    print(len(ContentReader(store, writer.finish(), label="iris@3").read("a")))

atexit.register(save)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ("5120000\n", "") == (result.stdout, result.stderr)
