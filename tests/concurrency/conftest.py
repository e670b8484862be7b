"""Writers that do not outlive their test, whatever it comes to: the ledger is checked after them."""

import functools
from collections.abc import Callable, Iterator

import pytest

from ledger import Ledger
from tests.concurrency.writer import Writer


@pytest.fixture
def start(ledger: Ledger) -> Iterator[Callable[..., Writer]]:
    """Start a writer on the ledger."""
    started: list[Writer] = []

    @functools.wraps(Writer)
    def start_one(count: int, *, pause: float = 0, locking: bool = True) -> Writer:
        started.append(Writer(ledger, count, pause=pause, locking=locking))
        return started[-1]

    yield start_one
    for writer in started:
        writer.kill()
        writer.join()
