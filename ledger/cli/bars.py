"""The bar that shows how far long work is.

On standard error and only where that is a terminal; nothing for work that is over within half a second, and
nothing left behind when it is over. The library that draws is loaded when there is something to draw.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from ledger.meters import Progress, progress

if TYPE_CHECKING:
    from rich import progress as rich_progress

PATIENCE: Final = 0.5
"""Seconds of work before a bar appears."""


@contextmanager
def bar_on_terminal() -> Iterator[None]:
    """A block whose long work is shown, where standard error is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    bar = Bar(sys.stderr)
    try:
        with progress(bar.show):
            yield
    finally:
        bar.remove()


class Bar:
    """One line that is drawn again and again: what is done, bytes, rate and time left."""

    def __init__(self, file: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._label = ""
        self._begun = 0.0
        self._drawn: rich_progress.Progress | None = None

    def show(self, at: Progress) -> None:
        """Take note of how far work is, and draw it if it takes long."""
        if at.finished:
            self.remove()
            return
        if at.label != self._label:
            self.remove()
            self._label, self._begun = at.label, self._clock()
        if self._drawn is None and self._clock() - self._begun >= PATIENCE:
            self._drawn = _new_bar(self._file)
            self._drawn.add_task(at.label, completed=at.done, total=at.total)
            self._drawn.start()
        if self._drawn is not None:
            # A task whose total is not known is drawn as one that goes on.
            (task,) = self._drawn.task_ids
            self._drawn.update(task, completed=at.done, total=at.total)

    def remove(self) -> None:
        """Wipe the line."""
        self._label = ""
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None


def _new_bar(file: TextIO) -> "rich_progress.Progress":
    from rich import progress as rich_progress
    from rich.console import Console

    return rich_progress.Progress(
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn(binary_units=True),
        rich_progress.TransferSpeedColumn(),
        rich_progress.TimeRemainingColumn(),
        console=Console(file=file),
        transient=True,
    )
