"""A hub, and ledgers that share through it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from tests.conftest import check_histories
from tests.kit.git import check_objects
from tests.kit.hubs import new_hub, shared


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Path]:
    yield new_hub(tmp_path)
    check_histories(tmp_path)
    assert 0 == check_objects(tmp_path / "hub.git").returncode


@pytest.fixture
def pair(tmp_path: Path, hub: Path) -> tuple[Ledger, Ledger]:
    """Two ledgers that share ``iris@1`` through the hub."""
    ada = shared(tmp_path / "ada", hub)
    ada.save("first", "iris")
    ada.sync()
    return ada, Ledger.clone(hub, tmp_path / "bob" / ".ledger")
