"""A question to the catalog: which lines can be an answer, and which are.

Pure. Most lines are told apart by pieces of text that an answer must hold, without decoding
anything; what is left is judged column by column, by the same rule as records are.
"""

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
    decode_metadata,
    decode_tags,
    needles_of,
    time_column,
    time_in,
)
from ledger.catalog.search import Filter, matches
from ledger.records import encode_compact

_UNKNOWN_COLUMN = b"\t" + UNKNOWN


class Query(msgspec.Struct, frozen=True):
    """A filter, and perhaps a name or a version, prepared for judging many lines."""

    wanted: Filter
    name: bytes | None
    version: bytes | None
    after: bytes
    needles: tuple[bytes, ...]

    def can_be_in(self, text: bytes) -> bool:
        """Whether an answer may be in a text of one or many lines."""
        return all(needle in text for needle in self.needles) or _UNKNOWN_COLUMN in text

    def judge(self, columns: list[bytes]) -> bool | None:
        """Whether a line is an answer; ``None`` where only the records can tell."""
        wanted = self.wanted
        if self.name not in (None, columns[NAME]) or self.version not in (None, columns[VERSION]):
            return False
        if wanted.asks_nothing:
            return True
        if columns[TYPE] == UNKNOWN or (wanted.tags and columns[TAGS] == UNKNOWN):
            return None
        metadata, is_known = {}, columns[METADATA] != UNKNOWN
        if wanted.metadata and is_known:
            metadata = decode_metadata(columns[METADATA])
        is_answer = matches(
            wanted if is_known else msgspec.structs.replace(wanted, metadata={}),
            tags=decode_tags(columns[TAGS]) if wanted.tags else (),
            type=columns[TYPE].decode(),
            metadata=metadata,
            created_at=time_in(columns[TIME]) if wanted.created_after is not None else EPOCH,
        )
        return None if is_answer and wanted.metadata and not is_known else is_answer


def make_query(wanted: Filter, *, name: str | None = None, version: str | None = None) -> Query:
    """The question which versions match, of a name or version string if one is given."""
    needles = [encode_compact(tag) for tag in wanted.tags]
    needles += [f"\t{word}\t".encode() for word in (wanted.type, name, version) if word is not None]
    needles += needles_of(wanted.metadata)
    return Query(
        wanted=wanted,
        name=name.encode() if name is not None else None,
        version=version.encode() if version is not None else None,
        after=time_column(wanted.created_after).encode() if wanted.created_after is not None else b"",
        needles=tuple(needles),
    )
