"""The commands that show the history: our own log, and Git itself."""

import itertools
import os
import sys
from typing import NoReturn

import click

from ledger.cli.arguments import limit_option, name_and_version
from ledger.cli.completions import complete_version
from ledger.cli.printing import print_list
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.cli.shapes import commit_shape, ids_in, labels_in
from ledger.errors import MissingDependencyError
from ledger.history import HONEST_SETTINGS, HONEST_VARIABLES, check_settings
from ledger.records import check_limit
from ledger.system_errors import storage_error

_COMMIT_COLUMNS = {"COMMIT": "commit", "TIME": "time", "AUTHOR": "author", "SUBJECT": "subject"}


class PassThrough(ExampleCommand):
    """A command that hands all its arguments to another program, except a lone ``--help``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take all arguments as they are."""
        if len(args) == 1 and args[0] in self.get_help_option_names(ctx):
            click.echo(ctx.get_help())
            ctx.exit()
        ctx.params["arguments"] = tuple(args)
        return []


@click.command(cls=ExampleCommand, example="ledger log iris --limit 20")
@click.argument("name", metavar="[NAME[@VERSION]]", required=False, shell_complete=complete_version)
@limit_option("Only the newest N commits.")
@json_option
@pass_session
def log(session: Session, name: str | None, limit: int | None) -> None:
    """Show what was published, newest first. NAME or NAME@VERSION shows only what concerns that one."""
    reader = session.reader()
    name, version = name_and_version(reader, name)
    # By its id, as its number may have been another's before a merge. This reads no record, which may be damaged.
    ids = {str(found.id) for found in reader.search(name=name, version=version)} if version is not None else set()

    def concerns(message: str) -> bool:
        if version is not None:
            return not ids.isdisjoint(ids_in(message))
        return name is None or any(label.startswith(f"{name}@") for label in labels_in(message))

    concerned = (commit for commit in reader.log() if concerns(commit.message))
    shapes = [commit_shape(commit) for commit in itertools.islice(concerned, check_limit(limit))]
    print_list(_COMMIT_COLUMNS, shapes, wants_json=session.json)


@click.command(cls=PassThrough, example="ledger git log --oneline", options_metavar="", add_help_option=False)
@click.argument("arguments", metavar="ARGS...", nargs=-1)
@pass_session
def git(session: Session, arguments: tuple[str, ...]) -> NoReturn:
    """Run Git on the history. Everything after `git` goes to Git, except a lone `--help`.

    This is refused where the history's own configuration could have Git run a program.
    """
    git_dir = session.reader().git_dir
    import shutil

    program = shutil.which("git")
    if program is None:
        raise MissingDependencyError(
            "git is not installed: no program of that name on the PATH",
            hint="install Git; `ledger log` shows the history without it",
        )
    check_settings(git_dir)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    if sys.stdout is not None:  # the program may have been started without one
        sys.stdout.flush()
    # As in a sync: nothing that a history may bring along runs a program, or shows another history than there is.
    settings = [word for setting in HONEST_SETTINGS for word in ("-c", setting)]
    command = ["git", *settings, f"--git-dir={git_dir}", *arguments]
    try:
        os.execve(program, command, {**kept, **HONEST_VARIABLES})  # noqa: S606  # no shell, on purpose
    except OSError as error:
        raise storage_error(error, program, "run") from error
