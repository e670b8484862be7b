"""The cases of bytes.py as tests: what they hold in memory has a limit.

python -m pytest -m benchmark -s tests/benchmarks/test_bytes.py
"""

import pytest

from ledger.blobs.chunks.chunking import MAX_SIZE
from ledger.blobs.stores.workers import thread_count
from tests.benchmarks.bytes import CASES, child, line
from tests.benchmarks.measuring import MIB

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SIZE = 256 * MIB


@pytest.mark.parametrize("name", CASES)
def test_ratios(name: str) -> None:
    """Prints what a case costs, beside its references."""
    print(f"\n{line(name, SIZE)}")


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("save")])
def test_a_save_takes_at_most_64_mib_and_four_chunks_a_thread(name: str) -> None:
    """A save holds a few blocks, whatever its size; a folder's also the names of its files."""
    names = 20 * MIB if "files" in name else 0
    assert child("memory", name, SIZE)["peak"] <= 64 * MIB + 4 * MAX_SIZE * thread_count() + names


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("load")])
def test_a_load_takes_at_most_200_mib_more_than_the_array(name: str) -> None:
    """A load holds the array and the parts that are being read."""
    assert child("memory", name, SIZE)["peak"] <= SIZE + 200 * MIB
