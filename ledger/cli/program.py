"""The program: its commands, and the one way out of it.

Whatever happens ends here as an exit code, with a line that says why: no traceback for a
failure that has a name, silence for an interrupt or a reader that went away.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn, TextIO

import click

from ledger import __version__
from ledger.cli.annotating import meta, tag
from ledger.cli.arguments import PATH
from ledger.cli.artifacts import artifact
from ledger.cli.bars import bar_on_terminal
from ledger.cli.cache import cache
from ledger.cli.care import init, status, trust
from ledger.cli.collecting import gc
from ledger.cli.completing import completion
from ledger.cli.diff import diff
from ledger.cli.du import du
from ledger.cli.errors import EXIT_CODES, INTERRUPTED, print_warning, report_error, report_usage
from ledger.cli.history import git, log
from ledger.cli.packing import pack
from ledger.cli.repairing import repair
from ledger.cli.runs import run as run_group
from ledger.cli.saving import get, save
from ledger.cli.session import Session, json_option, pass_session
from ledger.cli.sharing import clone, remote, sync
from ledger.cli.suggesting import SuggestingGroup
from ledger.cli.verifying import verify
from ledger.errors import LedgerError, StorageError
from ledger.interrupts import was_interrupt
from ledger.system_errors import memory_error


class Program(SuggestingGroup):
    """The group of all commands; its help ends with the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each exit code means."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--ledger",
    type=PATH,
    metavar="PATH",
    help="The ledger directory; else LEDGER_DIR, else the nearest .ledger here or above.",
)
@json_option
@click.version_option(__version__, prog_name="ledger", message="%(prog)s %(version)s")
@pass_session
def program(session: Session, ledger: str | None) -> None:
    """Versions of datasets, models and metrics, kept in Git and plain files."""
    session.path = ledger


for command in (
    init,
    save,
    get,
    tag,
    meta,
    artifact,
    diff,
    run_group,
    log,
    status,
    verify,
    du,
    repair,
    gc,
    pack,
    cache,
    remote,
    sync,
    clone,
    trust,
    git,
    completion,
):
    program.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program on the process's arguments, or on given ones, and exit."""
    code = run(sys.argv[1:] if arguments is None else arguments)
    _drop_unsaid()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the program; returns the exit code."""
    session = Session()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the terminal's encoding lacks is no failure
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)  # each text once
        warnings.showwarning = lambda message, *_, **__: print_warning(message, ledger=session.path)
        try:
            with bar_on_terminal():
                code = program.main(list(arguments), prog_name="ledger", standalone_mode=False, obj=session)
        except (click.Abort, KeyboardInterrupt):  # the second is pressed while click or the bar deals with the first
            return INTERRUPTED
        except Exception as error:  # noqa: BLE001  # raised again where it has no name
            # An error of usage may come before click has read the option. With any other error, a `--json` that click
            # has not read is no option of ours, but a word for another program such as Git.
            wants_json = session.json or (isinstance(error, click.ClickException) and "--json" in arguments)
            return INTERRUPTED if was_interrupt(error) else _report(error, wants_json, session.path)
    return code if isinstance(code, int) else 0


def _report(error: Exception, wants_json: bool, ledger: str | None) -> int:
    """Say on stderr how a command failed, and return the exit code; raises an error that has no name of ours."""
    match error:
        case LedgerError():
            return report_error(error, wants_json=wants_json, ledger=ledger)
        case click.ClickException():
            return report_usage(error, wants_json=wants_json)
        case MemoryError():
            return report_error(memory_error(error, "too little memory"), wants_json=wants_json, ledger=ledger)
        case OSError():
            _drop_output()
            lost = StorageError(
                f"cannot write {error.filename or 'the output'}: {error.strerror or error}",
                hint="what was asked for may be done all the same: look before you run it again",
            )
            return report_error(lost, wants_json=wants_json)
        case _:
            raise error


def _drop_unsaid() -> None:
    """Give up what stderr did not take."""
    if sys.stderr is not None:  # none where the program was started without
        try:
            sys.stderr.flush()
        except OSError:
            _drop(sys.stderr)


def _drop_output() -> None:
    """Give up what stdout did not take."""
    if sys.stdout is not None:
        _drop(sys.stdout)


def _drop(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter does not fail once more when it flushes it at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
