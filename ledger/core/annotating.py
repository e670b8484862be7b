"""Events on versions that are published: which version is meant, and what is recorded of it.

A tag may be exclusive, as one that says which version is in use: then it is taken off the others in the same commit.
Which versions have it is looked up under the ledger's lock, so that of two programs that move it the later one finds it
where the earlier one has put it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ledger.core.pending import PendingVersion, Target
from ledger.core.workspace import Workspace
from ledger.disk import durability
from ledger.errors import ArgumentError, ArgumentTypeError, InvalidTagError
from ledger.history import UNPLACED, Claim, EventDraft, Snapshot
from ledger.ids import CommitId
from ledger.lookup import ArtifactVersion, claims_tagged, resolve
from ledger.records import MetadataEvent, TagsEvent, encode, encode_values, format_time
from ledger.wording import shown_with_type


def published_claim(snapshot: Snapshot, on: Target, version: str | int | None) -> Claim:
    """The claim of the version that is meant; raises what look-ups raise."""
    if isinstance(on, PendingVersion):
        on = _published(on)
    if isinstance(on, ArtifactVersion):
        now = snapshot.claim_now(on.claim) if version is None else None
        return now or resolve(snapshot, on.id, version)
    if not isinstance(on, (str, UUID)):
        raise ArgumentTypeError(f"a version is named by a str, a UUID or a handle, got {shown_with_type(on)}")
    return resolve(snapshot, on, version)


def _published(pending: PendingVersion) -> ArtifactVersion:
    """The handle of a version that another transaction has saved; raises `ArgumentError` unless it is published."""
    if pending.published is None:
        raise ArgumentError(
            f"a pending version of {pending.name!r} belongs to another transaction, which has not published it",
            hint="tag it and log on it in its own transaction, or when that has published it",
            name=pending.name,
        )
    return pending.published


def metadata_draft(workspace: Workspace, claim: Claim, metadata: dict[str, Any]) -> EventDraft:
    """The event that logs metadata on a version."""
    at, by = format_time(workspace.now()), workspace.author
    event = MetadataEvent(id=UNPLACED, created_at=at, created_by=by, metadata=encode_values(metadata))
    return EventDraft(claim=claim, verb="log metadata on", record=encode(event))


def tags_draft(workspace: Workspace, claim: Claim, add: tuple[str, ...], remove: tuple[str, ...]) -> EventDraft:
    """The event that puts tags on a version and takes others off it."""
    at, by = format_time(workspace.now()), workspace.author
    event = TagsEvent(id=UNPLACED, created_at=at, created_by=by, add=add, remove=remove)
    return EventDraft(claim=claim, verb="tag" if add else "untag", record=encode(event))


def refuse_both(add: Sequence[str], remove: Sequence[str]) -> None:
    """Raise `InvalidTagError` for a tag that is to be put on and taken off at once."""
    both = set(add) & set(remove)
    if both:
        hint = "name it once: to be put on, or to be taken off"
        raise InvalidTagError(f"tag {min(both)!r} is to be added and removed at once", hint=hint, tag=min(both))


def tag_exclusively(
    workspace: Workspace, on: Target, version: str | int | None, *, add: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    """Put tags on a version and take them off all others of its name, and ``remove`` off the version, in one commit."""
    workspace.refuse_past("write")
    refuse_both(add, remove)

    def decide(commit: CommitId) -> list[EventDraft]:
        snapshot = workspace.snapshot_at(commit)
        target = published_claim(snapshot, on, version)
        held: dict[Claim, list[str]] = {}
        for tag in add:
            for claim in claims_tagged(workspace, snapshot, target.name, tag):
                held.setdefault(claim, []).append(tag)
        others = [tags_draft(workspace, claim, (), tuple(tags)) for claim, tags in held.items() if claim != target]
        return [*others, tags_draft(workspace, target, add, remove)]

    # Called before that, too, to raise its errors and bring the catalog up to date while nobody waits for the lock.
    decide(workspace.history.tip())
    with durability(workspace.config.durability):
        workspace.history.publish_upon(decide, author=workspace.author, now=workspace.now())
