"""How far a long piece of work has got, for whoever wants to know.

Owns the one listener that a block of a program may have. `progress` sets it, work that can
take long is a `task`, and whatever moves bytes says so with `advance`; without a
listener all that costs a look at a variable. A listener is called in the thread that asked
for the work, never in one of its workers, and at most some twenty times a second. What it
raises ends the work and comes out of it as it is, so that a program can stop what it has started.
Knows nothing of what is worked on, and shows nothing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from ledger.errors import ArgumentTypeError
from ledger.wording import shown_with_type

_INTERVAL = 0.05  # seconds between two calls of a listener


class Progress(NamedTuple):
    """How far a piece of work such as ``save iris`` is: bytes done, and bytes in all, ``None`` while nobody knows."""

    label: str
    done: int
    total: int | None
    finished: bool


Listener = Callable[[Progress], object]
"""Is called with how far the work is; what it returns is ignored."""

_listener: ContextVar[Listener | None] = ContextVar("ledger_progress_listener", default=None)
_running: ContextVar["_Task | None"] = ContextVar("ledger_progress_task", default=None)


@contextmanager
def progress(listener: Listener) -> Iterator[None]:
    """A block in which saves, loads and other long work tell ``listener`` how far they are.

        with ledger.progress(lambda at: print(at.label, at.done, at.total)):
            save_artifact(Path("data"), "raw")

    A piece of work that ends well is told of once more, with ``finished``. What the listener raises ends the work, and
    comes out of it. Holds for the thread of the block.
    """
    if not callable(listener):
        raise ArgumentTypeError(f"a listener is a function, got {shown_with_type(listener)}")
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def task(label: str, total: int | None = None) -> Iterator[None]:
    """A block that is one piece of work, of ``total`` bytes or of as many as `expect` adds up."""
    listener = _listener.get()
    if listener is None:
        yield
        return
    running, is_nested = _Task(label, total, listener), _running.get() is not None
    token = _running.set(running)
    try:
        yield
        running.finish()
    except _Raised as raised:
        if is_nested:
            raise  # the outermost task unwraps it
        raise raised.error from raised.error.__cause__
    finally:
        _running.reset(token)


def expect(size: int) -> None:
    """Say that so many bytes more are to come in the task that is running, if there is one."""
    running = _running.get()
    if running is not None:
        running.expected += size


def advance(size: int) -> None:
    """Say that so many bytes more are done in the task that is running, if there is one."""
    running = _running.get()
    if running is not None:
        running.advance(size)


class _Raised(BaseException):
    """Carries what a listener raised out of its task, past code that takes an `Exception` for a failure of the work."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _Task:
    """A running task and what its listener has been told."""

    def __init__(self, label: str, total: int | None, listener: Listener) -> None:
        self._label = label
        self._total = total
        self._listener = listener
        self._done = 0
        self._told_at = float("-inf")
        self.expected = 0

    def advance(self, size: int) -> None:
        self._done += size
        now = time.monotonic()
        if now - self._told_at >= _INTERVAL:
            self._told_at = now
            self._tell()

    def finish(self) -> None:
        done = self._done if self._total is None else self._total
        self._call(Progress(self._label, done, done, finished=True))

    def _tell(self) -> None:
        if self._total is not None:
            # Some bytes may be read twice, as those of parquet files are: what is done must not exceed the total.
            at = Progress(self._label, min(self._done, self._total), self._total, finished=False)
        else:
            # The expected total comes from the size in memory, and files are a little larger: it grows rather than
            # being exceeded.
            total = max(self.expected, self._done) if self.expected else None
            at = Progress(self._label, self._done, total, finished=False)
        self._call(at)

    def _call(self, at: Progress) -> None:
        try:
            self._listener(at)
        except StopIteration as error:
            # Code that iterates around the work would take it for the end of the data.
            raised = RuntimeError("the listener raised StopIteration")
            raised.__cause__ = error
            raise _Raised(raised) from None
        except Exception as error:  # noqa: BLE001  # it is raised again where the task ends
            raise _Raised(error) from None
