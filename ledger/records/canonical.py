"""The one encoder and the one hardened decoder of records.

Canonical JSON (specs/canonical-json.md): every record has exactly one byte form.
The decoder refuses everything else by encoding again what it decoded, which
catches duplicate keys, second spellings and trailing bytes at once. It never
imports or evaluates anything that a record names.
"""

import re
from typing import Any, TypeVar, get_origin

import msgspec

from ledger.errors import FormatError, UnsupportedFormatError

RECORD_LIMIT = 1 << 20
"""Most bytes of a record."""

DEPTH_LIMIT = 64
"""Most levels of nesting of a record."""

INTEGER_LIMIT = 2**53 - 1
"""Greatest absolute value of an integer in a record."""

FORMAT = 1
"""The format this program writes, and the newest it reads."""

_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder()

_LARGE_INTEGER = re.compile(rb"[:\[,]-?[0-9]{16}")
"""In JSON without spaces, outside and inside of texts: an integer that may be beyond ±2^53."""

Shape = TypeVar("Shape")


def encode(record: object) -> bytes:
    """The canonical bytes of a record, indented for people.

    Raises `FormatError` where the record is too large or holds half a surrogate pair. Whoever
    builds a record has already checked everything else (users' values: `ledger.records.metadata`).
    """
    data = msgspec.json.format(encode_compact(record), indent=2)
    if len(data) > RECORD_LIMIT:
        raise FormatError(
            f"record of {len(data)} bytes is over the limit of {RECORD_LIMIT}",
            hint="large metadata belongs into an artifact of its own",
        )
    return data


def encode_compact(record: object) -> bytes:
    """The canonical bytes of a table: no spaces, no limit of 1 MiB; raises `FormatError` as `encode` does."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError as error:
        raise FormatError(f"record holds text that is not valid Unicode: {error.object!a:.80}") from error


def decode(data: bytes, shape: type[Shape], *, where: str) -> Shape:
    """The record in ``data``, checked in every respect; ``where`` names it in errors.

    Raises `UnsupportedFormatError` for a format of the future and `FormatError` for
    everything that is not the canonical form of such a record.
    """
    if len(data) > RECORD_LIMIT:
        raise FormatError(f"{where}: {len(data)} bytes, over the limit of {RECORD_LIMIT}", where=where)
    value = _parse(data, where)
    _check_format(value, where)
    expected = msgspec.json.format(_encoder.encode(value), indent=2)
    if expected != data:
        raise FormatError(f"{where}: not in canonical form: {_first_difference(expected, data)}", where=where)
    return _shaped(value, shape, where)


def decode_compact(data: bytes, shape: type[Shape], *, where: str) -> Shape:
    """The table in ``data``; its size was bounded by whoever decompressed it."""
    typed = _decode_usual(data, shape)
    if typed is not None:
        return typed
    value = _parse(data, where)
    _check_format(value, where)
    if _encoder.encode(value) != data:
        raise FormatError(f"{where}: not in canonical form", where=where)
    return _shaped(value, shape, where)


def _decode_usual(data: bytes, shape: type[Shape]) -> Shape | None:
    """The table in ``data`` if it is canonical, of this format, and has the fields of ``shape`` alone; else ``None``.

    This takes a fifth of the time of the full decoding, which the caller then tries, and which says what is wrong.
    A table that may hold integers that other readers would round is left to it as well.
    """
    if get_origin(shape) is not None or not issubclass(shape, msgspec.Struct):
        return None
    try:
        typed = msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_usual = 1 <= getattr(typed, "format", FORMAT) <= FORMAT and not _LARGE_INTEGER.search(data)
    return typed if is_usual and _encoder.encode(typed) == data else None


def _parse(data: bytes, where: str) -> Any:
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{where}: not JSON: {error}", where=where) from error
    except RecursionError as error:
        raise FormatError(f"{where}: nested deeper than {DEPTH_LIMIT} levels", where=where) from error
    _check_values(value, where)
    return value


def _check_values(value: object, where: str, depth: int = 1) -> None:
    """Refuse nesting beyond the limit and integers that other readers would round."""
    if isinstance(value, (dict, list)):
        if depth > DEPTH_LIMIT:
            raise FormatError(f"{where}: nested deeper than {DEPTH_LIMIT} levels", where=where)
        for child in value.values() if isinstance(value, dict) else value:
            if not isinstance(child, str):
                _check_values(child, where, depth + 1)
    elif isinstance(value, int) and not -INTEGER_LIMIT <= value <= INTEGER_LIMIT:
        raise FormatError(f"{where}: integer {value} is beyond ±{INTEGER_LIMIT}", where=where)


def _check_format(value: Any, where: str) -> None:
    """Refuse an unknown format before the form of the record is judged, since a later format may have another one."""
    number = value.get("format") if isinstance(value, dict) else None
    if type(number) is int and number > FORMAT:
        raise UnsupportedFormatError(
            f"{where}: format {number}, this program reads up to format {FORMAT}",
            hint=f"upgrade ledger to a release that reads format {number}",
            found=number,
            supported=FORMAT,
            where=where,
        )
    if type(number) is int and number < 1:
        raise FormatError(f"{where}: format is {number}, expected a positive integer", found=number, where=where)


def _shaped(value: Any, shape: type[Shape], where: str) -> Shape:
    """Give the parsed value its type."""
    try:
        shaped = msgspec.convert(value, shape, strict=True)
    except msgspec.ValidationError as error:
        raise FormatError(f"{where}: {error}", where=where) from error
    for field in ("kind", "format"):
        # The defaults are for whoever writes a record; a record that is read must hold these fields itself.
        if field in getattr(shape, "__struct_fields__", ()) and field not in value:
            raise FormatError(f"{where}: Object missing required field `{field}`", where=where)
    return shaped


def _first_difference(expected: bytes, data: bytes) -> str:
    """Where the bytes of a record first differ from its canonical form, and how."""
    pairs = enumerate(zip(expected, data, strict=False))
    at = next((index for index, (left, right) in pairs if left != right), min(len(expected), len(data)))
    return f"at byte {at} expected {expected[at : at + 16]!r}, got {data[at : at + 16]!r}"
