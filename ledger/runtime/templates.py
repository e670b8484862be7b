"""Names with templates: ``{date}``, ``{time}`` and a user's own, filled in once per run."""

import datetime as dt
import string
from collections.abc import Mapping

from ledger.errors import StepInterfaceError
from ledger.records import check_name


def fill_name(template: str, values: Mapping[str, str]) -> str:
    """The name that a template gives; raises `StepInterfaceError` for a placeholder without a value."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise StepInterfaceError(f"cannot read the name template {template!r}: {error}") from error
    for field in fields:
        if field not in values:
            known = ", ".join(f"{{{key}}}" for key in values)
            raise StepInterfaceError(
                f"could not format the name template {template!r}: nothing is known of {field!r}",
                hint=f"use {known}, or give substitutions={{{field!r}: ...}}",
                template=template,
            )
    return check_name(template.format(**values))


def times_of(started: dt.datetime) -> dict[str, str]:
    """``date`` and ``time`` of a run's start in UTC, the same for all its steps."""
    moment = started.astimezone(dt.UTC)
    return {"date": f"{moment:%Y_%m_%d}", "time": f"{moment:%H_%M_%S_%f}"}
