"""A question to the catalog: which lines may be answers, and which of those are.

Pure. Every answer must hold certain pieces of text, so most lines are ruled out by looking for those, without decoding
anything. What is left is judged column by column, by the same rule that judges records.
"""

from collections.abc import Iterator

import msgspec

from ledger.catalog.lines import (
    EPOCH,
    METADATA,
    NAME,
    TAGS,
    TIME,
    TYPE,
    UNKNOWN,
    VERSION,
    Needle,
    decode_metadata,
    decode_tags,
    needles_of,
    time_column,
)
from ledger.catalog.search import Filter, matches
from ledger.records import encode_compact


class Query(msgspec.Struct, frozen=True):
    """A filter, and perhaps a name or a version, prepared for judging many lines."""

    traits: Filter
    """What is asked but for the time."""

    after: bytes
    """The `time_column` that an answer's must exceed; empty if any will do."""

    name: bytes | None
    version: bytes | None
    needles: tuple[Needle, ...]

    def candidates(self, block: bytes) -> list[bytes]:
        """Those of many lines that can be answers, in order."""
        if not self.needles:
            return block.split(b"\n")
        if not self._can_be_in(block):
            return []
        spots = {spot for text in (*self.needles[0], UNKNOWN) for spot in _lines_with(text, block)}
        lines = [block[start:end] for start, end in sorted(spots)]
        return lines if len(self.needles) == 1 else [line for line in lines if self._can_be_in(line)]

    def judge(self, columns: list[bytes]) -> bool | None:
        """Whether a line is an answer; ``None`` where only the records can tell."""
        if self.name not in (None, columns[NAME]) or self.version not in (None, columns[VERSION]):
            return False
        if columns[TIME] <= self.after:
            return False
        if columns[TYPE] == UNKNOWN:
            return None if self.after or not self.traits.asks_nothing else True
        return self.traits.asks_nothing or self._judge_traits(columns)

    def _can_be_in(self, text: bytes) -> bool:
        return all(any(form in text for form in needle) for needle in self.needles) or UNKNOWN in text

    def _judge_traits(self, columns: list[bytes]) -> bool | None:
        asked, tags, metadata = self.traits, columns[TAGS], columns[METADATA]
        is_open = UNKNOWN in (tags if asked.tags else b"", metadata if asked.metadata else b"")
        if is_open:
            # What the line does hold can still exclude it.
            asked = Filter(type=asked.type, tags=() if tags == UNKNOWN else asked.tags)
        is_answer = matches(
            asked,
            type=columns[TYPE].decode(errors="replace"),
            tags=decode_tags(tags) if asked.tags else (),
            metadata=decode_metadata(metadata) if asked.metadata else {},
            created_at=EPOCH,
        )
        return None if is_answer and is_open else is_answer


def make_query(wanted: Filter, *, name: str | None = None, version: str | None = None) -> Query:
    """The question which versions match a filter, limited to a name or version string if one is given."""
    needles: list[Needle] = [(encode_compact(tag),) for tag in wanted.tags]
    needles += [(f"\t{word}\t".encode(),) for word in (wanted.type, name, version) if word is not None]
    needles += needles_of(wanted.metadata)
    return Query(
        traits=msgspec.structs.replace(wanted, created_after=None),
        after=time_column(wanted.created_after).encode() if wanted.created_after is not None else b"",
        name=name.encode() if name is not None else None,
        version=version.encode() if version is not None else None,
        # The longest comes first, as it is probably in the fewest lines.
        needles=tuple(sorted(needles, key=lambda needle: -len(needle[0]))),
    )


def _lines_with(text: bytes, block: bytes) -> Iterator[tuple[int, int]]:
    """Where the lines begin and end that hold a text."""
    at = block.find(text)
    while at >= 0:
        end = block.find(b"\n", at)
        end = end if end >= 0 else len(block)
        yield block.rfind(b"\n", 0, at) + 1, end
        at = block.find(text, end)
