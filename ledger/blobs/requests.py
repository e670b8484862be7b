"""Requests to distant stores, waited for where an interrupt ends the waiting.

The library's own calls wait where Python handles no signal, for as long as a service may say nothing. So a request is
made by a loop in a thread of its own, and whoever asks waits for it in Python: an interrupt is raised there at once,
and takes the request back. No signal reaches a worker thread, so what is under way for the threads of one piece of
work is kept together, to be taken back by whoever the work is for. Knows no store and no library.
"""

import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from ledger.forks import ThreadLock

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

Result = TypeVar("Result")

_current: ContextVar[Optional["Requests"]] = ContextVar("ledger_requests", default=None)
_starting = ThreadLock()
_loops: list["asyncio.AbstractEventLoop"] = []


class Requests:
    """What is under way for the threads of one piece of work, and for those that work for them."""

    def __init__(self) -> None:
        self._above = _current.get()
        self._lock = ThreadLock()
        self._under_way: set[Future[Any]] = set()
        self._is_over = False

    def enter(self) -> None:
        """Let what is asked in this context, which is to be a worker's, belong here."""
        _current.set(self)

    def take_back(self) -> None:
        """Interrupt every thread that waits for an answer, or that asks from now on."""
        with self._lock:
            self._is_over = True
            waited_for = list(self._under_way)
        for future in waited_for:
            future.cancel()

    @contextlib.contextmanager
    def noted(self, future: "Future[Any]") -> Iterator[None]:
        """A block in which something is waited for that may be taken back."""
        with self._above.noted(future) if self._above is not None else contextlib.nullcontext():
            with self._lock:
                self._under_way.add(future)
                is_over = self._is_over
            try:
                if is_over:
                    future.cancel()
                yield
            finally:
                with self._lock:
                    self._under_way.discard(future)


def answer(request: Callable[[], Awaitable[Result]]) -> Result:
    """What a request gives; raises what it raises, and ``KeyboardInterrupt`` where it was taken back."""
    import asyncio

    async def asked() -> Result:
        return await request()

    try:
        loop = _running_loop()
    except RuntimeError:
        # The interpreter is ending and starts no threads any more: what an exit handler saves is saved still.
        return asyncio.run(asked())
    return _waited_for(asyncio.run_coroutine_threadsafe(asked(), loop))


def pause(seconds: float) -> None:
    """Wait for so many seconds; raises ``KeyboardInterrupt`` where the work was taken back meanwhile."""
    from concurrent.futures import Future

    nothing: Future[None] = Future()
    with contextlib.suppress(TimeoutError):
        _waited_for(nothing, seconds)


def _waited_for(future: "Future[Result]", seconds: float | None = None) -> Result:
    from concurrent.futures import CancelledError

    requests = _current.get()
    with requests.noted(future) if requests is not None else contextlib.nullcontext():
        try:
            return future.result(seconds)
        except CancelledError as error:
            # For a worker thread this is what the signal is for the main one.
            raise KeyboardInterrupt from error
        except BaseException:
            future.cancel()
            raise


def _running_loop() -> "asyncio.AbstractEventLoop":
    """The loop of this process; raises ``RuntimeError`` where none can be started any more."""
    import asyncio

    with _starting:
        if not _loops:
            loop = asyncio.new_event_loop()
            # Nothing that it does has to be done: whoever asks waits for it.
            threading.Thread(target=loop.run_forever, name="ledger-requests", daemon=True).start()
            _loops.append(loop)
        return _loops[0]
