"""Labels and dtypes of pandas as JSON: what parquet cannot say about a frame.

Owns the encoding of column labels, of categories and of dtypes. All of it is data: a
dtype is parsed by pandas from its name, and no label is anything but a plain value.
"""

import base64
import math
from typing import TYPE_CHECKING, Any

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from ledger.notices import warn_user

if TYPE_CHECKING:
    import pandas as pd

_FLOAT_LIMIT = 2**53  # beyond it not every whole number is a float
_STORAGE_OF_2_2 = "pyarrow_numpy"
"""What pandas 2.2 calls Arrow's texts that are NaN where they are missing; from 2.3 on ``na_value`` tells them."""


def encode_plain(value: object) -> Json:
    """A plain value, such as a label or a name; `MaterializerError` for anything that is not one."""
    return TreeEncoder(None).encode(value)


def decode_plain(tree: Json) -> Any:
    """The plain value of a tree."""
    return TreeDecoder(None).decode(tree)


def encode_dtype(dtype: Any) -> Json:
    """A dtype by its name; a text dtype says as well how it keeps and misses texts, one of Arrow which type it is."""
    import pandas as pd

    if isinstance(dtype, pd.ArrowDtype):
        return encode_arrow_type(dtype.pyarrow_dtype)
    if isinstance(dtype, pd.StringDtype):
        return ["string", dtype.storage, "nan" if dtype.na_value is not pd.NA else "NA"]
    return str(dtype)


def decode_dtype(held: Json) -> Any:
    """The dtype of that name."""
    import pandas as pd

    if isinstance(held, str):
        return pd.api.types.pandas_dtype(held)
    if isinstance(held, dict):
        return pd.ArrowDtype(decode_arrow_type(held))
    _, storage, missing = held
    if missing == "NA":
        return pd.StringDtype(storage)
    is_of_2_2 = storage == _STORAGE_OF_2_2
    try:
        return pd.StringDtype("pyarrow" if is_of_2_2 else storage, na_value=float("nan"))
    except TypeError:  # pandas before 2.3, which keeps other such texts as objects
        return pd.StringDtype(storage) if is_of_2_2 else pd.api.types.pandas_dtype("object")


def comes_back(dtype: Any, held: Json) -> bool:
    """Whether what was written of a dtype leads back to it."""
    try:
        return bool(decode_dtype(held) == dtype)
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        return False


def encode_arrow_type(kind: Any) -> Json:
    """A type of Arrow by its text, for people, and as Arrow itself writes it."""
    import pyarrow as pa

    written = pa.schema([pa.field("type", kind)]).serialize().to_pybytes()
    return {"arrow": str(kind), "type": base64.b64encode(written).decode("ascii")}


def decode_arrow_type(held: Json) -> Any:
    """The type of Arrow that was written."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(held["type"]))).field(0).type


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
    held: dict[str, Json] = {"dtype": encode_dtype(labels.dtype), "name": name}
    if not comes_back(labels.dtype, held["dtype"]):
        raise MaterializerError(
            f"labels or categories have the dtype {labels.dtype}, which cannot be found again by its name",
            hint="convert them to one of pandas' own dtypes",
            dtype=str(labels.dtype),
        )
    if isinstance(labels, (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)):
        # Stored as whole counts of the dtype's unit; a period's frequency is part of its dtype.
        frequency = None if isinstance(labels, pd.PeriodIndex) else encode_frequency(labels)
        return held | {"counts": labels.asi8.tolist(), "frequency": frequency}
    return held | {"values": encode_plain(labels.tolist())}


def decode_labels(held: Json) -> "pd.Index[Any]":
    """The index that `encode_labels` wrote."""
    import pandas as pd

    if "levels" in held:
        levels = [decode_labels(level) for level in held["levels"]]
        labels = pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])
        return with_orders(labels, held.get("orders"))
    name = decode_plain(held["name"])
    if "range" in held:
        return pd.RangeIndex(*held["range"], name=name)
    if "codes" in held:
        categories = decode_labels(held["categories"])
        return pd.CategoricalIndex(
            pd.Categorical.from_codes(held["codes"], categories=categories, ordered=held["ordered"]), name=name
        )
    if "interval" in held:
        left, right = (decode_labels(side) for side in held["sides"])
        return pd.IntervalIndex.from_arrays(left, right, closed=held["interval"], name=name)
    dtype = decode_dtype(held["dtype"])
    if "counts" in held:
        return with_frequency(_from_counts(held["counts"], dtype).rename(name), held["frequency"])
    values = _with_nan(decode_plain(held["values"]), dtype)
    return pd.Index(values, dtype=dtype, name=name, tupleize_cols=False)


def level_values(labels: "pd.Index[Any]") -> "list[pd.Index[Any]]":
    """The labels of each level in their order; pandas takes a whole number for the name of a level, if one has it."""
    unnamed = labels.set_names([None] * labels.nlevels)
    return [_values_of_level(unnamed, place).rename(name) for place, name in enumerate(labels.names)]


def _values_of_level(labels: "pd.Index[Any]", place: int) -> "pd.Index[Any]":
    """The labels of one level; whole numbers beside a missing one as pandas has them, floats, if these hold them."""
    import pandas as pd

    values = labels.get_level_values(place)
    if not isinstance(labels, pd.MultiIndex) or getattr(values.dtype, "kind", "O") != "f":
        return values
    level = labels.levels[place]
    if level.dtype.kind not in "iu" or not any(abs(int(number)) > _FLOAT_LIMIT for number in level):
        return values
    kept = level.astype("UInt64" if level.dtype.kind == "u" else "Int64")
    return kept.take(labels.codes[place], fill_value=pd.NA)


def encode_orders(labels: "pd.MultiIndex") -> dict[str, Json]:
    """For each level the order of its values and their dtype, where pandas would not come to these by itself.

    They are kept because ``unstack`` makes columns of them. A dtype is another one where whole numbers or truth
    values stand beside a missing one; it is left out where its name does not lead back to it, as with sparse ones.
    """
    import pandas as pd

    labels = labels.remove_unused_levels()  # as ``unstack`` does, which orders what is left by where it comes first
    values = level_values(labels)
    levels = zip(labels.levels, values, strict=True)
    if all(level.is_monotonic_increasing and level.dtype == held.dtype for level, held in levels):
        return {}
    anew = pd.MultiIndex.from_arrays(values).remove_unused_levels()
    orders: list[Json] = []
    for usual, actual in zip(anew.levels, labels.levels, strict=True):
        places = usual.get_indexer_for(actual).tolist()  # finds intervals that overlap, too
        is_whole = sorted(places) == list(range(len(usual)))
        name = str(actual.dtype)
        dtype = name if usual.dtype != actual.dtype and comes_back(actual.dtype, name) else None
        orders.append([places, dtype] if is_whole and (dtype or places != sorted(places)) else None)
    return {"orders": orders} if any(orders) else {}


def with_orders(labels: "pd.MultiIndex", orders: Json) -> "pd.MultiIndex":
    """The same labels, with the values of each level as `encode_orders` wrote them."""
    import numpy as np
    import pandas as pd

    if orders is None:
        return labels
    labels = labels.remove_unused_levels()
    levels, codes = list(labels.levels), list(labels.codes)
    for number, order in enumerate(orders):
        if order is not None:
            places, dtype = order
            level = levels[number].take(places)
            levels[number] = level.astype(dtype or level.dtype)
            # The place of each old code; the last one is that of a missing value, which is -1.
            codes[number] = np.append(np.argsort(places), -1)[codes[number]]
    return pd.MultiIndex(levels=levels, codes=codes, names=labels.names)


def encode_frequency(labels: Any) -> str | None:
    """The name of the frequency of time labels; one that its name does not lead back to is left out, with a warning."""
    from pandas.tseries.frequencies import to_offset

    if labels.freq is None:
        return None
    name: str = labels.freqstr
    try:
        if to_offset(name) == labels.freq:
            return name
    except ValueError:
        pass  # safe, because it is told below
    warn_user(f"the frequency {labels.freq!r} of an index is left out: pandas does not find it by its name {name!r}")
    return None


def with_frequency(labels: Any, frequency: str | None) -> Any:
    """Time labels that know their frequency; pandas checks that it is theirs, and where it is not they have none."""
    if frequency is not None:
        try:
            labels.freq = frequency
        except ValueError as error:
            warn_user(f"the frequency {frequency!r} of an index is left out: {error}")
    return labels


def _from_counts(counts: list[int], dtype: Any) -> Any:
    import numpy as np
    import pandas as pd

    array = np.array(counts, dtype="i8")
    if isinstance(dtype, pd.PeriodDtype):
        return pd.PeriodIndex.from_ordinals(array, freq=dtype.freq)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(array.view(f"M8[{dtype.unit}]")).tz_localize("UTC").tz_convert(dtype.tz)
    return pd.Index(array.view(dtype))


def _with_nan(values: list[Any], dtype: Any) -> Any:
    """An array of labels of a dtype that tells NaN from a missing one, where pandas would take both for missing."""
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
