"""The command that checks a ledger, all of it or a part at a time."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from ledger.cli.printing import print_json, print_line, print_table
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.core import Report
from ledger.maintenance import Part, Progress, verify_part

_COLUMNS = {"VERSION": "version", "PROBLEM": "kind", "WHAT": "message"}
_DAMAGED = 5
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_PATIENCE = 0.5  # seconds before a bar is worth its flicker


def _share(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A share of the whole, ``5%`` or ``0.05``, as a number up to 1."""
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(f"{text!r} is no share above 0 and up to 100%, such as 5%", context, parameter)
    return share


def _seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A time, ``60s``, ``5m``, ``1h`` or a number of seconds, in seconds."""
    if text is None:
        return None
    try:
        seconds = float(text.removesuffix(text[-1:].strip("0123456789."))) * _SECONDS.get(text[-1:], 1)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.BadParameter(f"{text!r} is no time such as 60s, 5m or 1h", context, parameter)
    return seconds


@click.command(cls=ExampleCommand, example="ledger verify --quick")
@click.option("--quick", is_flag=True, help="Check records, and only ask whether the bytes are there.")
@click.option("--deep", is_flag=True, help="Read everything again, as without any option.")
@click.option(
    "--sample", callback=_share, metavar="SHARE", help="Check only so much, such as 5%, and next time the next."
)
@click.option(
    "--for", "seconds", callback=_seconds, metavar="TIME", help="Stop after a time, such as 60s; go on next time."
)
@json_option
@pass_session
@click.pass_context
def verify(
    context: click.Context, session: Session, quick: bool, deep: bool, sample: float | None, seconds: float | None
) -> None:
    """Check the history, every record, and the bytes of every version.

    With --sample or --for only a part is checked, each time another one, until all has had its turn.
    """
    if quick and deep:
        raise click.UsageError("--quick and --deep exclude each other", context)
    part = Part(sample if sample is not None else 1.0, seconds if seconds is not None else float("inf"))
    opened = session.ledger()
    with _bar() as on_progress:
        if sample is None and seconds is None:
            check = opened.checking(deep=not quick)
            pieces = check.pieces()
            for done, _ in enumerate(check.run(pieces), 1):
                on_progress(Progress(done, len(pieces)))
            report = check.report()
        else:
            report = verify_part(opened, part, deep=not quick, on_progress=on_progress)
    _print(session, report)
    context.exit(0 if report.ok else _DAMAGED)


def _print(session: Session, report: Report) -> None:
    problems = [
        {
            "version": found.label,
            "versions": list(found.versions),
            "object": found.object or None,
            "kind": found.kind,
            "message": found.message,
        }
        for found in report.problems
    ]
    if session.json:
        orphans = [{"object": found.object, "damaged": found.is_damaged} for found in report.orphans]
        print_json(
            {
                "ok": report.ok,
                "whole": report.is_whole,
                "versions": report.versions,
                "objects": report.objects,
                "bytes": report.bytes,
                "problems": problems,
                "orphans": orphans,
            }
        )
        return
    if problems:
        print_table(_COLUMNS, problems)
    if report.orphans:
        print_line(f"{len(report.orphans)} objects of the store belong to no version")
    part = "" if report.is_whole else ", a part of all"
    print_line(f"checked {report.versions} versions{part}: {len(problems)} problems")


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr for what takes long, where stderr is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    began = time.monotonic()
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("checking")

    def show(progress: Progress) -> None:
        if not bar.live.is_started and time.monotonic() - began > _PATIENCE:
            bar.start()
        bar.update(task, completed=progress.done, total=progress.total)

    try:
        yield show
    finally:
        bar.stop()
