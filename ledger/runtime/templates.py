"""Names with templates: ``{date}``, ``{time}`` and a user's own, filled in once per run."""

import datetime as dt
import string
from collections.abc import Mapping

from ledger.errors import NameTemplateError, StepInterfaceError
from ledger.records import Name, check_name

_MOMENT = {"date": "{date}", "time": "{time}"}
"""Values that leave date and time as they are in a template, where a name is to be the same in all runs."""


def fill_name(template: str, values: Mapping[str, str]) -> Name:
    """The name that a template gives; raises `NameTemplateError` for a placeholder without a value."""
    return check_name(_filled(template, values))


def fill_but_moment(template: str, substitutions: Mapping[str, str]) -> str:
    """What a template gives in every run with these substitutions; date and time stand as they are."""
    return _filled(template, {**_MOMENT, **substitutions})


def times_of(started: dt.datetime) -> dict[str, str]:
    """``date`` and ``time`` of a run's start in UTC, the same for all its steps."""
    moment = started.astimezone(dt.UTC)
    return {"date": f"{moment:%Y_%m_%d}", "time": f"{moment:%H_%M_%S_%f}"}


def _filled(template: str, values: Mapping[str, str]) -> str:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise _unreadable(template, error) from error
    for field in fields:
        if field not in values:
            known = " or ".join(f"{{{key}}}" for key in values)
            # What stands in braces means more to `format` than a key, unless it is a plain word.
            other = f", or give substitutions={{{field!r}: ...}}" if field.isidentifier() else ""
            raise NameTemplateError(
                f"could not format the name template {template!r}: nothing is known of {field!r}",
                hint=f"use {known}{other}",
                template=template,
            )
    try:
        return template.format(**values)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unreadable(template, error) from error


def _unreadable(template: str, error: Exception) -> StepInterfaceError:
    return StepInterfaceError(
        f"cannot read the name template {template!r}: {error}", hint="braces belong to {date}, {time} or a substitution"
    )
