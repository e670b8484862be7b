"""A version's visualizations, in the form in which a notebook or a terminal can show them.

They come from whoever saved the version and are not trusted: no script in them runs.
"""

from ledger.enums import VisualizationType


class Visualized:
    """The visualizations of a version: HTML in a notebook, paths and text in a terminal."""

    def __init__(self, label: str, shown: list[tuple[str, VisualizationType, bytes]]) -> None:
        self.label = label
        self.shown = shown

    def __repr__(self) -> str:
        if not self.shown:
            return f"{self.label} has no visualizations"
        return "\n".join(f"{path} ({kind.value}, {len(data)} B)" for path, kind, data in self.shown)

    def _repr_html_(self) -> str:
        import html

        return "".join(_as_html(kind, data) for _, kind, data in self.shown) or html.escape(repr(self))


def _as_html(kind: VisualizationType, data: bytes) -> str:
    """One visualization as HTML: foreign markup is framed without any rights, text is escaped."""
    if kind is VisualizationType.IMAGE:
        import base64

        return f'<img src="data:image/png;base64,{base64.b64encode(data).decode()}">'
    import html

    text = html.escape(data.decode(errors="replace"))
    if kind is VisualizationType.HTML:
        return f'<iframe sandbox srcdoc="{text}" width="100%" height="400"></iframe>'
    return f"<pre>{text}</pre>"
