"""The command that checks a ledger, all of it or a part at a time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

import ledger
from ledger.cli.bars import pieces_on_terminal
from ledger.cli.printing import Shape, print_json, print_line, print_table
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.history import BRANCH
from ledger.wording import counted

if TYPE_CHECKING:
    from ledger.core import Problem, Report

DAMAGED = 5
"""The exit code where something is wrong with the ledger."""

_PROBLEM_COLUMNS = {"VERSION": "version", "PROBLEM": "kind", "WHAT": "message"}
_VERSIONS_SHOWN = 10
"""Most versions touched by one problem that a table names; JSON has all."""

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _share(text: str) -> float:
    """A share of the whole, ``5%`` or ``0.05``, as a number up to 1."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(f"{text!r} is no share above 0 and up to 100%, such as 5%")
    return share


def _seconds(text: str) -> float:
    """A time, ``60s``, ``5m``, ``1h`` or a number of seconds, in seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _SECONDS else (text, "s")
    try:
        seconds = float(number) * _SECONDS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{text!r} is no time such as 60s, 5m or 1h")
    return seconds


@click.command(cls=ExampleCommand, short_help="Check history, records and bytes.", example="ledger verify --quick")
@click.option("--quick", is_flag=True, help="Check the records; of the bytes, only that they are there.")
@click.option("--deep", is_flag=True, help="Read everything again; this is the default.")
@click.option("--sample", type=_share, metavar="SHARE", help="Check only this share, such as 5%; next time the next.")
@click.option(
    "--for",
    "seconds",
    type=_seconds,
    metavar="TIME",
    help="Stop after this time, such as 60s; next time, go on from there.",
)
@json_option
@pass_session
@click.pass_context
def verify(
    context: click.Context, session: Session, quick: bool, deep: bool, sample: float | None, seconds: float | None
) -> None:
    """Check the history, every record, and the bytes of every version.

    With --sample or --for, check only a part: each time the next one, until everything has had its turn.
    """
    if quick and deep:
        raise click.UsageError("--quick and --deep exclude each other", context)
    opened = session.ledger()
    with pieces_on_terminal() as show:
        if sample is None and seconds is None:
            check = opened.checking(deep=not quick)
            pieces = check.pieces()
            for done, _ in enumerate(check.run(pieces), 1):
                show(done, len(pieces))
            report = check.report()
        else:
            part = ledger.maintenance.Part(sample or 1.0, seconds or float("inf"))
            report = ledger.maintenance.verify_part(opened, part, deep=not quick, on_progress=show)
    _print(session, report)
    context.exit(0 if report.ok else DAMAGED)


def problem_shape(problem: "Problem") -> Shape:
    """A problem as a JSON object."""
    return {
        "version": problem.label,
        "versions": list(problem.versions),
        "object": problem.object or None,
        "kind": problem.kind,
        "message": problem.message,
    }


def print_problems(session: Session, problems: Sequence["Problem"]) -> None:
    """Print problems as a table, and what helps against those that no copy mends."""
    shapes = [
        {**problem_shape(problem), "message": problem.message + _touched(problem.versions)} for problem in problems
    ]
    print_table(_PROBLEM_COLUMNS, shapes)
    if any(shape["version"] == BRANCH for shape in shapes):
        session.advise(f"which commit {BRANCH} was at only you can say: `ledger status` tells how it is put back")
    for hint in dict.fromkeys(problem.hint for problem in problems if problem.hint):
        session.advise(hint)


def _touched(versions: Sequence[str]) -> str:
    """What is said of the versions that a problem touches, where these are several."""
    if len(versions) <= 1:
        return ""
    more = len(versions) - _VERSIONS_SHOWN
    rest = f" and {counted(more, 'more version')}" if more > 0 else ""
    return f"; it touches {', '.join(versions[:_VERSIONS_SHOWN])}{rest}"


def _print(session: Session, report: "Report") -> None:
    if session.json:
        print_json(
            {
                "ok": report.ok,
                "whole": report.is_whole,
                "versions": report.versions,
                "objects": report.objects,
                "bytes": report.bytes,
                "problems": [problem_shape(found) for found in report.problems],
                "orphans": [{"object": found.object, "damaged": found.is_damaged} for found in report.orphans],
            }
        )
        return
    if report.problems:
        print_problems(session, report.problems)
        if not all(problem.hint for problem in report.problems):
            session.advise(
                "`ledger repair --from SOURCE` fetches good copies, as from a backup, a clone or a remote's store"
            )
    if report.orphans:
        print_line(f"{counted(len(report.orphans), 'object')} of the store that no version needs")
    part = "" if report.is_whole else ", a part of all"
    print_line(f"checked {counted(report.versions, 'version')}{part}: {counted(len(report.problems), 'problem')}")
