r"""A version as one line of the catalog: what a search judges it by, and where it stands.

Pure. Columns, separated by tabs (specs/catalog.md, 2); no column holds a tab or a line's end::

    id  name  position  version  counter  order  time  type  tags  metadata

The first five say which claim it is: they are the key of a line. Where the records of the version could
not be read, or say more than a line should hold, a column holds `UNKNOWN` instead.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from ledger.ids import VersionId, is_uuid
from ledger.records import decode_values, encode_compact, encode_values

UNKNOWN = b"\x1a"
"""Stands for a column that only the records know. No text holds this byte unescaped, and one byte is found fastest."""

COLUMN_LIMIT = 4096
"""Most bytes of tags, and of metadata, in a line; records tell what is beyond."""

_COLUMNS = 10
ID, NAME, POSITION, VERSION, COUNTER, ORDER, TIME, TYPE, TAGS, METADATA = range(_COLUMNS)

EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)

_KEY_COLUMNS = 5
_EXACT = 2**53
_TIME_ZERO = 1 << 63
_LAST_TIME = f"{_TIME_ZERO * 2 - 1:016x}"
_Kind = TypeVar("_Kind")
_decode = msgspec.json.Decoder().decode


Needle = tuple[bytes, ...]
"""Texts of which every answer's line holds at least one."""


class CatalogDamage(ValueError):  # noqa: N818  # a signal, not an error that a user sees
    """Bytes of a catalog that are not what was written; caught where the catalog is made again."""


class Place(NamedTuple):
    """Which version a line is about, and the id whose place it takes in the order of all versions."""

    id: VersionId
    name: str
    position: int
    version: str
    counter: int
    order: VersionId


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a search may ask of a version."""

    type: str
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    created_at: dt.datetime


def encode_line(place: Place, traits: Traits | None) -> bytes:
    """The line of a version; without traits, one that leaves every question to the records."""
    order = place.order if place.order != place.id else ""
    where = f"{place.id}\t{place.name}\t{place.position:08d}\t{place.version}\t{place.counter}\t{order}"
    if traits is None:
        return b"\t".join([f"{where}\t{_LAST_TIME}".encode(), UNKNOWN, UNKNOWN, UNKNOWN])
    tags, metadata = encode_compact(traits.tags), encode_compact(plain_numbers(encode_values(dict(traits.metadata))))
    head = f"{where}\t{time_column(traits.created_at)}\t{traits.type}\t".encode()
    return b"\t".join([head + _bounded(tags), _bounded(metadata)])


def columns_of(line: bytes) -> list[bytes]:
    """The columns of a line; raises `CatalogDamage` where there are more or fewer than a line has."""
    columns = line.split(b"\t")
    if len(columns) != _COLUMNS:
        raise CatalogDamage(f"a line has {len(columns)} columns, expected {_COLUMNS}")
    return columns


def place_of(columns: list[bytes]) -> Place:
    """Where the version of a line stands; raises `CatalogDamage` for columns that no line has."""
    try:
        id, name, position, version, counter, order = [column.decode() for column in columns[:TIME]]
        place = Place(VersionId(id), name, int(position), version, int(counter), VersionId(order or id))
    except ValueError as error:
        raise CatalogDamage(f"a line stands nowhere: {error}") from error
    if not is_uuid(id):
        raise CatalogDamage(f"a line is about {id!r}, which is no id")
    return place


def key_of(line: bytes) -> bytes:
    """The first five columns of a line, which lines about the same claim have in common."""
    return line[: -1 - len(line.split(b"\t", _KEY_COLUMNS)[-1])]


def decode_tags(column: bytes) -> tuple[str, ...]:
    """The tags that a line holds; raises `CatalogDamage` for a column that no line has."""
    return tuple(_decoded(column, list))


def decode_metadata(column: bytes) -> dict[str, Any]:
    """The metadata that a line holds, equal to those of the records by value, not always by type.

    Raises `CatalogDamage` for a column that no line has.
    """
    return _decoded(column, dict)


def time_column(moment: dt.datetime) -> str:
    """A moment as hexadecimal digits that sort as moments do."""
    return f"{(moment - EPOCH) // dt.timedelta(microseconds=1) + _TIME_ZERO:016x}"


def plain_numbers(value: Any) -> Any:
    """An encoded value in which equal numbers look alike: to a search, 1 and 1.0 are the same."""
    if isinstance(value, dict):
        return {key: plain_numbers(child) for key, child in value.items()}
    if isinstance(value, list):
        return [plain_numbers(child) for child in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def needles_of(metadata: Mapping[str, Any]) -> Iterator[Needle]:
    """Texts that every line with these metadata holds; other lines may hold them, too."""
    for key, value in metadata.items():
        start = encode_compact(encode_values({key: 0}))[1:-2]
        if isinstance(value, Mapping):
            yield (start + b"{",)
            yield from needles_of(value)
        elif isinstance(value, list):
            yield (start + b"[",)
            for child in value:
                yield from needles_of(child) if isinstance(child, Mapping) else ()
        elif isinstance(value, (int, float)) and not abs(value) < _EXACT:
            # NaN, infinite, or too large to have one spelling as a float and as an int.
            yield (start,)
        else:
            text = start + encode_compact(plain_numbers(encode_values(value)))
            # With the character behind it, so that 0.5 does not match 0.51.
            yield text + b",", text + b"}"


def _decoded(column: bytes, kind: type[_Kind]) -> _Kind:
    try:
        value = decode_values(_decode(column))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CatalogDamage(f"a column holds no value: {error}") from error
    if not isinstance(value, kind):
        raise CatalogDamage(f"a column holds {type(value).__name__}, expected {kind.__name__}")
    return value


def _bounded(column: bytes) -> bytes:
    return column if len(column) <= COLUMN_LIMIT else UNKNOWN
