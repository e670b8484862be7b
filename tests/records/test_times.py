"""Moments have one form, and what others wrote in its place is a moment as well."""

import datetime as dt

import pytest

from ledger.records import format_time, parse_time

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T10:00:00.000001Z", dt.datetime(2026, 11, 23, 10, 0, 0, 1, dt.UTC)),
        ("0001-01-01T00:00:00.000000Z", dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
        ("9999-12-31T23:59:59.999999Z", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.UTC)),
    ],
)
def test_a_moment_is_the_one_that_was_written(text: str, moment: dt.datetime) -> None:
    """Every year that Python knows has four digits, so that texts sort as moments do."""
    assert (moment, text) == (parse_time(text), format_time(moment))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00.000000Z"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00.000000Z"),
        ("yesterday", format_time(EPOCH)),
        ("", format_time(EPOCH)),
        ("0001-01-01T00:00:00+23:59", format_time(EPOCH)),
        ("9999-12-31T23:59:59-23:59", format_time(EPOCH)),
    ],
)
def test_what_no_ledger_writes_is_a_moment_all_the_same(text: str, form: str) -> None:
    """Another zone, none at all, no time, and one that no calendar has: nobody who shows it fails."""
    assert (form, dt.UTC) == (format_time(parse_time(text)), parse_time(text).tzinfo)
