"""What a word that is no command is told: what it is called here, and which groups have a command of that name."""

from collections.abc import Iterator
from typing import Final

import click

from ledger.cli.session import UsageCommand

ELSEWHERE: Final = {
    "add": ("ledger save",),
    "checkout": ("ledger get",),
    "commit": ("ledger save",),
    "dag": ("ledger run show", "ledger run list --using"),
    "download": ("ledger get",),
    "fetch": ("ledger sync",),
    "fsck": ("ledger verify",),
    "history": ("ledger log",),
    "lineage": ("ledger run show", "ledger run list --using"),
    "load": ("ledger get",),
    "ls": ("ledger artifact list",),
    "prune": ("ledger gc",),
    "pull": ("ledger sync",),
    "push": ("ledger sync",),
    "put": ("ledger save",),
    "restore": ("ledger get",),
    "search": ("ledger artifact version list",),
    "untag": ("ledger tag --remove",),
    "versions": ("ledger artifact version list",),
}
"""What the commands of Git, DVC, MLflow and W&B, and what they are about, are called here."""

DELETING: Final = frozenset({"delete", "rm"})
"""What they call that which there is not here."""


class SuggestingGroup(UsageCommand, click.Group):
    """A group of commands; of a word that other programs or groups alone have, the error says what it is here."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but for what is said of such a word."""
        word, program = args[0], ctx.find_root().command
        assert isinstance(program, click.Group)  # this one, or a group above it
        if not ctx.resilient_parsing and word not in self.commands and (suggestion := suggestion_for(word, program)):
            ctx.fail(suggestion)
        return super().resolve_command(ctx, args)


def suggestion_for(word: str, program: click.Group) -> str:
    """The message for a command that the program does not have; empty where nothing better than click's is known."""
    if word in DELETING:
        return f"No such command {word!r}: versions are never deleted. `ledger tag` takes a tag off."
    places = [*ELSEWHERE.get(word, ()), *_places(word, program, "ledger")]
    return f"No such command {word!r}. Did you mean {', '.join(f'`{place}`' for place in places)}?" if places else ""


def _places(word: str, group: click.Group, path: str) -> Iterator[str]:
    """The commands below a group that have a name, each as it is typed."""
    if word in group.commands:
        yield f"{path} {word}"
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _places(word, command, f"{path} {name}")
