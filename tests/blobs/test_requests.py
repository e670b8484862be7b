"""Waiting for distant stores: an interrupt ends it."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ledger.blobs.stores.requests import Requests, _is_held, _made, _new_loop, answer, pause
from ledger.blobs.stores.workers import Workers
from tests.kit.faults import Fault, Proxy, Request
from tests.kit.s3 import ROOT, Bucket

LONG = 600.0
CALLS = [
    "lambda: store.get('chunks/ab/' + 62 * '0')",
    "lambda: list(store.list('chunks'))",
    "lambda: store.put('chunks/ab/' + 62 * '0', [b'bytes'])",
    "lambda: load(store, content)",
    "lambda: save(store, {'x': noise(9 << 20, seed=1)})",
]


async def _value() -> int:
    return 7


async def _failure() -> int:
    raise ValueError("so it is")


def test_an_answer_is_what_the_request_gives() -> None:
    """The result comes back, and so does an error as it is."""
    assert 7 == answer(_value)
    with pytest.raises(ValueError, match="so it is"):
        answer(_failure)


def test_what_is_answered_is_let_go_of() -> None:
    """The end of the process, which waits for what is under way, does not wait for what is over."""
    others = [made() for made in _made]  # such as what an error that another test looked at still leads to
    answer(partial(asyncio.sleep, 0.001))
    assert [] == [made for made in _made if _is_held(made) and made() not in others]


def test_nothing_of_ours_runs_where_a_request_is_let_go_of() -> None:
    """It is the last that a thread of the library does: if it waited for its turn there, the interpreter could end."""
    loop = _new_loop()
    future = loop.create_future()
    loop.close()
    assert [None] == [made.__callback__ for made in weakref.getweakrefs(future)]


def test_a_process_that_ends_while_a_thread_asks_ends_in_good_order(bucket: Bucket, proxy: Proxy) -> None:
    """What a thread that nobody waits for has under way is taken back first."""
    program = f"""
import threading, time
from ledger.blobs import open_store
store = open_store({bucket.url!r})
threading.Thread(target=store.get, args=["chunks/ab/" + 62 * "0"], daemon=True).start()
input()
"""
    asked = threading.Event()
    proxy.plan = partial(_stall, asked)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert asked.wait(60), "a request"
        process.communicate("\n", timeout=60)
        assert 0 == process.returncode


def test_any_number_of_threads_may_ask() -> None:
    """Each gets its own answer."""

    async def number(given: int) -> int:
        await asyncio.sleep(0.001)
        return given

    with ThreadPoolExecutor(8) as pool:
        assert list(range(100)) == list(pool.map(lambda given: answer(partial(number, given)), range(100)))


def test_a_program_that_has_a_loop_of_its_own_may_ask() -> None:
    """As in a notebook, where a loop runs in the thread that asks."""

    async def cell() -> int:
        return answer(_value)

    assert 7 == asyncio.run(cell())


def test_a_pause_is_over_in_time() -> None:
    """Nobody has to end it."""
    pause(0.01)


@pytest.mark.parametrize("wait", [partial(answer, partial(asyncio.sleep, LONG)), partial(pause, LONG)])
def test_what_is_taken_back_is_not_waited_for(wait: partial[None]) -> None:
    """A thread that waits is interrupted, and one that begins to wait afterwards as well."""
    requests, ends = Requests(), []
    begun = threading.Event()

    def work() -> None:
        requests.enter()
        begun.set()
        for _ in range(2):
            try:
                wait()
            except KeyboardInterrupt:
                ends.append("interrupted")

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    requests.take_back()
    thread.join()
    assert ["interrupted", "interrupted"] == ends


def test_workers_of_workers_are_interrupted_too() -> None:
    """What a worker has given to threads of its own belongs to the same work."""
    begun = threading.Event()

    def inner() -> None:
        begun.set()
        pause(LONG)

    def outer() -> None:
        workers: Workers[None] = Workers()
        workers.give(inner)
        try:
            workers.take()
        finally:
            workers.close()

    workers: Workers[None] = Workers()
    workers.give(outer)
    begun.wait()
    with pytest.raises(KeyboardInterrupt):
        _end_by(KeyboardInterrupt(), workers)


def _end_by(error: BaseException, workers: Workers[None]) -> None:
    try:
        raise error
    finally:
        workers.close()


def test_after_a_failure_what_is_under_way_is_waited_for() -> None:
    """What was put before a failure is used by the next attempt: only an interrupt takes it back."""
    workers: Workers[None] = Workers()
    done: list[bool] = []

    def work() -> None:
        pause(0.05)
        done.append(True)

    workers.give(work)
    with pytest.raises(ValueError, match="another piece"):
        _end_by(ValueError("another piece"), workers)
    assert [True] == done


def test_an_interrupt_ends_what_waits_for_a_silent_service(bucket: Bucket, proxy: Proxy) -> None:
    """Ctrl-C is not kept waiting for an answer that never comes, and the process ends in good order."""
    program = f"""
from ledger.blobs import open_store
from tests.kit.contents import load, noise, save
store = open_store({bucket.url!r})
content = save(store, {{"x": noise(4 << 20)}})
for call in [{", ".join(CALLS)}]:
    print("ready", flush=True)
    input()
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for call in CALLS:
            assert "ready\n" == process.stdout.readline()
            asked = threading.Event()
            proxy.plan = partial(_stall, asked)
            process.stdin.write("\n")
            process.stdin.flush()
            assert asked.wait(60), "a request"
            before = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert "interrupted\n" == process.stdout.readline(), call
            assert time.monotonic() - before < 60  # far below the 120 s after which a request is given up
        process.communicate(timeout=60)
    assert 0 == process.returncode


def _stall(asked: threading.Event, _: Request) -> Fault:
    asked.set()
    return Fault("stall")
