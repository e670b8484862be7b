"""Texts that say what they contain, so that they are stored and shown as HTML, Markdown, CSV or JSON."""


class HTMLString(str):
    """A text that is HTML."""

    __slots__ = ()


class MarkdownString(str):
    """A text that is Markdown."""

    __slots__ = ()


class CSVString(str):
    """A text that is CSV."""

    __slots__ = ()


class JSONString(str):
    """A text that is JSON."""

    __slots__ = ()
