"""One column of pandas as one of Arrow, and back with the dtype it had.

A JSON object beside the column says what it is; one of its members is the column's form:

    form         the column has                                and is in parquet
    numpy        numbers, truth values or times of numpy       as it is
    objects      objects of one type: texts, bytes or dates    as it is, with one kind of null
    rows         objects that are arrays of numbers            lists of numbers (`pandas_rows`)
    json         other objects, complex or very wide numbers   a JSON text each
    categories   categories                                    texts in a dictionary; by their codes, if no texts
    sparse       any of these, sparse                          as the dense column would be
    arrow        a type of Arrow that parquet brings back      as it is
    floats       a dtype of nullable floats                    numbers, whose NaN are no nulls
    extension    any other dtype that its name leads back to   as pandas hands it to Arrow

So any reader of parquet understands most columns. Nulls and NaN stay what they were. What has no form is refused.
"""

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import MaterializerError
from ledger.materializers.arrow_types import decode_arrow_type, encode_arrow_type, survives_parquet, with_type
from ledger.materializers.atoms import Json
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from ledger.materializers.pandas_dtypes import comes_back, decode_dtype, encode_dtype
from ledger.materializers.pandas_labels import decode_labels, decode_plain, encode_labels, encode_plain
from ledger.materializers.pandas_rows import are_rows, decode_rows, encode_rows
from ledger.materializers.parquet_limits import check_limits
from ledger.wording import shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_ARROW_TYPES: Final = {str: "large_string", bytes: "large_binary", dt.date: "date32"}
"""The names of Arrow's types for columns of objects of one type, of which Arrow makes the same objects again."""

_NULLABLE_FLOATS = ("Float32", "Float64")
_TO_TEXT = json.JSONEncoder(ensure_ascii=False).encode


def encode_column(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    """The Arrow array of a column, and what `decode_column` needs besides; ``label`` names it in errors."""
    array, held = _encode(column, label)
    check_limits(array, label)
    return array, held


def decode_column(column: Any, held: Json) -> Any:
    """The pandas or numpy array of a column, in the dtype it had."""
    for form, decode in _DECODERS.items():
        if form in held:
            return decode(column, held)
    raise MaterializerError(f"a column is kept in a form this program does not know: {sorted(held)}")


def _encode(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    import numpy as np
    import pandas as pd

    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype):
        return _encode_objects(column, label) if dtype.kind == "O" else _encode_numpy(column, label)
    if isinstance(dtype, pd.CategoricalDtype):
        return _encode_category(column)
    if isinstance(dtype, pd.SparseDtype):
        array, held = _encode(column.sparse.to_dense(), label)
        return array, {"sparse": held, "fill": encode_plain(dtype.fill_value)}
    if isinstance(dtype, pd.ArrowDtype):
        return _encode_arrow(column, label)
    return _encode_floats(column) if str(dtype) in _NULLABLE_FLOATS else _encode_extension(column, label)


def _encode_numpy(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    import pyarrow as pa

    dtype: Any = column.dtype
    if not _is_of_arrow(dtype):
        return _json_texts(column.tolist(), label), {"json": str(dtype)}
    native = column.to_numpy().astype(dtype.newbyteorder("="), copy=False)  # Arrow has no other byte order
    return pa.array(native, from_pandas=False), {"numpy": str(dtype)}


def _is_of_arrow(dtype: "np.dtype[Any]") -> bool:
    """Whether Arrow has a dtype of numpy as well, whatever its byte order."""
    import numpy as np

    return dtype.kind in "biuMm" or dtype.newbyteorder("=") in (np.float16, np.float32, np.float64)


def _encode_objects(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    values = column.tolist()
    alike = _encode_alike(values)
    if alike is not None:
        return alike
    if are_rows(values):
        return encode_rows(values)
    return _json_texts(values, label), {"json": str(column.dtype)}


def _encode_alike(values: Sequence[object]) -> tuple[Any, Json] | None:
    """Objects of one type that Arrow has as well, with one kind of null among them; ``None`` if they are not that.

    The null is NaN if there are floats, all of which must be NaN then; else it is ``None``. A column of nothing but
    nulls counts as texts.
    """
    import pyarrow as pa

    kinds = set(map(type, values))
    null, null_kind = ("nan", float) if float in kinds else ("None", type(None))
    kind, *others = kinds - {null_kind} or {str}
    if others or kind not in _ARROW_TYPES or not all(math.isnan(value) for value in values if type(value) is float):
        return None
    held = values if null == "None" else [None if type(value) is float else value for value in values]
    with suppress(UnicodeEncodeError):  # lone surrogates: safe, because JSON texts escape them
        return pa.array(held, pa.type_for_alias(_ARROW_TYPES[kind])), {"objects": null}
    return None


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
    import pyarrow as pa

    categories, codes = column.cat.categories, column.cat.codes.to_numpy()
    held = {"categories": encode_labels(categories), "ordered": bool(column.cat.ordered)}
    array = pa.array(codes, mask=codes < 0)
    labels = categories.tolist()
    if labels and set(map(type, labels)) == {str}:
        with suppress(UnicodeEncodeError):  # lone surrogates, which Arrow's texts do not hold
            return pa.DictionaryArray.from_arrays(array, pa.array(labels, pa.large_string())), held
    return array, held


def _encode_arrow(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    dtype: Any = column.dtype
    array, kind = _as_arrow(column, label), dtype.pyarrow_dtype
    if not survives_parquet(kind):
        raise MaterializerError(
            f"column {label} has the Arrow type {kind}, which parquet does not bring back",
            hint="convert the column to another type, or save a pyarrow.Table",
            column=label,
            dtype=str(kind),
        )
    return array, encode_arrow_type(kind)


def _encode_floats(column: "pd.Series[Any]") -> tuple[Any, Json]:
    import pyarrow as pa

    dtype: Any = column.dtype
    numbers = column.to_numpy(dtype.numpy_dtype, na_value=0)
    # Without the mask Arrow would take NaN for null.
    return pa.array(numbers, mask=column.isna().to_numpy(), from_pandas=False), {"floats": str(dtype)}


def _encode_extension(column: "pd.Series[Any]", label: str) -> tuple[Any, Json]:
    dtype: Any = column.dtype
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


def _objects(column: Any) -> Any:
    """A column of texts, bytes or dates as an array of objects, None where it is null."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_date32(column.type):  # Arrow would make the objects one by one
        return column.to_numpy().astype("M8[D]").astype(object)
    array = np.empty(len(column), dtype=object)
    array[:] = column.to_pylist()
    return array


def _decode_category(column: Any, held: Json) -> Any:
    import numpy as np
    import pandas as pd

    categories = decode_labels(held["categories"])
    codes = [np.empty(0, dtype="i8"), *(_codes_in(chunk, categories) for chunk in column.chunks)]
    return pd.Categorical.from_codes(np.concatenate(codes), categories=categories, ordered=held["ordered"])  # type: ignore[arg-type, unused-ignore]


def _codes_in(chunk: Any, categories: "pd.Index[Any]") -> Any:
    """The place of each value among the categories, -1 for null: the chunk's codes, or found by its dictionary."""
    import numpy as np
    import pyarrow as pa

    is_coded = not pa.types.is_dictionary(chunk.type)
    codes = (chunk if is_coded else chunk.indices).fill_null(-1).to_numpy(zero_copy_only=False).astype("i8")
    if is_coded:
        return codes
    places = np.append(categories.get_indexer(chunk.dictionary.to_pylist()), -1)  # the last is that of null
    return places[codes]


def _decode_sparse(column: Any, held: Json) -> Any:
    import pandas as pd

    dense = pd.Series(decode_column(column, held["sparse"]))
    return dense.astype(pd.SparseDtype(dense.dtype, decode_plain(held["fill"]))).array


def _decode_arrow(column: Any, held: Json) -> Any:
    import pandas as pd

    column = with_type(column, decode_arrow_type(held))
    return pd.ArrowDtype(column.type).__from_arrow__(column)


def _decode_floats(column: Any, held: Json) -> Any:
    dtype = decode_dtype(held["floats"])
    numbers = column.fill_null(0).to_numpy().astype(dtype.numpy_dtype)
    return dtype.construct_array_type()(numbers, column.is_null().to_numpy())


def _decode_extension(column: Any, held: Json) -> Any:
    import pandas as pd
    import pyarrow as pa

    dtype = decode_dtype(held["extension"])
    if dtype == "object":  # texts whose missing values are NaN, before pandas 2.3
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
