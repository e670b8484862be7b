"""Frames and series keep index, labels, dtypes, names, nulls and attrs."""

import datetime as dt
import decimal
import io
import json
import math
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from ledger import Ledger
from ledger.errors import MaterializerError
from ledger.materializers import load_value, parquet_limits
from ledger.materializers.pandas_dtypes import decode_dtype
from tests.kit.materializing import Bench, MaterializerContract, MemoryFiles
from tests.kit.releases import is_since, needs
from tests.kit.scripts import ScriptServer

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
np = pytest.importorskip("numpy")

_ZONED_INTERVALS = {
    "interval zone": pd.interval_range(pd.Timestamp("2020", tz="Europe/Paris"), periods=3, closed="both")
}


def _columns() -> dict[str, Any]:
    """A column of every dtype, three rows each."""
    return {
        "int8": np.array([1, 2, 3], dtype="i1"),
        "uint64": np.array([1, 2, 2**64 - 1], dtype="u8"),
        "float16": np.array([1, 2.5, np.nan], dtype="f2"),
        "float64": [1.0, np.nan, np.inf],
        "foreign int": np.array([1, 2, 3], dtype=">i4"),
        "foreign float": np.array([1, 2.5, np.nan], dtype=">f8"),
        "bool": [True, False, True],
        "complex": [1 + 2j, 0j, 1j],
        "text": ["a", "é", ""],
        "text with null": pd.Series(["a", None, "b"]),
        "object text": pd.Series(["a", None, "b"], dtype=object),
        "object nan": pd.Series(["a", np.nan, "b"], dtype=object),
        "object bytes": pd.Series([b"a", None, b"\xff"], dtype=object),
        "object mixed": pd.Series([1, "a", (2.5, {3})], dtype=object),
        "object dates": pd.Series([dt.date.min, None, dt.date.max], dtype=object),
        "object dates nan": pd.Series([dt.date(2020, 1, 1), np.nan, dt.date(1969, 12, 31)], dtype=object),
        "object date and more": pd.Series([dt.date(2020, 1, 1), None, decimal.Decimal("1.10")], dtype=object),
        "object stamps": pd.Series([pd.Timestamp("2020", tz="Europe/Paris"), pd.NaT, pd.NA], dtype=object),
        "surrogate": pd.Series(["\ud800", "a", "b"], dtype=object),
        "surrogate category": pd.Categorical(pd.Series(["\ud800", "a", "b"], dtype=object)),
        "Int64": pd.array([1, None, 2**60 + 1], dtype="Int64"),
        "Float32": pd.array([1.5, None, 2], dtype="Float32"),
        "boolean": pd.array([True, None, False], dtype="boolean"),
        "string": pd.array(["a", None, "b"], dtype="string"),
        "string python": pd.array(["a", None, "b"], dtype="string[python]"),
        "seconds": np.array(["2020", "NaT", "1066"], dtype="M8[s]"),
        "nanoseconds": pd.date_range("2020", periods=3).astype("M8[ns]"),
        "span": np.array([1, 2, "NaT"], dtype="m8[us]"),
        "zone": pd.date_range("2020-10-25", periods=3, freq="h", tz="Europe/Paris"),
        "zone seconds": pd.Series(pd.date_range("2020", periods=3, tz="UTC")).dt.as_unit("s"),
        "category": pd.Categorical(["b", None, "a"], categories=["b", "c", "a"], ordered=True),
        "category int": pd.Categorical([3, 1, 3]),
        "category interval": pd.cut([1, 5, 9], 3),
        "category tuple": pd.Categorical.from_codes([0, 1, 0], pd.Index([("a", 1), ("b", 2)], tupleize_cols=False)),
        "category empty": pd.Categorical([None, None, None]),
        "period": pd.period_range("2020", periods=3, freq="M"),
        "interval": pd.interval_range(0, 3),
        **(_ZONED_INTERVALS if is_since(pd, 3) else {}),  # pandas 2 has no way to Arrow for these
        "sparse": pd.arrays.SparseArray([0, 0, 5]),
        "arrow": pd.array([1.5, None, 2.5], dtype="double[pyarrow]"),
    }


class TestFrames(MaterializerContract):
    """Data frames."""

    key = "pandas.parquet/1"

    def values(self) -> list[Any]:
        plain = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
        columns = pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["one", None])
        return [
            *(pd.DataFrame({name: column}) for name, column in _columns().items()),
            plain,
            pd.DataFrame(),
            pd.DataFrame(index=["a", "b"]),
            pd.DataFrame(index=range(5)),
            plain.iloc[:0],
            plain.set_flags(allows_duplicate_labels=False),
            *(pd.DataFrame({name: column}).iloc[:0] for name, column in _columns().items()),
            plain.set_index("b"),
            plain.set_index(["a", "b"]),
            plain.iloc[::-1],
            plain.rename_axis(index="rows", columns="cols"),
            pd.DataFrame([[1, "a", 2.5]]),
            pd.DataFrame([[1, 2]], columns=["same", "same"]),
            pd.DataFrame([[1, 2, 3]], columns=[1, "1", None]),
            pd.DataFrame([[1, 2]], columns=columns),
            pd.DataFrame([[1, 2]], columns=pd.date_range("2020", periods=2)),
            pd.DataFrame([[1, 2]], columns=pd.date_range("2020", periods=2, tz="Europe/Paris")),
            pd.DataFrame([[1, 2]], columns=pd.period_range("2020", periods=2, freq="M")),
            pd.DataFrame([[1, 2]], columns=pd.Categorical(["x", "y"])),
            pd.DataFrame({"x": range(3)}, index=pd.date_range("2020", periods=3, freq="D", tz="UTC", name="day")),
            pd.DataFrame({"x": range(3)}, index=pd.Categorical(["a", "b", "a"])),
            pd.DataFrame({"x": range(3)}, index=pd.interval_range(0, 3)),
            pd.DataFrame({"x": range(2)}, index=pd.Index([1, "a"], dtype=object)),
            pd.DataFrame([[1, 2]], columns=columns.to_flat_index()),
            pd.DataFrame({"x": range(2)}, index=columns.to_flat_index()),
        ]

    def same(self, left: Any, right: Any) -> bool:
        pd.testing.assert_frame_equal(left, right, check_freq=True, check_flags=True)
        return type(left.index) is type(right.index) and type(left.columns) is type(right.columns)


class TestSeries(MaterializerContract):
    """Series, of every dtype and under every name."""

    key = "pandas.parquet/1"

    def values(self) -> list[Any]:
        made = [pd.Series(column, name=name) for name, column in _columns().items()]
        return [*made, *(pd.Series([1, 2], name=name) for name in (None, "series", 5, ("a", 1)))]

    def same(self, left: Any, right: Any) -> bool:
        pd.testing.assert_series_equal(left, right, check_freq=True)
        return type(left.name) is type(right.name)


def _with_facts(held: dict[str, bytes], change: Callable[[Any], None]) -> dict[str, bytes]:
    """A file whose JSON about the frame is changed."""
    table = pq.read_table(io.BytesIO(held["data.parquet"]))
    facts = json.loads(table.schema.metadata[b"ledger"])
    change(facts)
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"ledger": json.dumps(facts)}), file)
    return {"data.parquet": file.getvalue()}


_UNSORTED = [
    pd.concat([pd.Series([1, 2]), pd.Series([3, 4])], keys=["b", "a"]),
    pd.Series([1, 2, 3], index=pd.MultiIndex(levels=[["z", 1, "a"], [5, 7]], codes=[[2, 0, 1], [1, 0, -1]])),
    pd.Series([1, 2], index=pd.MultiIndex(levels=[[True], ["z", "b", "a"]], codes=[[0, -1], [0, 2]])),
    pd.Series([1, 2, 3, 4], index=pd.MultiIndex.from_product([["c", "b", "a", "z"], [1]])).iloc[[0, 2, 3]],
    pd.Series([1, 2], index=pd.MultiIndex.from_arrays([pd.Categorical(["x", "y"], categories=["y", "x"]), [1, 2]])),
    pd.Series([1, 2], index=pd.MultiIndex.from_arrays([pd.IntervalIndex.from_tuples([(0, 3), (1, 2)]), [2, 1]])),
    pd.Series([1, 2], index=pd.MultiIndex([pd.IntervalIndex.from_tuples([(1, 2), (0, 3)]), [1]], [[0, 1], [0, 0]])),
]


@pytest.mark.parametrize("series", _UNSORTED)
def test_levels_keep_the_order_of_their_values(bench: Bench, series: Any) -> None:
    """What ``unstack`` makes of rows or labels is the same before and after."""
    index = bench.round_trip(series).index
    columns = bench.round_trip(series.to_frame().T).columns
    expected = [level.tolist() for level in series.index.remove_unused_levels().levels]
    assert [expected] * 2 == [[level.tolist() for level in labels.levels] for labels in (index, columns)]
    assert series.index.dtypes.equals(index.dtypes)
    assert series.index.equals(index)
    assert series.index.equals(columns)


def test_a_level_whose_dtype_is_not_found_by_its_name_keeps_its_labels(bench: Bench) -> None:
    """Of sparse whole numbers beside a missing one the values come back, and the frame is loaded at all."""
    level = pd.Index(pd.arrays.SparseArray([1, 2], fill_value=5))
    labels = pd.MultiIndex(levels=[level, [1]], codes=[[1, 0, -1], [0, 0, 0]])
    loaded = bench.round_trip(pd.DataFrame({"x": [1, 2, 3]}, index=labels))
    assert [2, 1] == loaded.index.get_level_values(0)[:2].tolist()
    assert [1, 0, -1] == list(loaded.index.codes[0])


def test_attrs_survive_where_they_are_plain(bench: Bench) -> None:
    """Plain attrs come back; another is left out with a warning that names it."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"unit": ("m", 1), "code": len}
    with pytest.warns(UserWarning, match=r"attrs\['code'\]"):
        saved, held = bench.save(frame)
    assert bench.load(saved, held).attrs == {"unit": ("m", 1)}


def test_missing_objects_keep_their_kind(bench: Bench) -> None:
    """None, NaN and NA in columns of objects are not one another."""
    frame = pd.DataFrame({"a": pd.Series([None, np.nan, pd.NA, 1.5], dtype=object)})
    assert list(map(repr, bench.round_trip(frame)["a"])) == ["None", "nan", "<NA>", "1.5"]


@pytest.mark.parametrize(
    "frequency",
    [pd.DateOffset(months=1), pd.offsets.CustomBusinessHour(start="09:30"), pd.offsets.MonthBegin(normalize=True)],
    ids=repr,
)
def test_a_frequency_without_a_name_of_its_own_is_left_out(bench: Bench, frequency: Any) -> None:
    """A frequency that its name does not lead back to costs a warning on saving, and none on loading."""
    days = pd.date_range("2020-01-01", periods=3, freq=frequency)
    for frame in (pd.DataFrame({"x": range(3)}, index=days), pd.DataFrame([range(3)], columns=days)):
        with pytest.warns(UserWarning, match="is left out"):
            saved, held = bench.save(frame)
        pd.testing.assert_frame_equal(frame, bench.load(saved, held), check_freq=False)


@pytest.mark.parametrize("name", ["?", "h"])
def test_a_frequency_that_is_not_known_does_not_keep_a_frame_from_loading(bench: Bench, name: str) -> None:
    """A frequency in a file that this pandas does not know, or that is not that of the labels, is left out."""
    saved, held = bench.save(pd.DataFrame([[1, 2]], columns=pd.date_range("2020", periods=2, freq="D")))
    changed = _with_facts(held, lambda facts: facts["labels"].update(frequency=name))
    with pytest.warns(UserWarning, match="is left out"):
        assert bench.load(saved, changed).columns.freq is None


@pytest.mark.parametrize("counts", [5, [[1, 2]], "no"], ids=str)
def test_labels_whose_counts_are_no_list_of_numbers_are_an_error(bench: Bench, counts: object) -> None:
    """A file that says so, of which pandas would make an index of no dimension and crash, is not loaded."""
    saved, held = bench.save(pd.DataFrame([[1, 2]], columns=pd.period_range("2020", periods=2, freq="D")))
    changed = _with_facts(held, lambda facts: facts["labels"].update(counts=counts))
    with pytest.raises(MaterializerError):
        bench.load(saved, changed)


@pytest.mark.parametrize("null", [None, float("nan")], ids=str)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u8", "?"])
def test_rows_of_numbers_come_back(bench: Bench, dtype: str, null: object) -> None:
    """Arrays in a column, as embeddings are kept, have their dtype and memory of their own; others read lists."""
    rows = [np.array([1, 0], dtype), null, np.array([], dtype), np.array([1, 1, 1], dtype)]
    column = pd.Series(np.array([*rows, None], dtype=object)[:-1], name="rows")
    saved, held = bench.save(column.to_frame())
    loaded = bench.load(saved, held)["rows"]
    assert repr(rows) == repr(loaded.tolist())
    loaded[0][:] = 0
    lists = pq.read_table(io.BytesIO(held["data.parquet"])).column(0).to_pylist()
    assert [[1, 0], None, [], [1, 1, 1]] == lists


@pytest.mark.parametrize("rows", [[np.zeros((2, 2))], [np.zeros(1), np.zeros(1, "f4")], [np.zeros(1), None, np.nan]])
def test_arrays_that_are_no_rows_are_refused(bench: Bench, rows: list[Any]) -> None:
    """Arrays of several dimensions or dtypes, or with two kinds of null, are an error that names the column."""
    column = pd.Series([None] * len(rows), dtype=object, name="rows")
    for place, row in enumerate(rows):
        column.iat[place] = row
    with pytest.raises(MaterializerError, match="column 'rows' cannot be saved"):
        bench.save(column)


def test_nan_and_na_in_masked_floats_stay_apart(bench: Bench) -> None:
    """A NaN that was computed is not taken for a missing number, and the other way round."""
    for kind in ("f4", "f8"):
        floats = pd.arrays.FloatingArray(np.array([1, np.nan, 2], dtype=kind), np.array([False, False, True]))
        loaded = bench.round_trip(pd.Series(floats)).array
        assert (floats.dtype, [False, False, True]) == (loaded.dtype, loaded.isna().tolist())
        assert np.isnan(loaded.to_numpy(kind, na_value=0)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "labels",
    [
        pd.arrays.FloatingArray(np.array([1, np.nan, 2]), np.array([False, False, True])),
        pd.arrays.ArrowExtensionArray(pa.array([1.0, math.nan, None], from_pandas=False)),
    ],
    ids=str,
)
def test_nan_and_na_in_labels_stay_apart(bench: Bench, labels: Any) -> None:
    """Of a dtype that has both, a NaN is a label of a column, and a category, that is not missing."""
    loaded = bench.round_trip(pd.DataFrame([[1, 2, 3]], columns=pd.Index(labels)))
    assert loaded.columns.isna().tolist() == [False, False, True]
    column = bench.round_trip(pd.Series(pd.Categorical.from_codes([0, 1], pd.Index(labels[:2]))))
    assert column.isna().tolist() == [False, False]


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        (pa.timestamp("s"), 5),
        (pa.timestamp("s", "UTC"), 5),
        (pa.time32("s"), 5),
        (pa.date64(), 86_400_000),
        (pa.dictionary(pa.int8(), pa.int64()), 5),
        pytest.param(pa.dictionary(pa.int8(), pa.large_string()), "a", marks=needs(pa, 25, "makes none")),
        (pa.list_(pa.timestamp("s")), [5]),
        (pa.struct([("when", pa.timestamp("s"))]), {"when": 5}),
        pytest.param(pa.list_(pa.int8(), 1), [5], marks=needs(pa, 26, "reads no null of it")),
        (pa.list_(pa.field("named", pa.int8(), nullable=False)), [5]),
    ],
    ids=str,
)
def test_types_of_arrow_come_back(bench: Bench, kind: Any, element: Any) -> None:
    """A type that parquet does not know is that of the column again."""
    column = pd.Series(pd.arrays.ArrowExtensionArray(pa.array([element, None], kind)))
    loaded = bench.round_trip(column)
    pd.testing.assert_series_equal(column, loaded)
    assert str(column.dtype) == str(loaded.dtype)


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        (pa.decimal128(5, 2), [decimal.Decimal("1.20"), decimal.Decimal("3.00")]),
        (pa.string(), ["a", "b"]),
        (pa.timestamp("ns", "Europe/Paris"), [5, 6]),
        (pa.binary(2), [b"aa", b"bb"]),
        (pa.date32(), [dt.date(2020, 1, 1), dt.date(2020, 1, 2)]),
    ],
    ids=str,
)
def test_labels_and_categories_keep_their_types_of_arrow(bench: Bench, kind: Any, elements: list[Any]) -> None:
    """Column labels and categories have the Arrow type they had, which the text of a type may not lead back to."""
    labels = pd.Index(pd.arrays.ArrowExtensionArray(pa.array(elements, kind)), name="labels")
    frame = pd.DataFrame([[1, 2]], columns=labels)
    pd.testing.assert_index_equal(labels, bench.round_trip(frame).columns, exact=True)
    column = pd.Series(pd.Categorical.from_codes([1, 0, -1], categories=labels.rename(None)))
    loaded = bench.round_trip(column)
    pd.testing.assert_series_equal(column, loaded)
    assert repr(column.dtype) == repr(loaded.dtype)


@pytest.mark.parametrize("zone", ["a fraction of a minute", "another of that name", "no name"])
def test_labels_in_a_zone_that_is_not_found_again_are_refused(bench: Bench, zone: str) -> None:
    """A zone that its text does not lead back to is an error, and neither another time nor a frame that never loads."""
    zones = {
        "a fraction of a minute": dt.timezone(dt.timedelta(seconds=3601)),
        "another of that name": dt.timezone(dt.timedelta(hours=1), "CET"),
        "no name": pytest.importorskip("dateutil.tz").gettz("Europe/Berlin"),
    }
    labels = pd.date_range("2020", periods=2, tz=zones[zone])
    for value in (pd.DataFrame([[1, 2]], columns=labels), pd.Series(pd.Categorical(labels))):
        with pytest.raises(MaterializerError, match="cannot be found again by its name"):
            bench.save(value)
    for value in (pd.Series(labels, name="when"), pd.Series([1, 2], index=labels.rename("when"))):
        with pytest.raises(MaterializerError, match=r"column .*'when' has the dtype .* be found again by its name"):
            bench.save(value)


@pytest.mark.parametrize("names", [[1, 0], [None, 0], [0, 0]])
def test_levels_that_are_named_by_numbers_keep_their_labels(bench: Bench, names: list[Any]) -> None:
    """A level that has another one's place for its name, as after ``swaplevel``, is not taken for that one."""
    labels = pd.MultiIndex.from_tuples([("b", 1), ("a", 2)], names=names)
    for frame in (pd.DataFrame({"x": [1, 2]}, index=labels), pd.DataFrame([[1, 2]], columns=labels)):
        pd.testing.assert_frame_equal(frame, bench.round_trip(frame))


@pytest.mark.parametrize("least", [2**53, 2**63 - 3])
@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_large_numbers_beside_a_missing_one_stay_apart(bench: Bench, dtype: str, least: int) -> None:
    """Whole numbers in a level that a float would take for one another come back as they were."""
    level = pd.Index([least + 1, least], dtype=dtype)
    labels = pd.MultiIndex(levels=[level, [1]], codes=[[0, 1, -1], [0, 0, 0]])
    for frame in (pd.DataFrame({"x": [1, 2, 3]}, index=labels), pd.DataFrame([[1, 2, 3]], columns=labels)):
        loaded = bench.round_trip(frame)
        held = loaded.columns if len(loaded) == 1 else loaded.index
        assert [level[code] for code in labels.codes[0][:2]] == [held.levels[0][code] for code in held.codes[0][:2]]
        assert (dtype, -1) == (held.levels[0].dtype, held.codes[0][2])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["ab", "abcdefgh"], dtype=object),
        pd.Series([b"abcdefgh", None], dtype=object),
        pd.Series([1, "abcdefgh"], dtype=object),
        pd.Series(pd.Categorical(["abcdefgh"])),
        pd.Series([["abcdefgh"]], dtype=pd.ArrowDtype(pa.list_(pa.large_string()))),
    ],
)
def test_a_value_that_is_too_long_for_parquet_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, column: Any
) -> None:
    """Arrow would end the process over a value of 2 GiB; the limit is a small one here."""
    monkeypatch.setattr(parquet_limits, "_LENGTH_LIMIT", 7)
    with pytest.raises(MaterializerError, match=r"column 'x' holds a value of .* bytes, over the 7 of parquet"):
        bench.save(pd.DataFrame({"x": column}))


def test_what_parquet_cannot_hold_is_refused(bench: Bench) -> None:
    """An Arrow type that would come back as another, and seconds too far away, are errors that name the column."""
    ends = pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])
    breaks = np.array([2**61 - 1, 2**61], dtype="M8[s]")
    far, past = breaks[1:], np.array([-((2**63 - 1) // 1000)], dtype="M8[s]")
    seconds = pa.timestamp("s")
    nested = [
        pa.array([[("a", 2**61)]], pa.map_(pa.string(), seconds)),
        pa.array([[{"when": 2**61}]], pa.list_(pa.struct([("when", seconds)]))),
    ]
    negative = pa.array([100], pa.decimal128(5, -2))
    arrays = map(pd.arrays.ArrowExtensionArray, (ends, pa.array(far), negative, *nested))
    for column in (*arrays, far, past, pd.arrays.IntervalArray.from_breaks(breaks)):
        with pytest.raises(MaterializerError, match="column 'bad'"):
            bench.save(pd.DataFrame({"bad": column}))


def test_a_column_that_cannot_be_saved_is_named(bench: Bench) -> None:
    """An object that is no plain value in a column is an error that names the column."""
    with pytest.raises(MaterializerError, match="column 'bad' cannot be saved"):
        bench.save(pd.DataFrame({"good": [1], "bad": [object()]}))


def test_a_column_that_arrow_cannot_take_is_named(bench: Bench) -> None:
    """What pandas cannot hand on to Arrow, as intervals of nullable numbers, is an error that names the column."""
    intervals = pd.arrays.IntervalArray.from_breaks(pd.array([1, 2, 3], dtype="Int64"))
    with pytest.raises(MaterializerError, match=r"column 'bad' of dtype interval\[Int64, right\] cannot be saved"):
        bench.save(pd.DataFrame({"good": [1, 2], "bad": intervals}))


def test_half_a_surrogate_pair_in_a_column_of_strings_is_named(bench: Bench) -> None:
    """The error names column and text, of an index too; what its hint says to save comes back."""
    texts = pd.Series(["a", "b\ud800"], dtype=pd.StringDtype("python"), name="bad")
    for value, where in (
        (texts, "column 'bad'"),
        (texts.to_frame(), "column 'bad'"),
        (pd.DataFrame({"a": [1, 2]}, index=pd.Index(texts)), "column of the index level 'bad'"),
    ):
        with pytest.raises(MaterializerError) as caught:
            bench.save(value)
        assert (
            f"{where} holds a text with half a surrogate pair: 'b\\ud800'" == str(caught.value).partition(", which")[0]
        )
        assert ".astype(object)" in caught.value.hint
    for value, where in (
        (texts.rename(None), "column of the series holds"),
        (
            pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_arrays([[1, 2], texts.rename(None)])),
            "index level 1 holds",
        ),
    ):
        with pytest.raises(MaterializerError, match=where):
            bench.save(value)
    saved, held = bench.save(texts.astype(object).to_frame())
    assert texts.to_list() == bench.load(saved, held)["bad"].to_list()


def test_the_other_byte_order_is_kept(bench: Bench) -> None:
    """Numbers as a machine of the other kind writes them, such as those of FITS files, are columns of numbers."""
    for dtype in (">i2", ">u8", ">f4", ">f8", ">M8[s]"):
        column = pd.Series(np.array([1, 0], dtype="i8").astype(dtype), name="x")
        saved, held = bench.save(column.to_frame())
        assert column.dtype.str == bench.load(saved, held)["x"].dtype.str
        assert not pa.types.is_large_string(pq.read_table(io.BytesIO(held["data.parquet"])).schema.types[0])


def test_other_programs_read_the_columns(bench: Bench) -> None:
    """The file is a plain parquet file with the columns under their names; objects of one type are values of it."""
    values = {"a": [1], "b": ["x"], "c": [b"y"], "d": [dt.date(2020, 2, 29)]}
    _, held = bench.save(pd.DataFrame(values))
    assert list(held) == ["data.parquet"]
    assert pd.read_parquet(io.BytesIO(held["data.parquet"])).to_dict("list") == values


def test_other_programs_tell_nan_from_null(bench: Bench) -> None:
    """A number that is none is one in the file, and not a missing one."""
    _, held = bench.save(pd.DataFrame({"a": [1.5, float("nan")]}))
    assert 0 == pq.read_table(io.BytesIO(held["data.parquet"])).column("a").null_count


def test_an_edit_leaves_most_bytes_alone(bench: Bench) -> None:
    """Inserting a row into a table leaves most of the file's pages as they were."""
    generator = np.random.default_rng(3)
    frame = pd.DataFrame({"a": generator.normal(size=200_000)})
    edited = pd.concat([frame.iloc[:1000], frame.iloc[:1], frame.iloc[1000:]], ignore_index=True)
    before, after = (bench.save(value, extract_metadata=False)[1]["data.parquet"] for value in (frame, edited))
    tail = before[len(before) // 2 : len(before) // 2 + 4096]
    assert tail in after


_LOADING = """
from ledger import Ledger


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


ledger = Ledger.open("ledger")
ledger.load("small")
before = resident()
frame = ledger.load("large")
print((resident() - before) / frame.memory_usage().sum())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads what Linux says of a process")
def test_loading_keeps_little_more_memory_than_the_frame(
    tmp_path: Path, scripts: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Arrow needed meanwhile, for the file and for its table, is given back to the system."""
    ledger = Ledger.init(tmp_path / "ledger")
    ledger.save(pd.DataFrame({"a": [1.5]}), "small")
    ledger.save(pd.DataFrame(np.random.default_rng(0).random((400_000, 8))), "large")
    (tmp_path / "loading.py").write_text(_LOADING)
    monkeypatch.chdir(tmp_path)
    assert float(scripts.run(tmp_path / "loading.py")) < 2


def test_numbers_are_copied_once(bench: Bench) -> None:
    """Out of the file's pages, by Arrow; pandas and numpy take no memory of their own for them."""
    frame = pd.DataFrame(np.random.default_rng(0).random((200_000, 4)))
    saved, files = bench.save(frame)
    tracemalloc.start()
    try:
        loaded = bench.load(saved, files)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.5 * loaded.memory_usage().sum()


@pytest.mark.parametrize("rows", [3, 200_000])
def test_what_is_loaded_can_be_written_to(bench: Bench, rows: int) -> None:
    """In columns of one chunk and of several, of numpy's kinds and of pandas' own, and in a series."""
    zone = pd.date_range("2026-01-01", periods=rows, freq="min", tz="UTC")  # days would be too many for pandas 2.2
    frame = pd.DataFrame({"f": np.arange(rows, dtype=float), "i": pd.array(range(rows), dtype="Int64"), "z": zone})
    for column in (loaded := bench.round_trip(frame)):
        loaded.loc[0, column] = loaded[column].iloc[-1]
        assert loaded[column].iloc[0] == loaded[column].iloc[-1]
    series = bench.round_trip(frame["f"])
    series.iloc[0] = 7.0
    assert series.iloc[0] == 7.0


def test_texts_of_older_releases_come_back() -> None:
    """What pandas 2.2 called a storage of its own is one of Arrow that misses with NaN, or there what it was."""
    dtype = decode_dtype(["string", "pyarrow_numpy", "nan"])
    assert type(dtype) is pd.StringDtype
    assert math.isnan(dtype.na_value)
    assert dtype.storage.startswith("pyarrow")


@pytest.mark.slow
def test_what_is_said_of_a_frame_may_be_long(bench: Bench) -> None:
    """What is written beside the columns, such as labels of millions of categories, is read whatever its length."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["note"] = "x" * 80_000_000  # over 100 million bytes in the form in which Arrow writes it a second time
    assert frame.attrs == bench.round_trip(frame).attrs


def test_a_broken_file_is_an_error_of_ours(bench: Bench) -> None:
    """Parquet's own errors do not reach the caller."""
    saved, held = bench.save(pd.DataFrame({"a": [1]}))
    for data in (b"", b"PAR1", held["data.parquet"][:-9]):
        with pytest.raises(MaterializerError):
            bench.load(saved, {"data.parquet": data})


class _Noting(io.BytesIO):
    """A file that notes which threads read it."""

    readers: set[int]

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read(size)

    def readinto(self, buffer: Any, /) -> int:
        self.readers.add(threading.get_ident())
        return super().readinto(buffer)


class _NotedFiles(MemoryFiles):
    """Files that note which threads read them."""

    readers: set[int]

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        assert mode == "rb"
        file = _Noting(self.held[path])
        file.readers = self.readers = set()
        return file


def test_arrows_threads_hold_nothing_of_pythons(bench: Bench, tmp_path: Path) -> None:
    """Only the caller's thread reads the file: one of Arrow's that is late at it would abort a program that ends."""
    frame = pd.DataFrame({f"c{number}": range(1000) for number in range(8)})
    saved, held = bench.save(frame)
    files = _NotedFiles(tmp_path, held)
    assert frame.equals(load_value(saved.key, saved.data_type, files))
    assert {threading.get_ident()} == files.readers
