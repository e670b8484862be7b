"""Requests to distant stores, which an interrupt takes back at once.

The library's own calls wait where Python handles no signal, for as long as a service may say nothing. So a request is
made by a loop in a thread of its own, and whoever asks waits for it in Python: an interrupt is raised there at once,
and takes the request back. No signal reaches a worker thread, so the requests of all threads of one piece of work are
kept together, and whoever the work is for takes them back. Knows no store and no library.
"""

import atexit
import contextlib
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from ledger.forks import ThreadLock

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

Result = TypeVar("Result")

_current: ContextVar[Optional["Requests"]] = ContextVar("ledger_requests", default=None)
_starting = ThreadLock()
_loops: list["_Loop"] = []
_made: list[weakref.ref[Any]] = []
"""The futures of our loops. No callback tells of their end: it would run in a thread of the library that lets go of
one, the interpreter's lock could change hands there, and the interpreter end before that thread is done."""

_END_SECONDS = 1.0
"""How long the end of what was taken back is waited for: it takes milliseconds, unless a silent service holds a put."""

_GIVE_UP_SECONDS = 3.0
"""How long a request that is given up may take to end: it sends another one, to a service that may be slow."""


class Requests:
    """The requests under way for the threads of one piece of work, and for those that work for them."""

    def __init__(self) -> None:
        self._above = _current.get()
        self._lock = ThreadLock()
        self._under_way: set[Future[Any]] = set()
        self._is_over = False

    def enter(self) -> None:
        """Count the requests of this context, which is to be a worker's, among these."""
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
        """A block that waits for ``future``, which `take_back` of these, or of those around them, cancels."""
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


def answer(request: Callable[[], Awaitable[Result]], *, give_up: Callable[[], object] | None = None) -> Result:
    """The result of a request; raises what it raises, and ``KeyboardInterrupt`` where it was taken back.

    A request that has to undo what it began comes with ``give_up``, which is called when it is taken back, and makes it
    end by itself. Whoever asked does not wait for that, but the end of the interpreter does, for some seconds.
    """
    import asyncio

    async def asked() -> Result:
        return await (request() if give_up is None else _given_up_by(give_up, request()))

    try:
        future = _running_loop().give(asked)
    except RuntimeError:
        # The interpreter is ending and starts no more threads, but an exit handler may still save something.
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            try:
                return runner.run(asked())
            finally:
                _wait_until_let_go()
    return _waited_for(future)


def pause(seconds: float) -> None:
    """Wait for so many seconds; raises ``KeyboardInterrupt`` where the work was taken back meanwhile."""
    from concurrent.futures import Future

    nothing: Future[None] = Future()
    with contextlib.suppress(TimeoutError):
        _waited_for(nothing, seconds)


async def _given_up_by(give_up: Callable[[], object], request: Awaitable[Result]) -> Result:
    import asyncio

    asked = asyncio.ensure_future(request)
    try:
        await asyncio.wait([asked])  # unlike `await asked`, this does not cancel it when it is cancelled itself
    except asyncio.CancelledError:
        give_up()
        await asyncio.wait([asked], timeout=_GIVE_UP_SECONDS)
        if not asked.cancel():
            asked.exception()  # asyncio complains of an exception that nobody has looked at
        raise
    return asked.result()


def _waited_for(future: "Future[Result]", seconds: float | None = None) -> Result:
    from concurrent.futures import CancelledError

    requests = _current.get()
    with requests.noted(future) if requests is not None else contextlib.nullcontext():
        try:
            return future.result(seconds)
        except CancelledError as error:
            # For a worker thread this is what Ctrl-C is for the main one.
            raise KeyboardInterrupt from error
        except BaseException:
            future.cancel()
            raise


class _Loop:
    """A loop in a thread of its own, until the interpreter ends.

    No request may be under way then: a thread of the library that wants the interpreter's lock after its end takes
    the whole process down with it.
    """

    def __init__(self) -> None:
        self._loop = _new_loop()
        # A daemon, as none of its requests has to be finished: whoever needs one waits for it.
        self._thread = threading.Thread(target=self._loop.run_forever, name="ledger-requests", daemon=True)
        self._thread.start()
        self._is_over = False
        atexit.register(self._end)

    def give(self, work: Callable[[], "Coroutine[Any, Any, Result]"]) -> "Future[Result]":
        """Let the loop do something; raises ``RuntimeError`` once the interpreter is ending."""
        import asyncio

        if self._is_over:
            raise RuntimeError
        return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def _end(self) -> None:
        self._is_over = True
        if self._thread.is_alive():  # not so in a process that was forked
            import asyncio

            asyncio.run_coroutine_threadsafe(self._take_back(), self._loop)
            self._thread.join(_GIVE_UP_SECONDS + _END_SECONDS)
            _wait_until_let_go()

    async def _take_back(self) -> None:
        """Take back what is under way, and stop the loop when that has ended."""
        import asyncio

        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            if not task.cancelling():
                task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=_GIVE_UP_SECONDS)
        self._loop.stop()


def _running_loop() -> _Loop:
    """The loop of this process; raises ``RuntimeError`` where none can be started any more."""
    with _starting:
        if not _loops:
            _loops.append(_Loop())
        return _loops[0]


def _new_loop() -> "asyncio.AbstractEventLoop":
    """A loop that notes in `_made` the futures that the library makes there for its threads."""
    import asyncio

    loop = asyncio.new_event_loop()
    create = loop.create_future

    def create_future() -> "asyncio.Future[Any]":
        future = create()
        _made[:] = [*filter(_is_held, _made), weakref.ref(future)]
        return future

    loop.create_future = create_future  # type: ignore[method-assign]  # the library asks the loop for it by this name
    return loop


def _wait_until_let_go() -> None:
    """Wait until the library's threads are done with what they were asked, which takes them a moment after its end."""
    deadline = time.monotonic() + _END_SECONDS
    while any(map(_is_held, _made)) and time.monotonic() < deadline:
        time.sleep(0.001)


def _is_held(made: "weakref.ref[Any]") -> bool:
    """Whether anything refers to a future, such as a thread of the library."""
    return made() is not None
