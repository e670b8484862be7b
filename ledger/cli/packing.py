"""The command that packs the history."""

from typing import TYPE_CHECKING

import click
import msgspec

import ledger
from ledger.cli.arguments import dry_run_option
from ledger.cli.printing import Shape, print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.wording import counted, human_size

if TYPE_CHECKING:
    from ledger.maintenance import Packed, PackingPlan


@click.command(cls=ExampleCommand, example="ledger pack --dry-run")
@dry_run_option
@json_option
@pass_session
def pack(session: Session, dry_run: bool) -> None:
    """Combine the packs of the history into a few. Saves do this too, in small steps; this command goes further.

    Others may save meanwhile. An interrupt loses nothing.
    """
    opened = session.ledger()
    plan = ledger.maintenance.plan_packing(opened)
    if not session.json:
        _show(plan)
    done: Packed | None = None
    if not dry_run and plan.objects:
        done = ledger.maintenance.execute_packing(opened, plan)
    if session.json:
        print_json({"dry_run": dry_run, **_shape(plan), "done": msgspec.to_builtins(done)})
    elif done is not None:
        sizes = f"{human_size(done.bytes_before)} before, {human_size(done.bytes_after)} now"
        print_line(f"packs: {done.packs_before} before, {done.packs_after} now; {sizes}")


def _shape(plan: "PackingPlan") -> Shape:
    groups = [
        {
            "packs": len(group),
            "objects": sum(each.objects for each in group),
            "bytes": sum(each.bytes for each in group),
        }
        for group in plan.groups
    ]
    return {"groups": groups, "left": len(plan.left), "loose": plan.loose}


def _show(plan: "PackingPlan") -> None:
    for group in plan.groups:
        size = human_size(sum(each.bytes for each in group))
        print_line(f"{len(group)} packs of {sum(each.objects for each in group)} objects, {size}, become one")
    if plan.loose:
        print_line(f"to be a pack: {counted(plan.loose, 'loose object')}")
    if plan.left:
        print_line(f"packs that stay as they are: {len(plan.left)}")
    if not plan.objects:
        print_line("nothing to pack")
