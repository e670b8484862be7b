"""Moments as records hold them: UTC, to the microsecond, as ISO 8601.

Pure. One form for records, commits and what the command line prints, so that texts sort as moments do.
"""

import datetime as dt


def format_time(moment: dt.datetime) -> str:
    """A moment as records hold it: ``2026-11-23T10:00:00.000000Z``."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> dt.datetime:
    """A record's time; the beginning of 1970 where the record holds none that can be read."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return dt.datetime.fromtimestamp(0, dt.UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
