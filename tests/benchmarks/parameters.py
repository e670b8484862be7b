"""What other chunk sizes and compression levels would store, on the kinds of data that people save.

    python tests/benchmarks/parameters.py [--only WORD]

Prints three tables in Markdown: what a small change stores again by chunk size (as a share of the data, and in KiB as
we compress it), where no place to cut is found, and what levels of zstd make of chunks of our size. Bytes are the same
on every machine; speeds are this one's.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pyfastcdc import FastCDC
from zstandard import ZstdCompressor

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))  # started as a program, it finds the tests as pytest does

from tests.benchmarks.kinds import KINDS, MIB, Kind

KIB = 1 << 10
LEVELS = (-5, -1, 1, 2, 3, 5)
WORTH = 7 / 8


class Cutting(NamedTuple):
    """Smallest, average and largest size of a chunk in KiB, and the level of normalization."""

    smallest: int
    average: int
    largest: int
    level: Literal[0, 1, 2, 3] = 2

    def __str__(self) -> str:
        level = "" if self.level == 2 else f", level {self.level}"
        return f"{self.smallest}/{self.average}/{self.largest}{level}"

    def chunks(self, data: bytes) -> list[memoryview]:
        """A stream, cut."""
        sizes = {"min_size": self.smallest * KIB, "max_size": self.largest * KIB}
        chunker = FastCDC(avg_size=self.average * KIB, **sizes, normalized_chunking=self.level)
        return [chunk.data for chunk in chunker.cut_buf(data)]


OURS = Cutting(16, 64, 256)
CUTTINGS = (
    *(Cutting(4, 16, 64), Cutting(8, 32, 128), OURS, Cutting(64, 256, 1024)),
    *(Cutting(16, 64, 128), Cutting(16, 64, 1024), Cutting(8, 64, 256), Cutting(32, 64, 256)),
    *(Cutting(16, 64, 256, 1), Cutting(16, 64, 256, 3)),
)


def by_cutting(kinds: dict[str, Kind]) -> Iterator[str]:
    """What a change stores again, as a share of the data and of what the first version takes."""
    yield "| change stores again | " + " | ".join(map(str, CUTTINGS)) + " |"
    yield "|---" * (len(CUTTINGS) + 1) + "|"
    for name, kind in kinds.items():
        shares = []
        for cutting in CUTTINGS:
            known = {hashlib.sha256(chunk).digest() for chunk in cutting.chunks(kind.before)}
            new = {hashlib.sha256(chunk).digest(): chunk for chunk in cutting.chunks(kind.after)}
            added = [chunk for digest, chunk in new.items() if digest not in known]
            shares.append(f"{sum(map(len, added)) / len(kind.after):.1%}, {sum(map(stored, added)) / KIB:,.0f} KiB")
        yield f"| {name} | " + " | ".join(shares) + " |"


def by_kind(kinds: dict[str, Kind]) -> Iterator[str]:
    """How each kind of data is cut with our parameters."""
    yield "| data | mean chunk | cut at the largest size | stored |"
    yield "|---|---|---|---|"
    for name, kind in kinds.items():
        chunks = OURS.chunks(kind.before)
        uncut = sum(len(chunk) for chunk in chunks if len(chunk) == OURS.largest * KIB)
        share = sum(map(stored, {bytes(chunk) for chunk in chunks})) / len(kind.before)
        mean = len(kind.before) / len(chunks) / KIB
        yield f"| {name} | {mean:.0f} KiB | {uncut / len(kind.before):.1%} | {share:.1%} |"


def by_level(kinds: dict[str, Kind]) -> Iterator[str]:
    """What levels of zstd make of chunks, and how fast."""
    yield "| size, MB/s | " + " | ".join(map(str, LEVELS)) + " |"
    yield "|---" * (len(LEVELS) + 1) + "|"
    for name, kind in kinds.items():
        chunks, found = OURS.chunks(kind.before), []
        for level in LEVELS:
            compressor = ZstdCompressor(level=level)
            start = time.process_time()
            size = sum(min(len(compressor.compress(chunk)), len(chunk)) for chunk in chunks)
            speed = len(kind.before) / MIB / (time.process_time() - start)
            found.append(f"{size / len(kind.before):.1%}, {speed:,.0f}")
        yield f"| {name} | " + " | ".join(found) + " |"


def stored(chunk: bytes | memoryview) -> int:
    """The bytes that a chunk takes in a pack."""
    frame = len(ZstdCompressor(level=1).compress(chunk))
    return frame if frame <= WORTH * len(chunk) else len(chunk)


def main(arguments: list[str]) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", metavar="WORD", help="only kinds with this in their name")
    chosen = parser.parse_args(arguments)
    kinds = {name: make() for name, make in KINDS.items() if chosen.only in name}
    for table in (by_cutting, by_kind, by_level):
        for line in table(kinds):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
