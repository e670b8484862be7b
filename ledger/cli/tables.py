"""How a table is fitted to a terminal: which columns are shown, and how much of each.

Pure. Whatever a reader may want to copy from a row (names, versions, ids) stands whole on one line. Only texts worth
reading to the end (what went wrong, what a commit did) go on in further lines. Where there is too little room, these
give way in turn: needless precision, the ends of long texts, whole columns (the least useful first), and at last the
id of what also has a name and a version. If even that is not enough, the rows are wider than the terminal, which wraps
them as it likes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

GAP = 2
"""Columns between two cells."""

PEOPLE = ("created_by", "author")
TIMES = ("created_at", "started_at", "ended_at", "time")
WRAPPED = ("message", "subject")
"""Keys whose texts go on in further lines, as nothing of them is to be missed."""

_LISTS = ("tags", "steps")
_LONG = (*PEOPLE, *_LISTS, *WRAPPED)
_SECONDS, _MINUTES, _DAYS = (len(shape) for shape in ("2026-11-23T10:00:00", "2026-11-23T10:00", "2026-11-23"))


class Table(NamedTuple):
    """What is shown: the keys of the columns, the rows, and how wide each column is."""

    keys: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]

    @property
    def width(self) -> int:
        """How wide all of it is."""
        return sum(self.widths) + GAP * (len(self.widths) - 1)


class _Stage(NamedTuple):
    """How much gives way to fit a table."""

    time: int = _SECONDS  # characters of a time that stay
    has_addresses: bool = False  # whether people keep their addresses
    least: int | None = None  # characters to which a long text may be cut
    without: tuple[str, ...] = ()  # keys of the columns left out


_LITTLE = (*PEOPLE, "type")
_MUCH = (*_LITTLE, *_LISTS, *TIMES, "kind", "size", "shared")
_STAGES = (
    _Stage(has_addresses=True),
    _Stage(_MINUTES),
    _Stage(_MINUTES, least=24),
    _Stage(_MINUTES, least=24, without=PEOPLE),
    _Stage(_MINUTES, least=24, without=_LITTLE),
    _Stage(_DAYS, least=12, without=_LITTLE),
    _Stage(_MINUTES, least=12, without=(*_LITTLE, *_LISTS)),
    _Stage(_DAYS, least=12, without=(*_LITTLE, *_LISTS)),
    _Stage(least=12, without=(*_LITTLE, *_LISTS, *TIMES)),
    _Stage(least=12, without=_MUCH),
    _Stage(least=12, without=(*_MUCH, "id")),
)


def fit(
    columns: Mapping[str, str], rows: Sequence[Mapping[str, str]], width: int, *, measure: Callable[[str], int] = len
) -> Table:
    """The most of a table that fits into ``width`` columns of a terminal; ``measure`` says how many a text takes.

    ``columns`` says which key stands below which header.
    """
    stages = _STAGES if "version" in columns.values() else _STAGES[:-1]
    for stage in stages:
        shown = {header: key for header, key in columns.items() if key not in stage.without}
        cells = [tuple(_shortened(key, row[key], stage) for key in shown.values()) for row in rows]
        full = [max(map(measure, column)) for column in zip(tuple(shown), *cells, strict=True)]
        least = [_least(key, size, stage) for key, size in zip(shown.values(), full, strict=True)]
        room = width - GAP * (len(shown) - 1)
        if sum(least) <= room:
            break
    return Table(tuple(shown.values()), tuple(cells), tuple(_widened(least, full, room)))


def _shortened(key: str, text: str, stage: _Stage) -> str:
    if key in TIMES and len(text) > _SECONDS:
        return f"{text[: stage.time]}Z" if stage.time > _DAYS else text[:_DAYS]
    if key in PEOPLE and not stage.has_addresses:
        return text.partition(" <")[0]
    return text


def _least(key: str, size: int, stage: _Stage) -> int:
    return size if stage.least is None or key not in _LONG else min(size, stage.least)


def _widened(widths: Sequence[int], full: Sequence[int], room: int) -> list[int]:
    """The widths with the rest of the room dealt out, character by character, to the narrowest that needs more."""
    widened = list(widths)
    for _ in range(min(room, sum(full)) - sum(widths)):  # a terminal may say that it has any number of columns
        needy = [place for place, size in enumerate(full) if widened[place] < size]
        if needy:
            widened[min(needy, key=widened.__getitem__)] += 1
    return widened
