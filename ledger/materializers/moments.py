"""Dates with times, and times of day, as JSON: to the microsecond, with their zone and their fold.

A zone is kept as an offset in the text, by its key in the time zone database, or by an offset and a name of its own.
A moment with any other zone is not a leaf.
"""

import datetime as dt
import re

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json

MICROSECOND = dt.timedelta(microseconds=1)

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


def encode_datetime(time: dt.datetime) -> Json | None:
    """A date and time; ``None`` for one with a zone that has no name to find it by."""
    text = time.isoformat()
    zone = _encode_zone(time.tzinfo)
    if zone is not None:
        return {"$datetime": [time.replace(tzinfo=None).isoformat(), zone, time.fold]}
    if time.tzinfo is not None and type(time.tzinfo) is not dt.timezone:
        return None
    return {"$datetime": [text, None, time.fold] if time.fold else text}


def decode_datetime(held: Json) -> dt.datetime:
    """The date and time that `encode_datetime` wrote."""
    if isinstance(held, str):
        return dt.datetime.fromisoformat(held)
    text, zone, fold = held
    time = dt.datetime.fromisoformat(text).replace(fold=fold)
    return time if zone is None else time.replace(tzinfo=_zone(zone))


def encode_time(time: dt.time) -> Json | None:
    """A time of day; ``None`` for one with a zone that has no name to find it by."""
    zone = _encode_zone(time.tzinfo)
    if zone is not None:
        return {"$time": [time.replace(tzinfo=None).isoformat(), zone, time.fold]}
    if time.tzinfo is not None and type(time.tzinfo) is not dt.timezone:
        return None
    return {"$time": [time.isoformat(), None, time.fold] if time.fold else time.isoformat()}


def decode_time(held: Json) -> dt.time:
    """The time of day that `encode_time` wrote."""
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
        return None if name == dt.timezone(offset).tzname(None) else [name, offset // MICROSECOND]
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
