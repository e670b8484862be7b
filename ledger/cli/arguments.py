"""What several commands take: their options, and what words for metadata and moments mean."""

import datetime as dt
import math
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from ledger.cli.completions import complete_known_tag
from ledger.enums import ArtifactType
from ledger.errors import ArgumentError
from ledger.lookup import Reader, split_label
from ledger.wording import shown

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _Path(click.Path):
    """A path that is not empty: an empty word is a shell variable without a value, not the folder here."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """As click does, but an empty path is an error of usage."""
        if not value:
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class _StorePlace(_Path):
    """Where a store is, for longer than a command lasts."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """As a path is converted; raises `ArgumentError` for a store in memory."""
        if os.fspath(value).startswith("memory:"):
            raise ArgumentError(
                f"a store in {value} ends with this command, and no other could save there",
                hint="give a folder or a bucket; one in memory is for the Python program that makes its ledger",
            )
        return super().convert(value, param, ctx)


PATH = _Path(readable=False)
"""A path, which the shell completes; the command that uses it finds out what is there, and reports the errors."""

STORE = _StorePlace(readable=False)
"""The folder or URL of a store, likewise."""


def key_value(text: str) -> tuple[str, object]:
    """``KEY=VALUE`` in its two parts, where a value that is JSON is read as JSON and any other is a string."""
    key, mark, value = text.partition("=")
    if not key or not mark:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    import json

    try:
        return key, json.loads(value, parse_float=_finite, object_pairs_hook=_dict_of)
    except (ValueError, RecursionError):
        return key, value


def one_value_each(_: click.Context, __: click.Parameter, pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Metadata from its pairs, each key once."""
    return _dict_of(pairs)


def _dict_of(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """The pairs as a dict; a key that is there twice is an error of usage, as one of its values would be lost."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise click.BadParameter(
                f"the key {shown(key)} is given twice, as {shown(found[key])} and as {shown(value)}"
            )
        found[key] = value
    return found


def _finite(text: str) -> float:
    """A number as a float; raises ``ValueError`` for one that is too large, which Python would make infinite."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond every float")
    return number


def moment(text: str) -> dt.datetime:
    """A moment in ISO 8601; one without a time zone is local time."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not a time in ISO 8601, such as 2026-11-23 or 2026-11-23T10:00:00Z"
        ) from error


def name_and_version(reader: Reader, word: str | None) -> tuple[str | None, str | None]:
    """The artifact that a word names, and the version if it names one: as NAME@VERSION, or by its id or a part of it.

    Neither if no word was given. Raises what `Reader.artifact` raises, and for an id what `Reader.get` does.
    """
    if word is None:
        return None, None
    name, version = reader.artifact(word).name, split_label(word, None)[1]
    is_id = version is None and name != word
    return name, reader.get(word).version if is_id else version


def metadata_option(help: str) -> Callable[[Decorated], Decorated]:
    """The option ``--meta KEY=VALUE``, as metadata in ``meta``."""
    return click.option(
        "--meta", type=key_value, callback=one_value_each, metavar="KEY=VALUE", multiple=True, help=help
    )


def tags_option(help: str) -> Callable[[Decorated], Decorated]:
    """The option ``--tag TAG``, which may be repeated, as ``tags``."""
    return click.option("--tag", "tags", metavar="TAG", multiple=True, help=help, shell_complete=complete_known_tag)


def limit_option(help: str) -> Callable[[Decorated], Decorated]:
    """The option ``--limit N``."""
    return click.option("--limit", type=click.IntRange(min=0), metavar="N", help=help)


def type_option(help: str) -> Callable[[Decorated], Decorated]:
    """The option ``--type TYPE``, as ``type_``."""
    return click.option("--type", "type_", metavar="TYPE", type=click.Choice(list(map(str, ArtifactType))), help=help)


dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
"""The option of commands that plan, show, and then execute."""
