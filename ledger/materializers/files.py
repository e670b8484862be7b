"""What a materializer works against: the files of one value.

Owns the protocol and nothing else. The core implements it over a store, tests over a
dict; a materializer never learns where its files go or come from. While a value is
saved, written files stream away and cannot be read again; while it is loaded, files
are there to be read, and bytes have been checked before they are handed out.
"""

from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol


class Files(Protocol):
    """The files of one value, or of one element of it."""

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        """A stream of a file: ``rb`` and ``wb`` of bytes, ``r`` and ``w`` of UTF-8 text.

        A written stream cannot seek; a read one can. ``path`` is relative, with ``/``.
        """

    def add(self, path: str, source: Path) -> None:
        """Take a local file or folder as it is, on save: with executable bits, links that stay inside, empty folders.

        Raises `UnsupportedFileError` with everything in it that cannot be saved, before a byte is read.
        """

    def folder(self) -> Path:
        """A local folder: what a save leaves in it joins the content; on load it holds the restored files."""

    def drop_folder(self) -> None:
        """On load, remove the local folder once nobody needs the names of its files; what is mapped from them stays."""

    def local(self, path: str) -> BinaryIO:
        """On load, a file of the value as a file of the local disk, checked, which can be mapped into memory."""

    def paths(self) -> tuple[str, ...]:
        """The files that exist, on load."""

    def below(self, prefix: str) -> "Files":
        """The same for the sub folder ``prefix``, which an element of a value has to itself."""

    def require_trust(self, what: str) -> None:
        """Raise `UntrustedArtifactError` unless this user trusts the content; ``what`` says what would run."""
