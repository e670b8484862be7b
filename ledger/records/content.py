"""What a version's bytes are: files, chunks, and the digest over both.

Inert values (specs/format.md, 5). Says nothing about where bytes lie.
"""

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import Literal

import msgspec

from ledger.ids import Digest, digest_from_hex, hex_of

SEGMENT_CHUNKS = 1024
"""Chunks per segment of a content: the unit in which a large content is checked."""

INLINE_FILES = 64
"""Most files of a content that stands whole in its manifest."""

FileKind = Literal["file", "executable", "link", "directory"]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file of a content; ``size`` is in bytes, ``digest`` is there for linked files only."""

    path: str
    size: int
    kind: FileKind = "file"
    digest: Digest | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a manifest says about the bytes of its version.

    Either everything (``files`` and ``chunks``), or only ``file_count``, with the rest in the
    store's table that ``digest`` names. ``linked`` is the path, relative to the store, of data
    that was registered in place.
    """

    digest: Digest
    size: int
    files: tuple[FileEntry, ...] | None = None
    chunks: tuple[tuple[Digest, int], ...] | None = None
    file_count: int | None = None
    linked: str | None = None

    @property
    def has_table(self) -> bool:
        """Whether the files are listed in the store's table instead of here."""
        return self.files is None


def segment_digest(chunks: Iterable[tuple[Digest, int]]) -> str:
    """The hex digest over up to `SEGMENT_CHUNKS` consecutive chunks, each (digest, plain size)."""
    lines = "".join(f"{hex_of(digest)} {size}\n" for digest, size in chunks)
    return hashlib.sha256(lines.encode()).hexdigest()


def segments_of(chunks: Iterable[tuple[Digest, int]]) -> tuple[str, ...]:
    """The segment digests of a whole stream of chunks, of which only a segment is in memory at a time."""
    ahead = iter(chunks)
    segments = iter(lambda: list(islice(ahead, SEGMENT_CHUNKS)), [])
    return tuple(map(segment_digest, segments))


def content_digest(files: Iterable[FileEntry], segments: Iterable[str]) -> Digest:
    """The digest of a stored content (specs/format.md, 5.1)."""
    root = hashlib.sha256(b"ledger content 1\n")
    for file in files:
        root.update(f"{file.kind} {file.size} ".encode() + msgspec.json.encode(file.path) + b"\n")
    root.update(b"\n")
    for segment in segments:
        root.update(f"{segment}\n".encode())
    return digest_from_hex(root.hexdigest())


def linked_digest(files: Iterable[FileEntry]) -> Digest:
    """The digest of a linked content (specs/format.md, 5.4)."""
    root = hashlib.sha256(b"ledger linked content 1\n")
    for file in files:
        root.update(
            f"{file.kind} {file.size} ".encode() + msgspec.json.encode(file.path) + f" {file.digest}\n".encode()
        )
    return digest_from_hex(root.hexdigest())
