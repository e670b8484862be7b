"""What a commit says of what it publishes: a subject for people, and trailers for `git log --grep`. Pure."""

from collections.abc import Sequence
from typing import Any

from ledger.history.tree.drafts import Draft, EventDraft, RecordDraft, VersionDraft
from ledger.history.tree.layout import Claim
from ledger.records import decode

_TOLD_EACH = 2
"""Most events that a commit's subject tells one by one: a tag that moves from one version to another makes two."""

_TOLD_CHARACTERS = 60
"""Most characters of the tags or keys that a subject names of an event."""


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


def _subject(claims: Sequence[Claim], events: Sequence[EventDraft]) -> str:
    if len(claims) == 1:
        return f"save {claims[0].label}"
    if claims:
        return f"save {len(claims)} versions"
    if len(events) <= _TOLD_EACH:
        return "; ".join(dict.fromkeys(map(_worded, events)))
    labels = list(dict.fromkeys(event.claim.label for event in events))
    verbs = list(dict.fromkeys(event.verb for event in events))
    return f"{' and '.join(verbs)} {labels[0] if len(labels) == 1 else f'{len(labels)} versions'}"


def _worded(event: EventDraft) -> str:
    """An event in words: on which version, and the tags or the keys of metadata that it has."""
    fields = decode(event.record, dict[str, Any], where=f"an event on {event.claim.label}")
    added, removed, logged = (tuple(fields.get(key, ())) for key in ("add", "remove", "metadata"))
    words = ", ".join((*added, *(f"not {tag}" if added else tag for tag in removed), *logged))
    if len(words) > _TOLD_CHARACTERS:
        words = f"{words[: _TOLD_CHARACTERS - 3]}..."
    if not words.isprintable():
        words = repr(words)  # a key may hold any text, and a line of its own would be read as a trailer
    return f"{event.verb} {event.claim.label}" + (f": {words}" if words else "")
