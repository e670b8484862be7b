"""A new history for every test, checked by Git afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.history import History
from ledger.history.refs import BRANCH
from tests.conftest import check_histories
from tests.kit.histories import new_history
from tests.kit.hubs import new_hub


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
