"""What is said to the person who saves or loads: warnings, shown at their own line of code, and what goes on meanwhile.

Owns where a warning is shown: at the first caller outside of this project, because that is where the value came from.
Owns also when: the warnings of a worker thread are kept until the thread that gave it the work takes the result,
because only there the caller can be seen, and a filter of warnings may hold for that thread alone. A warning about
finished work is dropped if the work fails. Every warning is one printable line: the text in it may come from anybody.

What goes on is logged by the logger ``ledger`` at ``INFO``. Where the program has set up no logging and stderr is a
terminal or the page of a notebook, it is printed there; a program that reads stderr through a pipe gets none of it.
"""

import contextlib
import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TextIO

from ledger.errors import LedgerError, UnsupportedFormatError
from ledger.wording import one_line

_NOT_THE_CALLER = ("ledger.", "contextlib")
"""The modules of the frames between a warning and the caller: our own, and the one that runs our ``with`` blocks."""

_collected: ContextVar[list[str] | None] = ContextVar("ledger_collected_warnings", default=None)
_of_success: ContextVar[list[str] | None] = ContextVar("ledger_warnings_of_success", default=None)


def warn_user(message: str) -> None:
    """Issue a ``UserWarning`` of one printable line, at the line that called this project and in its thread."""
    collected = _collected.get()
    if collected is not None:
        collected.append(message)
        return
    depth = 1
    frame = sys._getframe(0)  # noqa: SLF001  # the standard way to look at one's callers
    # Code that a template or the like runs may have any text for its module's name, or none.
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_NOT_THE_CALLER):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(one_line(message), UserWarning, stacklevel=depth)


def warn_of_record(what: str, error: LedgerError) -> None:
    """Warn that a record cannot be read, and ``what`` comes of it; one of a later format is not called damaged."""
    if isinstance(error, UnsupportedFormatError):
        warn_user(f"{what}: {error}; {error.hint}")
    else:
        warn_user(f"{what}, its record is damaged: {error}")


def collect_warnings(collected: list[str]) -> None:
    """Have the warnings of this context, a worker's, added to a list instead of issued."""
    _collected.set(collected)


def warn_if_done(message: str) -> None:
    """Issue a warning once the `WarningsIfDone` block around the call has ended well; at once if there is none."""
    waiting = _of_success.get()
    if waiting is None:
        warn_user(message)
    else:
        waiting.append(message)


def tell_user(line: str) -> None:
    """Log what goes on or, without logging, print it where a person looks at stderr."""
    import logging

    line = one_line(line)
    log = logging.getLogger("ledger")
    if log.hasHandlers():
        log.info(line)
    else:
        write_on_stderr(line, only_if=_is_looked_at)


def write_on_stderr(line: str, *, only_if: Callable[[TextIO], bool] = lambda _: True) -> None:
    """Write a line on stderr. No work fails because stderr is missing or closed, its disk full or its terminal gone.

    Nor does any because a program's own object stands in its place, which may have no more than a ``write``.
    """
    if sys.stderr is not None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            if only_if(sys.stderr):
                sys.stderr.write(f"{line}\n")  # at once: another thread or process may write there, too


def _is_looked_at(stream: TextIO) -> bool:
    """Whether a stream goes to a person: to a terminal, or through Jupyter's kernel to the page of a notebook."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel.")


class WarningsIfDone:
    """A block that issues the warnings of `warn_if_done` when it ends well; an inner block leaves them to the outer."""

    def __enter__(self) -> None:
        is_outermost = _of_success.get() is None
        self._token = _of_success.set([]) if is_outermost else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        waiting = _of_success.get() or []
        _of_success.reset(self._token)
        for message in waiting if kind is None else ():
            warn_user(message)
