"""Arrays and scalars of numpy keep dtype, shape, memory order and kind, without pickle."""

import io
import re
import textwrap
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from ledger.enums import VisualizationType
from ledger.errors import MaterializerError
from ledger.materializers import NumpyMaterializer, load_value
from tests.kit.ledgers import run_python
from tests.kit.materializing import Bench, MaterializerContract

np = pytest.importorskip("numpy")


class TestArrays(MaterializerContract):
    """Arrays of every dtype without objects."""

    key = "numpy.npy/1"

    def values(self) -> list[Any]:
        return [
            np.arange(6, dtype="i4").reshape(2, 3),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.arange(20)[::3],
            np.array(5.5),
            np.empty((0, 3), dtype="f2"),
            np.array([np.nan, np.inf, -0.0], dtype=">f8"),
            np.array([True, False]),
            np.array([1 + 2j, complex(np.nan, 1)]),
            np.array(["a", "é b", ""]),
            np.array([b"a\x00b", b""]),
            np.array(["", ""]),
            np.array(["2020-01-01", "NaT"], dtype="datetime64[s]"),
            np.array([1, 2], dtype="timedelta64[D]"),
            np.array([(1, "x", [1, 2])], dtype=[("n", "i8"), ("é", "U3"), ("sub", "f4", (2,))]),
            np.array([[1, 2], [3, 4]]).view(np.matrix),
            np.rec.array([(1, 2.5)], dtype=[("a", "i8"), ("b", "f8")]),
            np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-9.0),
            np.ma.array([1, 2], hard_mask=True),
            np.zeros(2, dtype=(np.record, [("a", "i8"), ("b", "f8")])),
        ]

    def same(self, left: Any, right: Any) -> bool:
        if isinstance(left, np.ma.MaskedArray):
            masks = np.array_equal(left.mask, right.mask) and left.hardmask == right.hardmask
            return bool(masks and left.fill_value == right.fill_value and np.array_equal(left.data, right.data))
        layout = (
            left.dtype == right.dtype
            and left.dtype.type is right.dtype.type
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
        return bool(layout and (not left.flags.forc or left.flags.f_contiguous == right.flags.f_contiguous))


class TestScalars(MaterializerContract):
    """Scalars of numpy are not Python's."""

    key = "builtin.json/1"

    def values(self) -> list[Any]:
        return [
            *(np.float64(0.1), np.float32(0.1), np.float16(1.5), np.longdouble("0.1"), np.float64("nan")),
            *(np.int8(-5), np.uint64(2**64 - 1), np.bool_(True), np.complex64(1 + 2j)),
            *(
                np.str_("é"),
                np.bytes_(b"ab\x00c"),
                np.datetime64("2020-01-01T00:00:00.123"),
                np.timedelta64("NaT", "s"),
            ),
            *(np.void(b""), np.void(b"a\0"), np.str_("")),
            {"accuracy": np.float32(0.97), np.int64(3): [np.bool_(False)]},
        ]

    def same(self, left: Any, right: Any) -> bool:
        return repr(left) == repr(right) and getattr(left, "dtype", None) == getattr(right, "dtype", None)


class TestObjectArrays(MaterializerContract):
    """Arrays of objects become JSON, never pickle."""

    key = "builtin.json/1"

    def values(self) -> list[Any]:
        ragged = np.empty(2, dtype=object)
        ragged[:] = [np.arange(2), np.arange(3)]
        return [
            np.array([[1, "a"], [None, (2.5, {3})]], dtype=object),
            np.array({"a": 1}, dtype=object),
            np.empty((0, 2), dtype=object),
            np.asfortranarray(np.array([[1, "a"], [None, 2]], dtype=object)),
            ragged,
        ]

    def same(self, left: Any, right: Any) -> bool:
        layouts = [(array.dtype, array.shape, array.flags.f_contiguous) for array in (left, right)]
        return layouts[0] == layouts[1] and repr(left.tolist()) == repr(right.tolist())


@pytest.mark.parametrize("dtype", ["i1", "f2", "U1", "S2", "i8"])
def test_a_masked_array_that_was_shown_keeps_its_fill_value(bench: Bench, dtype: str) -> None:
    """A fill value that numpy made up, wider than the array's dtype, is made up anew, and not cut to the dtype."""
    array = np.ma.array(np.zeros(2, dtype), mask=[1, 0])
    shown = repr(array)
    assert repr(bench.round_trip(array)) == shown


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 1 has no texts of any length")
def test_texts_of_any_length_come_back(bench: Bench) -> None:
    """Numpy's own variable texts are texts in JSON."""
    array = np.asfortranarray(np.array([["a", "longer é"], ["", "b"]], dtype=np.dtypes.StringDType()))
    loaded = bench.round_trip(array)
    assert (loaded.dtype, loaded.tolist()) == (array.dtype, array.tolist())
    assert loaded.flags.f_contiguous


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 1 has no texts of any length")
@pytest.mark.parametrize("coerce", [True, False])
def test_texts_of_any_length_keep_what_they_make_texts_of(bench: Bench, *, coerce: bool) -> None:
    """A dtype that takes nothing but texts does so afterwards, where none is missing as well."""
    array = np.array(["a"], dtype=np.dtypes.StringDType(coerce=coerce))
    assert array.dtype == bench.round_trip(array).dtype


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 1 has no texts of any length")
@pytest.mark.parametrize("missing", [None, float("nan"), "", "none"], ids=repr)
def test_texts_of_any_length_keep_how_they_are_missing(bench: Bench, missing: Any) -> None:
    """A missing text comes back as what stood for it, in a dtype that misses and takes texts the same way."""
    dtype = np.dtypes.StringDType(na_object=missing, coerce=False)
    loaded = bench.round_trip(np.array(["a", missing], dtype=dtype))
    assert (repr(dtype), ["a", repr(missing)]) == (repr(loaded.dtype), [loaded[0], repr(loaded[1])])


@pytest.mark.parametrize("data", [b"", b"a", b"a\0\0", b"\0"])
def test_bytes_keep_their_last_nulls(bench: Bench, data: bytes) -> None:
    """A scalar of bytes is as long as it was, though an array would take its NULs for padding."""
    assert data == bytes(bench.round_trip(np.bytes_(data)))


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ('["|V2000000000", {"$bytes": "YQ=="}]', "has 1 bytes"),
        ('["|V1", 2000000000]', "is no int"),
        ('["|S1", {"$int": "2000000000"}]', "is no int"),
    ],
)
def test_a_scalar_takes_no_memory_for_what_is_not_there(bench: Bench, held: str, reason: str) -> None:
    """Gigabytes that a dtype or a number speaks of and that are not there are refused before anything is made."""
    with pytest.raises(MaterializerError, match=reason):
        load_value("builtin.json/1", "numpy.void", bench.files({"data.json": f'{{"$numpy": {held}}}'.encode()}))


def test_a_masked_array_of_another_kind_is_left_to_the_last_resort(bench: Bench) -> None:
    """What is masked is not made a plain array: that of records has attributes, and a matrix multiplies otherwise."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(np.ma.array(np.rec.array([(1, 2.5)], dtype=[("a", "i8"), ("b", "f8")])))
    loaded = bench.load(saved, held, trusted=True)
    assert (np.recarray, 1, [1]) == (loaded.baseclass, loaded.data[0].a, saved.metadata["shape"])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("step", [1, 2])
def test_statistics_of_a_masked_array_take_little_memory(bench: Bench, order: Literal["C", "F"], step: int) -> None:
    """What is not masked is described block by block, as it lies in memory, without a copy of it or of a view."""
    numbers = np.random.default_rng(0).random((1000, 4000)).astype("f4", order=order)[:, ::step]
    value = np.ma.array(numbers, mask=np.asarray(numbers > 0.5, order=order))
    rest = numbers[numbers <= 0.5]
    expected = [rest.mean(dtype="f8"), rest.std(dtype="f8"), rest.min(), rest.max()]
    described = NumpyMaterializer(bench.files())
    tracemalloc.start()
    noted = described.extract_metadata(value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pytest.approx(expected) == [noted[name] for name in ("mean", "std", "min", "max")]
    assert peak < numbers.nbytes


def test_arrays_in_containers_keep_their_place(bench: Bench) -> None:
    """Arrays inside dicts, tuples and dataclasses are files of their own, beside the tree."""
    saved, held = bench.save({"a": (np.arange(3), [np.float64(1)])})
    assert sorted(held) == ["0/data.npy", "data.json"]
    assert b"/" not in held["data.json"].replace(b"numpy.npy/1", b"")
    loaded = bench.load(saved, held)
    assert loaded["a"][0].tolist() == [0, 1, 2]


def test_arrays_that_are_alike_have_dtypes_of_their_own(bench: Bench) -> None:
    """Fields that are renamed in a loaded array keep their names in what is loaded after it."""
    records = np.zeros(2, dtype=[("a", "i8"), ("b", "f8")])
    renamed, other = bench.round_trip([records, records])
    renamed.dtype.names = ("x", "y")
    assert other.dtype.names == bench.round_trip(records).dtype.names == ("a", "b")


def test_fields_that_lie_in_another_order_than_they_are_named_come_back(bench: Bench) -> None:
    """A choice of fields in an order of one's own, and fields that share bytes, are as good as any."""
    records = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i4"), ("b", "f8")])
    shared = np.array([258], "<i4").view({"names": ["all", "low"], "formats": ["<i4", "u1"], "offsets": [0, 0]})
    for array in (records[["b", "a"]], shared, np.ma.array(records[["b", "a"]], mask=[(0, 1), (0, 0)])):
        loaded = bench.round_trip(array)
        assert (type(array), array.dtype.names, array.tolist()) == (type(loaded), loaded.dtype.names, loaded.tolist())
        assert [array[name].dtype for name in array.dtype.names] == [loaded[name].dtype for name in loaded.dtype.names]


def test_numbers_with_fields_stay_numbers(bench: Bench) -> None:
    """Whole numbers whose halves have names do not come back as records of these: the last resort keeps them."""
    array = np.array([258], dtype=np.dtype(("<i4", [("low", "<u2"), ("high", "<u2")])))
    with pytest.warns(UserWarning, match="cloudpickle"):
        loaded = bench.round_trip(array, trusted=True)
    assert (array.dtype, [258], [258]) == (loaded.dtype, loaded.tolist(), loaded["low"].tolist())


def test_numbers_of_another_library_stay_what_they_are(bench: Bench) -> None:
    """A dtype that numpy did not make, such as bfloat16, does not come back as bytes, nor does a field of it."""
    tests = pytest.importorskip("numpy._core._rational_tests")  # numpy's own example of one
    numbers = np.array([tests.rational(1, 2), tests.rational(3, 4)])
    records = np.zeros(2, [("share", numbers.dtype), ("count", "i4")])
    for array in (numbers, records, np.ma.array(numbers, mask=[0, 1])):
        with pytest.warns(UserWarning, match="cloudpickle"):
            loaded = bench.round_trip(array, trusted=True)
        assert (array.dtype, array.tolist()) == (loaded.dtype, loaded.tolist())


def test_objects_that_only_pickle_could_save_are_refused(bench: Bench) -> None:
    """An array that holds a function is an error with a hint, not a pickle."""
    with pytest.raises(MaterializerError, match="only pickle"):
        bench.save(np.array([len], dtype=object))
    with pytest.raises(MaterializerError, match="only pickle"):
        bench.save(np.array([(1, "x")], dtype=[("a", "i4"), ("b", "O")]))


def test_an_unknown_subclass_is_not_made_plain(bench: Bench) -> None:
    """A subclass of ndarray that nobody knows keeps its class by way of the last resort."""

    class Quantity(np.ndarray):  # type: ignore[misc, name-defined]
        pass

    with pytest.warns(UserWarning, match="cloudpickle"):
        assert bench.save(np.arange(2).view(Quantity))[0].key == "builtin.cloudpickle/1"


def _long_doubles(unused: int) -> Any:
    """Three numbers of 80 bits in 16 bytes each; ``unused`` is what the other 6 bytes hold."""
    numbers = np.array([1.5, -0.0, np.nan], "g")
    numbers.view("u1").reshape(3, -1)[:, 10:] = unused
    return numbers


@pytest.mark.skipif(np.finfo("g").nmant != 63, reason="long doubles here have no bytes that are not used")
@pytest.mark.parametrize("part", [np.copy, lambda numbers: numbers[0], list], ids=["array", "number", "list"])
def test_equal_long_doubles_are_equal_bytes(bench: Bench, part: Any) -> None:
    """What memory held before in the bytes that a long double does not use is not saved."""
    _, held = bench.save(part(_long_doubles(0)))
    assert held == bench.save(part(_long_doubles(255)))[1]


def test_an_array_can_be_mapped(bench: Bench) -> None:
    """With mmap an array is a map of its file."""
    saved, held = bench.save(np.arange(5))
    loaded = bench.load(saved, held, mmap=True)
    assert type(loaded) is np.memmap
    assert loaded.tolist() == [0, 1, 2, 3, 4]
    assert not loaded.flags.writeable


def test_a_masked_array_over_a_map_is_saved_as_any_other(bench: Bench) -> None:
    """A masked array whose numbers are mapped from a file becomes the same files as one whose numbers are in memory."""
    saved, held = bench.save(np.ma.array([1.5, 2.5], mask=[True, False]))
    assert (saved, held) == bench.save(bench.load(saved, held, mmap=True))


def test_an_array_without_numbers_cannot_be_written_where_it_would_be_mapped(bench: Bench) -> None:
    """With mmap no array can be written, one in which there is nothing to map neither."""
    saved, held = bench.save(np.zeros((0, 3)))
    assert not bench.load(saved, held, mmap=True).flags.writeable
    assert bench.load(saved, held).flags.writeable


@pytest.mark.parametrize("dtype", ["U0", "S0"])
def test_texts_without_room_for_a_character_come_back(bench: Bench, dtype: str) -> None:
    """An array of texts of no length loads and maps as one, and not with what the memory held before."""
    saved, held = bench.save(np.ndarray(2, dtype))
    for mmap in (False, True):
        loaded = bench.load(saved, held, mmap=mmap)
        assert loaded.dtype == dtype
        assert not any(loaded.tolist())


def test_metadata_of_numbers(bench: Bench) -> None:
    """Numeric arrays note shape, dtype and four statistics."""
    assert bench.save(np.array([[1, 3]], dtype="i2"))[0].metadata == {
        "shape": [1, 2],
        "dtype": "int16",
        "mean": 2.0,
        "std": 1.0,
        "min": 1,
        "max": 3,
    }


def test_metadata_of_texts(bench: Bench) -> None:
    """Arrays of texts note their words."""
    metadata = bench.save(np.array(["a b", "a"]))[0].metadata
    assert metadata["unique_words"] == 2
    assert metadata["total_words"] == 3
    assert (metadata["most_common_word"], metadata["most_common_count"]) == ("a", 2)


def test_hidden_texts_are_left_out_of_the_words(bench: Bench) -> None:
    """Of a masked array the words are those that it shows, as its numbers are."""
    metadata = bench.save(np.ma.array(["a b", "c", "c"], mask=[0, 1, 1]))[0].metadata
    assert (2, 2, "a") == tuple(metadata[name] for name in ("unique_words", "total_words", "most_common_word"))
    assert {"shape", "dtype"} == bench.save(np.ma.masked_all(2, "U1"))[0].metadata.keys()


@pytest.mark.parametrize(
    "array", [np.array([1j]), np.empty(0), np.array([True]), np.array([np.nan, 1], "f2"), np.array(["", ""])]
)
def test_metadata_never_costs_the_save(bench: Bench, array: Any) -> None:
    """Complex, empty, bool and NaN arrays are saved without a warning, with shape and dtype at least."""
    metadata = bench.save(array)[0].metadata
    assert metadata["shape"] == list(array.shape)
    assert metadata["dtype"] == str(array.dtype)


def test_statistics_of_large_arrays_agree_with_numpy(bench: Bench) -> None:
    """Reading in blocks gives numpy's results."""
    array = np.random.default_rng(1).normal(1e6, 1, size=2_500_000)
    metadata = bench.save(array)[0].metadata
    assert metadata["mean"] == pytest.approx(array.mean(), rel=1e-12)
    assert metadata["std"] == pytest.approx(array.std(), rel=1e-9)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data + b"\0", "holds 9 bytes of array, its header says 8"),
        (lambda data: data[:-1], "holds 7 bytes of array, its header says 8"),
        (lambda data: data.replace(b"(2,), ", b"(-2,),"), r"shape \(-2,\), which are not data"),
        (lambda data: data.replace(b"NUMPY\1", b"NUMPY\4"), "is not an npy file of version 1 to 3"),
        (lambda data: b"\x93NUMPY\2\0" + (2**20 + 1).to_bytes(4, "little") + data, "over the limit of 1048576"),
    ],
    ids=["longer", "shorter", "negative", "newer", "endless"],
)
def test_a_file_that_is_not_what_its_header_says_is_refused(
    bench: Bench, change: Callable[[bytes], bytes], told: str, *, mmap: bool
) -> None:
    """An array has just the bytes that its header promises, and a header only what arrays have."""
    saved, held = bench.save(np.array([1, 2], "i4"))
    with pytest.raises(MaterializerError, match=told):
        bench.load(saved, {"data.npy": change(held["data.npy"])}, mmap=mmap)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_that_lies_in_pieces_keeps_its_numbers(bench: Bench, order: Literal["C", "F"]) -> None:
    """What is written without a copy where it lies in one piece is the same array where it does not."""
    whole = np.asarray(np.arange(800_000).reshape(1000, 800), order=order)
    for array in (whole, whole[:, ::2], whole[::-1], whole.T[::2]):
        assert np.array_equal(array, bench.round_trip(array))


def test_a_header_that_lies_takes_no_memory(bench: Bench) -> None:
    """A header that claims more than the file holds is refused before memory is taken."""
    saved, held = bench.save(np.arange(4))
    held["data.npy"] = held["data.npy"].replace(b"(4,)", b"(4000000000000,)".ljust(4)[:16])
    with pytest.raises(MaterializerError):
        bench.load(saved, held)


def test_a_disguised_pickle_is_refused(bench: Bench) -> None:
    """A pickled object array in an npy file is not unpickled."""
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(MaterializerError, match=re.escape("not data")):
        load_value("numpy.npy/1", "numpy.ndarray", bench.files({"data.npy": file.getvalue()}))
    with pytest.raises(MaterializerError, match="not an npy file"):
        load_value("numpy.npy/1", "numpy.ndarray", bench.files({"data.npy": b"\x80\x04."}))


def test_saving_an_array_never_imports_matplotlib(workdir: Path) -> None:
    """Nobody waits for a plotting library to save an array: without matplotlib loaded, nothing is drawn."""
    code = """
        import sys
        import numpy as np
        from ledger import save_artifact
        assert not save_artifact(np.arange(3), "numbers").visualizations
        assert "matplotlib" not in sys.modules
    """
    run_python(textwrap.dedent(code), workdir)


def test_pictures_are_drawn_where_matplotlib_is_loaded(bench: Bench) -> None:
    """A row of numbers has a histogram, what looks like a picture is one."""
    pytest.importorskip("matplotlib")
    shown = bench.files()
    assert bench.save(np.arange(3), visualizations=shown)[0].visualizations == {
        "histogram.png": VisualizationType.IMAGE
    }
    picture = np.zeros((2, 2, 3), dtype="u1")
    assert bench.save(picture, visualizations=shown)[0].visualizations == {"image.png": VisualizationType.IMAGE}
    assert shown.held["image.png"].startswith(b"\x89PNG")


def test_a_histogram_is_of_the_numbers_that_it_has_a_place_for(bench: Bench) -> None:
    """NaN, infinities and masked numbers cost neither the picture nor a warning; of nothing else there is none."""
    pytest.importorskip("matplotlib")
    hidden = np.ma.array([1.0, 2.0], mask=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value, drawn in ([1.0, np.inf, np.nan], 1), ([np.nan], 0), ([-np.inf, np.inf], 0), (hidden, 0):
            saved, _ = bench.save(np.asanyarray(value), extract_metadata=False, visualizations=bench.files())
            assert drawn == len(saved.visualizations)


def test_texts_of_bytes_are_split_into_words_as_others_are(bench: Bench) -> None:
    """What Python writes around bytes is in no word's way."""
    noted = bench.save(np.array([b"a b", b"c a", b"it's a"]))[0].metadata
    assert ["b'a'", 3, 4, 6] == [
        noted[name] for name in ("most_common_word", "most_common_count", "unique_words", "total_words")
    ]


@pytest.mark.parametrize(("text", "word"), [("ab", "ab"), (b"ab", "b'ab'")])
def test_words_of_very_many_texts_take_little_memory(bench: Bench, text: str | bytes, word: str) -> None:
    """Texts are counted block by block, without an object of each and without a copy of the array."""
    texts = np.full((2, 20_000), text)[:, ::2]
    described = NumpyMaterializer(bench.files())
    tracemalloc.start()
    noted = described.extract_metadata(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [1, 20_000, word] == [noted[name] for name in ("unique_words", "total_words", "most_common_word")]
    assert peak < 35 * texts.size


def test_words_that_differ_without_end_are_not_counted(bench: Bench) -> None:
    """Of an array of ids only shape and type are noted: memory for the words would grow with it."""
    described = NumpyMaterializer(bench.files())
    texts = np.arange(1 << 18).astype("U7")
    assert 1 << 18 == described.extract_metadata(texts)["unique_words"]
    assert {"shape", "dtype"} == described.extract_metadata(np.append(texts, "one more")).keys()
