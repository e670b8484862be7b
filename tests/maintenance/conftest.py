"""Ledgers with something to collect, and with something to repair from."""

import shutil

import pytest

from ledger import Ledger
from tests.kit.maintaining import LARGE


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    """Small and large versions, two of which share chunks."""
    ledger.save({"rows": 1}, "iris")
    ledger.save(LARGE, "weights")
    ledger.save(LARGE + b"more", "weights")
    return ledger


@pytest.fixture
def kept(used: Ledger) -> Ledger:
    """Such versions, and a tag; beside the ledger lies a whole copy of it."""
    used.tag("iris", ["best"])
    shutil.copytree(used.path, used.path.parent / "copy")
    return used
