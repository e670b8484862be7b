"""What a materializer works against: the files of one value.

Owns the protocol and nothing else. The core implements it over a store, tests over a dict; a materializer never learns
where its files go or come from. It has one such object, while it saves or while it loads:

    method           while a value is saved            while it is loaded
    open             a stream that writes a file       one that reads a file, whose bytes are checked
    folder           what is left in it is saved       it holds copies of the files
    below            the same for a sub folder         the same for a sub folder
    add              takes a local file or folder      refused
    local            refused                           a file of the local disk
    paths            none: what is written is gone     the files there are
    drop_folder      nothing happens                   removes the folder
    require_trust    nothing happens                   raises, unless the content is trusted

What is refused is an `ArgumentError`.
"""

from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol


class Files(Protocol):
    """The files of one value, or of one element of it."""

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        """A stream of a file: ``rb`` and ``wb`` of bytes, ``r`` and ``w`` of UTF-8 text.

        A written stream cannot seek, but tells how much was written; a read one can, and its ``readinto`` fills the
        buffer as far as the file goes. ``path`` is relative, with ``/``.
        """

    def folder(self) -> Path:
        """A local folder: what a save leaves in it joins the content; on load it holds the restored files."""

    def below(self, prefix: str) -> "Files":
        """The same for the sub folder ``prefix``, which an element of a value has to itself."""

    def add(self, path: str, source: Path) -> None:
        """Take a local file or folder as it is, on save: with executable bits, links that stay inside, empty folders.

        Raises `UnsupportedFileError` with everything in it that cannot be saved, before a byte is read.
        """

    def local(self, path: str) -> BinaryIO:
        """On load, a file of the value as a file of the local disk, checked, which can be mapped into memory."""

    def paths(self) -> tuple[str, ...]:
        """The files that exist, on load."""

    def drop_folder(self) -> None:
        """On load, remove the local folder once nobody needs the names of its files; what is mapped from them stays."""

    def require_trust(self, what: str) -> None:
        """On load, raise `UntrustedArtifactError` unless this user trusts the content; ``what`` says what would run."""
