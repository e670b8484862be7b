"""Digests of many sources at once."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs.registering.hashing import digests
from ledger.ids import digest_of
from ledger.meters import Progress, progress, task

BLOCKS = st.lists(st.binary(max_size=20), max_size=4)


SIZES = [0, 1 << 18, 1 << 30]  # by the thread that asks, some together, each by itself


@given(st.lists(BLOCKS, max_size=20), st.sampled_from(SIZES))
def test_digests_come_in_order(sources: list[list[bytes]], size: int) -> None:
    """Each source has the size and digest of its blocks together, with threads and without."""
    expected = [(len(b"".join(blocks)), digest_of(b"".join(blocks))) for blocks in sources]
    assert expected == list(digests(sources, iter, size_of=lambda _: size))


@pytest.mark.parametrize("size", SIZES)
def test_the_first_source_that_fails_is_the_error(size: int) -> None:
    """What a source raises comes in its turn, after the results of those before it."""

    def read(number: int) -> Iterator[bytes]:
        if number >= 3:
            raise LookupError(number)
        yield b"x"

    found = digests(range(9), read, size_of=lambda _: size)
    assert 3 == len([next(found) for _ in range(3)])
    with pytest.raises(LookupError, match="3"):
        next(found)


def test_a_long_source_is_told_of_while_it_is_read() -> None:
    """Bytes of a single source are told of as they are hashed, in the thread that asked."""

    told: list[tuple[int, Progress]] = []
    heard = threading.Event()

    def slowly(_: int) -> Iterator[bytes]:
        for _block in range(6):
            heard.clear()
            yield bytes(1000)
            heard.wait(10)

    def hear(at: Progress) -> None:
        told.append((threading.get_ident(), at))
        heard.set()

    with progress(hear), task("hash", 6000):
        list(digests([0], slowly))
    assert {threading.get_ident()} == {thread for thread, _ in told}
    assert len([at for _, at in told if 0 < at.done < 6000]) > 1
    assert Progress("hash", 6000, 6000, finished=True) == told[-1][1]


def test_an_interrupt_does_not_wait_for_long_sources() -> None:
    """Threads stop at their next block when the one that asked was interrupted."""
    begun = threading.Event()

    def for_ever(_: int) -> Iterator[bytes]:
        while True:
            begun.set()
            time.sleep(0.01)
            yield b"x"

    def stop(_: Progress) -> None:
        begun.wait()
        raise KeyboardInterrupt

    with progress(stop), pytest.raises(KeyboardInterrupt), task("hash"):
        list(digests(range(4), for_ever))
    assert [] == [thread for thread in threading.enumerate() if thread.name.startswith("ledger-bytes")]
