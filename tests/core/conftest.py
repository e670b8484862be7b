"""A hub, and ledgers that share through it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from tests.conftest import check_histories
from tests.kit.git import check_objects
from tests.kit.hubs import copy_with_hub, new_hub, shared


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Path]:
    yield new_hub(tmp_path)
    check_histories(tmp_path)
    assert 0 == check_objects(tmp_path / "hub.git").returncode


@pytest.fixture(scope="session")
def model_of_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pair is made that all others are copies of."""
    return tmp_path_factory.mktemp("pairs") / "first"


@pytest.fixture
def pair(tmp_path: Path, hub: Path, model_of_pairs: Path) -> tuple[Ledger, Ledger]:
    """Two ledgers that share ``iris@1`` through the hub."""
    copy_with_hub(model_of_pairs, tmp_path, make_pair)
    return Ledger.open(tmp_path / "ada" / ".ledger"), Ledger.open(tmp_path / "bob" / ".ledger")


def make_pair(folder: Path) -> None:
    """Two ledgers that share through a hub, all three in a folder."""
    folder.mkdir()
    hub = new_hub(folder)
    ada = shared(folder / "ada", hub)
    ada.save("first", "iris")
    ada.sync()
    Ledger.clone(hub, folder / "bob" / ".ledger")
