"""What is written: inert structs, and the one canonical JSON form of them.

Imports nothing above itself; decides nothing about where or when records are kept.
"""

from ledger.records.canonical import FORMAT, RECORD_LIMIT, decode, decode_compact, encode, encode_compact
from ledger.records.content import (
    INLINE_FILES,
    SEGMENT_CHUNKS,
    Content,
    FileEntry,
    FileKind,
    content_digest,
    linked_digest,
    segment_digest,
    segments_of,
)
from ledger.records.metadata import decode_values, encode_values, merge, normalise
from ledger.records.names import (
    MAX_NUMBER,
    Name,
    VersionString,
    check_name,
    check_tags,
    check_version,
    decode_name,
    encode_name,
    number_of,
)
from ledger.records.versions import (
    Event,
    Manifest,
    MetadataEvent,
    Producer,
    TagsEvent,
    UnknownEvent,
    Visualization,
    decode_event,
    decode_manifest,
)

__all__ = [
    "FORMAT",
    "INLINE_FILES",
    "MAX_NUMBER",
    "RECORD_LIMIT",
    "SEGMENT_CHUNKS",
    "Content",
    "Event",
    "FileEntry",
    "FileKind",
    "Manifest",
    "MetadataEvent",
    "Name",
    "Producer",
    "TagsEvent",
    "UnknownEvent",
    "VersionString",
    "Visualization",
    "check_name",
    "check_tags",
    "check_version",
    "content_digest",
    "decode",
    "decode_compact",
    "decode_event",
    "decode_manifest",
    "decode_name",
    "decode_values",
    "encode",
    "encode_compact",
    "encode_name",
    "encode_values",
    "linked_digest",
    "merge",
    "normalise",
    "number_of",
    "segment_digest",
    "segments_of",
]
