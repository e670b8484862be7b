"""Numbers, texts and bytes as tagged JSON: what all other leaves are written with.

What JSON holds exactly stays as it is; the rest has a tag (specs/materializers.md, 3).
"""

import base64
import math
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

Json = Any
"""What ``json`` reads and writes."""

BYTES_LIMIT = 1 << 16
"""Longer bytes become a file of their own."""

DECIMAL_BITS = 13_000
"""Integers of more bits may have no decimal text that Python is willing to write."""

_INTEGER_LIMIT = 2**53 - 1
_BLOCK = 1 << 20  # characters
_FEW = 8  # values: checking so few one by one is as quick as all at once


def encode_text(text: str) -> Json:
    """A text as it is, or escaped where it holds lone surrogates."""
    if text.isascii():
        return text
    try:
        if len(text) <= _BLOCK:
            text.encode()
        else:  # encoding all of it at once would take as much memory as the text again
            for start in range(0, len(text), _BLOCK):
                text[start : start + _BLOCK].encode()
    except UnicodeEncodeError:  # lone surrogates, which JSON can only hold in pairs
        return {"$str": text.encode("unicode_escape").decode("ascii")}
    return text


@lru_cache(maxsize=1024)  # a value may have very many dicts of the same keys
def is_plain_text(text: str) -> bool:
    """Whether JSON holds a text as it is."""
    return encode_text(text) is text


def decode_text(held: Json) -> str:
    """The text that `encode_text` wrote."""
    return held if isinstance(held, str) else _unescaped(held["$str"])


def encode_integer(number: int) -> Json:
    """An integer as it is, or as text where not every reader of JSON would keep it."""
    if -_INTEGER_LIMIT <= number <= _INTEGER_LIMIT:
        return number
    # Hexadecimal takes linear time; Python refuses to convert long decimals.
    return {"$int": str(number) if number.bit_length() < DECIMAL_BITS else hex(number)}


def decode_integer(text: str) -> int:
    """The integer of a text, decimal or hexadecimal."""
    return int(text, 16 if "x" in text else 10)


def encode_float(number: float) -> Json:
    """A float as it is, or by its name where it is not finite."""
    return number if math.isfinite(number) else {"$float": repr(number)}


def encode_bytes(data: bytes) -> Json | None:
    """Bytes in base64; ``None`` for more than `BYTES_LIMIT` of them."""
    return {"$bytes": to_base64(data)} if len(data) <= BYTES_LIMIT else None


def to_base64(data: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of a text in base64; raises ``ValueError`` for any other."""
    return base64.b64decode(text, validate=True)


def are_plain(values: Collection[Any]) -> bool:
    """Whether JSON certainly holds each value as it is; found out only for many values of one type, all at once."""
    kinds = set(map(type, values)) if len(values) > _FEW else ()
    if len(kinds) != 1:
        return False
    (kind,) = kinds
    if kind is float:
        return all(map(math.isfinite, values))
    if kind is int:
        return bool(min(values) >= -_INTEGER_LIMIT and max(values) <= _INTEGER_LIMIT)
    return all(map(str.isascii, values)) if kind is str else kind in (bool, type(None))


def _unescaped(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")


ATOM_ENCODERS: dict[type, Callable[[Any], Json]] = {
    str: encode_text,
    int: encode_integer,
    float: encode_float,
    bool: lambda truth: truth,
}
"""What writes atoms of the types that JSON has as well."""

ATOM_DECODERS: dict[str, Callable[[Json], Any]] = {
    "$str": _unescaped,
    "$int": decode_integer,
    "$float": float,
    "$bytes": from_base64,
}
"""What reads each tag of an atom."""
