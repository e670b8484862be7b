"""The command that brings good copies of what is damaged from elsewhere."""

import datetime as dt
from typing import TYPE_CHECKING

import click

import ledger
from ledger.cli.arguments import PATH, dry_run_option
from ledger.cli.printing import Shape, print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.cli.verifying import DAMAGED, print_problems, problem_shape
from ledger.errors import LedgerNotFoundError
from ledger.wording import counted

if TYPE_CHECKING:
    from ledger.maintenance import Repaired, RepairPlan


@click.command(cls=ExampleCommand, example="ledger repair --from hub.git --dry-run")
@click.option(
    "--from",
    "source",
    type=PATH,
    required=True,
    metavar="SOURCE",
    help="A store, a ledger directory or a bare clone.",
)
@dry_run_option
@json_option
@pass_session
@click.pass_context
def repair(context: click.Context, session: Session, source: str, dry_run: bool) -> None:
    """Fetch good copies of what is damaged or missing. What was bad is kept in quarantine; nothing is deleted."""
    opened = _opened(session)
    plan = ledger.maintenance.plan_repair(opened, ledger.maintenance.find_source(opened, source))
    done: Repaired | None = None
    if not dry_run and not plan.is_empty:
        if not session.json:
            _show_plan(session, plan)
        done = ledger.maintenance.execute_repair(opened, plan, now=dt.datetime.now(dt.UTC))
    is_ok = done.report.ok if done is not None else plan.is_enough
    if session.json:
        print_json(_shape(plan, done, is_ok=is_ok, dry_run=dry_run))
    elif done is None:
        _show_plan(session, plan)
    else:
        _show_done(session, done)
    context.exit(0 if is_ok else DAMAGED)


def _opened(session: Session) -> "ledger.Ledger":
    """The ledger; where there is none, the hint is not to make an empty one, in which nothing would be wrong."""
    try:
        return session.ledger()
    except LedgerNotFoundError as error:
        error.hint = "put a copy of it there, as from a backup: repair mends a ledger that is there"
        raise


def _shape(plan: "RepairPlan", done: "Repaired | None", *, is_ok: bool, dry_run: bool) -> Shape:
    left = done.report.problems if done is not None else plan.problems
    return {
        "ok": is_ok,
        "dry_run": dry_run,
        "source": plan.source.where,
        "problems": [problem_shape(problem) for problem in plan.problems],
        "contents": [{"version": each.label, "objects": list(each.keys)} for each in plan.contents],
        "hopeless": list(plan.hopeless),
        "history": {
            "fetched": len(plan.history.fetched),
            "kept": len(plan.history.kept),
            "lost": len(plan.history.lost),
            "aside": list(plan.history.aside),
            "anew": list(plan.history.anew),
        },
        "quarantine": str(done.quarantine) if done is not None and done.quarantine.exists() else None,
        "remaining": [problem_shape(problem) for problem in left],
    }


def _show_plan(session: Session, plan: "RepairPlan") -> None:
    if plan.problems:
        print_problems(session, plan.problems)
    for each in plan.contents:
        print_line(f"{each.label}: {counted(len(each.keys), 'object')} from {plan.source.where}")
    for label in plan.hopeless:
        print_line(f"{label}: {plan.source.where} cannot make it whole")
    if plan.hopeless:
        session.advise(
            "others may: a clone stores only what was saved in it, and `ledger remote list` shows other stores"
        )
    history = plan.history
    if history.fetched or history.kept or history.lost:
        counts = f"{len(history.fetched)} fetched, {len(history.kept)} kept, {len(history.lost)} nowhere to be had"
        print_line(f"objects of the history: {counts}")
    for name in history.aside:
        print_line(f"goes to quarantine: {name}")
    for name in history.anew:
        print_line(f"is written anew: {name}")
    if not plan.problems:
        print_line("nothing is wrong")
    elif plan.is_empty and not plan.hopeless:
        print_line(f"{plan.source.where} has nothing that mends this")


def _show_done(session: Session, done: "Repaired") -> None:
    if done.report.problems:
        print_problems(session, done.report.problems)
    if done.quarantine.exists():
        print_line(f"bad copies are kept in {done.quarantine}")
    print_line(f"repaired; {counted(len(done.report.problems), 'problem')} left")
