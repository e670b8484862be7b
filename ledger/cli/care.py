"""The commands that make a ledger, look after it, and decide what may run."""

import os
import sys

import click

import ledger
from ledger.cli.arguments import PATH, STORE
from ledger.cli.printing import print_fields, print_json, print_line, print_made
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session, version_argument
from ledger.cli.shapes import label_of
from ledger.enums import TrustClass
from ledger.lookup import ArtifactVersion, find_remote, place_for_new
from ledger.wording import counted, without_secrets


@click.command(cls=ExampleCommand, example="ledger init")
@click.argument("path", required=False, type=PATH)
@click.option(
    "--store", type=STORE, metavar="URL", help="Where bytes go: a folder or a URL; by default inside the ledger."
)
@json_option
@pass_session
def init(session: Session, path: str | None, store: str | None) -> None:
    """Make a ledger. PATH is its directory, by default where the first save would make one."""
    made = ledger.Ledger.init(path or session.path or place_for_new(os.environ), store)
    if session.json:
        print_json({"path": str(made.path), "store": made.store.url, "commit": made.revision})
    else:
        print_made(f"made a new ledger in {made.path}", made.path)


@click.command(cls=ExampleCommand, example="ledger status")
@json_option
@pass_session
def status(session: Session) -> None:
    """Show where the ledger is. Also shows where its bytes are, what it holds and what is not shared yet."""
    opened = session.ledger()
    latest = [artifact.latest for artifact in opened.artifacts()]
    settings = find_remote(opened.workspace.config, opened.git_dir)
    remote = without_secrets(settings.url) if settings is not None else None
    provisional = sorted(version.name for version in latest if not version.published)
    shape = {
        "path": str(opened.path),
        "commit": opened.revision,
        "artifacts": len(latest),
        "versions": sum(version.position for version in latest),
        "store": opened.workspace.unchecked_store().url,
        "remote": remote,
        "provisional": provisional,
    }
    if session.json:
        print_json(shape)
        return
    waiting = counted(len(provisional), "artifact") if provisional else "nothing"
    none = "no remote 'origin'" if opened.workspace.config.remotes else "no remote"
    if remote is None and provisional and len(provisional) == len(latest):
        waiting = f"everything, as there is {none}"
    standing = {"remote": remote or none, "provisional": waiting}
    print_fields({**shape, **standing}.items())


@click.command(cls=ExampleCommand, example="ledger trust iris@1 --yes")
@version_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_session
def trust(session: Session, version: str, yes: bool) -> None:
    """Let a version run code when loaded. This holds from now on, on this machine, and for you alone."""
    opened = session.ledger()
    found = opened.get(version)
    shape = {
        "name": found.name,
        "version": found.version,
        "id": str(found.id),
        "digest": found.digest,
        "trust_class": found.trust_class,
        "created_by": found.created_by,
    }
    asks = not yes and sys.stdin is not None and sys.stdin.isatty()
    if asks or not session.json:
        print_fields(shape.items(), err=session.json)
    if asks:
        click.confirm(_question(found), err=True, abort=True)
    opened.trust(found.id)
    if session.json:
        print_json({**shape, "trusted": True})
    else:
        print_line(f"trusted {label_of(found)}")


def _question(found: ArtifactVersion) -> str:
    """The question whether to trust a version; asked of data too, because the class is only what the writer says."""
    if found.trust_class == TrustClass.DATA:
        return f"{label_of(found)} is said to be data, which loads without being trusted. Trust it all the same?"
    return f"Let {label_of(found)} run code on this machine?"
