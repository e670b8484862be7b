"""The bars that show how far long work is.

On standard error and only where that is a terminal; nothing for work that is over within half a second, and
nothing left behind when it is over. The library that draws is loaded when there is something to draw.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

from ledger.meters import Progress, progress

if TYPE_CHECKING:
    from rich import progress as rich_progress

PATIENCE: Final = 0.5
"""Seconds of work before a bar appears."""

_CHECKING = "checking"
_SHARE_OF_NAME = 3
"""What part of the line a name may take: a third."""


@contextmanager
def bar_on_terminal() -> Iterator[None]:
    """A block whose long work is shown, where standard error is a terminal."""
    if not _is_terminal():
        yield
        return
    with closing(Bar(sys.stderr)) as bar, progress(bar.show):
        yield


@contextmanager
def pieces_on_terminal() -> Iterator[Callable[[int, int], None]]:
    """A block with a function to tell how many pieces of a check are done, and of how many, which a bar shows."""
    if not _is_terminal():
        yield lambda _done, _total: None
        return
    with closing(Bar(sys.stderr, columns=_columns_of_pieces)) as bar:
        bar.draw(_CHECKING, 0, None)
        yield lambda done, total: bar.draw(_CHECKING, done, total)


def _columns_of_bytes() -> "Iterable[rich_progress.ProgressColumn]":
    from rich import progress as rich_progress
    from rich.table import Column

    whole = Column(no_wrap=True)
    return (
        rich_progress.DownloadColumn(binary_units=True, table_column=whole),
        rich_progress.TransferSpeedColumn(table_column=whole),
    )


def _columns_of_pieces() -> "Iterable[rich_progress.ProgressColumn]":
    from rich import progress as rich_progress
    from rich.table import Column

    return (rich_progress.MofNCompleteColumn(table_column=Column(no_wrap=True)),)


class Bar:
    """One line that is drawn again and again: what is done, how much of it, and the time left."""

    def __init__(
        self,
        file: TextIO,
        *,
        columns: "Callable[[], Iterable[rich_progress.ProgressColumn]]" = _columns_of_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._columns = columns
        self._clock = clock
        self._label = ""
        self._begun = 0.0
        self._drawn: rich_progress.Progress | None = None

    def show(self, at: Progress) -> None:
        """Take note of how far work is, and draw it if it takes long."""
        if at.finished:
            self.close()
        else:
            self.draw(at.label, at.done, at.total)

    def draw(self, label: str, done: int, total: int | None) -> None:
        """Draw how far the work with this label is, once it takes long. A terminal that is gone fails no work."""
        if label != self._label:
            self.close()
            self._label, self._begun = label, self._clock()
        with suppress(OSError):
            if self._drawn is None and self._clock() - self._begun >= PATIENCE:
                self._drawn = _new_bar(self._file, self._columns())
                self._drawn.add_task(label, completed=done, total=total)
                self._drawn.start()
            if self._drawn is not None:
                # A task whose total is not known is drawn as one that goes on.
                (task,) = self._drawn.task_ids
                self._drawn.update(task, completed=done, total=total)

    def close(self) -> None:
        """Wipe the line."""
        self._label = ""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            with suppress(OSError):
                drawn.stop()


def _is_terminal() -> bool:
    # A program without a console has no standard error.
    return sys.stderr is not None and sys.stderr.isatty()


def _new_bar(file: TextIO, columns: "Iterable[rich_progress.ProgressColumn]") -> "rich_progress.Progress":
    from rich import progress as rich_progress
    from rich.console import Console
    from rich.table import Column

    console = Console(file=file)
    # In a narrow terminal the bar gets short and a long name is cut: the figures matter most.
    name = Column(no_wrap=True, max_width=console.width // _SHARE_OF_NAME)
    label = rich_progress.TextColumn("{task.description}", markup=False, table_column=name)
    left = rich_progress.TimeRemainingColumn(table_column=Column(no_wrap=True))
    return rich_progress.Progress(label, rich_progress.BarColumn(), *columns, left, console=console, transient=True)
