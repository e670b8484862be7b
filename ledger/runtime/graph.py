"""What one call of a pipeline function recorded: steps and where their arguments come from.

Inert values. An argument is a plain JSON value, an output of another step, a look-up that is
made when the step starts, a version that is there already, or a value to be saved first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from ledger.core import ArtifactVersion
from ledger.errors import StepInterfaceError
from ledger.runtime.configuration import ExternalArtifact
from ledger.runtime.settings import StepOptions
from ledger.runtime.signatures import Signature


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A parameter: the value as the step gets it."""

    value: Any


FactPath = tuple[tuple[Literal["attribute", "item"], Any], ...]
"""The way from a version to one of its facts, an attribute or an item at a time; empty for the version itself."""


@dataclass(frozen=True, kw_only=True)
class FromStep:
    """An output of a step of the same run, or a fact of it.

    ``call`` is the number of the recording, which differs for each body that this process has recorded.
    """

    step: str
    output: str
    call: int
    path: FactPath = ()


@dataclass(frozen=True, kw_only=True)
class FromLookup:
    """A look-up made when the step starts, or a fact of the version that it finds."""

    wanted: str | UUID
    version: str | int | None
    tag: str | None
    path: FactPath = ()


@dataclass(frozen=True, kw_only=True)
class FromVersion:
    """A version that was looked up before the run."""

    version: ArtifactVersion


@dataclass(frozen=True, kw_only=True)
class FromOutside:
    """A value that is saved when the run starts."""

    artifact: ExternalArtifact


Argument = Plain | FromStep | FromLookup | FromVersion | FromOutside


class DeclaredStep(Protocol):
    """A step as recording, planning and running see it: a `Step`, whose module imports theirs, and not they it."""

    name: str
    options: StepOptions
    signature: Signature

    @property
    def entrypoint(self) -> Callable[..., Any]:
        """The plain function."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One use of a step: its name in the run, the step, its arguments, and the names of the steps it is to follow."""

    name: str
    step: DeclaredStep
    arguments: Mapping[str, Argument]
    after: tuple[str, ...] = ()

    @property
    def needs(self) -> set[str]:
        """The steps whose outputs this one takes, and those it was told to follow."""
        taken = (argument.step for argument in self.arguments.values() if isinstance(argument, FromStep))
        return {*taken, *self.after}


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
        for needed in sorted(each for each in invocation.needs if each not in by_name):
            raise StepInterfaceError(
                f"step {invocation.name!r} is to run after {needed!r}, which is no step of this pipeline",
                hint=f"the steps are {', '.join(by_name)}",
                step=invocation.name,
            )
    place = {name: number for number, name in enumerate(by_name)}
    needs = {name: sorted(each.needs, key=place.__getitem__) for name, each in by_name.items()}
    done: dict[str, Invocation] = {}
    for name in by_name:
        _visit(name, needs, by_name, done)
    return tuple(done.values())


def _visit(
    last: str, needs: Mapping[str, Iterable[str]], by_name: Mapping[str, Invocation], done: dict[str, Invocation]
) -> None:
    """Put a step behind all that it needs; without recursion, because a chain of steps may be of any length."""
    path = {last: iter(needs[last])} if last not in done else {}
    while path:
        name, waits_for = next(reversed(path.items()))
        needed = next((each for each in waits_for if each not in done), None)
        if needed is None:
            done[name] = by_name[name]
            del path[name]
        elif needed in path:
            names = list(path)
            cycle = " -> ".join((*names[names.index(needed) :], needed))
            raise StepInterfaceError(f"steps wait for each other: {cycle}", hint="take one `after` out", step=needed)
        else:
            path[needed] = iter(needs[needed])
