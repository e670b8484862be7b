"""What the tests of stores and contents share."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.blobs import LocalStore, create_store


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = create_store(str(tmp_path / "store"))
    assert isinstance(made, LocalStore)
    return made


@pytest.fixture
def no_threads_are_left() -> Iterator[None]:
    """Threads that a test starts have ended when it ends."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(20)  # one that was told to end may need its turn
    assert set(threading.enumerate()) <= before, "one of an earlier test may have ended meanwhile"
