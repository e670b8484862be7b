"""From a failure to what the user sees: lines on stderr, or a JSON object, and an exit code.

The one place that does so. Each error class knows its own exit code; what the codes mean is
listed here, shown by ``ledger --help`` and promised in specs/command-line.md.
"""

import re
import shlex
import sys

import click

from ledger.cli.printing import as_json
from ledger.errors import LedgerError
from ledger.notices import write_on_stderr
from ledger.wording import bounded, one_line, without_secrets

EXIT_CODES = {
    0: "done",
    1: "a failure of no other kind",
    2: "bad input or usage",
    3: "not found",
    4: "exists already",
    5: "damaged, of an unknown format, or of another store",
    6: "not trusted",
    7: "a value or a library for it",
    8: "disk: full, read-only, or failing",
    9: "locked by another process",
    10: "the remote or a distant store: not reachable, or it refused",
    130: "interrupted, or a question answered with no",
}
"""What the program's exit codes mean."""

INTERRUPTED = 130

_USAGE = "usage"

_COMMAND = re.compile(r"`ledger (?!(?:init|clone)\b)")
"""The beginning of a command in a hint or warning that is about the ledger at hand."""

_UNREAD = r"[\udc80-\udcff]|\\udc[89a-f][0-9a-f]"
"""A byte that is no text in the encoding of the locale, as Python has it, or as messages show it."""

_NO_ARGUMENTS: type[click.ClickException] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click raises where a command without arguments shows its help; before 8.2 it shows that by itself."""


def report_error(error: LedgerError, *, wants_json: bool, ledger: str | None = None) -> int:
    """Say on stderr what went wrong and what to do next, on the ``ledger`` that was named; returns the exit code."""
    hint = on_ledger(_in_locale(error), ledger)
    if wants_json:
        _print_object(error.kind, str(error), hint)
    else:
        _print_lines(str(error), hint)
    return error.exit_code


def report_usage(error: click.ClickException, *, wants_json: bool) -> int:
    """Say on stderr how a command is used; returns the exit code."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"run `{context.command_path if context is not None else 'ledger'} --help`"
    message = bounded(error.format_message().replace("\n\t", " "))  # click lists choices a line each
    if wants_json:
        _print_object(_USAGE, "Missing command." if isinstance(error, _NO_ARGUMENTS) else message, hint)
    elif isinstance(error, _NO_ARGUMENTS):
        write_on_stderr(error.format_message())
    else:
        if context is not None:
            write_on_stderr(context.get_usage())
        _print_lines(message, hint)
    return error.exit_code


def print_warning(message: Warning | str, *, ledger: str | None = None) -> None:
    """Say a warning about the ``ledger`` that was named as a line on stderr."""
    write_on_stderr(one_line(f"Warning: {on_ledger(str(message), ledger)}"))


def on_ledger(text: str, ledger: str | None) -> str:
    """A text whose commands name the ledger as the user did; one that makes a ledger names its own place."""
    if ledger is None:
        return text
    return _COMMAND.sub(lambda found: f"{found[0]}--ledger {shlex.quote(without_secrets(ledger))} ", text)


def _in_locale(error: LedgerError) -> str:
    """The hint of an error; with advice on the locale, if the error is about text that the locale could not read."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8" or not re.search(_UNREAD, str(error)):
        return error.hint
    advice = f"words and file names are {encoding} here: set a locale of UTF-8, or PYTHONUTF8=1"
    return f"{error.hint}; {advice}" if error.hint else advice


def _print_lines(message: str, hint: str) -> None:
    write_on_stderr(one_line(f"Error: {message}"))
    if hint:
        write_on_stderr(one_line(f"Hint: {hint}"))


def _print_object(kind: str, message: str, hint: str) -> None:
    write_on_stderr(as_json({"error": {"kind": kind, "message": message, "hint": hint}}))
