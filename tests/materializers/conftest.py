"""What the tests of materializers share."""

from pathlib import Path

import pytest

from tests.kit.materializing import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Saves and loads values through memory."""
    return Bench(tmp_path)
