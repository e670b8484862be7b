"""A version on its way: what a transaction has stored and will publish when it ends."""

from typing import Any
from uuid import UUID

import msgspec

from ledger.core.saving import Request, draft_of
from ledger.errors import ArgumentError
from ledger.history import VersionDraft
from ledger.ids import VersionId
from ledger.lookup import ArtifactVersion
from ledger.records import Manifest


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
        told = self.published.claim.label if self.published is not None else f"{self.name}, not published yet,"
        return f"<PendingVersion {told} id={self.id}>"

    def change(self, **fields: Any) -> None:
        """Give the manifest other fields; one over the limit of a record is refused, and the old one stays."""
        manifest = msgspec.structs.replace(self.manifest, **fields)
        self.manifest, self.draft = manifest, draft_of(self.request, manifest)


Target = str | UUID | ArtifactVersion | PendingVersion
"""What a tag or metadata can be put on."""
