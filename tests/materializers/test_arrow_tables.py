"""Tables of Arrow and frames of polars keep values, types and names."""

import io
import re
from collections.abc import Callable
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


def test_a_dictionary_of_dictionaries_is_refused_by_name(bench: Bench) -> None:
    """Arrow writes one, alone or inside of lists and dictionaries, and does not read it again."""
    nested = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["x"]).dictionary_encode())
    inside = pa.ListArray.from_arrays([0, 1], nested)
    for column in (nested, inside, pa.DictionaryArray.from_arrays(pa.array([0]), inside)):
        with pytest.raises(MaterializerTypeError, match=r"column 'deep' is .* no dictionary of dictionaries") as caught:
            bench.save(pa.table({"flat": [1], "deep": column}))
        assert "dictionary_decode()" in caught.value.hint


def test_a_table_that_could_not_be_read_again_is_refused(bench: Bench) -> None:
    """Arrow makes tables that are not valid, such as of bytes that are no text."""
    texts = pa.array([b"\xff"]).view(pa.string())
    for column in (texts, pa.array([1], pa.date64())):
        with pytest.raises(MaterializerError, match=r"cannot save .*: ArrowInvalid"):
            bench.save(pa.table({"a": column}))


def test_a_lazy_frame_is_refused(bench: Bench) -> None:
    """A polars plan is no data, and the hint says what to save."""
    with pytest.raises(MaterializerTypeError) as caught:
        bench.save(pl.LazyFrame({"a": [1]}))
    assert caught.value.hint == "save value.collect() instead"


def test_objects_in_polars_are_named(bench: Bench) -> None:
    """A polars column of objects is an error that names the column, and a series of them one that names the series."""
    with pytest.raises(MaterializerError, match="column 'o'"):
        bench.save(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))
    for name in ("s", ""):
        with pytest.raises(MaterializerError, match=f"the series {name!r} has the dtype Object"):
            bench.save(pl.Series(name, [object()], dtype=pl.Object))


class Frame(pl.DataFrame):  # type: ignore[misc, name-defined]
    pass


def test_a_frame_of_a_class_of_ones_own_is_left_to_the_last_resort(bench: Bench) -> None:
    """A frame of a derived class is not made polars' own."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Frame({"a": [1]}))
    assert saved.key == "builtin.cloudpickle/1"
    assert type(bench.load(saved, held, trusted=True)) is Frame


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_metadata_of_a_table(bench: Bench, make: Callable[[dict[str, list[object]]], object]) -> None:
    """Columns of numbers have statistics, and a label that no key of metadata can be costs no others theirs."""
    saved, _ = bench.save(make({"n": [1, None, 3], "t": ["x", "y", None], "": [None, 0.5, None]}))
    statistics = ("mean", "std", "min", "max")
    assert [3, 3] == saved.metadata["shape"]
    assert {"n", "t", "''"} == saved.metadata["dtype"].keys()
    assert [2.0, 2**0.5, 1, 3] == [saved.metadata[name]["n"] for name in statistics]
    assert [0.5, None, 0.5, 0.5] == [saved.metadata[name].get("''") for name in statistics]


def test_enums_come_back_where_polars_takes_them_for_categoricals(bench: Bench) -> None:
    """The categories of an enum are kept beside the file, since other releases of polars do not find them in it."""
    names = ["a", "^.*$", "n"]
    values = pl.DataFrame([pl.Series(name, ["x", None], dtype=pl.Enum(["y", "x"])) for name in names[:2]])
    for value in (values.with_columns(pl.lit(1).alias("n")), pl.Series("s", ["x"], dtype=pl.Enum(["y", "x"]))):
        saved, held = bench.save(value)
        frame = value.to_frame() if isinstance(value, pl.Series) else value
        file = io.BytesIO()
        frame.with_columns(column.cast(pl.Categorical) for column in frame if column.name != "n").write_parquet(file)
        loaded = bench.load(saved, held | {"data.parquet": file.getvalue()})
        assert value.equals(loaded)
        assert frame.dtypes == (loaded.to_frame() if isinstance(loaded, pl.Series) else loaded).dtypes


def test_a_panic_of_polars_is_an_error_of_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What polars raises past `except Exception`, as on files of newer releases, is an error like any other."""

    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("called `Result::unwrap()` on an `Err` value")

    frame = pl.DataFrame({"a": [1]})
    saved, held = bench.save(frame)
    monkeypatch.setattr(pl, "read_parquet", panic)
    monkeypatch.setattr(pl.DataFrame, "write_parquet", panic)
    said = f"polars {pl.__version__} ends in a panic: called `Result::unwrap()` on an `Err` value"
    for act in (lambda: bench.load(saved, held), lambda: bench.save(frame)):
        with pytest.raises(MaterializerError, match=f"^{re.escape(said)}\nHint: "):
            act()


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of the library reaches the caller."""
    for value in (pl.DataFrame({"a": [1]}), pa.table({"a": [1]})):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))
