"""What is to be published: versions, events and records without their place in the history.

Drafts are plain data, because a publication that waits for the ledger's lock is placed by another process: the one
that holds it. `placing` gives each its place, `messages` says what the commit says of them.
"""

from typing import Literal

import msgspec

from ledger.enums import Durability
from ledger.history.tree import layout
from ledger.history.tree.layout import Claim
from ledger.ids import EventId, VersionId
from ledger.records import FORMAT, Name, VersionString

UNPLACED = EventId("00000000-0000-7000-8000-000000000000")
"""The id of an event in its draft; when it is placed, it gets one that sorts after those of the version's events."""


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
    now: str
    """The moment, as records hold it (`ledger.records.format_time`)."""
    subject: str = ""
    durability: Durability = Durability.FULL
    kind: Literal["publication"] = "publication"
    format: int = FORMAT
