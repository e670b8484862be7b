"""How handles look in a notebook: small tables, every text in them escaped, because records come from anywhere."""

from collections.abc import Iterable, Sequence


def as_fields(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table with a name and a value in each row."""
    import html

    body = "".join(f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in rows)
    return f"<table><caption>{html.escape(caption)}</caption>{body}</table>"


def as_table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a header."""
    import html

    head = "".join(f"<th>{html.escape(header)}</th>" for header in headers)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"
