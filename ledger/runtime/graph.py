"""What one call of a pipeline function recorded: steps and where their arguments come from.

Inert values. An argument is a plain JSON value, an output of another step, a look-up that is
made when the step starts, a version that is there already, or a value to be saved first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.core import ArtifactVersion
from ledger.errors import StepInterfaceError
from ledger.runtime.configuration import ExternalArtifact


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A parameter: the value as the step gets it."""

    value: Any


@dataclass(frozen=True, kw_only=True)
class FromStep:
    """An output of a step of the same run; ``call`` tells the bodies apart that were recorded in this process."""

    step: str
    output: str
    call: int = 0


@dataclass(frozen=True, kw_only=True)
class FromLookup:
    """A look-up made when the step starts: which version, and which of its facts (none: the version itself)."""

    wanted: Any
    version: str | int | None
    path: tuple[tuple[str, Any], ...] = ()
    origin: "FromStep | None" = None
    """The output that is looked at, where it is not a look-up by name."""


@dataclass(frozen=True, kw_only=True)
class FromVersion:
    """A version that was looked up before the run."""

    version: ArtifactVersion


@dataclass(frozen=True, kw_only=True)
class FromOutside:
    """A value that is saved when the run starts."""

    artifact: ExternalArtifact


Argument = Plain | FromStep | FromLookup | FromVersion | FromOutside


@dataclass(kw_only=True)
class Invocation:
    """One use of a step: its name in the run, the step, its arguments, and what must come before it."""

    name: str
    step: Any
    arguments: Mapping[str, Argument]
    after: list[str] = field(default_factory=list)

    @property
    def needs(self) -> set[str]:
        """The steps whose outputs this one takes, and those it was told to follow."""
        froms = (
            argument.origin if isinstance(argument, FromLookup) else argument for argument in self.arguments.values()
        )
        return {argument.step for argument in froms if isinstance(argument, FromStep)} | set(self.after)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The steps of one run, in the order they run."""

    pipeline: str
    parameters: Mapping[str, Any]
    invocations: tuple[Invocation, ...]


def in_order(invocations: Sequence[Invocation]) -> tuple[Invocation, ...]:
    """The steps in an order that respects what each needs, otherwise as they were called.

    Raises `StepInterfaceError` for a step that is to follow one that is not there, and for a cycle, naming it.
    """
    by_name = {invocation.name: invocation for invocation in invocations}
    for invocation in invocations:
        for needed in sorted(invocation.needs - by_name.keys()):
            raise StepInterfaceError(
                f"step {invocation.name!r} is to run after {needed!r}, which is no step of this pipeline",
                hint=f"the steps are {', '.join(by_name)}",
                step=invocation.name,
            )
    done: dict[str, Invocation] = {}
    for invocation in invocations:
        _visit(invocation, by_name, done, ())
    return tuple(done.values())


def _visit(
    invocation: Invocation, by_name: Mapping[str, Invocation], done: dict[str, Invocation], above: tuple[str, ...]
) -> None:
    if invocation.name in done:
        return
    if invocation.name in above:
        cycle = " -> ".join((*above[above.index(invocation.name) :], invocation.name))
        raise StepInterfaceError(
            f"steps wait for each other: {cycle}", hint="take one `after` out", step=invocation.name
        )
    for needed in _in_call_order(invocation.needs, by_name):
        _visit(by_name[needed], by_name, done, (*above, invocation.name))
    done[invocation.name] = invocation


def _in_call_order(names: Iterable[str], by_name: Mapping[str, Invocation]) -> list[str]:
    order = list(by_name)
    return sorted(names, key=order.index)
