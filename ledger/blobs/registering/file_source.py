"""What gives back the bytes of a content's files, whether they are kept in chunks or were registered in place.

Owns the protocol and nothing else: `ContentReader` works against it, and each kind of content implements it.
"""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from ledger.records import FileEntry


class FileSource(Protocol):
    """The files of one content, every byte checked against its digest before it is trusted; for any thread."""

    is_one: bool
    """Whether a file was registered by itself, and not the folder around it."""

    def blocks(self, file: FileEntry) -> Iterator[memoryview]:
        """All bytes of a file; the last piece comes only if all of them are right."""

    def each(self, files: Sequence[FileEntry]) -> Iterator[Iterator[memoryview]]:
        """The bytes of each of some files, to be taken before those of the next."""

    def open(self, file: FileEntry) -> BinaryIO:
        """A file to read and seek in."""

    def check_listing(self) -> None:
        """Compare which files are there with those listed, where that can differ; raises `IntegrityError`."""

    def check(self) -> None:
        """Read everything again; raises `IntegrityError` where anything is not what it was."""
