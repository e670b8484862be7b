"""Where a stream is cut."""

import hashlib
import json
import random
import resource
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfastcdc.py import FastCDC

from ledger.blobs.chunks.chunking import AVERAGE_SIZE, MAX_SIZE, MIN_SIZE, NORMALIZATION, Cutter
from tests.kit.contents import noise

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "chunking.json").read_text())
SAMPLE = noise(9 << 20, seed=7)


def cut(data: bytes, sizes: list[int] | None = None) -> list[bytes]:
    """The chunks of a stream that arrives in pieces of these sizes, and then in one; memory is given back at once."""
    cutter, done = Cutter(), 0
    chunks: list[bytes] = []
    for stop in [*accumulate(sizes or []), len(data)]:
        for block in cutter.take(data[done:stop]):
            chunks += map(bytes, block.chunks)
            cutter.give_back(block.memory)
        done = stop
    return chunks + [bytes(chunk) for chunk in cutter.finish().chunks]


def stream_of(recipe: dict[str, int | str]) -> bytes:
    """The bytes of a golden recipe: SHA-256 of a counter, one after another, or one byte repeated."""
    size = int(recipe["size"])
    if recipe["kind"] == "zeros":
        return bytes(size)
    seed = str(recipe["seed"]).encode()
    digests = (hashlib.sha256(seed + number.to_bytes(8, "big")).digest() for number in range(size // 32 + 1))
    return b"".join(digests)[:size]


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
def test_cut_points_never_move(vector: dict[str, object]) -> None:
    """The golden streams are cut where every release has cut them."""
    data = stream_of(vector["stream"])  # type: ignore[arg-type]  # as the file says
    assert [len(chunk) for chunk in cut(data)] == vector["sizes"]


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
def test_the_fallback_in_python_cuts_alike(vector: dict[str, object]) -> None:
    """Where the library has no compiled part, cut points are the same."""
    data = stream_of(vector["stream"])  # type: ignore[arg-type]  # as the file says
    chunker = FastCDC(avg_size=AVERAGE_SIZE, min_size=MIN_SIZE, max_size=MAX_SIZE, normalized_chunking=NORMALIZATION)
    assert [chunk.length for chunk in chunker.cut_buf(data)] == vector["sizes"]


@settings(max_examples=25)
@given(
    size=st.integers(0, len(SAMPLE)),
    pieces=st.lists(st.integers(0, 5 << 20), max_size=6),
)
def test_pieces_do_not_matter(size: int, pieces: list[int]) -> None:
    """However a stream is split into pieces, it is cut at the same places."""
    data = SAMPLE[:size]
    assert cut(data, pieces) == cut(data)


@settings(max_examples=25)
@given(st.integers(0, 2 << 20))
def test_chunks_are_the_stream(size: int) -> None:
    """Chunks one after another are the stream, and none but the last is too small or too large."""
    data = SAMPLE[:size]
    chunks = cut(data)
    assert b"".join(chunks) == data
    assert all(MIN_SIZE <= len(chunk) <= MAX_SIZE for chunk in chunks[:-1])
    assert not chunks or 0 < len(chunks[-1]) <= MAX_SIZE


def test_pieces_may_be_reused() -> None:
    """A caller may overwrite the memory of a piece once it is taken."""
    cutter, piece, chunks = Cutter(), bytearray(SAMPLE[: 1 << 20]), []
    for start in range(0, len(SAMPLE), 1 << 20):
        piece[:] = SAMPLE[start : start + (1 << 20)]
        chunks += [bytes(chunk) for block in cutter.take(piece) for chunk in block.chunks]
    chunks += [bytes(chunk) for chunk in cutter.finish().chunks]
    assert chunks == cut(SAMPLE)


def test_a_block_keeps_its_bytes_until_it_is_given_back() -> None:
    """Chunks hold their bytes however much comes after them."""
    cutter = Cutter()
    blocks = list(cutter.take(SAMPLE))
    chunks = [chunk for block in blocks for chunk in block.chunks] + cutter.finish().chunks
    assert b"".join(chunks) == SAMPLE


def test_cuts_find_each_other_again() -> None:
    """After an insertion near the start, all chunks but a few are the same as before."""
    before = set(cut(SAMPLE))
    after = cut(SAMPLE[:1000] + b"inserted" + SAMPLE[1000:])
    assert sum(len(chunk) for chunk in after if chunk not in before) < 3 * MAX_SIZE


def test_the_mean_size_is_as_documented() -> None:
    """Chunks of incompressible bytes have 68 to 80 KiB on average."""
    data = random.Random(3).randbytes(24 << 20)
    assert 68 << 10 < len(data) / len(cut(data)) < 80 << 10


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads what Linux says of a process")
def test_too_little_memory_is_a_memory_error() -> None:
    """A save for which there is no memory fails as everything else that asks for some, and not as a file would."""
    cutter, piece = Cutter(), bytes(MIN_SIZE + 1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), hard))
    try:
        with pytest.raises(MemoryError, match="no 2 MiB are left"):
            list(cutter.take(piece))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
