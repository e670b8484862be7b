"""What is to be published, and the pure decision which position and number it gets.

A draft holds everything but its place. `place_all` gives each its place in the history as it is at that
moment, and is called anew for every attempt (specs/concurrency.md, 2). Drafts are plain data, because a publication
that waits for the ledger's lock is placed by another process: the one that holds it.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ledger.enums import Durability
from ledger.errors import InvalidVersionError, NameCollisionError, VersionExistsError, VersionNotFoundError
from ledger.history import layout
from ledger.history.layout import Claim
from ledger.history.snapshot import Snapshot
from ledger.history.trees import GrowingTree
from ledger.ids import EventId, VersionId, new_uuid
from ledger.records import (
    FORMAT,
    MAX_NUMBER,
    Name,
    VersionString,
    decode,
    encode,
    number_of,
)

_TOLD_EACH = 2
"""Most events that a commit's subject tells one by one: a tag moves from one version to another."""

_TOLD_WORDS = 60
"""Most characters of the tags or keys that a subject names of an event."""

UNPLACED = EventId("00000000-0000-7000-8000-000000000000")
"""The id of an event in its draft: the one it gets follows those that are there when it is placed."""


class VersionDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="version"):
    """A new version: its manifest is final, its position and number are not."""

    name: Name
    id: VersionId
    requested: VersionString | None
    manifest: bytes
    trailers: tuple[str, ...] = ()


class EventDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="event"):
    """A new event on a version: its record is final but for its id, which is `UNPLACED`."""

    claim: Claim
    verb: str
    record: bytes


class RecordDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="record"):
    """Any other record, at a path of its own."""

    path: layout.TreePath
    data: bytes
    trailers: tuple[str, ...] = ()


Draft = VersionDraft | EventDraft | RecordDraft


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one commit is to publish, all or none: the drafts, and what the commit says of them."""

    drafts: tuple[Draft, ...]
    author: str
    now: dt.datetime
    subject: str = ""
    durability: Durability = Durability.FULL
    kind: Literal["publication"] = "publication"
    format: int = FORMAT


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
    """The claims that the new versions of some drafts have, in their order, where all of them are published."""
    versions = [draft for draft in drafts if isinstance(draft, VersionDraft)]
    found: dict[VersionId, Claim] = {}
    for name in dict.fromkeys(draft.name for draft in versions):
        wanted = {draft.id for draft in versions if draft.name == name}
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


def refuse_existing(name: Name, version: VersionString, snapshot: Snapshot) -> None:
    """Raise `VersionExistsError` if the version exists."""
    existing = snapshot.claim_of(name, version)
    if existing is not None:
        raise VersionExistsError(
            f"version {version!r} of artifact {name!r} exists already (id {existing.id})",
            name=name,
            version=version,
            id=existing.id,
        )


def message_for(drafts: Sequence[Draft], claims: Sequence[Claim], time_text: str, subject: str = "") -> str:
    """The commit message: what happened, then trailers for `git log --grep` (specs/format.md, 4.4)."""
    events = [draft for draft in drafts if isinstance(draft, EventDraft)]
    lines: list[str] = []
    versions = (draft for draft in drafts if isinstance(draft, VersionDraft))
    for draft, claim in zip(versions, claims, strict=True):
        lines += [f"Artifact: {claim.label}", f"Id: {claim.id}", *draft.trailers]
    for event in events:
        lines += [f"Artifact: {event.claim.label}", f"Id: {event.claim.id}"]
    lines += [trailer for draft in drafts if isinstance(draft, RecordDraft) for trailer in draft.trailers]
    lines.append(f"Time: {time_text}")
    what = _subject(claims, events)
    head = f"{subject}: {what}" if subject and what else subject or what or "add records"
    return "\n".join([head, "", *dict.fromkeys(lines), ""])


def _place_version(draft: VersionDraft, snapshot: Snapshot, tree: GrowingTree) -> Claim:
    refuse_collision(draft.name, snapshot)
    if draft.requested is not None:
        refuse_existing(draft.name, draft.requested, snapshot)
    claim = allocate(draft.name, draft.id, snapshot.latest(draft.name), draft.requested)
    tree.add((*claim.path, layout.MANIFEST), draft.manifest)
    if claim.pointer is not None:
        tree.add(claim.pointer, b"")
    return claim


def _end_of(drafted: Claim, snapshot: Snapshot) -> tuple[Claim, EventId | None]:
    """Where the version of a draft is by now, and the newest event that it has."""
    claim = snapshot.claim_now(drafted)
    if claim is None:
        raise VersionNotFoundError(f"{drafted.label} (id {drafted.id}) is no longer where it was", name=drafted.name)
    return claim, snapshot.last_event(claim)


def _place_event(draft: EventDraft, claim: Claim, tree: GrowingTree, time_ms: int, *, after: EventId | None) -> EventId:
    event = EventId(new_uuid(time_ms, after=after))
    # By its fields, not by its type: the record may be of a newer program that waits for this one.
    record = decode(draft.record, dict[str, object], where=f"an event on {draft.claim.label}")
    tree.add((*claim.path, f"{event}.json"), encode({**record, "id": event}))
    return event


def _subject(claims: Sequence[Claim], events: Sequence[EventDraft]) -> str:
    if len(claims) == 1:
        return f"save {claims[0].label}"
    if claims:
        return f"save {len(claims)} versions"
    if len(events) <= _TOLD_EACH:
        return "; ".join(dict.fromkeys(map(_told, events)))
    labels = list(dict.fromkeys(event.claim.label for event in events))
    verbs = list(dict.fromkeys(event.verb for event in events))
    return f"{' and '.join(verbs)} {labels[0] if len(labels) == 1 else f'{len(labels)} versions'}"


def _told(event: EventDraft) -> str:
    """An event in words: on which version, and the tags or the keys of metadata that it has."""
    fields = decode(event.record, dict[str, Any], where=f"an event on {event.claim.label}")
    added, removed, logged = (tuple(fields.get(key, ())) for key in ("add", "remove", "metadata"))
    words = ", ".join((*added, *(f"not {tag}" if added else tag for tag in removed), *logged))
    if len(words) > _TOLD_WORDS:
        words = f"{words[: _TOLD_WORDS - 3]}..."
    if not words.isprintable():
        words = repr(words)  # a key may hold any text, and a line of its own would be read as a trailer
    return f"{event.verb} {event.claim.label}" + (f": {words}" if words else "")
