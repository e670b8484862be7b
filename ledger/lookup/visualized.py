"""A version's visualizations, in the form in which a notebook or a terminal can show them.

They come from whoever saved the version and are not trusted: no script in them runs.
"""

import itertools

from ledger.enums import VisualizationType
from ledger.wording import human_size

_MOST_ROWS = 51  # of a CSV, its header among them


class Visualized:
    """The visualizations of a version: HTML in a notebook, paths and text in a terminal."""

    def __init__(self, label: str, shown: list[tuple[str, VisualizationType, bytes]]) -> None:
        self.label = label
        self.shown = shown

    def __repr__(self) -> str:
        if not self.shown:
            return f"{self.label} has no visualizations"
        return "\n".join(f"{path} ({kind.value}, {human_size(len(data))})" for path, kind, data in self.shown)

    def _repr_html_(self) -> str:
        import html

        return "".join(_as_html(kind, data) for _, kind, data in self.shown) or html.escape(repr(self))


def _as_html(kind: VisualizationType, data: bytes) -> str:
    """One visualization as HTML: foreign markup is framed without any rights, text is escaped."""
    if kind is VisualizationType.IMAGE:
        import base64

        return f'<img src="data:image/png;base64,{base64.b64encode(data).decode()}">'
    import html

    text = data.decode(errors="replace")
    if kind is VisualizationType.HTML:
        return f'<iframe sandbox srcdoc="{html.escape(text)}" width="100%" height="400"></iframe>'
    rows = _first_rows(text) if kind is VisualizationType.CSV else []
    if not rows:
        return f"<pre>{html.escape(text)}</pre>"
    lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _first_rows(text: str) -> list[list[str]]:
    """The first rows of a CSV, and ``…`` if there are more; none if the text is no CSV."""
    import csv
    import io

    read = csv.reader(io.StringIO(text, newline=""))
    try:
        rows = list(itertools.islice(read, _MOST_ROWS + 1))
    except csv.Error:
        return []
    return rows if len(rows) <= _MOST_ROWS else [*rows[:_MOST_ROWS], ["…"]]
