"""Dates with times, and times of day, as JSON: to the microsecond, with their zone and their fold.

A zone is kept as an offset in the text, by its key in the time zone database, or by an offset and a name of its own.
A moment with any other zone is not a leaf.
"""

import datetime as dt
import pickle
import re
from typing import TypeVar

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json, decode_text, encode_text
from ledger.wording import shown

_Moment = TypeVar("_Moment", dt.datetime, dt.time)

MICROSECOND = dt.timedelta(microseconds=1)
_SECOND = dt.timedelta(seconds=1)  # an offset below it is read from a time's text as none at all

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


def encode_moment(tag: str, moment: dt.datetime | dt.time) -> Json | None:
    """A date and time, or a time of day, under its tag; ``None`` for one whose zone has no name to find it by."""
    zone = encode_zone(moment.tzinfo)
    if zone is not None:
        return {tag: [moment.replace(tzinfo=None).isoformat(), zone, moment.fold]}
    if moment.tzinfo is not None and type(moment.tzinfo) is not dt.timezone:
        return None
    text = moment.isoformat()
    return {tag: [text, None, moment.fold] if moment.fold else text}


def decode_moment(kind: type[_Moment], held: Json) -> _Moment:
    """The date and time, or time of day, that `encode_moment` wrote."""
    if isinstance(held, str):
        return kind.fromisoformat(held)
    text, zone, fold = held
    moment = kind.fromisoformat(text).replace(fold=fold)
    return moment if zone is None else moment.replace(tzinfo=_zone(zone))


def encode_zone(zone: dt.tzinfo | None) -> Json | None:
    """The name of a zone of the time zone database, name and offset of one with a name of its own, else ``None``.

    An offset without a name is part of the time's text.
    """
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        name, offset = zone.tzname(None), zone.utcoffset(None)
        if name == dt.timezone(offset).tzname(None) and not dt.timedelta(0) < abs(offset) < _SECOND:
            return None
        return [encode_text(name), offset // MICROSECOND]
    import zoneinfo

    return zone.key if type(zone) is zoneinfo.ZoneInfo and _is_of_database(zone) else None


def _is_of_database(zone: dt.tzinfo) -> bool:
    """Whether a zone is found by its key again; one that was read from a file may have any key."""
    try:
        zone.__reduce__()
    except pickle.PicklingError:
        return False
    return True


def _zone(held: Json) -> dt.tzinfo:
    import zoneinfo

    if isinstance(held, list):
        name, offset = decode_text(held[0]), held[1]
        unnamed = dt.timezone(offset * MICROSECOND)
        return unnamed if name == unnamed.tzname(None) else dt.timezone(offset * MICROSECOND, name)
    # zoneinfo may look for the key as a path and as a resource of the tzdata package.
    if not _ZONE.fullmatch(held):
        raise MaterializerError(f"{shown(held)} is not the name of a time zone", zone=held)
    return zoneinfo.ZoneInfo(held)


def refuse_zone_of_file(name: str) -> None:
    """Raise `MaterializerError` for a name by which pandas would read a zone from a file, wherever that lies."""
    if "dateutil/" in name:
        raise MaterializerError(f"{shown(name)} names the file of a time zone, not a zone", zone=name)
