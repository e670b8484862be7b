"""What one call of the program was asked for, and how its commands are declared.

Owns the options that every command shares, and the help texts' examples. A test runs
each example, so that no help text promises what does not work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

import ledger
from ledger.errors import LedgerError
from ledger.lookup import Reader, read_config

if TYPE_CHECKING:
    from ledger import Ledger

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass
class Session:
    """Which ledger is meant, and whether to print JSON; the options fill it in."""

    path: str | None = None
    json: bool = False

    def reader(self) -> Reader:
        """The ledger to look into, for commands that touch no bytes: quick to start. `LedgerNotFoundError`."""
        return Reader.open(self.path)

    def ledger(self) -> "Ledger":
        """The ledger with its values; raises `LedgerNotFoundError`."""
        return ledger.Ledger.open(self.path)


pass_session = click.make_pass_decorator(Session, ensure=True)


class UsageCommand(click.Command):
    """A command whose errors of usage say how it is used, those too of which click does not."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; an option without its argument is an error of this command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class ExampleCommand(UsageCommand):
    """A command whose help ends with an example that runs."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example on a line of its own, which is never wrapped."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Example"):
            formatter.write(f"{' ' * formatter.current_indent}{self.example}\n")


def json_option(command: _Decorated) -> _Decorated:
    """The option ``--json``, which the program and every command that prints accept."""
    option = click.option(
        "--json", is_flag=True, expose_value=False, callback=_ask_for_json, help="Print one JSON document."
    )
    return option(command)


def version_argument(command: _Decorated) -> _Decorated:
    """The argument ``NAME[@VERSION]``, which may be an id or the beginning of one as well."""
    return click.argument("version", metavar="NAME[@VERSION]", shell_complete=complete_version)(command)


def complete_name(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The names of artifacts that begin so, for the shell."""
    return _complete(context, lambda reader: [artifact.name for artifact in reader.artifacts()], incomplete)


def complete_version(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names that begin so, for the shell; after a name and its ``@`` the versions, newest first."""
    name, mark, _ = incomplete.partition("@")
    if not mark:
        return complete_name(context, parameter, incomplete)
    return _complete(
        context, lambda reader: [f"{name}@{each.version}" for each in reversed(reader.versions(name))], incomplete
    )


def complete_tag(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The tags, for the shell, of the version that the words before name."""
    given = context.params.get("version")
    # The option to complete has no value yet: click then leaves the arguments before it unread.
    version = given if given is not None else next(iter(context.args), None)
    if version is None:
        return []
    return _complete(context, lambda reader: list(reader.get(version).tags), incomplete)


def complete_remote(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The names of remotes that begin so, for the shell."""
    return _complete(context, lambda reader: sorted(read_config(reader.path).remotes), incomplete)


def _complete(context: click.Context, choices: Callable[[Reader], list[str]], incomplete: str) -> list[str]:
    try:
        found = choices(Reader.open(context.find_root().params.get("ledger")))
    except LedgerError:
        return []  # a shell that completes has no place for an error; the command itself will say it
    return [each for each in found if each.startswith(incomplete)]


def _ask_for_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).json = True
