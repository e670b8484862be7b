"""What one call of the program was asked for, and how its commands are declared.

Owns the options that every command shares, and the help texts' examples. A test runs
each example, so that no help text promises what does not work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

import ledger
from ledger.cli.completions import complete_version
from ledger.cli.errors import on_ledger
from ledger.cli.printing import print_line
from ledger.lookup import Reader

if TYPE_CHECKING:
    from ledger import Ledger

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass
class Session:
    """Which ledger is meant, and whether to print JSON; the options fill it in."""

    path: str | None = None
    json: bool = False

    def reader(self) -> Reader:
        """The ledger to look into, for commands that touch no bytes: quick to open; raises `LedgerNotFoundError`."""
        return Reader.open(self.path)

    def ledger(self) -> "Ledger":
        """The ledger with its values; raises `LedgerNotFoundError`."""
        return ledger.Ledger.open(self.path)

    def advise(self, text: str) -> None:
        """Print a line of advice, whose commands name the ledger as the user did."""
        print_line(on_ledger(text, self.path))


pass_session = click.make_pass_decorator(Session, ensure=True)


class UsageCommand(click.Command):
    """A command that says in each of its errors of usage how it is used, with the options that must be given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; an option without its argument is an error of this command, and ``--version`` is explained."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            if isinstance(error, click.NoSuchOption) and error.option_name == "--version" and self._takes_a_label():
                message = "No such option '--version'; the version goes with the name, as NAME@VERSION."
                raise click.UsageError(message, error.ctx) from error
            raise

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """As click does, with the options that must be given."""
        needed = [each for each in self.params if isinstance(each, click.Option) and each.required]
        return [*(f"{each.opts[0]} {each.metavar}" for each in needed), *super().collect_usage_pieces(ctx)]

    def _takes_a_label(self) -> bool:
        return any("@VERSION" in (each.metavar or "") for each in self.params)


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


def _ask_for_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).json = True
