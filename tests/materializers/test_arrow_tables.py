"""Tables of Arrow and frames of polars keep values, types and names."""

from typing import Any

import pytest

from ledger.errors import MaterializerError, MaterializerTypeError
from tests.kit.materializing import Bench, MaterializerContract

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")


class TestPolars(MaterializerContract):
    """Frames and series of polars."""

    key = "polars.parquet/1"

    def values(self) -> list[Any]:
        frame = pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [[1], [2, 3]], "d": [{"k": 1}, {"k": 2}]})
        kinds = pl.Enum(["low", "high"])
        typed = frame.select(
            pl.lit("low").cast(kinds).alias("e"),
            pl.lit("x").cast(pl.Categorical).alias("c"),
            pl.lit(None).alias("n"),
            pl.datetime(2020, 1, 1, time_zone="Europe/Paris").alias("t"),
            pl.lit(1, pl.Int8).alias("i"),
        )
        return [frame, typed, pl.DataFrame(), pl.Series("s", [1.5, None]), pl.Series([True])]

    def same(self, left: Any, right: Any) -> bool:
        names = (getattr(left, "name", None), getattr(right, "name", None))
        types = [value.dtype if isinstance(value, pl.Series) else value.schema for value in (left, right)]
        return bool(left.equals(right)) and names[0] == names[1] and types[0] == types[1]


class TestArrow(MaterializerContract):
    """Tables of Arrow, with every type and the schema's metadata."""

    key = "pyarrow.ipc/1"

    def values(self) -> list[Any]:
        table = pa.table({"a": pa.array([1, None], pa.uint16()), "d": pa.array(["x", "y"]).dictionary_encode()})
        return [table, table.replace_schema_metadata({"unit": "m"}), pa.table({})]

    def same(self, left: Any, right: Any) -> bool:
        return bool(left.equals(right, check_metadata=True))


def test_a_lazy_frame_is_refused(bench: Bench) -> None:
    """A polars plan is no data, and the hint says what to save."""
    with pytest.raises(MaterializerTypeError) as caught:
        bench.save(pl.LazyFrame({"a": [1]}))
    assert caught.value.hint == "save value.collect() instead"


def test_objects_in_polars_are_named(bench: Bench) -> None:
    """A polars column of objects is an error that names the column."""
    with pytest.raises(MaterializerError, match="column 'o'"):
        bench.save(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))


class Frame(pl.DataFrame):  # type: ignore[misc, name-defined]
    pass


def test_a_frame_of_a_class_of_ones_own_is_left_to_the_last_resort(bench: Bench) -> None:
    """A frame of a derived class is not made polars' own."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Frame({"a": [1]}))
    assert saved.key == "builtin.cloudpickle/1"
    assert type(bench.load(saved, held, trusted=True)) is Frame


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of the library reaches the caller."""
    for value in (pl.DataFrame({"a": [1]}), pa.table({"a": [1]})):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))
