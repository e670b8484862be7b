"""A pickle that names a file and does not hold it is known to be one."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.materializing import Bench


class Opened:
    """What a library gives for data that it has not read yet."""

    def __init__(self, *paths: object) -> None:
        self.paths = paths


@pytest.mark.parametrize("made", [str, Path])
def test_a_file_that_a_value_reads_later_is_named(bench: Bench, tmp_path: Path, made: Callable[[Path], object]) -> None:
    """The warning about a pickle names the file, of those that exist, without which the value is of no use."""
    file = tmp_path / "x.nc"
    file.touch()
    with pytest.warns(UserWarning, match=re.escape(f"it names {str(file)!r} without holding it")):
        bench.save(Opened("/", "x.nc", made(tmp_path / "gone.nc"), made(file)))


def test_the_source_of_a_function_is_not_named(bench: Bench) -> None:
    """The code of a function names the file in which it was written, and nobody misses that one."""
    with pytest.warns(UserWarning, match="cloudpickle") as caught:
        bench.save(lambda: 1)
    assert not any("names" in str(warning.message) for warning in caught)


def test_a_large_pickle_is_not_gone_through(bench: Bench, tmp_path: Path) -> None:
    """A value with megabytes of its own costs no second look at all that it holds."""
    with pytest.warns(UserWarning, match="cloudpickle") as caught:
        bench.save(Opened(tmp_path, bytes(5 << 20)))
    assert not any("names" in str(warning.message) for warning in caught)
