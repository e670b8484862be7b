"""Writers that do not outlive their test, whatever it comes to: the ledger is checked after them."""

import functools
import subprocess
from collections.abc import Callable, Iterator

import pytest

from ledger import Ledger
from tests.concurrency.writer import start_writer

Writer = subprocess.Popen[str]


@pytest.fixture
def start(ledger: Ledger) -> Iterator[Callable[..., Writer]]:
    """Start a writer on the ledger."""
    started: list[Writer] = []

    @functools.wraps(start_writer)
    def start_one(count: int, *, pause: float = 0, locking: bool = True) -> Writer:
        started.append(start_writer(ledger, count, pause=pause, locking=locking))
        return started[-1]

    yield start_one
    for writer in started:
        writer.kill()
        writer.communicate()
