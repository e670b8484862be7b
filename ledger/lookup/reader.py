"""The reading face of a ledger: which artifacts, versions and runs there are, now or at a revision.

It finds without touching bytes, so that listing costs little; `Ledger` adds values and writing.
"""

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from ledger.disk import absolute, given_path
from ledger.enums import ArtifactType
from ledger.errors import VersionNotFoundError
from ledger.history import Claim, Commit, Snapshot
from ledger.lookup import searching
from ledger.lookup.discovery import find_ledger, is_ledger, none_found, not_found
from ledger.lookup.finding_runs import find_run, list_runs
from ledger.lookup.handles import Artifact, ArtifactVersion, refuse_other_than_version
from ledger.lookup.resolving import has_name, resolve
from ledger.lookup.runs import PipelineRun
from ledger.lookup.view import View


def find_path(path: str | Path | None) -> Path:
    """The ledger directory at ``path`` or, without one, the directory that is found; raises `LedgerNotFoundError`."""
    target = absolute(given_path(path, "a ledger directory")) if path is not None else find_ledger(os.environ)
    if target is None:
        raise none_found(os.environ)
    if not is_ledger(target):
        raise not_found(target)
    return target


class Reader:
    """Look-ups in a ledger. Every call sees one commit."""

    def __init__(self, view: View) -> None:
        """Use `Reader.open`."""
        self._view = view

    @classmethod
    def open(cls, path: str | Path | None = None) -> Self:
        """Look into the ledger in ``path``, or the one that ``LEDGER_DIR`` or the working directory leads to.

        Raises `LedgerNotFoundError` where there is none.
        """
        return cls(View(find_path(path)))

    @property
    def path(self) -> Path:
        """The ledger's directory."""
        return self._view.path

    @property
    def git_dir(self) -> Path:
        """The bare Git repository of the history."""
        return self._view.history.git_dir

    @property
    def revision(self) -> str:
        """The commit that is read: the one that was fixed, else the one published now."""
        return self._view.commit()

    def get(
        self, name_or_id: str | UUID, version: str | int | None = None, *, tag: str | None = None
    ) -> ArtifactVersion:
        """The version of a name, an id, an id prefix or ``NAME@VERSION``; without a version, the latest.

        With ``tag``, which goes with a name alone, it is the newest version that has the tag.
        Raises `ArtifactNotFoundError` or `VersionNotFoundError`, `AmbiguousIdError` where a prefix fits several
        versions, and `FormatError` or `IntegrityError` where the version's records are damaged.
        """
        snapshot = self._view.snapshot()
        claim = searching.find_version(self._view, snapshot, name_or_id, version, tag)
        # A damaged record is reported here, not at first use.
        return ArtifactVersion(claim, self._view, self._view.facts(snapshot, claim))

    def refreshed(self, version: ArtifactVersion) -> ArtifactVersion:
        """The same version as it is now, with the number, tags and metadata that it has come to have meanwhile.

        Raises `ArtifactNotFoundError` for a version of another ledger.
        """
        refuse_other_than_version(version)
        snapshot = self._view.snapshot()
        return ArtifactVersion(_claim_now(snapshot, version), self._view, snapshot)

    def before(self, version: ArtifactVersion) -> ArtifactVersion:
        """The version of the same artifact that was published before this one.

        Raises `VersionNotFoundError` for the first of an artifact, `ArtifactNotFoundError` for a version of another
        ledger, and for damaged records what `get` raises.
        """
        refuse_other_than_version(version)
        snapshot = self._view.snapshot()
        now = _claim_now(snapshot, version)
        claim = snapshot.claim_at(now.name, now.position - 1)
        if claim is None:
            raise VersionNotFoundError(
                f"{now.label} is the first version of its artifact",
                hint="name the version to compare it with",
                name=now.name,
                version=now.version,
            )
        return ArtifactVersion(claim, self._view, self._view.facts(snapshot, claim))

    def artifacts(self, *, name: str | None = None, tag: str | Iterable[str] | None = None) -> list[Artifact]:
        """The artifacts, sorted by name; ``name`` is exact, and a version has ``tag``, or all of several tags.

        Raises `InvalidNameError` for an invalid name; a name that no artifact has is no error.
        """
        return searching.list_artifacts(self._view, name=name, tag=tag)

    def artifact_names(self) -> list[str]:
        """The names of all artifacts, sorted; no version is looked at."""
        return list(self._view.snapshot().artifact_names())

    def artifact(self, name_or_id: str | UUID) -> Artifact:
        """The artifact of a name, or of a version's id; raises `ArtifactNotFoundError`."""
        return searching.find_artifact(self._view, name_or_id)

    def has_artifact(self, name: str) -> bool:
        """Whether there is an artifact of exactly that name; ``False`` for an invalid name."""
        return has_name(self._view.snapshot(), name)

    def holds(self, version: ArtifactVersion) -> bool:
        """Whether a version, wherever it was looked up, is one of this ledger."""
        refuse_other_than_version(version)
        return self._view.snapshot().claim_now(version.claim) is not None

    def versions(self, name: str) -> list[ArtifactVersion]:
        """The versions of an artifact, oldest first; raises `ArtifactNotFoundError`."""
        return searching.find_named_artifact(self._view, name).versions

    def search(
        self,
        *,
        name: str | None = None,
        version: str | int | None = None,
        tag: str | Iterable[str] | None = None,
        type: ArtifactType | str | None = None,
        run_metadata: Mapping[str, Any] | None = None,
        created_after: dt.datetime | None = None,
        limit: int | None = None,
    ) -> list[ArtifactVersion]:
        """The versions that match all arguments, oldest first; ``limit`` keeps the newest.

        ``name`` is exact; a version matches ``tag`` if it has every one of those tags, and ``run_metadata`` if it has
        at least these keys with these values, nested dicts alike. ``created_after`` without a time zone is local time.
        If more than ``name`` and ``version`` is given, a version whose record is damaged is left out with a warning.
        Raises `InvalidNameError`, `InvalidVersionError`, `InvalidTagError`, `MetadataError` or `ArgumentError` for an
        argument that no version can match.
        """
        wanted = searching.make_filter(tag=tag, type=type, run_metadata=run_metadata, created_after=created_after)
        return searching.search_versions(self._view, name=name, version=version, wanted=wanted, limit=limit)

    def runs(
        self,
        *,
        pipeline: str | None = None,
        status: str | None = None,
        using: ArtifactVersion | None = None,
        limit: int | None = None,
    ) -> list[PipelineRun]:
        """The runs, oldest first; ``limit`` keeps the newest.

        ``pipeline`` is a pipeline's exact name, ``status`` one of ``completed``, ``failed`` and ``running``, ``using``
        a version that one of its steps took as an argument or loaded. A run that has published nothing yet is listed
        too, but only in the ledger directory where it runs.
        Raises `ArgumentError` for any other status. A run whose record is damaged is left out with a warning.
        """
        return list_runs(self._view, pipeline=pipeline, status=status, using=using, limit=limit)

    def run(self, id: str | UUID) -> PipelineRun:
        """The run of an id, or of the beginning of one; raises `RunNotFoundError` or `AmbiguousIdError`."""
        return find_run(self._view, id)

    def log(self) -> Iterator[Commit]:
        """The commits of the history, newest first."""
        return self._view.history.log(self._view.revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reader) and (self.path, self._view.revision) == (other.path, other._view.revision)

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        at = f" at {self._view.revision[:10]}" if self._view.revision else ""
        return f"<{type(self).__name__} {self.path}{at}>"


def _claim_now(snapshot: Snapshot, version: ArtifactVersion) -> Claim:
    return snapshot.claim_now(version.claim) or resolve(snapshot, version.id)
