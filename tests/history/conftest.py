"""A new history for every test, checked by Git afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.history import History
from ledger.history.git.refs import BRANCH
from tests.conftest import check_histories
from tests.kit.histories import new_history
from tests.kit.hubs import copy_with_hub, make_two_versions, new_hub


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    yield new_history(tmp_path)
    check_histories(tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A directory with a branch in it that names a commit of ``a`` alone, which there is not."""
    (tmp_path / "refs" / "heads").mkdir(parents=True)
    (tmp_path / BRANCH).write_text("a" * 40 + "\n")
    return tmp_path


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """An empty repository to share with."""
    return new_hub(tmp_path)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ledgers are made, with their hubs, that others are copies of."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def two_versions(tmp_path: Path, hub: Path, models: Path) -> Ledger:
    """A ledger that has shared two versions of ``iris`` with the hub."""
    copy_with_hub(models / "two", tmp_path, make_two_versions)
    return Ledger.open(tmp_path / "a" / ".ledger")
