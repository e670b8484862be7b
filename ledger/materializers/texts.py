"""Texts that say what they are: HTML, Markdown, CSV and JSON.

Each is one file of that kind, and shows itself.
"""

from typing import Any, ClassVar

from ledger.enums import ArtifactType, VisualizationType
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.registry import LAST_RESORT, materializer_named
from ledger.types import CSVString, HTMLString, JSONString, MarkdownString

_PIECE = 1 << 20  # characters: all at once would be the text a second time


class _TextMaterializer(BaseMaterializer):
    """A text in a file whose name says what it is."""

    SKIP_REGISTRATION: ClassVar[bool] = True
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA_ANALYSIS
    FILE: ClassVar[str]
    SHOWN_AS: ClassVar[VisualizationType]

    def save(self, value: str) -> None:
        """Write the text, its line ends as they are."""
        if type(value) not in self.ASSOCIATED_TYPES:
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        self._write(value)

    def load(self, data_type: type | None) -> str:
        """The text, as the class that says what it is."""
        (kind,) = self.ASSOCIATED_TYPES
        with self.open(self.FILE, "rb") as file:
            text: str = kind(file.read().decode())
        return text

    def save_visualizations(self, value: str) -> dict[str, VisualizationType]:
        """The text itself."""
        self._write(value)
        return {self.FILE: self.SHOWN_AS}

    def extract_metadata(self, value: str) -> dict[str, Any]:
        """``length`` in characters."""
        return {"length": len(value)}

    def _write(self, value: str) -> None:
        with self.open(self.FILE, "wb") as file:
            for start in range(0, len(value), _PIECE):
                file.write(value[start : start + _PIECE].encode())


class HtmlMaterializer(_TextMaterializer):
    """An `HTMLString`."""

    REGISTRY_KEY: ClassVar[str] = "builtin.html/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (HTMLString,)
    FILE: ClassVar[str] = "output.html"
    SHOWN_AS: ClassVar[VisualizationType] = VisualizationType.HTML


class MarkdownMaterializer(_TextMaterializer):
    """A `MarkdownString`."""

    REGISTRY_KEY: ClassVar[str] = "builtin.markdown/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (MarkdownString,)
    FILE: ClassVar[str] = "output.md"
    SHOWN_AS: ClassVar[VisualizationType] = VisualizationType.MARKDOWN


class CsvMaterializer(_TextMaterializer):
    """A `CSVString`."""

    REGISTRY_KEY: ClassVar[str] = "builtin.csv/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (CSVString,)
    FILE: ClassVar[str] = "output.csv"
    SHOWN_AS: ClassVar[VisualizationType] = VisualizationType.CSV


class JsonTextMaterializer(_TextMaterializer):
    """A `JSONString`."""

    REGISTRY_KEY: ClassVar[str] = "builtin.json_text/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (JSONString,)
    FILE: ClassVar[str] = "output.json"
    SHOWN_AS: ClassVar[VisualizationType] = VisualizationType.JSON
