"""What a handle asks of its ledger: records, and the bytes and values behind them.

Only protocols. A handle is given an object that fulfils them when it is made, and so needs no import of the ledger
above it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ledger.history import Claim
from ledger.lookup.facts import Facts
from ledger.records import FileEntry, Name, Producer

if TYPE_CHECKING:
    from ledger.lookup.runs import PipelineRun, StepRun

PythonType = type
"""The builtin, under a name that `ArtifactVersion.type` does not hide."""


class FileReader(Protocol):
    """The files of a version, every byte checked."""

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

    def separate(self) -> "FileReader":
        """The same files, for another thread."""
        ...


class Access(Protocol):
    """What a handle does with bytes; given from above, because finding a version needs none."""

    def reader(self, claim: Claim, facts: Facts) -> FileReader:
        """The files of a version."""
        ...

    def load(self, claim: Claim, facts: Facts, *, trust: bool, mmap: bool, data_type: PythonType | None) -> Any:
        """The value of a version."""
        ...

    def download(self, claim: Claim, facts: Facts, path: str | Path, *, overwrite: bool) -> Path:
        """The files of a version as one zip."""
        ...

    def restore(self, claim: Claim, facts: Facts, path: str | Path, *, overwrite: bool) -> Path:
        """The files of a version as a file or folder."""
        ...


class Source:
    """What a handle needs of its ledger, so that handles import no ledger."""

    def __init__(
        self,
        *,
        facts: Callable[[Claim], Facts],
        is_published: Callable[[Claim], bool],
        producer: "Callable[[Producer], tuple[PipelineRun | None, StepRun | None]]",
        claims: Callable[[Name], Iterator[Claim]],
        access: Access,
        reopen: Callable[[], "Source"],
    ) -> None:
        self.facts = facts
        self.is_published = is_published
        self.producer = producer
        self.claims = claims
        self.access = access
        self._reopen = reopen

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reopen, ()
