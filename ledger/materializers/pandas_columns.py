"""One column of pandas as one of Arrow, and back with the dtype it had.

Owns how each dtype is kept, as a description in JSON beside the column. Numbers, times, dates,
texts and rows of numbers are columns that any reader of parquet understands. What Arrow
has no form for, such as mixed objects or complex numbers, is a column of JSON texts.
Nulls and NaN stay what they were.
"""

import datetime as dt
import functools
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from ledger.materializers.pandas_labels import (
    comes_back,
    decode_arrow_type,
    decode_dtype,
    decode_labels,
    decode_plain,
    encode_arrow_type,
    encode_dtype,
    encode_labels,
    encode_plain,
)
from ledger.materializers.pandas_rows import are_rows, decode_rows, encode_rows
from ledger.wording import shown

if TYPE_CHECKING:
    import pandas as pd

_ARROW_TYPES: Final = {str: "large_string", bytes: "large_binary", dt.date: "date32"}
"""The names of Arrow's types for columns of objects of one type, of which Arrow makes the same objects again."""

_MASKED_FLOATS = ("Float32", "Float64")
_LENGTH_LIMIT = 2**31 - 2**20  # bytes of one value: parquet counts those of a page in 32 bits
_SECONDS_LIMIT = (2**63 - 1) // 1000 - 1  # the one farther back loses its sign in numpy
_TO_TEXT = json.JSONEncoder(ensure_ascii=False).encode


def encode_column(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    """The Arrow array of a column, and what `decode_column` needs besides; ``label`` names it in errors."""
    array, held = _encode(column, label)
    _check_limits(array, label)
    return array, held


def _encode(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype):
        native = dtype.newbyteorder("=")  # Arrow has no other
        if dtype.kind in "biuMm" or native in (np.float16, np.float32, np.float64):
            return pa.array(column.to_numpy().astype(native, copy=False), from_pandas=False), {"numpy": str(dtype)}
        return _encode_objects(column, label)
    if isinstance(dtype, pd.CategoricalDtype):
        return _encode_category(column)
    if isinstance(dtype, pd.SparseDtype):
        array, held = _encode(column.sparse.to_dense(), label)
        return array, {"sparse": held, "fill": encode_plain(dtype.fill_value)}
    return _encode_extension(column, label)


def decode_column(column: Any, held: Json) -> Any:
    """The pandas or numpy array of a column, in the dtype it had."""
    for form, decode in _DECODERS.items():
        if form in held:
            return decode(column, held)
    raise MaterializerError(f"a column is kept in a form this program does not know: {sorted(held)}")


def _encode_objects(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    """Texts, bytes, dates or rows of numbers as such; anything else as JSON texts."""
    values = column.tolist()
    if column.dtype == object:
        array, null = _of_one_type(values)
        if array is not None:
            return array, {"objects": null}
        if are_rows(values):
            return encode_rows(values)
    return _json_texts(values, label), {"json": str(column.dtype)}


def _of_one_type(values: Sequence[object]) -> tuple[Any, str]:
    """Objects of one type that Arrow has as well, and the one kind of null among them; no array if they are not."""
    import pyarrow as pa

    kinds = set(map(type, values))
    null = "nan" if float in kinds else "None"
    kind, *others = kinds - {float if null == "nan" else type(None)} or {str}
    if others or kind not in _ARROW_TYPES or not all(math.isnan(value) for value in values if type(value) is float):
        return None, null
    try:
        held = values if null == "None" else [None if type(value) is float else value for value in values]
        return pa.array(held, pa.type_for_alias(_ARROW_TYPES[kind])), null
    except UnicodeEncodeError:
        return None, null  # lone surrogates: safe, because JSON texts escape them


def _json_texts(values: Iterable[object], label: str) -> Any:
    import pyarrow as pa

    encode = TreeEncoder(None).encode
    try:
        return pa.array([_TO_TEXT(encode(value)) for value in values], pa.large_string())
    except MaterializerError as error:
        raise MaterializerError(
            f"column {label} cannot be saved: {error}",
            hint="convert the column to numbers, texts or times, or save its values as an artifact of their own",
            column=label,
        ) from error


def _encode_category(column: "pd.Series[Any]") -> tuple[Any, Json]:
    """Texts as a dictionary of texts, for other readers; other categories by their codes."""
    import pyarrow as pa

    categories, codes = column.cat.categories, column.cat.codes.to_numpy()
    held = {"categories": encode_labels(categories), "ordered": bool(column.cat.ordered)}
    array = pa.array(codes, mask=codes < 0)
    labels = categories.tolist()
    if labels and set(map(type, labels)) == {str}:
        with suppress(UnicodeEncodeError):  # lone surrogates, which Arrow's texts do not hold
            return pa.DictionaryArray.from_arrays(array, pa.array(labels, pa.large_string())), held
    return array, held


def _decode_category(column: Any, held: Json) -> Any:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    categories = decode_labels(held["categories"])
    pieces = [np.empty(0, dtype="i8")]
    for chunk in column.chunks:
        is_coded = not pa.types.is_dictionary(chunk.type)
        codes = (chunk if is_coded else chunk.indices).fill_null(-1).to_numpy(zero_copy_only=False).astype("i8")
        if not is_coded:
            places = np.append(categories.get_indexer(chunk.dictionary.to_pylist()), -1)  # the last is that of null
            codes = places[codes]
        pieces.append(codes)
    return pd.Categorical.from_codes(np.concatenate(pieces), categories=categories, ordered=held["ordered"])  # type: ignore[arg-type, unused-ignore]


def _encode_extension(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    """A dtype of pandas' own, by its own way to Arrow, if its name leads back to it."""
    import pandas as pd
    import pyarrow as pa

    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return _as_arrow(column, label), _encode_arrow_type(dtype.pyarrow_dtype, label)
    if str(dtype) in _MASKED_FLOATS:  # whose NaN Arrow would take for null
        array = pa.array(
            column.to_numpy(dtype.numpy_dtype, na_value=0), mask=column.isna().to_numpy(), from_pandas=False
        )
        return array, {"floats": str(dtype)}
    held = encode_dtype(dtype)
    if not comes_back(dtype, held):
        raise MaterializerError(
            f"column {label} has the dtype {dtype}, which cannot be found again by its name",
            hint="convert the column to one of pandas' own dtypes",
            column=label,
            dtype=str(dtype),
        )
    return _as_arrow(column, label), {"extension": held}


def _as_arrow(column: "pd.Series[Any]", label: str) -> Any:
    """A column as one plain array of Arrow, as pandas makes it."""
    import pyarrow as pa

    try:
        array = pa.array(column)
    except UnicodeEncodeError as error:
        raise MaterializerError(
            f"column {label} holds a text with half a surrogate pair: {shown(error.object)}, which Arrow cannot hold",
            hint="convert the column with .astype(object), which is kept as it is",
            column=label,
        ) from error
    except (TypeError, ValueError, NotImplementedError) as error:  # as of intervals of nullable numbers
        raise MaterializerError(
            f"column {label} of dtype {column.dtype} cannot be saved: {error}",
            hint="convert the column to one of pandas' own dtypes that Arrow has as well",
            column=label,
            dtype=str(column.dtype),
        ) from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _check_limits(array: Any, label: str) -> None:
    """Refuse what parquet cannot hold, where Arrow would end the process: times it cannot count, and long values."""
    import pyarrow as pa

    text = str(array.type)
    is_long = array.nbytes > _LENGTH_LIMIT and ("large_string" in text or "large_binary" in text)
    if not is_long and "timestamp[s" not in text:
        return
    if pa.types.is_nested(array.type):
        parts = [array.keys, array.items] if pa.types.is_map(array.type) else array.flatten()
        for part in parts if isinstance(parts, list) else [parts]:
            _check_limits(part, label)
    elif pa.types.is_dictionary(array.type):
        _check_limits(array.dictionary, label)
    elif pa.types.is_timestamp(array.type) and array.type.unit == "s":
        _check_seconds(array, label)
    elif is_long:
        _check_lengths(array, label)


def _check_seconds(array: Any, label: str) -> None:
    """Refuse times that parquet, which knows no seconds, cannot count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for bound in pc.min_max(array.cast(pa.int64())).as_py().values():
        if bound is not None and abs(bound) > _SECONDS_LIMIT:
            raise MaterializerError(
                f"column {label} holds a time {bound} seconds from 1970, over the {_SECONDS_LIMIT} of parquet",
                hint="convert the column to whole numbers",
                column=label,
            )


def _check_lengths(array: Any, label: str) -> None:
    """Refuse a value of more bytes than parquet writes."""
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(array)).as_py()
    if longest is not None and longest > _LENGTH_LIMIT:
        raise MaterializerError(
            f"column {label} holds a value of {longest} bytes, over the {_LENGTH_LIMIT} of parquet",
            hint="save that value as an artifact of its own, or in parts",
            column=label,
        )


def _encode_arrow_type(kind: Any, label: str) -> Json:
    """A type of Arrow, if it survives parquet."""
    if not _survives_parquet(kind):
        raise MaterializerError(
            f"column {label} has the Arrow type {kind}, which parquet does not bring back",
            hint="convert the column to another type, or save a pyarrow.Table",
            column=label,
            dtype=str(kind),
        )
    return encode_arrow_type(kind)


@functools.lru_cache(maxsize=256)
def _survives_parquet(kind: Any) -> bool:
    """Whether a column of an Arrow type has it again once it went through parquet, which is tried."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    try:
        pq.write_table(pa.table({"x": pa.nulls(1, kind)}), file)
        return bool(_with_type(pq.read_table(file).column(0), kind).type == kind)
    except (pa.ArrowException, NotImplementedError, OSError):  # the last as of a decimal with a negative scale
        return False


def _with_type(column: Any, kind: Any) -> Any:
    """A column in the Arrow type it had before parquet."""
    import pyarrow as pa

    if column.type == kind and str(column.type) == str(kind):  # equal ones may call their fields differently
        return column
    if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
        column = column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)


def _objects(column: Any) -> Any:
    """A column of texts, bytes or dates as an array of objects, None where it is null."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_date32(column.type):  # Arrow would make the objects one by one
        return column.to_numpy().astype("M8[D]").astype(object)
    array = np.empty(len(column), dtype=object)
    array[:] = column.to_pylist()
    return array


def _decode_numpy(column: Any, held: Json) -> Any:
    import numpy as np

    array = column.to_numpy().astype(np.dtype(held["numpy"]), copy=False)
    return array if array.flags.writeable else array.copy()  # the memory of one chunk is Arrow's


def _decode_objects(column: Any, held: Json) -> Any:
    array = _objects(column)
    if held["objects"] == "nan":
        array[column.is_null().to_numpy()] = float("nan")
    return array


def _decode_json(column: Any, held: Json) -> Any:
    elements = _objects(column)
    decode = TreeDecoder(None).decode_text
    elements[:] = [decode(text) for text in elements]
    return elements if held["json"] == "object" else elements.astype(held["json"])


def _decode_sparse(column: Any, held: Json) -> Any:
    import pandas as pd

    dense = pd.Series(decode_column(column, held["sparse"]))
    return dense.astype(pd.SparseDtype(dense.dtype, decode_plain(held["fill"]))).array


def _decode_arrow(column: Any, held: Json) -> Any:
    import pandas as pd

    column = _with_type(column, decode_arrow_type(held))
    return pd.ArrowDtype(column.type).__from_arrow__(column)


def _decode_floats(column: Any, held: Json) -> Any:
    dtype = decode_dtype(held["floats"])
    numbers = column.fill_null(0).to_numpy().astype(dtype.numpy_dtype)
    return dtype.construct_array_type()(numbers, column.is_null().to_numpy())


def _decode_extension(column: Any, held: Json) -> Any:
    import pandas as pd
    import pyarrow as pa

    dtype = decode_dtype(held["extension"])
    if dtype == "object":
        return _decode_objects(column, {"objects": "nan"})
    if not len(column):  # no rows: intervals of times in a zone cannot be made of them
        return dtype.construct_array_type()._from_sequence([], dtype=dtype)  # noqa: SLF001  # as pandas.array does
    if isinstance(dtype, pd.DatetimeTZDtype):  # parquet knows no seconds
        column = column.cast(pa.timestamp(dtype.unit, str(dtype.tz)))
    return dtype.__from_arrow__(column)


_DECODERS: dict[str, Callable[[Any, Json], Any]] = {
    "numpy": _decode_numpy,
    "objects": _decode_objects,
    "json": _decode_json,
    "rows": decode_rows,
    "categories": _decode_category,
    "sparse": _decode_sparse,
    "arrow": _decode_arrow,
    "floats": _decode_floats,
    "extension": _decode_extension,
}
