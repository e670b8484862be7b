"""Moments as records hold them: UTC, to the microsecond, as ISO 8601.

Pure. One form for records, commits and what the command line prints, so that texts sort as moments do.
"""

import datetime as dt

_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


def format_time(moment: dt.datetime) -> str:
    """A moment as records hold it: ``2026-11-23T10:00:00.000000Z``."""
    # Not by `strftime`, which on some systems gives the year 1 one digit.
    return f"{moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def parse_time(text: str, otherwise: dt.datetime = _EPOCH) -> dt.datetime:
    """A record's time in UTC; ``otherwise``, by default the beginning of 1970, where it holds none that can be read."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC) if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):  # in UTC it may lie beyond every calendar
        return otherwise
