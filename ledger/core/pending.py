"""Versions on their way: what a transaction has stored and will publish when it ends.

Owns that they stand in the order of their ids, that no name and version is taken twice, and that no two names differ
only in case. Gives out no numbers: they come with the commit (`history.tree.placing`).
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from ledger.core.saving import Request, draft_of
from ledger.errors import ArgumentError, NameCollisionError, VersionExistsError
from ledger.history import VersionDraft
from ledger.ids import VersionId, full_id, new_uuid
from ledger.lookup import ArtifactVersion, check_wanted, split_label
from ledger.records import Manifest, Name
from ledger.wording import shown


class PendingVersion(msgspec.Struct, eq=False):
    """A version that its transaction has not published yet; ``published`` is its handle afterwards."""

    request: Request
    manifest: Manifest
    draft: VersionDraft
    published: ArtifactVersion | None = None

    @property
    def id(self) -> UUID:
        """The id, which is final."""
        return UUID(self.manifest.id)

    @property
    def claim_id(self) -> VersionId:
        """The id as records hold it."""
        return self.manifest.id

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.request.name

    @property
    def version(self) -> str:
        """The version string, where it is known: it was asked for, or the transaction is over."""
        if self.published is not None:
            return self.published.version
        if self.request.version is None:
            raise ArgumentError(
                f"the new version of {self.name!r} has no number yet: numbers are given at the commit",
                hint="ask after the transaction, here or among its `versions`",
                name=self.name,
            )
        return self.request.version

    def __repr__(self) -> str:
        label = self.published.claim.label if self.published is not None else f"{self.name}, not published yet,"
        return f"<PendingVersion {label} id={self.id}>"

    def change(self, **fields: Any) -> None:
        """Give the manifest other fields; one over the limit of a record is refused, and the old one stays."""
        manifest = msgspec.structs.replace(self.manifest, **fields)
        self.manifest, self.draft = manifest, draft_of(self.request, manifest)


Target = str | UUID | ArtifactVersion | PendingVersion
"""What a tag or metadata can be put on."""


class PendingVersions:
    """The versions of one transaction, in the order of their ids."""

    def __init__(self) -> None:
        self._versions: list[PendingVersion] = []
        self._by_id: dict[str, PendingVersion] = {}
        self._by_label: dict[tuple[str, str | None], PendingVersion] = {}
        """By name and the version asked for; the last of each name stands under that name and no version."""
        self._names: dict[str, Name] = {}
        """By their lower case."""

    def __iter__(self) -> Iterator[PendingVersion]:
        return iter(self._versions)

    def __len__(self) -> int:
        return len(self._versions)

    def add(self, request: Request, manifest: Manifest) -> PendingVersion:
        """Take one more; a manifest over the limit of a record is refused, and what `refuse_twice` refuses."""
        self.refuse_twice(request)
        if self._versions and manifest.id <= self._versions[-1].manifest.id:
            # Ids tell the order in which versions were made, also within a millisecond.
            later = VersionId(new_uuid(0, after=self._versions[-1].manifest.id))
            manifest = msgspec.structs.replace(manifest, id=later)
        pending = PendingVersion(request, manifest, draft_of(request, manifest))
        self._versions.append(pending)
        self._by_id[pending.claim_id] = pending
        self._by_label |= {(request.name, request.version): pending, (request.name, None): pending}
        self._names[request.name.lower()] = request.name
        return pending

    def refuse_twice(self, request: Request) -> None:
        """Raise `VersionExistsError` where one of these has asked for the same name and version.

        Raises `NameCollisionError` where the name of one differs only in case.
        """
        other = self._names.get(request.name.lower(), request.name)
        if other != request.name:
            raise NameCollisionError(
                f"artifact name {request.name!r} differs only in case from {other!r}, which is in this transaction",
                hint=f"save to {other!r}, or choose a name that differs in more than case",
                name=request.name,
                existing=other,
            )
        if request.version is not None and (request.name, request.version) in self._by_label:
            raise VersionExistsError(
                f"version {request.version!r} of artifact {request.name!r} is in this transaction already",
                name=request.name,
                version=request.version,
            )

    def find(self, on: str | UUID | PendingVersion, version: str | int | None) -> PendingVersion | None:
        """The version of a handle, an id or a name; by a name alone its last one, which will be the latest.

        Raises `ArgumentError` if another version is given beside a handle or an id.
        """
        wanted, text = split_label(check_wanted(on.id if isinstance(on, PendingVersion) else on), version)
        found = self._by_id.get(full_id(wanted) or "")
        if found is None:
            return self._by_label.get((wanted, text))
        if text not in (None, found.request.version):
            own = f"as version {found.request.version!r}" if found.request.version is not None else "without a version"
            raise ArgumentError(
                f"the new version of {found.name!r} was saved {own}, but version {shown(text)} was given as well",
                hint="leave the version out: a handle or an id names one",
                name=found.name,
            )
        return found
