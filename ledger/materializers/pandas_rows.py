"""Rows of numbers in a column of objects, such as embeddings, as a column of lists in Arrow.

Each is an array of one dimension, of any length, and all have one dtype that Arrow has as well. What reads
parquet gives them as lists; here they come back as arrays of their own.
"""

import math
from collections.abc import Sequence
from typing import Any

from ledger.materializers.atoms import Json

_WIDEST = 8  # bytes of a number that Arrow has


def are_rows(values: Sequence[object]) -> bool:
    """Whether values are rows of numbers of one dtype, with one kind of null among them."""
    import numpy as np

    rows: list[np.ndarray[Any, Any]] = [value for value in values if type(value) is np.ndarray]
    nulls = [value for value in values if type(value) is not np.ndarray]
    if not rows or not (all(value is None for value in nulls) or all(map(_is_nan, nulls))):
        return False
    dtype = rows[0].dtype
    is_known = dtype.isnative and dtype.kind in "biuf" and dtype.itemsize <= _WIDEST
    return is_known and all(row.ndim == 1 and row.dtype == dtype for row in rows)


def encode_rows(values: Sequence[Any]) -> tuple[Any, Json]:
    """The Arrow array of rows of numbers, and what `decode_rows` needs besides."""
    import numpy as np
    import pyarrow as pa

    is_row = np.array([type(value) is np.ndarray for value in values])
    rows = [value for value in values if type(value) is np.ndarray]
    ends = np.cumsum([len(value) if type(value) is np.ndarray else 0 for value in values])
    bounds = pa.array(np.append([0], ends), pa.int64(), mask=np.append(~is_row, [False]))
    numbers = pa.array(np.concatenate(rows), from_pandas=False)
    held = {"rows": str(rows[0].dtype), "null": "nan" if any(map(_is_nan, values)) else "None"}
    return pa.LargeListArray.from_arrays(bounds, numbers), held


def decode_rows(column: Any, held: Json) -> Any:
    """The rows of a column as an array of objects."""
    import numpy as np

    array = np.empty(len(column), dtype=object)
    if held["null"] == "nan":
        array[:] = float("nan")
    first = 0
    for chunk in column.chunks:
        numbers = chunk.values.to_numpy(zero_copy_only=False).astype(held["rows"], copy=False)
        bounds = chunk.offsets.to_numpy()
        for place, is_null in enumerate(chunk.is_null().to_numpy(zero_copy_only=False)):
            if not is_null:
                array[first + place] = numbers[bounds[place] : bounds[place + 1]].copy()
        first += len(chunk)
    return array


def _is_nan(value: object) -> bool:
    return type(value) is float and math.isnan(value)
