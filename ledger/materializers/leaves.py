"""Values without elements, as tagged JSON: numbers, texts, times, bytes and the like.

Owns which exact types are leaves, and the tag of each, both ways (specs/materializers.md, 3). A subclass is
another type and is not encoded here, except for enum members, numpy's scalars and those
of pandas, which say what they are. Enum members are not decoded here: their classes are sought for a value as a whole.
Decoding imports nothing.
"""

import datetime as dt
import decimal
import fractions
import os
import pathlib
import uuid
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from ledger.materializers.atoms import (
    ATOM_DECODERS,
    ATOM_ENCODERS,
    BYTES_LIMIT,
    Json,
    decode_integer,
    decode_text,
    encode_bytes,
    encode_text,
    from_base64,
    to_base64,
)
from ledger.materializers.enum_members import encode_enum
from ledger.materializers.moments import MICROSECOND, decode_moment, encode_moment
from ledger.materializers.scalars import decode_numpy, decode_pandas, encode_numpy, encode_pandas


def encode_leaf(value: object) -> Json | None:
    """The JSON of a value without elements, or ``None`` where it is none of those; None itself is not asked for."""
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if isinstance(value, Enum):
        return encode_enum(value)
    module = type(value).__module__
    if module == "numpy":
        return encode_numpy(value)
    if module == "pandas" or module.startswith("pandas."):
        return encode_pandas(value)
    return None


_PURE_PATHS: dict[str, type[pathlib.PurePath]] = {
    "posix": pathlib.PurePosixPath,
    "windows": pathlib.PureWindowsPath,
    "local": pathlib.Path,
}


def _encode_path(kind: str, path: pathlib.PurePath) -> Json:
    """The name of a path, in which bytes that are no text are lone surrogates."""
    return {"$purepath": [kind, encode_text(str(path))]}


def _decode_path(held: Json) -> pathlib.PurePath:
    kind, name = held
    return _PURE_PATHS[kind](decode_text(name))


def _encode_local_path(path: pathlib.Path) -> Json | None:
    """A path at which nothing lies is only a name; anything else is saved with what lies there."""
    return None if os.path.lexists(path) else _encode_path("local", path)


_ENCODERS: dict[type, Callable[[Any], Json]] = {
    **ATOM_ENCODERS,
    complex: lambda number: {"$complex": [number.real.hex(), number.imag.hex()]},
    bytes: encode_bytes,
    bytearray: lambda data: {"$bytearray": to_base64(data)} if len(data) <= BYTES_LIMIT else None,
    dt.datetime: partial(encode_moment, "$datetime"),
    dt.date: lambda date: {"$date": date.isoformat()},
    dt.time: partial(encode_moment, "$time"),
    dt.timedelta: lambda span: {"$timedelta": span // MICROSECOND},
    uuid.UUID: lambda identity: {"$uuid": str(identity)},
    decimal.Decimal: lambda number: {"$decimal": str(number)},
    fractions.Fraction: lambda number: {"$fraction": [hex(number.numerator), hex(number.denominator)]},
    pathlib.PurePosixPath: lambda path: _encode_path("posix", path),
    pathlib.PureWindowsPath: lambda path: _encode_path("windows", path),
    type(pathlib.Path()): _encode_local_path,
    type(...): lambda _: {"$ellipsis": None},
    range: lambda span: {"$range": [hex(span.start), hex(span.stop), hex(span.step)]},
}

LEAF_DECODERS: dict[str, Callable[[Json], Any]] = {
    **ATOM_DECODERS,
    "$complex": lambda held: complex(float.fromhex(held[0]), float.fromhex(held[1])),
    "$bytearray": lambda text: bytearray(from_base64(text)),
    "$datetime": partial(decode_moment, dt.datetime),
    "$date": dt.date.fromisoformat,
    "$time": partial(decode_moment, dt.time),
    "$timedelta": lambda count: dt.timedelta(microseconds=count),
    "$uuid": uuid.UUID,
    "$decimal": decimal.Decimal,
    "$fraction": lambda held: fractions.Fraction(decode_integer(held[0]), decode_integer(held[1])),
    "$purepath": _decode_path,
    "$ellipsis": lambda _: ...,
    "$range": lambda held: range(*(int(bound, 16) for bound in held)),
    "$numpy": decode_numpy,
    "$pandas": decode_pandas,
}
"""What reads each tag of a leaf; raises what parsing raises for a bad value."""
