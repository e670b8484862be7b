"""The one rule for metadata: what is allowed, how it merges, how records hold it.

Pure. `normalise` is what every entry point calls before anything is written;
`merge` is how later metadata joins earlier; `encode_values` and `decode_values` bridge to
JSON, which holds neither NaN nor large integers (specs/format.md, 4.3).
"""

import datetime as dt
import math
import pathlib
import re
import uuid
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from ledger.errors import FormatError, MetadataError
from ledger.records.canonical import DEPTH_LIMIT, INTEGER_LIMIT
from ledger.records.logged import raw_value
from ledger.wording import shown, shown_with_type

KEY_LIMIT = 255
INTEGER_DIGITS = 4000

_SHOWN = 2 * KEY_LIMIT  # characters of a path of keys in an error
_LEVELS = DEPTH_LIMIT - 8  # a record wraps its metadata into levels of its own
_BEYOND_DIGITS = 10**INTEGER_DIGITS
_LARGE = re.compile(rf"-?[1-9][0-9]{{0,{INTEGER_DIGITS - 1}}}")

_VALUE_TAGS = ("$float", "$int")  # keys of what stands for a number; those of a group begin with no single "$"

_VALUES = "values are str, int, float, bool, None, lists and dicts of these; save anything else as an artifact"
_TO_LIST = "write its .tolist() if it is small, or save it as an artifact"
_RENAME = "name the value in 1 to 255 characters"

_TYPE_ORDER = ("bool", "float", "str", "NoneType", "list", "dict")  # in a set, behind its numbers; a float here is NaN

Value = Any
"""A normalised value: str, int, float, bool, None, or a list or dict of these."""


def normalise(metadata: object) -> dict[str, Value]:
    """The metadata as plain JSON-like values; `MetadataError` names the path of what cannot be one."""
    return normalise_given(metadata) if metadata is not None else {}


def normalise_given(metadata: object) -> dict[str, Value]:
    """As `normalise`, but ``None`` is refused: for calls that are about nothing but metadata."""
    metadata = raw_value(metadata)
    if not isinstance(metadata, Mapping):
        raise MetadataError(f"metadata is a dict, got {shown_with_type(metadata)}")
    return _normalise_group(metadata, ())


def merge(earlier: Mapping[str, Value], later: Mapping[str, Value]) -> dict[str, Value]:
    """Both together: dicts are groups and merge key by key, any other later value replaces."""
    merged = dict(earlier)
    for key, value in later.items():
        before = merged.get(key)
        merged[key] = merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def merge_encoded(earlier: Mapping[str, Value], later: Mapping[str, Value]) -> dict[str, Value]:
    """What a record holds together with later metadata, merged and encoded: only what this touches is worked on."""
    merged = dict(earlier)
    for name, value in later.items():
        key = _encode_key(name)
        before = merged.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and before.keys().isdisjoint(_VALUE_TAGS):
            merged[key] = merge_encoded(before, value)
        else:
            merged[key] = encode_values(value)
    return merged


def encode_values(value: Value) -> Value:
    """A normalised value as what a record holds."""
    if isinstance(value, dict):
        return {_encode_key(key): encode_values(child) for key, child in value.items()}
    if isinstance(value, list):
        return [encode_values(child) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
    if isinstance(value, int) and not -INTEGER_LIMIT <= value <= INTEGER_LIMIT:
        return {"$int": str(value)}
    return value


def decode_values(value: Value) -> Value:
    """The normalised value that a record holds; raises ``ValueError`` for an encoding nobody writes."""
    if isinstance(value, list):
        return [decode_values(child) for child in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        key, text = next(iter(value.items()))
        if key == "$float" and text in ("nan", "inf", "-inf"):
            return float(text)
        if key == "$int" and isinstance(text, str) and _LARGE.fullmatch(text):
            return _large_integer(text)
    return {_decode_key(key): decode_values(child) for key, child in value.items()}


def check_encoded(values: dict[str, Value], where: str) -> None:
    """Raise `FormatError` for values that `decode_values` refuses; ``where`` names their record."""
    try:
        decode_values(values)
    except ValueError as error:
        raise FormatError(f"{where}: {error}", where=where) from error


def _large_integer(text: str) -> int:
    number = int(text)
    if -INTEGER_LIMIT <= number <= INTEGER_LIMIT:
        raise ValueError(f"integer {text} encoded as a large one in metadata")
    return number


def _encode_key(key: str) -> str:
    return f"${key}" if key.startswith("$") else key


def _decode_key(key: str) -> str:
    if key.startswith("$") and not key.startswith("$$"):
        raise ValueError(f"unknown encoding {key!r} in metadata")
    return key.removeprefix("$")


def _normalise_group(group: Mapping[Any, Any], path: tuple[str, ...]) -> dict[str, Value]:
    result: dict[str, Value] = {}
    for key, value in group.items():
        if not isinstance(key, str):
            where, got = (*path, shown(key)), type(key).__name__
            raise _error(where, f"a key is a str, got {got}", hint="write keys as text, such as {str(key): value}")
        if not 1 <= len(key) <= KEY_LIMIT:
            raise _error((*path, key), f"a key has 1 to {KEY_LIMIT} characters, got {len(key)}", hint=_RENAME)
        result[_text(key, (*path, repr(key)))] = _normalise(value, (*path, key))
    return result


def _normalise(value: object, path: tuple[str, ...]) -> Value:
    value = raw_value(value)
    if len(path) > _LEVELS:
        raise _error(path[:3], f"nested deeper than {_LEVELS} levels, or it contains itself")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return _normalise_group(value, path)
    if isinstance(value, (list, tuple)):
        return [_normalise(child, (*path, str(index))) for index, child in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        # The path gets a step, although the members of a set have no names: its length bounds the nesting.
        return _sorted([_normalise(child, (*path, "{}")) for child in value])
    return _normalise_scalar(value, path)


def _normalise_scalar(value: object, path: tuple[str, ...]) -> Value:  # noqa: PLR0911  # one line per type reads best
    if isinstance(value, Enum):
        is_by_name = value.name and not isinstance(value.value, str)  # a flag without members has no name
        return value.name if is_by_name else _normalise(value.value, path)
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int):
        return _integer(int(value), path)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (dt.date, dt.time)):
        return _moment(value, path)
    if isinstance(value, (uuid.UUID, pathlib.PurePath)):
        return _text(str(value), path)
    return _normalise_numpy(value, path)


def _moment(value: dt.date | dt.time, path: tuple[str, ...]) -> str:
    """A date or time as ISO 8601; refuses pandas' NaT, which is a date to `isinstance` but stands for no moment."""
    text = value.isoformat()
    if text == "NaT":
        raise _error(path, "a NaTType that is no moment is not metadata: NaT")
    return text


def _normalise_numpy(value: object, path: tuple[str, ...]) -> Value:
    """A numpy scalar as the Python value it holds, known by its type's module so that numpy is not imported."""
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        if value.dtype.kind == "f":
            return float(value)  # type: ignore[arg-type]  # a numpy float has __float__
        if value.dtype.kind == "M" and str(value) != "NaT":
            return str(value)  # as ISO 8601; `item` would give nanoseconds as a bare number
        if value.dtype.kind in "Mm":
            raise _error(path, f"a {kind.__qualname__} that is no moment is not metadata: {shown(value)}")
        plain = value.item() if hasattr(value, "item") else value
        if isinstance(plain, (bool, int, float, str, dt.date)):
            return _normalise(plain, path)
    has_list = callable(getattr(kind, "tolist", None)) and hasattr(kind, "__len__")
    raise _error(
        path,
        f"a value of type {kind.__module__}.{kind.__qualname__} is not metadata: {shown(value)}",
        hint=_TO_LIST if has_list else _VALUES,
    )


def _text(text: str, path: tuple[str, ...]) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _error(path, f"text that is not valid Unicode: {shown(text)}") from error
    return str.__str__(text)


def _integer(number: int, path: tuple[str, ...]) -> int:
    if not -_BEYOND_DIGITS < number < _BEYOND_DIGITS:
        raise _error(path, f"an integer has at most {INTEGER_DIGITS} digits")
    return number


def _sorted(values: Iterable[Value]) -> list[Value]:
    """The members of a set, in the same order in every process: numbers by value, then the rest by type and text."""
    return sorted(values, key=lambda value: (_rank(value), value if _rank(value) == 0 else 0, str(value)))


def _rank(value: Value) -> int:
    is_number = type(value) is int or (type(value) is float and not math.isnan(value))
    return 0 if is_number else 1 + _TYPE_ORDER.index(type(value).__name__)


def _error(path: tuple[str, ...], reason: str, hint: str = _VALUES) -> MetadataError:
    place = ".".join(path)
    return MetadataError(f"metadata {place[:_SHOWN]!r}: {reason}", hint=hint, path=place)
