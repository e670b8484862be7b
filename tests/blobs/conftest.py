from pathlib import Path

import pytest

from ledger.blobs import LocalStore, create_store


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = create_store(str(tmp_path / "store"))
    assert isinstance(made, LocalStore)
    return made
