"""The command that takes back room in the store."""

from typing import TYPE_CHECKING

import click

import ledger
from ledger.cli.arguments import dry_run_option
from ledger.cli.printing import print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.wording import counted, human_size

if TYPE_CHECKING:
    from ledger.maintenance import Collected, GcPlan

_DAYS = 14  # as `ledger.maintenance.GRACE_DAYS`, which takes long to import; a test compares them


@click.command(cls=ExampleCommand, example="ledger gc --dry-run")
@dry_run_option
@click.option(
    "--days",
    type=click.IntRange(min=_DAYS),
    default=_DAYS,
    metavar="N",
    show_default=True,
    help="Keep what is younger than N days.",
)
@click.option(
    "--exclusive", is_flag=True, help="State that no other ledger uses this store, which lies outside the ledger."
)
@json_option
@pass_session
def gc(session: Session, dry_run: bool, days: int, exclusive: bool) -> None:
    """Remove what no version needs from the store. Packs that are mostly dead are rewritten; Git is not touched."""
    opened = session.ledger()
    plan = ledger.maintenance.plan_gc(opened, grace_days=days, exclusive=exclusive)
    if not session.json:
        _show(plan)
    done: Collected | None = None
    if not dry_run:
        done = ledger.maintenance.execute_gc(opened, plan, exclusive=exclusive)
    if session.json:
        print_json(
            {
                "dry_run": dry_run,
                "rewrites": [{"object": each.key, "size": each.size, "live": each.live} for each in plan.rewrites],
                "spare": [
                    {"object": each.key, "size": each.size, "age_days": round(each.age / 86_400, 1)}
                    for each in plan.spare
                ],
                "young": plan.young,
                "removed": list(done.removed) if done is not None else [],
                "freed": done.freed if done is not None else 0,
                "tables": done.tables if done is not None else 0,
            }
        )
    elif done is not None:
        removed = f"removed {counted(len(done.removed), 'file')}, {human_size(done.freed)}"
        print_line(f"{removed}; rewrote {counted(done.packs, 'pack')}")


def _show(plan: "GcPlan") -> None:
    for each in plan.rewrites:
        print_line(f"to be rewritten: {each.key}, {human_size(each.live)} of {human_size(each.size)} are needed")
    for spare in plan.spare:
        print_line(f"to be removed: {spare.key}, {human_size(spare.size)}")
    if plan.young:
        print_line(f"kept, younger than {plan.grace_days:g} days: {counted(plan.young, 'file')} that nothing names")
    if plan.is_empty:
        print_line("there is nothing to do")
