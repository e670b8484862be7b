"""Versions to compare, without a ledger: facts from a few words, and folders cut into chunks as a stream is."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ledger.history import Claim
from ledger.ids import Digest, VersionId, digest_from_hex
from ledger.lookup.facts import Facts, facts_of
from ledger.lookup.file_differences import Listed
from ledger.records import (
    Content,
    FileEntry,
    VersionString,
    content_digest,
    decode_manifest,
    encode_values,
    linked_digest,
    segments_of,
)
from tests.kit.clones import NAME, manifest_bytes

MOST = 4  # bytes of a chunk
CUT = 0  # the byte after which a chunk ends


def facts_with(number: int, *, metadata: Mapping[str, Any], **fields: Any) -> Facts:
    """The facts of ``iris@<number>`` with this metadata, and other fields of its manifest."""
    id = VersionId(f"019a5d0c-3a7e-7cc2-9d3f-{number:012}")
    manifest = decode_manifest(manifest_bytes(id, None), where="a test")
    changed = msgspec.structs.replace(manifest, metadata=encode_values(dict(metadata)), **fields)
    claim = Claim(name=NAME, position=number, version=VersionString(str(number)), counter=number, id=id)
    return facts_of(claim, changed, ())


def stored(files: Mapping[str, bytes], *, with_chunks: bool = True) -> Listed:
    """A folder as a store keeps it: one stream, whose cuts depend on nothing but the bytes since the last one."""
    chunks = chunks_of(b"".join(files[path] for path in sorted(files)))
    entries = tuple(FileEntry(path=path, size=len(files[path])) for path in sorted(files))
    digest = content_digest(entries, segments_of(chunks))
    content = Content(digest=digest, size=sum(map(len, files.values())), file_count=len(files))
    return Listed(content, entries, chunks if with_chunks else None)


def linked(files: Mapping[str, bytes]) -> Content:
    """A folder as it is registered: each file has a digest."""
    entries = tuple(
        FileEntry(path=path, size=len(data), digest=digest_of(data)) for path, data in sorted(files.items())
    )
    size = sum(map(len, files.values()))
    return Content(digest=linked_digest(entries), size=size, files=entries, linked="raw")


def chunks_of(stream: bytes) -> list[tuple[Digest, int]]:
    """The chunks of a stream: each ends behind the first zero, or after a few bytes; the last may be a byte longer."""
    chunks = []
    while stream:
        end = stream[:MOST].find(CUT) + 1 or MOST
        end += end == len(stream) - 1  # as the real ones: a cut just before the end of a stream is not always made
        chunks.append((digest_of(stream[:end]), len(stream[:end])))
        stream = stream[end:]
    return chunks


def digest_of(data: bytes) -> Digest:
    """The digest of some bytes."""
    return digest_from_hex(hashlib.sha256(data).hexdigest())
