"""Labels of pandas as JSON: what parquet cannot say of a frame's columns, its rows and its categories.

Each kind of index has a form of its own, known by one member. No label is anything but a plain value.

    range        a `RangeIndex`: its start, stop and step
    codes        a `CategoricalIndex`, by the codes of its ``categories``, which are labels themselves
    interval     an `IntervalIndex`: on which side it is closed; its ``sides`` are labels
    counts       times, spans and periods, as whole counts of the unit of their ``dtype``
    values       any other labels, with their ``dtype``
    levels       a `MultiIndex`: the labels of each level, with the order of their values (`pandas_levels`)
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from ledger.materializers.pandas_dtypes import comes_back, decode_dtype, encode_dtype
from ledger.materializers.pandas_levels import encode_orders, level_values, with_orders
from ledger.notices import warn_user

if TYPE_CHECKING:
    import pandas as pd


def encode_plain(value: object) -> Json:
    """A plain value, such as a label or a name; `MaterializerError` for anything that is not one."""
    return TreeEncoder(None).encode(value)


def decode_plain(tree: Json) -> Any:
    """The plain value of a tree."""
    return TreeDecoder(None).decode(tree)


def encode_labels(labels: "pd.Index[Any]") -> Json:
    """An index as JSON, with its type, dtype and names; `MaterializerError` where its dtype cannot be found again."""
    import pandas as pd

    if isinstance(labels, pd.MultiIndex):
        return {"levels": list(map(encode_labels, level_values(labels)))} | encode_orders(labels)
    name = encode_plain(labels.name)
    if isinstance(labels, pd.RangeIndex):
        return {"range": [labels.start, labels.stop, labels.step], "name": name}
    if isinstance(labels, pd.CategoricalIndex):
        categories = encode_labels(labels.categories)
        return {"codes": labels.codes.tolist(), "categories": categories, "ordered": labels.ordered, "name": name}
    if isinstance(labels, pd.IntervalIndex):
        sides = [encode_labels(labels.left), encode_labels(labels.right)]
        return {"interval": labels.closed, "sides": sides, "name": name}
    held: dict[str, Json] = {"dtype": _encode_own_dtype(labels), "name": name}
    if isinstance(labels, (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)):
        return held | {"counts": labels.asi8.tolist(), "frequency": encode_frequency(labels)}
    _refuse_nanoseconds(labels)
    return held | {"values": encode_plain(labels.tolist())}


def decode_labels(held: Json) -> "pd.Index[Any]":
    """The index that `encode_labels` wrote."""
    for form, decode in _DECODERS.items():
        if form in held:
            return decode(held)
    raise MaterializerError(f"labels are kept in a form this program does not know: {sorted(held)}")


def encode_frequency(labels: Any) -> str | None:
    """The name of the frequency of labels that are times or spans of time, ``None`` for other labels.

    Periods have theirs in the dtype. A frequency that its name does not lead back to is left out with a warning.
    """
    import pandas as pd
    from pandas.tseries.frequencies import to_offset

    if not isinstance(labels, (pd.DatetimeIndex, pd.TimedeltaIndex)) or labels.freq is None:
        return None
    name: str = labels.freqstr
    try:
        if to_offset(name) == labels.freq:
            return name
    except ValueError:
        pass  # safe, because a warning follows
    warn_user(f"the frequency {labels.freq!r} of an index is left out: pandas does not find it by its name {name!r}")
    return None


def with_frequency(labels: Any, frequency: str | None) -> Any:
    """Time labels with their frequency; if pandas finds that it is not theirs, it is left out with a warning."""
    if frequency is not None:
        try:
            labels.freq = frequency
        except ValueError as error:
            warn_user(f"the frequency {frequency!r} of an index is left out: {error}")
    return labels


def _encode_own_dtype(labels: "pd.Index[Any]") -> Json:
    held = encode_dtype(labels.dtype)
    if not comes_back(labels.dtype, held):
        raise MaterializerError(
            f"labels or categories have the dtype {labels.dtype}, which cannot be found again by its name",
            hint="convert them to one of pandas' own dtypes",
            dtype=str(labels.dtype),
        )
    return held


def _refuse_nanoseconds(labels: "pd.Index[Any]") -> None:
    """Raise `MaterializerError` for Arrow's times of day to the nanosecond: as plain values they have microseconds."""
    if str(labels.dtype) != "time64[ns][pyarrow]":
        return
    import pyarrow as pa

    try:
        pa.array(labels).cast(pa.time64("us"))
    except pa.ArrowInvalid as error:
        raise MaterializerError(
            f"labels or categories of the dtype {labels.dtype} can only be kept to the microsecond: {error}",
            hint="round them to microseconds, or keep them in a column or as the index of the rows",
            dtype=str(labels.dtype),
        ) from error


def _decode_levels(held: Json) -> "pd.Index[Any]":
    import pandas as pd

    levels = [decode_labels(level) for level in held["levels"]]
    labels = pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])
    return with_orders(labels, held.get("orders"))


def _decode_range(held: Json) -> "pd.Index[Any]":
    import pandas as pd

    return pd.RangeIndex(*held["range"], name=decode_plain(held["name"]))


def _decode_codes(held: Json) -> "pd.Index[Any]":
    import pandas as pd

    categories = decode_labels(held["categories"])
    codes = pd.Categorical.from_codes(held["codes"], categories=categories, ordered=held["ordered"])
    return pd.CategoricalIndex(codes, name=decode_plain(held["name"]))


def _decode_intervals(held: Json) -> "pd.Index[Any]":
    import pandas as pd

    left, right = map(decode_labels, held["sides"])
    return pd.IntervalIndex.from_arrays(left, right, closed=held["interval"], name=decode_plain(held["name"]))


def _decode_counts(held: Json) -> "pd.Index[Any]":
    labels = _from_counts(held["counts"], decode_dtype(held["dtype"])).rename(decode_plain(held["name"]))
    return with_frequency(labels, held["frequency"])


def _decode_values(held: Json) -> "pd.Index[Any]":
    import pandas as pd

    dtype = decode_dtype(held["dtype"])
    values = _with_nan(decode_plain(held["values"]), dtype)
    return pd.Index(values, dtype=dtype, name=decode_plain(held["name"]), tupleize_cols=False)


def _from_counts(counts: list[int], dtype: Any) -> Any:
    import numpy as np
    import pandas as pd

    array = np.fromiter(counts, dtype="i8")  # of one dimension, whatever the file holds: with none, pandas crashes
    if isinstance(dtype, pd.PeriodDtype):
        return pd.PeriodIndex.from_ordinals(array, freq=dtype.freq)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(array.view(f"M8[{dtype.unit}]")).tz_localize("UTC").tz_convert(dtype.tz)
    return pd.Index(array.view(dtype))


def _with_nan(values: list[Any], dtype: Any) -> Any:
    """Labels as pandas takes them: an array where their dtype tells NaN from a missing one, and there is a NaN.

    Of a list pandas would take both for missing.
    """
    import numpy as np
    import pandas as pd

    if not any(type(value) is float and math.isnan(value) for value in values):
        return values
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        held = [None if value is pd.NA else value for value in values]
        return dtype.construct_array_type()(pa.array(held, dtype.pyarrow_dtype, from_pandas=False))
    if isinstance(dtype, (pd.Float32Dtype, pd.Float64Dtype)):
        numbers = np.array([0 if value is pd.NA else value for value in values], dtype.numpy_dtype)
        return dtype.construct_array_type()(numbers, np.array([value is pd.NA for value in values]))
    return values


_DECODERS: dict[str, Callable[[Json], Any]] = {
    "levels": _decode_levels,
    "range": _decode_range,
    "codes": _decode_codes,
    "interval": _decode_intervals,
    "counts": _decode_counts,
    "values": _decode_values,
}
