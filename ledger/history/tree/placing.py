"""Which place each draft gets in the history: a version its position and number, an event its id.

`place_all` is called anew for every attempt to publish, upon the history as it is at that moment (specs/concurrency.md,
2). It adds to a tree in memory and writes nothing. `allocate` is pure, and decides for versions that a merge moves too.
"""

from collections.abc import Sequence

from ledger.errors import InvalidVersionError, NameCollisionError, VersionExistsError, VersionNotFoundError
from ledger.history.tree import layout
from ledger.history.tree.drafts import Draft, EventDraft, RecordDraft, VersionDraft
from ledger.history.tree.layout import Claim
from ledger.history.tree.snapshot import Snapshot
from ledger.history.tree.trees import GrowingTree
from ledger.ids import EventId, VersionId, new_uuid
from ledger.records import MAX_NUMBER, Name, VersionString, decode, encode, number_of


def place_all(drafts: Sequence[Draft], tree: GrowingTree, *, time_ms: int) -> list[Claim]:
    """Add every draft to the tree in order; returns the claims of the new versions.

    ``time_ms`` is the time that the ids of new events begin with, unless newer events are there already.
    """
    snapshot = Snapshot(tree)
    claims: list[Claim] = []
    ends: dict[Claim, tuple[Claim, EventId | None]] = {}
    for draft in drafts:
        match draft:
            case VersionDraft():
                claims.append(_place_version(draft, snapshot, tree))
            case EventDraft():
                # Asked once of each version: a folder of many events takes long to look through.
                claim, last = ends.get(draft.claim) or _end_of(draft.claim, snapshot)
                ends[draft.claim] = claim, _place_event(draft, claim, tree, time_ms, after=last)
            case RecordDraft():
                tree.add(draft.path, draft.data)
    return claims


def claims_of(drafts: Sequence[Draft], snapshot: Snapshot) -> tuple[Claim, ...]:
    """The claims of the new versions of some drafts, in their order, once all of them are published."""
    versions = [draft for draft in drafts if isinstance(draft, VersionDraft)]
    found: dict[VersionId, Claim] = {}
    ids: dict[Name, set[VersionId]] = {}
    for draft in versions:
        ids.setdefault(draft.name, set()).add(draft.id)
    for name, wanted in ids.items():
        for claim in snapshot.claims(name, newest_first=True):
            if claim.id in wanted:
                found[claim.id] = claim
                wanted.remove(claim.id)
            if not wanted:
                break
    return tuple(found[draft.id] for draft in versions)


def allocate(name: Name, id: VersionId, latest: Claim | None, requested: VersionString | None) -> Claim:
    """The claim of a new version after ``latest``: the next position, and the requested or the next number."""
    position = latest.position + 1 if latest is not None else 1
    counter = latest.counter if latest is not None else 0
    if requested is None:
        if counter >= MAX_NUMBER:
            raise InvalidVersionError(
                f"artifact {name!r} has used number {counter}, the greatest there is",
                hint="give a custom version, or start a new name",
                name=name,
            )
        return Claim(name, position, VersionString(str(counter + 1)), counter + 1, id)
    number = number_of(requested)
    return Claim(name, position, requested, max(counter, number or 0), id)


def refuse_collision(name: Name, snapshot: Snapshot) -> None:
    """Raise `NameCollisionError` if a new name differs only in case from one that exists."""
    if snapshot.has_artifact(name):
        return
    for other in snapshot.names_like(name):
        raise NameCollisionError(
            f"artifact name {name!r} differs only in case from {other!r}, which exists",
            hint=f"save to {other!r}, or choose a name that differs in more than case",
            name=name,
            existing=other,
        )


def refuse_taken(name: Name, version: VersionString | None, snapshot: Snapshot) -> None:
    """Raise as `refuse_collision` does, and `VersionExistsError` if a ``version`` was asked for and exists."""
    refuse_collision(name, snapshot)
    existing = snapshot.claim_of(name, version) if version is not None else None
    if existing is not None:
        raise VersionExistsError(
            f"version {version!r} of artifact {name!r} exists already (id {existing.id})",
            name=name,
            version=version,
            id=existing.id,
        )


def _place_version(draft: VersionDraft, snapshot: Snapshot, tree: GrowingTree) -> Claim:
    refuse_taken(draft.name, draft.requested, snapshot)
    claim = allocate(draft.name, draft.id, snapshot.latest(draft.name), draft.requested)
    tree.add((*claim.path, layout.MANIFEST), draft.manifest)
    if claim.pointer is not None:
        tree.add(claim.pointer, b"")
    return claim


def _end_of(drafted: Claim, snapshot: Snapshot) -> tuple[Claim, EventId | None]:
    """The claim that the version of a draft has now, and the version's newest event."""
    claim = snapshot.claim_now(drafted)
    if claim is None:
        raise VersionNotFoundError(f"{drafted.label} (id {drafted.id}) is no longer where it was", name=drafted.name)
    return claim, snapshot.last_event(claim)


def _place_event(draft: EventDraft, claim: Claim, tree: GrowingTree, time_ms: int, *, after: EventId | None) -> EventId:
    event = EventId(new_uuid(time_ms, after=after))
    # As plain fields, not as a type of ours: a newer program may have made the record, and waits for this one.
    record = decode(draft.record, dict[str, object], where=f"an event on {draft.claim.label}")
    tree.add((*claim.path, f"{event}.json"), encode({**record, "id": event}))
    return event
