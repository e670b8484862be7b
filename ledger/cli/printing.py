"""How results look: JSON documents, tables and lists of fields.

Tags, metadata and people's names come from anywhere. So every character that is not printable is escaped before it
reaches a terminal, in tables and in JSON alike. `rich` is imported for terminals only; `tables` decides what fits one.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import click

from ledger.cli.tables import GAP, TIMES, WRAPPED, fit
from ledger.disk import status_of
from ledger.wording import human_size, one_line

Shape = Mapping[str, object]
"""One thing as a JSON object; its keys are a promise (specs/command-line.md)."""

_SHORT = {"id": 18, "commit": 10}
"""How many characters of a key are enough in a table: commands accept so many in place of all."""

_SIZES = ("size", "logical", "stored", "shared")
_SECONDS = len("2026-11-23T10:00:00")


def print_line(text: str) -> None:
    """Print one line, escaped."""
    click.echo(one_line(text))


def print_made(text: str, path: Path) -> None:
    """Print that a ledger was made at a path, and where need be how the shell gets to it."""
    print_line(text)
    here = status_of(os.curdir)
    if here is not None and os.path.samestat(here, os.stat(path)):
        # The shell is still in the empty folder that the ledger has replaced.
        print_line("run `cd .` first: it took the place of the folder you are in")


def as_json(document: object, *, indent: int | None = None, for_people: bool = False) -> str:
    """A JSON document in ASCII, which every terminal and pipe takes; people also get numbers that JSON lacks."""
    import json

    return json.dumps(document, indent=indent, allow_nan=for_people)


def print_json(document: object) -> None:
    """Print one JSON document."""
    click.echo(as_json(document, indent=2))


def print_list(columns: Mapping[str, str], shapes: Sequence[Shape], *, wants_json: bool) -> None:
    """Print things as one JSON document, or as `print_table` does."""
    if wants_json:
        print_json(shapes)
    else:
        print_table(columns, shapes)


def print_table(columns: Mapping[str, str], shapes: Iterable[Shape]) -> None:
    """Print things as rows; ``columns`` says which key stands below which header.

    On a terminal what has no room there is shortened or left out; elsewhere everything is printed.
    """
    columns = {_writable(header): key for header, key in columns.items()}
    rows = [{key: _writable(_cell(key, shape[key]))[: _SHORT.get(key)] for key in columns.values()} for shape in shapes]
    if sys.stdout is not None and sys.stdout.isatty():
        _print_rich(columns, rows)
    else:
        for line in aligned([list(columns), *(list(row.values()) for row in rows)]):
            click.echo(line)


def print_fields(fields: Iterable[tuple[str, object]], *, err: bool = False) -> None:
    """Print one thing as a name and a value per line; with ``err`` on standard error."""
    for line in aligned([[one_line(name), one_line(_cell(name, value))] for name, value in fields]):
        click.echo(line, err=err)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines whose columns begin at the same place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (" " * GAP).join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _cell(key: str, value: object) -> str:
    """A value as people read it: short ids, sizes with units, times to the second, lists with commas."""
    if value is None:
        return "-"
    if key in _SIZES and isinstance(value, int):
        return human_size(value)
    if isinstance(value, list | tuple):
        is_text = all(isinstance(each, str) for each in value)
        return ", ".join(value) if is_text else as_json(value, for_people=True)
    text = str(value)
    return f"{text[:_SECONDS]}Z" if key in TIMES else text


def _writable(text: str) -> str:
    """A text on one line, with what the output's encoding lacks escaped, so that it is as wide as it will be shown."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return one_line(text).encode(encoding, "backslashreplace").decode(encoding)


def _print_rich(columns: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> None:
    import shutil

    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns  # rich takes every terminal that is dumb for one of 80 columns
    fitted = fit(columns, rows, width, measure=cell_len)
    headers = {key: header for header, key in columns.items()}
    cut: Literal["ellipsis", "crop"] = "ellipsis" if _writable("…") == "…" else "crop"
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for key, size in zip(fitted.keys, fitted.widths, strict=True):
        is_wrapped = key in WRAPPED
        overflow: Literal["fold", "ellipsis", "crop"] = "fold" if is_wrapped else cut
        table.add_column(Text(headers[key]), width=size, no_wrap=not is_wrapped, overflow=overflow)
    for row in fitted.rows:
        table.add_row(*map(Text, row))
    Console(width=fitted.width).print(table)
