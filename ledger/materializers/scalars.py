"""Scalars of numpy and pandas as JSON: a numpy number or text, a time stamp, a time span, a missing value.

Their libraries are loaded already where such a value is saved, and are imported where one is read.
"""

import datetime as dt
import sys
from typing import Any

from ledger.errors import MaterializerError
from ledger.materializers.atoms import (
    ATOM_DECODERS,
    Json,
    decode_integer,
    encode_float,
    encode_integer,
    encode_text,
    to_base64,
)
from ledger.materializers.moments import encode_zone, refuse_zone_of_file
from ledger.materializers.npy import with_clean_padding
from ledger.wording import shown

_UTC = "UTC"  # pandas knows several zones of this name, and takes them for one


def encode_numpy(value: Any) -> Json | None:
    """A numpy scalar: what its dtype is, and the value as readable as is exact."""
    import numpy as np

    if not isinstance(value, np.generic) or value.dtype.hasobject or value.dtype.names is not None:
        return None
    kind, width = value.dtype.kind, value.dtype.itemsize
    dtype = value.dtype.str
    if kind in "iub" or (kind == "f" and width <= 8):  # noqa: PLR2004  # wider floats are no Python floats
        plain = value.item()
        if kind == "b":
            return {"$numpy": [dtype, plain]}
        return {"$numpy": [dtype, encode_float(plain) if kind == "f" else encode_integer(plain)]}
    if kind in "mM":
        return {"$numpy": [dtype, encode_integer(int(value.view("i8")))]}
    if kind == "U":
        return {"$numpy": [dtype, encode_text(str.__str__(value))]}
    if kind in "cf":
        value = with_clean_padding(np.asarray(value))
    return {"$numpy": [dtype, {"$bytes": to_base64(value.tobytes())}]} if kind in "cfSV" else None


def decode_numpy(held: Json) -> Any:
    """The numpy scalar that `encode_numpy` wrote; `MaterializerError` for one that is no data."""
    import numpy as np

    dtype, value = np.dtype(held[0]), held[1]
    if dtype.hasobject:
        raise MaterializerError(f"a numpy scalar of dtype {shown(held[0])} holds Python objects", dtype=held[0])
    if isinstance(value, dict):
        ((tag, inner),) = value.items()
        value = ATOM_DECODERS[tag](inner)
    if dtype.kind in "SV" and not isinstance(value, bytes):  # numpy would take a number for a size
        raise MaterializerError(f"a numpy scalar of dtype {shown(held[0])} is no {type(value).__name__}", dtype=held[0])
    if isinstance(value, bytes) and dtype.kind == "S":
        return dtype.type(value[: dtype.itemsize])  # an array would take NULs at the end for padding
    if isinstance(value, bytes):
        if len(value) != dtype.itemsize:  # memory is taken for what is there, not for what a dtype says
            raise MaterializerError(f"a numpy scalar of dtype {shown(held[0])} has {len(value)} bytes", dtype=held[0])
        return np.ndarray(1, dtype, value)[0]
    if dtype.kind in "mM":
        return np.array(value, dtype="i8").view(dtype)[()]
    return dtype.type(value)


def encode_pandas(value: Any) -> Json | None:
    """A time stamp, time span or missing value of pandas, to its own unit."""
    pandas = sys.modules["pandas"]
    if value is pandas.NA or value is pandas.NaT:
        return {"$pandas": ["NA" if value is pandas.NA else "NaT"]}
    if type(value) is pandas.Timedelta:
        return {"$pandas": ["Timedelta", value.unit, encode_integer(value._value)]}  # noqa: SLF001  # .value is in ns
    if type(value) is pandas.Timestamp:
        zone = None if value.tzinfo is None else str(value.tzinfo)
        if zone is not None and _pandas_zone(zone) != value.tzinfo and encode_zone(value.tzinfo) != _UTC:
            return None
        return {"$pandas": ["Timestamp", value.unit, encode_integer(value._value), zone]}  # noqa: SLF001
    return None


def _pandas_zone(name: str) -> dt.tzinfo | None:
    """What pandas takes for the zone of that name, ``None`` where it knows none."""
    stamp = sys.modules["pandas"].Timestamp(0, tz="UTC")
    try:
        zone: dt.tzinfo | None = stamp.tz_convert(name).tzinfo
    except (ValueError, KeyError, OSError):
        return None
    return zone


def decode_pandas(held: Json) -> Any:
    """The value that `encode_pandas` wrote."""
    import numpy as np
    import pandas as pd

    name, *rest = held
    if name in ("NA", "NaT"):
        return pd.NA if name == "NA" else pd.NaT
    unit, count = rest[0], rest[1] if isinstance(rest[1], int) else decode_integer(rest[1]["$int"])
    if name == "Timedelta":
        return pd.Timedelta(np.timedelta64(count, unit)).as_unit(unit)
    stamp, zone = pd.Timestamp(np.datetime64(count, unit)).as_unit(unit), rest[2]
    if zone is None:
        return stamp
    refuse_zone_of_file(zone)
    return stamp.tz_localize("UTC").tz_convert(zone)
