"""Values without elements, as tagged JSON: numbers, texts, times, bytes and the like.

Owns one encoding per exact type, both ways (specs/materializers.md, 3). A subclass is
another type and is not encoded here, except for enum members, numpy's scalars and those
of pandas, which say what they are. Decoding compares names with classes that are defined
already and imports none.
"""

import base64
import datetime as dt
import decimal
import fractions
import functools
import math
import operator
import os
import pathlib
import re
import sys
import uuid
from collections.abc import Callable
from enum import Enum, Flag
from typing import Any

from ledger.errors import MaterializerError
from ledger.materializers.known_types import known_class
from ledger.materializers.registry import qualified_name

Json = Any
"""What ``json`` reads and writes."""

BYTES_LIMIT = 1 << 16
"""Longer bytes become a file of their own."""

_INTEGER_LIMIT = 2**53 - 1
_DECIMAL_DIGITS = 4000
_DECIMAL_BITS = 13_000
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
_MICROSECOND = dt.timedelta(microseconds=1)


def encode_leaf(value: object) -> Json | None:
    """The JSON of a value without elements, or ``None`` where it is none of those; None itself is not asked for."""
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if isinstance(value, Enum):
        return {"$enum": [qualified_name(type(value)), value.name, _member_value(value)]}
    module = type(value).__module__
    if module == "numpy":
        return _encode_numpy(value)
    if module == "pandas" or module.startswith("pandas."):
        return _encode_pandas(value)
    return None


def decode_leaf(tag: str, held: Json) -> Any:
    """The value of a tagged leaf; raises ``KeyError`` for an unknown tag, and what parsing raises for a bad value."""
    return _DECODERS[tag](held)


def is_leaf_tag(tag: str) -> bool:
    """Whether a tag is that of a leaf."""
    return tag in _DECODERS


def decode_enum(held: Json, passed: type | None = None, instead: type | None = None) -> Enum:
    """The enum member of ``[class, name, value]``, of a class that is defined here (`known_class`)."""
    class_name, name, value = held
    kind: Any = known_class(class_name, _is_enum, roots=(Enum,), passed=passed, instead=instead)
    members: dict[str, Enum] = kind._member_map_
    if name in members:
        return members[name]
    if issubclass(kind, Flag) and isinstance(value, int):
        parts = [] if name is None else name.split("|")
        if parts and all(part in members for part in parts):
            return functools.reduce(operator.or_, (members[part] for part in parts))
        bits = _flag_of_bits(kind, value)
        if bits is not None and all(part.isdecimal() or _has_bits(members.get(part), value) for part in parts):
            return bits
    raise MaterializerError(
        f"enum {class_name} has no member {name!r}, the value was saved as one",
        hint="its members now are " + ", ".join(members),
        data_type=class_name,
        member=name,
    )


def _flag_of_bits(kind: Any, value: int) -> Enum | None:
    """The flag that is just these bits, with or without names; ``None`` where its class has none such."""
    if value in kind._value2member_map_:
        return kind._value2member_map_[value]  # type: ignore[no-any-return]
    missing: Any = Flag._missing_  # past an override of it, which would be code run on data
    try:
        found = missing.__func__(kind, value)
    except ValueError:
        return None
    return found if isinstance(found, Enum) and found.value == value else None


def _has_bits(member: Enum | None, value: int) -> bool:
    return member is not None and member.value & value == member.value


def _is_enum(kind: type) -> bool:
    return issubclass(kind, Enum)


def _member_value(member: Enum) -> Json:
    """For people, and for the composite members of flags; a member is found by its name."""
    value = member.value
    return value if isinstance(value, (str, int, float)) and type(value) in (str, int) else None


def _encode_text(text: str) -> Json:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which JSON can only hold in pairs
        return {"$str": text.encode("unicode_escape").decode("ascii")}
    return text


def _encode_integer(number: int) -> Json:
    if -_INTEGER_LIMIT <= number <= _INTEGER_LIMIT:
        return number
    # Hexadecimal takes linear time; Python refuses to convert long decimals.
    return {"$int": str(number) if number.bit_length() < _DECIMAL_BITS else hex(number)}


def _decode_integer(text: str) -> int:
    return int(text, 16 if "x" in text else 10)


def _encode_float(number: float) -> Json:
    return number if math.isfinite(number) else {"$float": repr(number)}


def _encode_bytes(data: bytes) -> Json | None:
    return {"$bytes": _base64(data)} if len(data) <= BYTES_LIMIT else None


def _encode_datetime(time: dt.datetime) -> Json | None:
    text = time.isoformat()
    zone = _encode_zone(time.tzinfo)
    if zone is not None:
        return {"$datetime": [time.replace(tzinfo=None).isoformat(), zone, time.fold]}
    if time.tzinfo is not None and type(time.tzinfo) is not dt.timezone:
        return None
    return {"$datetime": [text, None, time.fold] if time.fold else text}


def _decode_datetime(held: Json) -> dt.datetime:
    if isinstance(held, str):
        return dt.datetime.fromisoformat(held)
    text, zone, fold = held
    time = dt.datetime.fromisoformat(text).replace(fold=fold)
    return time if zone is None else time.replace(tzinfo=_zone(zone))


def _encode_time(time: dt.time) -> Json | None:
    zone = _encode_zone(time.tzinfo)
    if zone is not None:
        return {"$time": [time.replace(tzinfo=None).isoformat(), zone, time.fold]}
    if time.tzinfo is not None and type(time.tzinfo) is not dt.timezone:
        return None
    return {"$time": [time.isoformat(), None, time.fold] if time.fold else time.isoformat()}


def _decode_time(held: Json) -> dt.time:
    if isinstance(held, str):
        return dt.time.fromisoformat(held)
    text, zone, fold = held
    time = dt.time.fromisoformat(text).replace(fold=fold)
    return time if zone is None else time.replace(tzinfo=_zone(zone))


def _encode_zone(zone: dt.tzinfo | None) -> Json | None:
    """The name of a zone of the time zone database, name and offset of one with a name of its own, else ``None``.

    An offset without a name is part of the time's text.
    """
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        name, offset = zone.tzname(None), zone.utcoffset(None)
        return None if name == dt.timezone(offset).tzname(None) else [name, offset // _MICROSECOND]
    import zoneinfo

    return zone.key if isinstance(zone, zoneinfo.ZoneInfo) else None


def _zone(held: Json) -> dt.tzinfo:
    import zoneinfo

    if isinstance(held, list):
        name, offset = held
        return dt.timezone(dt.timedelta(microseconds=offset), name)
    # zoneinfo may look for the key as a path and as a resource of the tzdata package.
    if not _ZONE.fullmatch(held):
        raise MaterializerError(f"{held!r} is not the name of a time zone", zone=held)
    return zoneinfo.ZoneInfo(held)


def _encode_numpy(value: Any) -> Json | None:
    """A numpy scalar: what its dtype is, and the value as readable as is exact."""
    import numpy as np

    if not isinstance(value, np.generic) or value.dtype.hasobject or value.dtype.names is not None:
        return None
    kind, width = value.dtype.kind, value.dtype.itemsize
    dtype = value.dtype.str
    if kind in "iub" or (kind == "f" and width <= 8):  # noqa: PLR2004  # wider floats are no Python floats
        plain = value.item()
        return {"$numpy": [dtype, plain if isinstance(plain, bool) else encode_leaf(plain)]}
    if kind in "mM":
        return {"$numpy": [dtype, _encode_integer(int(value.view("i8")))]}
    if kind == "U":
        return {"$numpy": [dtype, _encode_text(str.__str__(value))]}
    return {"$numpy": [dtype, {"$bytes": _base64(value.tobytes())}]} if kind in "cfSV" else None


def _decode_numpy(held: Json) -> Any:
    import numpy as np

    dtype, value = np.dtype(held[0]), held[1]
    if dtype.hasobject:
        raise MaterializerError(f"a numpy scalar of dtype {held[0]!r} holds Python objects", dtype=held[0])
    if isinstance(value, dict):
        ((tag, inner),) = value.items()
        value = decode_leaf(tag, inner)
    if isinstance(value, bytes) and dtype.kind == "S":
        return dtype.type(value[: dtype.itemsize])  # an array would take NULs at the end for padding
    if isinstance(value, bytes):
        if len(value) != dtype.itemsize:  # memory is taken for what is there, not for what a dtype says
            raise MaterializerError(f"a numpy scalar of dtype {held[0]!r} has {len(value)} bytes", dtype=held[0])
        return np.frombuffer(value, dtype=dtype, count=1)[0] if value else np.empty(1, dtype)[0]
    if dtype.kind in "mM":
        return np.array(value, dtype="i8").view(dtype)[()]
    return dtype.type(value)


def _encode_pandas(value: Any) -> Json | None:
    """A time stamp, time span or missing value of pandas, to its own unit."""
    pandas = sys.modules["pandas"]
    if value is pandas.NA or value is pandas.NaT:
        return {"$pandas": ["NA" if value is pandas.NA else "NaT"]}
    if type(value) is pandas.Timedelta:
        return {"$pandas": ["Timedelta", value.unit, _encode_integer(value._value)]}  # noqa: SLF001  # .value is in ns
    if type(value) is pandas.Timestamp:
        zone = None if value.tzinfo is None else str(value.tzinfo)
        if zone is not None and _pandas_zone(zone) != value.tzinfo:
            return None
        return {"$pandas": ["Timestamp", value.unit, _encode_integer(value._value), zone]}  # noqa: SLF001
    return None


def _pandas_zone(name: str) -> dt.tzinfo | None:
    """What pandas takes for the zone of that name, ``None`` where it knows none."""
    stamp = sys.modules["pandas"].Timestamp(0, tz="UTC")
    try:
        zone: dt.tzinfo | None = stamp.tz_convert(name).tzinfo
    except (ValueError, KeyError, OSError):
        return None
    return zone


def _decode_pandas(held: Json) -> Any:
    import numpy as np
    import pandas as pd

    name, *rest = held
    if name in ("NA", "NaT"):
        return pd.NA if name == "NA" else pd.NaT
    unit, count = rest[0], rest[1] if isinstance(rest[1], int) else _decode_integer(rest[1]["$int"])
    if name == "Timedelta":
        return pd.Timedelta(np.timedelta64(count, unit)).as_unit(unit)
    stamp = pd.Timestamp(np.datetime64(count, unit)).as_unit(unit)
    return stamp if rest[2] is None else stamp.tz_localize("UTC").tz_convert(rest[2])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _from_hex_pair(held: Json) -> complex:
    return complex(float.fromhex(held[0]), float.fromhex(held[1]))


def _fraction(held: Json) -> fractions.Fraction:
    return fractions.Fraction(_decode_integer(held[0]), _decode_integer(held[1]))


_PURE_PATHS: dict[str, type[pathlib.PurePath]] = {
    "posix": pathlib.PurePosixPath,
    "windows": pathlib.PureWindowsPath,
    "local": pathlib.Path,
}


def _encode_local_path(path: pathlib.Path) -> Json | None:
    """A path at which nothing lies is only a name; anything else is saved with what lies there."""
    return None if os.path.lexists(path) else {"$purepath": ["local", str(path)]}


_ENCODERS: dict[type, Callable[[Any], Json]] = {
    str: _encode_text,
    bool: lambda truth: truth,
    int: _encode_integer,
    float: _encode_float,
    complex: lambda number: {"$complex": [number.real.hex(), number.imag.hex()]},
    bytes: _encode_bytes,
    bytearray: lambda data: {"$bytearray": _base64(data)} if len(data) <= BYTES_LIMIT else None,
    dt.datetime: _encode_datetime,
    dt.date: lambda date: {"$date": date.isoformat()},
    dt.time: _encode_time,
    dt.timedelta: lambda span: {"$timedelta": span // _MICROSECOND},
    uuid.UUID: lambda identity: {"$uuid": str(identity)},
    decimal.Decimal: lambda number: {"$decimal": str(number)},
    fractions.Fraction: lambda number: {"$fraction": [hex(number.numerator), hex(number.denominator)]},
    pathlib.PurePosixPath: lambda path: {"$purepath": ["posix", str(path)]},
    pathlib.PureWindowsPath: lambda path: {"$purepath": ["windows", str(path)]},
    type(pathlib.Path()): _encode_local_path,
    type(...): lambda _: {"$ellipsis": None},
    range: lambda span: {"$range": [hex(span.start), hex(span.stop), hex(span.step)]},
}

_DECODERS: dict[str, Callable[[Json], Any]] = {
    "$str": lambda text: text.encode("ascii").decode("unicode_escape"),
    "$int": _decode_integer,
    "$float": float,
    "$complex": _from_hex_pair,
    "$bytes": _from_base64,
    "$bytearray": lambda text: bytearray(_from_base64(text)),
    "$datetime": _decode_datetime,
    "$date": dt.date.fromisoformat,
    "$time": _decode_time,
    "$timedelta": lambda count: dt.timedelta(microseconds=count),
    "$uuid": uuid.UUID,
    "$decimal": decimal.Decimal,
    "$fraction": _fraction,
    "$purepath": lambda held: _PURE_PATHS[held[0]](held[1]),
    "$ellipsis": lambda _: ...,
    "$range": lambda held: range(*(int(bound, 16) for bound in held)),
    "$enum": decode_enum,
    "$numpy": _decode_numpy,
    "$pandas": _decode_pandas,
}
