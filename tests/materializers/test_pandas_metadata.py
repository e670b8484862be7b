"""What is noted of frames and series, and what cannot be described."""

import decimal
import warnings
from typing import Any

import pytest

from ledger.enums import VisualizationType
from tests.kit.materializing import Bench

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
np = pytest.importorskip("numpy")


def test_metadata_of_a_frame(bench: Bench) -> None:
    """A frame notes its shape, dtypes and the statistics of its numeric columns."""
    metadata = bench.save(pd.DataFrame({"a": [1, 3], "b": ["x", "y"], 5: [0.5, np.nan]}))[0].metadata
    assert metadata["shape"] == [2, 3]
    assert metadata["dtype"]["a"] == "int64"
    assert metadata["mean"] == {"a": 2.0, "5": 0.5}
    assert (metadata["min"], metadata["max"]["a"]) == ({"a": 1, "5": 0.5}, 3)
    assert metadata["std"]["a"] == pytest.approx(2**0.5)


def test_columns_whose_labels_read_alike_are_noted_apart(bench: Bench) -> None:
    """Each column has an entry of its own: a label that is there already gets a number, as pandas has it."""
    labels = ["a", "a", "a.1", 1, "1", "x" * 300, "x" * 301]
    metadata = bench.save(pd.DataFrame([range(7)], columns=labels))[0].metadata
    keys = ["a", "a.1", "a.1.1", "1", "1.1", "x" * 255, "x" * 253 + ".1"]
    assert dict(zip(keys, range(7), strict=True)) == metadata["max"]
    assert keys == list(metadata["dtype"])


def test_metadata_of_a_very_wide_frame_does_not_fill_the_record(bench: Bench) -> None:
    """Statistics that would not fit into a record are left out with a warning; the frame is saved."""
    frame = pd.DataFrame(
        np.zeros((1, 1200)), columns=[f"a column with a {'long ' * 46}name {place}" for place in range(1200)]
    )
    with pytest.warns(UserWarning, match="is left out"):
        saved, _ = bench.save(frame)
    assert saved.metadata["shape"] == [1, 1200]
    assert "dtype" not in saved.metadata


def test_metadata_of_a_series(bench: Bench) -> None:
    """A series notes its shape, dtype and statistics."""
    metadata = bench.save(pd.Series([1, 3]))[0].metadata
    assert metadata["shape"] == [2]
    assert (metadata["dtype"], metadata["mean"], metadata["max"]) == ("int64", 2.0, 3)


def test_what_cannot_be_hashed_is_not_described(bench: Bench) -> None:
    """A column of lists is left out of the description, which would take hours for many of them."""
    frame = pd.DataFrame({"text": ["a", "b"], "lists": [[1], [2]], "sets": [({1},), None]})
    pictures = bench.files()
    bench.save(frame, visualizations=pictures)
    assert b",text" == pictures.held["describe.csv"].splitlines()[0]
    assert {} == bench.save(frame["lists"], visualizations=bench.files())[0].visualizations


def test_numbers_without_an_order_or_a_float_cost_the_others_nothing(bench: Bench) -> None:
    """Complex numbers have no least one, and are not described; what is noted of decimals is noted as floats."""
    decimals = pd.array([decimal.Decimal("1.10"), decimal.Decimal(3)], dtype=pd.ArrowDtype(pa.decimal128(10, 2)))
    frame = pd.DataFrame({"plain": [1, 2], "complex": [1j, 2], "decimal": decimals})
    pictures = bench.files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noted = bench.save(frame, visualizations=pictures)[0].metadata
    assert ({"plain": 1, "decimal": 1.1}, {"plain": 2, "decimal": 3.0}) == (noted["min"], noted["max"])
    assert b",plain" == pictures.held["describe.csv"].splitlines()[0]


@pytest.mark.parametrize("kind", [pa.list_(pa.int8()), pa.struct([("x", pa.int8())]), pa.float16(), pa.binary_view()])
def test_arrow_types_that_pandas_cannot_describe_cost_the_others_nothing(bench: Bench, kind: Any) -> None:
    """Their columns are left out, as those of lists that are objects, and alone they have no description."""
    nulls = pd.Series(pd.arrays.ArrowExtensionArray(pa.array([None, None], kind)))
    shown = bench.files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bench.save(pd.DataFrame({"odd": nulls, "text": ["a", "b"]}), visualizations=shown)
        alone = bench.save(nulls, visualizations=bench.files())[0]
    assert b",text" == shown.held["describe.csv"].splitlines()[0]
    assert ({}, [2]) == (alone.visualizations, alone.metadata["shape"])


def test_a_very_wide_frame_is_not_described(bench: Bench) -> None:
    """Statistics of thousands of columns, which pandas takes longer for than the save, are no table for anybody."""
    frame = pd.DataFrame(np.zeros((1, 1001)))
    saved, _ = bench.save(frame, extract_metadata=False, visualizations=bench.files())
    assert {} == saved.visualizations


def test_infinities_are_described_without_a_warning(bench: Bench) -> None:
    """What numpy says of infinities is not said to the user, whose data has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bench.save(pd.Series([1.0, np.inf, -np.inf]), visualizations=bench.files())


def test_a_frame_describes_itself(bench: Bench) -> None:
    """The visualization of a frame is its description as CSV."""
    shown = bench.files()
    saved, _ = bench.save(pd.DataFrame({"a": [1, 2]}), visualizations=shown)
    assert saved.visualizations == {"describe.csv": VisualizationType.CSV}
    assert shown.held["describe.csv"].startswith(b",a\ncount,2.0")
