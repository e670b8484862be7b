"""What look-ups return: artifacts and versions, as values that know their ledger.

A handle shows a version as it was when it was looked up. Records stay inert; loading,
downloading and showing go through the ledger that the handle came from.
"""

import copy
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from uuid import UUID

import msgspec

from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import ArgumentTypeError, FormatError, IntegrityError, PathNotFoundError
from ledger.forks import cached_property
from ledger.history import Claim, Snapshot
from ledger.ids import VersionId
from ledger.lookup.access import FileReader, PythonType
from ledger.lookup.comparing import Side, compare
from ledger.lookup.differences import VersionDiff
from ledger.lookup.facts import Facts, leaves
from ledger.lookup.lingering import wait_at_exit
from ledger.lookup.notebook import as_fields, some_rows
from ledger.lookup.parts import Part, no_file, part_at
from ledger.lookup.resolving import resolve_name
from ledger.lookup.visualized import Visualized
from ledger.records import Content, FileEntry, MetadataEntry, Producer, check_switches, number_of, parse_time
from ledger.wording import human_size, shown_with_type

if TYPE_CHECKING:
    from ledger.lookup.runs import PipelineRun, StepRun
    from ledger.lookup.view import View


class ArtifactVersion:
    """One immutable saved value. Frozen; two handles are equal if they are of the same version."""

    def __init__(self, claim: Claim, view: "View", source: Snapshot | Facts) -> None:
        """``source`` is the version's facts or, until they are asked for, the history that holds them."""
        self.__dict__.update(_claim=claim, _view=view, _source=source)

    _claim: Claim
    _view: "View"
    _source: Snapshot | Facts

    @property
    def id(self) -> UUID:
        """The version's identity, which never changes."""
        return UUID(self._claim.id)

    @property
    def claim(self) -> Claim:
        """Where the version stood when it was looked up."""
        return self._claim

    @property
    def claim_id(self) -> VersionId:
        """The id as records hold it."""
        return self._claim.id

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self._claim.name

    @property
    def version(self) -> str:
        """The version string: a number or a custom word."""
        return self._claim.version

    @property
    def number(self) -> int | None:
        """The version as a number, or ``None`` for a custom version."""
        return number_of(self._claim.version)

    @property
    def position(self) -> int:
        """The place in the artifact's order of publication, from 1."""
        return self._claim.position

    @property
    def type(self) -> ArtifactType:
        """What kind of thing the value is."""
        return ArtifactType(self._facts.manifest.type)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, sorted."""
        return self._facts.tags

    @property
    def run_metadata(self) -> Mapping[str, MetadataEntry]:
        """The metadata by key, each entry with when and by whom it was logged."""
        entries = self._facts.entries.items()
        return {key: msgspec.structs.replace(entry, value=copy.deepcopy(entry.value)) for key, entry in entries}

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata as a plain dict."""
        return copy.deepcopy(self._facts.metadata)

    @property
    def save_type(self) -> str:
        """How the version came to be: ``manual``, ``step_output``, ``external`` or ``preexisting``."""
        return self._facts.manifest.save_type

    @property
    def uri(self) -> str:
        """Where the bytes are: the URL of the store's object, or of the data registered in place."""
        return self._reader.location

    @property
    def data_type(self) -> str:
        """The name of the value's type when it was saved, such as ``numpy.ndarray``."""
        return self._facts.manifest.data_type

    @property
    def materializer(self) -> str:
        """The registry key of the materializer that reads the files."""
        return self._facts.manifest.materializer

    @property
    def trust_class(self) -> str:
        """The trust class that its writer recorded: ``data``, ``restricted`` or ``code`` (specs/trust.md)."""
        return self._facts.manifest.trust

    @property
    def size(self) -> int:
        """The size of all files together in bytes, before compression and sharing."""
        return self._facts.manifest.content.size

    @property
    def digest(self) -> str:
        """The content digest: equal for equal files."""
        return self._facts.manifest.content.digest

    @property
    def content(self) -> Content:
        """What the manifest says about the bytes."""
        return self._facts.manifest.content

    @property
    def created_at(self) -> dt.datetime:
        """When the version was saved, in UTC."""
        return parse_time(self._facts.manifest.created_at)

    @property
    def created_by(self) -> str:
        """Who saved it, by their own account."""
        return self._facts.manifest.created_by

    @property
    def published(self) -> bool:
        """Whether the remote ``origin``, as last heard of, holds this version, so that its number can never change."""
        return self._view.is_published(self._claim)

    @property
    def producer(self) -> Producer | None:
        """Which step of which run made the version, as its own record names them, or ``None`` outside pipelines."""
        return self._facts.manifest.producer

    @property
    def run(self) -> "PipelineRun | None":
        """The `PipelineRun` that made the version, or ``None`` outside pipelines."""
        return self._view.producer(self.producer)[0] if self.producer is not None else None

    @property
    def step(self) -> "StepRun | None":
        """The `StepRun` that made the version, or ``None`` outside pipelines."""
        return self._view.producer(self.producer)[1] if self.producer is not None else None

    @property
    def visualizations(self) -> dict[str, VisualizationType]:
        """The files that show the value, by path."""
        return {shown.path: VisualizationType(shown.type) for shown in self._facts.manifest.visualizations}

    def load(self, *, trust: bool = False, mmap: bool = False, data_type: PythonType | None = None) -> Any:
        """The value, with every byte checked against its digest.

        ``trust=True`` lets this one call run code that the version holds. ``mmap=True`` maps arrays and Arrow tables
        into memory from a checked local copy, instead of reading them. ``data_type`` is the value's class, for a class
        that this process cannot find under the name it was saved with.

        Raises `UntrustedArtifactError` for a value that only code can rebuild, `IntegrityError` for bytes that are
        missing or damaged, and `UnknownMaterializerError` if no materializer in this process reads the files.
        """
        check_switches(trust=trust, mmap=mmap)
        if data_type is not None and not isinstance(data_type, type):
            raise ArgumentTypeError(f"data_type is a class, got {shown_with_type(data_type)}")
        return self._view.access.load(self._facts, trust=trust, mmap=mmap, data_type=data_type)

    def files(self) -> tuple[FileEntry, ...]:
        """The files of the version, with their sizes in bytes."""
        return self._reader.files

    def open(self, path: str) -> IO[bytes]:
        """One file, by its path in the version, as a seekable stream; each chunk is read and checked when it is needed.

        Threads may read different streams at once, but one stream only one thread at a time. Raises
        `PathNotFoundError` (a ``FileNotFoundError``) for a path that the version does not have.
        """
        self._part(path, folders=False)
        wait_at_exit()
        return self._reader.open(path)

    def download_files(self, path: str | Path, overwrite: bool = False) -> Path:  # noqa: FBT001, FBT002  # api
        """Write every file into one zip, which appears whole or not at all; returns its path.

        Raises ``ValueError`` unless the path ends in ``.zip``, and ``FileExistsError`` if the file is there already and
        ``overwrite`` is not set.
        """
        check_switches(overwrite=overwrite)
        return self._view.access.download(self._facts, path, overwrite=overwrite)

    def restore(
        self,
        path: str | Path,
        overwrite: bool = False,  # noqa: FBT001, FBT002  # as download_files
        *,
        file: str | None = None,
    ) -> Path:
        """Put the files at ``path``: one file becomes that file, several or a folder that folder. Returns its path.

        ``file``, the path of a file or folder in the version, restores only that one and reads nothing else. No code of
        the version runs, and its visualizations are left out. Raises `TargetExistsError` if something is there already
        and ``overwrite`` is not set, and `PathNotFoundError` for a ``file`` that the version does not have.
        """
        check_switches(overwrite=overwrite)
        only = self._part(file, folders=True) if file is not None else None
        return self._view.access.restore(self._facts, path, only=only, overwrite=overwrite)

    def diff(self, other: "ArtifactVersion") -> VersionDiff:
        """What differs from this version, the old one, to another, of this artifact or of any.

        Reads records and lists of files and, where these leave a file undecided, indexes of packs and the bytes that no
        chunk shows to be equal. No code runs. The bytes may be away: what cannot be told without them is left open,
        with the reason.
        """
        refuse_other_than_version(other)
        return compare(self._side(), other._side())  # noqa: SLF001  # a handle like this one

    def visualize(self) -> Visualized:
        """The visualizations of the value, in the form in which a notebook or a terminal can show them."""
        shown = [(path, kind, self._reader.read(path)) for path, kind in self.visualizations.items()]
        return Visualized(self._claim.label, shown)

    def _side(self) -> Side:
        return self._facts, self._view.access

    def _part(self, path: str, *, folders: bool) -> Part:
        """What the version has at a path, a file or perhaps a folder; raises `PathNotFoundError`."""
        if not isinstance(path, str):
            raise ArgumentTypeError(f"a version's file is named by a str, got {shown_with_type(path)}")
        found = part_at(path, self._by_path)
        if found is None or (found.is_folder and not folders):
            raise PathNotFoundError(
                no_file(self._claim.label, path, self._reader.files),
                hint=f"run `ledger artifact version show {self._claim.label}` to see its files",
                path=path,
            )
        return found

    @cached_property
    def _facts(self) -> Facts:
        return self._source if isinstance(self._source, Facts) else self._view.facts(self._source, self._claim)

    @cached_property
    def _reader(self) -> FileReader:
        return self._view.access.reader(self._facts)

    @cached_property
    def _by_path(self) -> dict[str, FileEntry]:
        return {file.path: file for file in self._reader.files}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self._claim.label} is immutable; log metadata or tags on it, or save a new version")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[Any, ...]:
        # The facts go along, so that it is shown elsewhere as it was; its bytes are read from the ledger there.
        return ArtifactVersion, (self._claim, self._view, self._facts)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArtifactVersion) and self._claim.id == other._claim.id

    def __hash__(self) -> int:
        return hash(self._claim.id)

    def __repr__(self) -> str:
        try:
            tags = f" tags={list(self.tags)}" if self.tags else ""
            return f"<ArtifactVersion {self._claim.label} {self.type.value} {human_size(self.size)}{tags} id={self.id}>"
        except (FormatError, IntegrityError) as error:
            # A list of versions can be looked at, though one of them is damaged.
            return f"<ArtifactVersion {self._claim.label} damaged: {error}>"

    def _repr_html_(self) -> str:
        try:
            rows: list[Sequence[str]] = [
                ("id", str(self.id)),
                ("type", self.type.value),
                ("size", human_size(self.size)),
                ("created", f"{self.created_at:%Y-%m-%d %H:%M:%S} UTC by {self.created_by}"),
                ("tags", ", ".join(self.tags)),
                *some_rows(list(leaves(self.metadata)), lambda entry: (entry[0], str(entry[1]))),
            ]
        except (FormatError, IntegrityError) as error:
            rows = [("damaged", str(error))]
        return as_fields(self._claim.label, rows)


class Artifact:
    """A name with versions."""

    def __init__(self, latest: Claim, view: "View", snapshot: Snapshot) -> None:
        self._latest = latest
        self._view = view
        self._snapshot = snapshot

    @property
    def name(self) -> str:
        """The name, which never changes."""
        return self._latest.name

    @property
    def versions(self) -> list[ArtifactVersion]:
        """All versions, oldest first."""
        claims = self._snapshot.claims(self._latest.name)
        return [ArtifactVersion(claim, self._view, self._snapshot) for claim in claims]

    @property
    def latest(self) -> ArtifactVersion:
        """The version published last."""
        return ArtifactVersion(self._latest, self._view, self._snapshot)

    def load(self, *, trust: bool = False, mmap: bool = False, data_type: PythonType | None = None) -> Any:
        """The value of the latest version; takes what `ArtifactVersion.load` takes, and raises what that raises."""
        return self.latest.load(trust=trust, mmap=mmap, data_type=data_type)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt_artifact, (self._latest, self._view)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Artifact {self.name} latest={self._latest.version}>"

    def _repr_html_(self) -> str:
        return self.latest._repr_html_()


def _rebuilt_artifact(latest: Claim, view: "View") -> Artifact:
    # Looked up anew by its name: what was the latest then need not be it now, and a merge may have moved it.
    snapshot = view.snapshot()
    return Artifact(resolve_name(snapshot, latest.name), view, snapshot)


def refuse_other_than_version(given: object) -> None:
    """Raise `ArgumentTypeError` for what is no handle of a version, such as its name."""
    if not isinstance(given, ArtifactVersion):
        raise ArgumentTypeError(
            f"a version is given as an ArtifactVersion, got {shown_with_type(given)}",
            hint="look it up first: ledger.get(name, version)",
        )
