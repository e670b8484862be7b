"""How many bytes versions and artifacts are, and how many are stored for them.

Every table and index is read once; the arithmetic is in `shares`. A version whose record or bytes are damaged
is left out with a warning, one for each reason: what is known of the others is no less true.
"""

from collections.abc import Sequence

import msgspec

from ledger.blobs import Extents, extents_of
from ledger.core.shares import Share, shares
from ledger.core.workspace import Workspace
from ledger.errors import FormatError, IntegrityError, LedgerError
from ledger.history import Claim
from ledger.notices import warn_user
from ledger.records import Content
from ledger.wording import BoundedRepr, counted


class VersionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a version: of its files, stored for it, and those stored that other versions need too."""

    claim: Claim
    logical: int
    stored: int
    shared: int


class ArtifactUsage(BoundedRepr, msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of an artifact's versions together; ``shared`` are those that other artifacts need too."""

    name: str
    versions: tuple[VersionUsage, ...]
    stored: int
    shared: int

    @property
    def logical(self) -> int:
        """The bytes of all files of all versions."""
        return sum(version.logical for version in self.versions)


class Usage(BoundedRepr, msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a ledger by artifact; ``stored`` counts once what several artifacts share."""

    artifacts: tuple[ArtifactUsage, ...]
    stored: int

    @property
    def logical(self) -> int:
        """The bytes of all files of all versions."""
        return sum(artifact.logical for artifact in self.artifacts)


def measure(workspace: Workspace) -> Usage:
    """The bytes of every artifact and version, now or at the revision that is read."""
    contents = _contents(workspace)
    found = extents_of(workspace.all_stores, contents.values())
    by_claim: dict[Claim, Extents] = {}
    left_out: dict[str, list[Claim]] = {}
    for claim, content in contents.items():
        extents = found[content]
        if isinstance(extents, LedgerError):
            left_out.setdefault(str(extents), []).append(claim)
        else:
            by_claim[claim] = extents
    for reason, claims in left_out.items():
        _warn(claims, reason)
    by_name: dict[str, list[Claim]] = {}
    for claim in by_claim:
        by_name.setdefault(claim.name, []).append(claim)
    together = {name: [extent for claim in claims for extent in by_claim[claim]] for name, claims in by_name.items()}
    each, artifacts = shares(by_claim), shares(together)
    whole = shares({None: [extent for extents in by_claim.values() for extent in extents]})
    return Usage(
        artifacts=tuple(
            _artifact(name, [_version(claim, contents[claim], each[claim]) for claim in claims], artifacts[name])
            for name, claims in by_name.items()
        ),
        stored=whole[None].stored,
    )


def _contents(workspace: Workspace) -> dict[Claim, Content]:
    """The content of every version, by name and in order."""
    snapshot = workspace.snapshot()
    contents: dict[Claim, Content] = {}
    for name in snapshot.artifact_names():
        for claim in snapshot.claims(name):
            try:
                contents[claim] = workspace.facts(snapshot, claim).manifest.content
            except (FormatError, IntegrityError) as error:
                _warn([claim], str(error))
    return contents


def _version(claim: Claim, content: Content, share: Share) -> VersionUsage:
    return VersionUsage(claim=claim, logical=content.size, stored=share.stored, shared=share.shared)


def _artifact(name: str, versions: Sequence[VersionUsage], share: Share) -> ArtifactUsage:
    return ArtifactUsage(name=name, versions=tuple(versions), stored=share.stored, shared=share.shared)


def _warn(claims: Sequence[Claim], reason: str) -> None:
    """Warn once of all versions that have one reason: a store that is away may be the reason for thousands."""
    more = len(claims) - 1
    others = f" and {counted(more, 'more version')} are" if more else " is"
    warn_user(f"{claims[0].label}{others} left out: {reason}")
