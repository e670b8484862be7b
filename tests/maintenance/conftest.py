"""Ledgers with something to collect, and with something to repair from."""

import functools
import shutil
from collections.abc import Callable

import pytest

from ledger import Ledger
from tests.kit.maintaining import LARGE
from tests.maintenance.corruption import Sound
from tests.maintenance.varied import make_varied


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


@pytest.fixture(scope="session")
def make_sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Sound]:
    """Makes it when the first test asks, in whose environment that is right."""
    return functools.cache(lambda: Sound(make_varied(tmp_path_factory.mktemp("varied"))))


@pytest.fixture
def sound(make_sound: Callable[[], Sound]) -> Sound:
    """A ledger with something of every kind in it, the same for all tests: after each damage it is sound again."""
    return make_sound()
