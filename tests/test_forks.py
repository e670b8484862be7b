"""What a fork does not take over from its parent's other threads."""

import contextlib
import signal
import sys
import threading
from types import FrameType
from typing import Any

from ledger.forks import UNFORKED, ThreadLock, cached_property
from tests.kit.forking import in_a_fork


def test_a_lock_of_another_thread_is_free_in_a_fork() -> None:
    """A fork made while a thread has a lock takes it at once, and so do its own threads by turns."""
    lock, taken, done = ThreadLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait()

    def take() -> str:
        with lock:
            return "taken"

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    try:
        assert "taken" == in_a_fork(take)
    finally:
        done.set()
        holder.join()


def test_what_another_thread_is_finding_can_be_found_in_a_fork() -> None:
    """A fork made while a thread finds a cached property finds it for itself, and for other things as well."""
    begun, done = threading.Event(), threading.Event()

    class Slow:
        @cached_property
        def found(self) -> str:
            begun.set()
            done.wait()
            return "found"

    def find() -> str:
        signal.alarm(20)  # rather than waiting for ever
        done.set()
        return "".join(thing.found for thing in (shared, Slow()))

    shared = Slow()
    finder = threading.Thread(target=lambda: shared.found)
    finder.start()
    begun.wait()
    try:
        assert "foundfound" == in_a_fork(find)
    finally:
        done.set()
        finder.join()


def test_threads_that_find_something_at_once_get_the_same() -> None:
    """Each finds a cached property, and all have what the first one found, then and later."""
    both = threading.Barrier(2)

    class Slow:
        @cached_property
        def found(self) -> object:
            both.wait()
            return object()

    slow, got = Slow(), list[object]()
    finders = [threading.Thread(target=lambda: got.append(slow.found)) for _ in range(2)]
    for finder in finders:
        finder.start()
    for finder in finders:
        finder.join()
    assert [slow.found] * 2 == got


def test_an_interrupt_leaves_no_lock_taken() -> None:
    """Wherever Ctrl-C strikes while a lock is taken, used and given back, it is free afterwards."""
    lock, met = ThreadLock(), set[tuple[str, int]]()

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.endswith("/ledger/forks.py"):
            return None
        frame.f_trace_opcodes = True
        place = (frame.f_code.co_name, frame.f_lasti)
        if event in ("line", "opcode") and place not in met:
            met.add(place)
            raise KeyboardInterrupt
        return interrupt

    def use() -> None:
        with lock:
            pass

    while True:
        before = len(met)
        sys.settrace(interrupt)
        with contextlib.suppress(KeyboardInterrupt):
            use()
        sys.settrace(None)
        user = threading.Thread(target=use, daemon=True)
        user.start()
        user.join(timeout=10)
        assert not user.is_alive(), sorted(met)
        if len(met) == before:
            break
    assert len(met) > 1


def test_no_fork_is_made_while_somebody_minds() -> None:
    """A fork waits until the thread that opens a file knows that it has it."""
    taken, order = threading.Event(), list[str]()

    def open_something() -> None:
        with UNFORKED:
            taken.set()
            done.wait(0.2)
            order.append("opened")

    done = threading.Event()
    opener = threading.Thread(target=open_something)
    opener.start()
    taken.wait()
    assert "forked" == in_a_fork(lambda: "forked")
    order.append("forked")
    opener.join()
    assert ["opened", "forked"] == order
