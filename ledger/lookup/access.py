"""What a handle can do with the bytes of its version.

Only protocols, which `core.access` implements: finding a version needs no bytes, so nothing here depends on stores.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from ledger.ids import Digest
from ledger.lookup.facts import Facts
from ledger.lookup.parts import Part
from ledger.records import FileEntry

PythonType = type
"""The builtin ``type``, under a name that `ArtifactVersion.type` does not hide."""


class FileReader(Protocol):
    """The files of a version, every byte checked; for any thread."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The files, in order."""
        ...

    @property
    def location(self) -> str:
        """The URL of the store's object, or of the data registered in place."""
        ...

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """A file as a seekable stream."""
        ...


class Access(Protocol):
    """Reads the bytes of versions; `core` gives it to each handle."""

    def reader(self, facts: Facts) -> FileReader:
        """The files of a version."""
        ...

    def files(self, facts: Facts) -> tuple[FileEntry, ...]:
        """The files of a version, as its manifest or table lists them; the files themselves may be away."""
        ...

    def chunks(self, facts: Facts) -> Sequence[tuple[Digest, int]]:
        """The digest and the size of each chunk of a stored version; the chunks themselves may be away."""
        ...

    def load(self, facts: Facts, *, trust: bool, mmap: bool, data_type: PythonType | None) -> Any:
        """The value of a version."""
        ...

    def download(self, facts: Facts, path: str | Path, *, overwrite: bool) -> Path:
        """Write the files of a version into one zip; returns its path."""
        ...

    def restore(self, facts: Facts, path: str | Path, *, only: Part | None, overwrite: bool) -> Path:
        """Put the files of a version at ``path``, or ``only`` a file or folder of them; returns where they are."""
        ...
