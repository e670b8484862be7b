"""Content digests, against golden ones made without the program."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from ledger.ids import Digest, digest_of, hex_of
from ledger.records import SEGMENT_CHUNKS, FileEntry, content_digest, linked_digest, segment_digest, segments_of

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "records.json").read_text(encoding="utf-8"))


def files_of(row: dict[str, Any]) -> tuple[FileEntry, ...]:
    return convert(row["files"], tuple[FileEntry, ...])


@pytest.mark.parametrize("row", GOLDEN["contents"], ids=lambda row: f"{len(row['files'])} files")
def test_a_content_has_the_golden_digest(row: dict[str, Any]) -> None:
    """Kinds, sizes, paths and segments enter the digest as the format says."""
    chunks = [(Digest(digest), size) for digest, size in row["chunks"]]
    assert row["digest"] == content_digest(files_of(row), segments_of(chunks))


def test_a_content_of_several_segments_has_the_golden_digest() -> None:
    """The 1,025th chunk begins the second segment."""
    row = GOLDEN["many_chunks"]
    chunks = [(digest_of(str(number).encode()), number + 1) for number in range(1025)]
    assert row["digest"] == content_digest(files_of(row), segments_of(chunks))
    assert 2 == len(segments_of(chunks))


def test_a_linked_content_has_the_golden_digest() -> None:
    """A linked content is its files and their own digests."""
    assert GOLDEN["linked"]["digest"] == linked_digest(files_of(GOLDEN["linked"]))


@given(st.lists(st.tuples(st.binary(max_size=4), st.integers(1, 100)), max_size=5))
def test_a_segment_is_the_lines_of_its_chunks(chunks: list[tuple[bytes, int]]) -> None:
    """``printf '%s %d\\n'`` for each chunk, piped to sha256sum, gives the same."""
    named = [(digest_of(data), size) for data, size in chunks]
    lines = "".join(f"{hex_of(digest)} {size}\n" for digest, size in named)
    assert hashlib.sha256(lines.encode()).hexdigest() == segment_digest(named)


@given(st.integers(0, 3 * SEGMENT_CHUNKS))
def test_segments_cover_all_chunks_in_order(count: int) -> None:
    """Every chunk is in exactly one segment, and only the last segment is short."""
    chunks = [(Digest(f"sha256:{number:064x}"), 1) for number in range(count)]
    pieces = [chunks[start : start + SEGMENT_CHUNKS] for start in range(0, count, SEGMENT_CHUNKS)]
    assert tuple(map(segment_digest, pieces)) == segments_of(chunks)
