"""How handles look in a notebook: small tables, every text in them escaped, because records come from anywhere.

A notebook keeps in its file what it has shown, so of very many rows and of very long texts only the ends are shown.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ledger.wording import bounded

_Thing = TypeVar("_Thing")
_Row = Sequence[str]

_MOST_ROWS = 50  # of one kind


def as_fields(caption: str, rows: Iterable[_Row]) -> str:
    """A table with a name in each row, and what has that name."""
    return _table(caption, (f"<th>{_text(name)}</th>{_cells(rest)}" for name, *rest in rows))


def as_table(caption: str, headers: _Row, rows: Iterable[_Row]) -> str:
    """A table with a header."""
    head = "".join(f"<th>{_text(header)}</th>" for header in headers)
    return _table(caption, (head, *map(_cells, rows)))


def some_rows(things: Sequence[_Thing], row: Callable[[_Thing], _Row]) -> Iterator[_Row]:
    """The row of each thing or, of very many, those of the first and the last, and how many lie between them."""
    left_out = len(things) - _MOST_ROWS + 1
    if left_out <= 1:
        yield from map(row, things)
    else:
        half = _MOST_ROWS // 2
        yield from map(row, things[:half])
        yield (f"… {left_out} more",)
        yield from map(row, things[half + left_out :])


def _table(caption: str, rows: Iterable[str]) -> str:
    return f"<table><caption>{_text(caption)}</caption>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cells(row: _Row) -> str:
    return "".join(f"<td>{_text(cell)}</td>" for cell in row)


def _text(text: str) -> str:
    import html

    return html.escape(bounded(text))
