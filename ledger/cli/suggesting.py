"""The answer to a word that is no command: what it is called here, and which groups have a command of that name."""

from collections.abc import Iterator, Sequence
from typing import Final

import click

from ledger.cli.session import UsageCommand

ELSEWHERE: Final = {
    "add": ("ledger save",),
    "alias": ("ledger tag --exclusive",),
    "cat": ("ledger get",),
    "check": ("ledger verify",),
    "checkout": ("ledger get",),
    "commit": ("ledger save",),
    "compare": ("ledger diff", "ledger run list --show"),
    "dag": ("ledger run show", "ledger run list --using"),
    "download": ("ledger get",),
    "exp": ("ledger run list --show",),
    "experiments": ("ledger run list --show",),
    "export": ("ledger get",),
    "fetch": ("ledger sync",),
    "fsck": ("ledger verify",),
    "history": ("ledger log",),
    "import": ("ledger save",),
    "info": ("ledger artifact version show", "ledger status"),
    "lineage": ("ledger run show", "ledger run list --using"),
    "load": ("ledger get",),
    "ls": ("ledger artifact list",),
    "metrics": ("ledger run list --show", "ledger artifact version list --show"),
    "model": ("ledger artifact list",),
    "models": ("ledger artifact list",),
    "params": ("ledger run list --show",),
    "pipeline": ("ledger run list",),
    "promote": ("ledger tag --exclusive",),
    "prune": ("ledger gc",),
    "pull": ("ledger sync",),
    "push": ("ledger sync",),
    "put": ("ledger save",),
    "remote rm": ("ledger remote remove",),
    "remote show": ("ledger remote list",),
    "restore": ("ledger get",),
    "run compare": ("ledger run list --show",),
    "run diff": ("ledger run list --show",),
    "run get": ("ledger run show",),
    "run ls": ("ledger run list",),
    "search": ("ledger artifact version list",),
    "untag": ("ledger tag --remove",),
    "update": ("ledger tag", "ledger meta"),
    "upload": ("ledger save",),
    "versions": ("ledger artifact version list",),
}
"""What the commands of Git, DVC, MLflow, W&B and ZenML, and what they are about, are called here.

A word that means something else in a group stands with the group before it.
"""

_NEVER_DELETED = "versions are never deleted. `ledger tag --remove` takes a tag off."
_NO_SERVER = "there is no server and no page. `ledger run list --show` compares runs, `ledger run show` shows one."
_NO_ACCOUNT = "there is no account. `ledger remote add` and `ledger sync` share a ledger through any Git remote."
_IN_CONFIG = "settings are lines of config.toml in the ledger directory, whose path `ledger status` shows."
_BY_PYTHON = "a pipeline runs when its Python program does; steps that did not change are served from the cache."

ABSENT: Final = {
    "config": _IN_CONFIG,
    "delete": _NEVER_DELETED,
    "login": _NO_ACCOUNT,
    "remote modify": _IN_CONFIG,
    "remote rename": _IN_CONFIG,
    "remote set-url": _IN_CONFIG,
    "remove": _NEVER_DELETED,
    "repro": _BY_PYTHON,
    "rm": _NEVER_DELETED,
    "server": _NO_SERVER,
    "ui": _NO_SERVER,
    "up": _NO_SERVER,
}
"""What they call that which there is not here, and what there is instead."""


class SuggestingGroup(UsageCommand, click.Group):
    """A group of commands. The error of a word that only other programs or groups know says what there is here."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but for the error of a word that is no command."""
        word, program = args[0], ctx.find_root().command
        assert isinstance(program, click.Group)  # this one, or a group above it
        is_unknown = word not in self.commands and not ctx.resilient_parsing
        if is_unknown and (suggestion := suggestion_for(word, program, group=self.name or "")):
            ctx.fail(suggestion)
        return super().resolve_command(ctx, args)


def suggestion_for(word: str, program: click.Group, *, group: str) -> str:
    """The message for a command that a group does not have; empty where nothing better than click's is known."""
    place = f"{group} {word}"
    if place in ELSEWHERE:
        return _did_you_mean(word, ELSEWHERE[place])
    if instead := ABSENT.get(place) or ABSENT.get(word) or (_BY_PYTHON if word.endswith(".py") else ""):
        return f"No such command {word!r}: {instead}"
    return _did_you_mean(word, [*ELSEWHERE.get(word, ()), *_places(word, program, "ledger")])


def _did_you_mean(word: str, places: Sequence[str]) -> str:
    return f"No such command {word!r}. Did you mean {', '.join(f'`{place}`' for place in places)}?" if places else ""


def _places(word: str, group: click.Group, path: str) -> Iterator[str]:
    """The commands below a group that have a name, each as it is typed."""
    if word in group.commands:
        yield f"{path} {word}"
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _places(word, command, f"{path} {name}")
