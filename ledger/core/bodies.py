"""The body of a step, as the ledger of its run knows it.

Owns which body is running, and on which ledger, so that what is saved there names the step, and what is loaded becomes
an input of it. How a body records that, its runner says (`ledger.runtime.context`).
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ledger.lookup import ArtifactVersion
from ledger.records import Producer

if TYPE_CHECKING:
    from ledger.core.ledger import Ledger


class Body(Protocol):
    """What the rest of the ledger asks of a body, and lets it know."""

    def producer(self, output: str) -> Producer:
        """The run and the step, as a version that is saved in the body as ``output`` names them."""

    def show_run(self) -> None:
        """Publish the run, which a version that is saved in the body names, unless it is published."""

    def note_saved(self, version: ArtifactVersion) -> None:
        """Tie a version that was saved in the body to its step."""

    def note_loaded(self, version: ArtifactVersion) -> None:
        """Record that a version was loaded in the body."""

    def end(self) -> None:
        """Note that the body is over."""


class Running(NamedTuple):
    """A body that is running, and the ledger of its run."""

    ledger: "Ledger"
    body: Body


_running: ContextVar[Running | None] = ContextVar("ledger_body", default=None)


def given_by_body(ledger: "Ledger", body: Body, function: Callable[[], Any]) -> Any:
    """What a function gives as the body of a step, in which the ledger of the run is the default one."""
    __tracebackhide__ = True
    # No context manager of `contextlib`, which sets an attribute of the exception that passes: some refuse that.
    token = _running.set(Running(ledger, body))
    try:
        return function()
    finally:
        body.end()
        _running.reset(token)


def running() -> Running | None:
    """The body that is running; ``None`` outside of steps."""
    return _running.get()


def running_body(path: Path) -> Body | None:
    """The body that is running on the ledger at a path; ``None`` for another ledger, which its run does not record."""
    current = running()
    return current.body if current is not None and _is_same(current.ledger.path, path) else None


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one directory; links on the way are followed only where the paths differ."""
    return one == other or os.path.realpath(one) == os.path.realpath(other)
