"""A new history for every test, checked by Git afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.history import History
from tests.conftest import check_histories
from tests.kit.histories import new_history


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    yield new_history(tmp_path)
    check_histories(tmp_path)
