"""The body of a step, as the ledger of its run knows it.

Owns which body is running, and on which ledger, so that whatever saves there says which step it is part of, and what
loads is an input of it. What a body makes of that is told by who runs it (`ledger.runtime.context`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ledger.lookup import ArtifactVersion
from ledger.records import Producer

if TYPE_CHECKING:
    from ledger.core.ledger import Ledger


class Body(Protocol):
    """What is asked of a body and told to it."""

    def producer(self, output: str) -> Producer:
        """How a version that is saved in the body names it."""

    def note_saved(self, version: ArtifactVersion) -> None:
        """Tie a version that was saved in the body to its step."""

    def note_loaded(self, version: ArtifactVersion) -> None:
        """Record that a version was loaded in the body."""


_running: ContextVar[tuple["Ledger", Body] | None] = ContextVar("ledger_body", default=None)


@contextmanager
def body_on(ledger: "Ledger", body: Body) -> Iterator[None]:
    """A block that is a step's body, in which the ledger of the run is the default one."""
    token = _running.set((ledger, body))
    try:
        yield
    finally:
        _running.reset(token)


def running_body(path: Path) -> Body | None:
    """The body that is running on the ledger at a path; ``None`` for another ledger, which its run does not record."""
    found = _running.get()
    return found[1] if found is not None and found[0].path == path else None


def ledger_of_run() -> "Ledger | None":
    """The ledger of the run whose body this is; ``None`` outside of bodies."""
    found = _running.get()
    return found[0] if found is not None else None
