"""The commands that share a ledger: clone, sync, and the remotes it knows."""

import os
from collections.abc import Sequence

import click
import msgspec

import ledger
from ledger.cli.arguments import PATH, STORE
from ledger.cli.completions import complete_remote
from ledger.cli.errors import print_warning
from ledger.cli.printing import print_json, print_line, print_list, print_made
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.cli.suggesting import SuggestingGroup
from ledger.lookup import (
    CONFIG_FILE,
    DEFAULT_STORE,
    RemoteConfig,
    likely_store_of_remote,
    place_for_new,
    read_config,
    settings_for,
)
from ledger.wording import counted, without_secrets

_MOST_LINES = 50

_store_option = click.option(
    "--store", type=STORE, metavar="URL", help="Where the remote's bytes are; for a path, found beside the history."
)


@click.command(cls=ExampleCommand, example="ledger clone hub.git copy/.ledger")
@click.argument("url", type=PATH)
@click.argument("path", required=False, type=PATH)
@_store_option
@json_option
@pass_session
def clone(session: Session, url: str, path: str | None, store: str | None) -> None:
    """Make a ledger that holds another one's history. PATH is its directory, by default where `init` would make one.

    URL is a ledger directory, a bare Git repository, or any URL that Git knows; it becomes the remote
    origin. Its bytes stay in its store and are read from there; `ledger sync` puts those of new versions there.
    """
    made = ledger.Ledger.clone(url, path or session.path or place_for_new(os.environ), store)
    artifacts = made.artifacts()
    if session.json:
        print_json({"path": str(made.path), "remote": without_secrets(url), "commit": made.revision})
    else:
        print_made(f"cloned {counted(len(artifacts), 'artifact')} into {made.path}", made.path)


@click.command(cls=ExampleCommand, example="ledger sync")
@click.argument("remote", default="origin", shell_complete=complete_remote)
@json_option
@pass_session
def sync(session: Session, remote: str) -> None:
    """Bring this ledger and a remote to the same versions. REMOTE is `origin` unless another is named.

    What others published keeps its numbers; versions saved here at the same positions move behind them.
    """
    report = session.ledger().sync(remote)
    if session.json:
        print_json(msgspec.to_builtins(report))
        return
    _tell([f"{moved.before} is now {moved.after}" for moved in report.renumbered], "renumbered")
    for verb, labels, others in (
        ("pushed", report.pushed, report.other_pushed),
        ("fetched", report.fetched, report.other_fetched),
    ):
        _tell([f"{verb} {label}" for label in labels], verb)
        if others:
            print_line(f"{verb} {counted(others, 'other record')} (tags, metadata, runs)")
    print_line(f"{remote} and this ledger are both at {report.commit[:10]}")


def _tell(lines: Sequence[str], verb: str) -> None:
    """Print a line for each version: all, or if they are very many the first, and how many more were ``verb``."""
    shown = lines if len(lines) <= _MOST_LINES else lines[: _MOST_LINES - 1]
    for line in shown:
        print_line(line)
    if len(shown) < len(lines):
        print_line(f"{verb} {counted(len(lines) - len(shown), 'more version')}")


@click.group(cls=SuggestingGroup)
def remote() -> None:
    """Add, list or remove the remotes of this ledger."""


@remote.command("add", cls=ExampleCommand, example="ledger remote add origin hub.git")
@click.argument("name")
@click.argument("url", type=PATH)
@_store_option
@json_option
@pass_session
def add(session: Session, name: str, url: str, store: str | None) -> None:
    """Add a remote. NAME is what `ledger sync` calls it; `origin` is where version numbers are published."""
    opened = session.ledger()
    opened.add_remote(name, url, store)
    settings = settings_for(url, store)
    _show(session, name, settings, "is")
    if opened.workspace.config.store == DEFAULT_STORE and not likely_store_of_remote(opened.path, settings):
        place = f"`store` below [remotes.{name}] in {opened.path / CONFIG_FILE}"
        print_warning(f"nothing can be published to {name} yet: nobody has said where its bytes go; {place} says it")


@remote.command("remove", cls=ExampleCommand, example="ledger remote remove origin")
@click.argument("name", shell_complete=complete_remote)
@json_option
@pass_session
def remove(session: Session, name: str) -> None:
    """Remove a remote. This ledger no longer syncs with it, nor reads from its store.

    To get what only that store holds, add the remote again, or run `ledger repair --from`, which
    fetches all but registered data.
    """
    opened = session.ledger()
    before = opened.workspace.config.remotes
    opened.remove_remote(name)
    _show(session, name, before[name], "was")


def _show(session: Session, name: str, settings: RemoteConfig, verb: str) -> None:
    url, store = without_secrets(settings.url), without_secrets(settings.store)
    if session.json:
        print_json({"name": name, "url": url, "store": store or None})
    else:
        print_line(f"{name} {verb} {url}")


@remote.command("list", cls=ExampleCommand, example="ledger remote list")
@json_option
@pass_session
def list_remotes(session: Session) -> None:
    """List the remotes of this ledger, and where their bytes are. To change one, edit `config.toml`."""
    path = session.reader().path
    shapes = [
        {
            "name": name,
            "url": without_secrets(settings.url),
            "store": without_secrets(likely_store_of_remote(path, settings)) or None,
        }
        for name, settings in sorted(read_config(path).remotes.items())
    ]
    print_list({"NAME": "name", "URL": "url", "STORE": "store"}, shapes, wants_json=session.json)
