"""Texts that say what they are keep that, and show themselves."""

import tracemalloc
from pathlib import Path
from typing import IO, Any

import pytest

from ledger.enums import ArtifactType, VisualizationType
from ledger.materializers import BaseMaterializer, HtmlMaterializer, JsonMaterializer
from ledger.types import CSVString, HTMLString, JSONString, MarkdownString
from tests.kit.materializing import Bench, MaterializerContract, MemoryFiles


class TestHtml(MaterializerContract):
    """HTML."""

    key = "builtin.html/1"
    artifact_type = ArtifactType.DATA_ANALYSIS

    def values(self) -> list[Any]:
        return [HTMLString("<p>é</p>\r\n"), HTMLString()]


class TestMarkdown(MaterializerContract):
    """Markdown."""

    key = "builtin.markdown/1"
    artifact_type = ArtifactType.DATA_ANALYSIS

    def values(self) -> list[Any]:
        return [MarkdownString("# x")]


class TestCsv(MaterializerContract):
    """CSV."""

    key = "builtin.csv/1"
    artifact_type = ArtifactType.DATA_ANALYSIS

    def values(self) -> list[Any]:
        return [CSVString("a,b\r\n1,2\n")]


class TestJsonText(MaterializerContract):
    """JSON."""

    key = "builtin.json_text/1"
    artifact_type = ArtifactType.DATA_ANALYSIS

    def values(self) -> list[Any]:
        return [JSONString('{"a": 1}')]


def test_a_text_shows_itself(bench: Bench) -> None:
    """The visualization of a text is the text, in the visualizations' own files."""
    shown = bench.files()
    saved, _ = bench.save(HTMLString("<p>"), visualizations=shown)
    assert saved.visualizations == {"output.html": VisualizationType.HTML}
    assert shown.held == {"output.html": b"<p>"}


@pytest.mark.parametrize(("kind", "writes"), [(HTMLString, HtmlMaterializer), (str, JsonMaterializer)])
def test_a_long_text_is_written_piece_by_piece(tmp_path: Path, kind: type[str], writes: type[BaseMaterializer]) -> None:
    """Saving a text takes no memory for a second one, and keeps what is wider than a byte at the seams."""

    class OnDisk(MemoryFiles):
        def open(self, path: str, mode: str = "rb") -> IO[Any]:
            return open(tmp_path / path, mode, encoding=None if "b" in mode else "utf-8")

    text = kind('€"€' * 1_000_000)
    materializer = writes(OnDisk(tmp_path))
    tracemalloc.start()
    materializer.save(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text == materializer.load(kind)
    assert peak < 6 << 20


def test_a_text_in_a_list_keeps_its_kind(bench: Bench) -> None:
    """An HTML text inside a container comes back as one."""
    assert type(bench.round_trip([HTMLString("<p>")])[0]) is HTMLString
