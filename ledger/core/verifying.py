"""Check that every version is what its path claims and that its bytes are there, unchanged."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from ledger.blobs import is_present
from ledger.core.workspace import Workspace
from ledger.errors import FormatError, IntegrityError
from ledger.history import Claim, Snapshot
from ledger.records import Name


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and the version it touches."""

    kind: Literal["missing", "corrupt"]
    label: str
    message: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    versions: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(workspace: Workspace, *, deep: bool = True) -> Report:
    """Check records, positions and bytes of every version; ``deep=False`` only asks whether bytes are there."""
    snapshot = workspace.snapshot()
    versions = 0
    problems: list[Problem] = []
    for name in snapshot.artifact_names():
        for claim, found in _check_artifact(workspace, snapshot, name, deep=deep):
            versions += claim is not None
            problems += found
    return Report(versions=versions, problems=tuple(problems))


def _check_artifact(
    workspace: Workspace, snapshot: Snapshot, name: Name, *, deep: bool
) -> Iterator[tuple[Claim | None, list[Problem]]]:
    """Each version of an artifact with what is wrong with it; a break in the positions stands alone."""
    expected = 1
    try:
        for entry in snapshot.strays(name):
            message = f"{entry!r} stands among its versions and is not a claim on a position"
            yield None, [Problem(kind="corrupt", label=name, message=message)]
        for claim in snapshot.claims(name):
            if claim.position != expected:
                message = f"position {claim.position} where {expected} was due"
                yield None, [Problem(kind="corrupt", label=claim.label, message=message)]
            expected = claim.position + 1
            yield claim, _check_version(workspace, snapshot, claim, deep=deep)
    except (FormatError, IntegrityError) as error:
        yield None, [Problem(kind="corrupt", label=name, message=str(error))]


def _check_version(workspace: Workspace, snapshot: Snapshot, claim: Claim, *, deep: bool) -> list[Problem]:
    try:
        facts = workspace.facts(snapshot, claim)
        if snapshot.claim_of(claim.name, claim.version) != claim:
            message = f"looking up version {claim.version!r} does not find it"
            return [Problem(kind="corrupt", label=claim.label, message=message)]
        content = facts.manifest.content
        if not is_present(workspace.store_holding(content), content):
            message = f"its bytes ({content.digest}) are not in {workspace.store.url}"
            return [Problem(kind="missing", label=claim.label, message=message)]
        if deep:
            workspace.reader(claim, facts).check()
    except (FormatError, IntegrityError) as error:
        return [Problem(kind="corrupt", label=claim.label, message=str(error))]
    return []
