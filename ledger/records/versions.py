"""The records about versions: manifests and events.

Inert values (specs/format.md, 4). They name neither position nor version string:
the claim does.
"""

from typing import Any, Literal

import msgspec

from ledger.errors import FormatError
from ledger.ids import EventId, VersionId, is_digest, is_uuid
from ledger.records import canonical
from ledger.records.content import Content
from ledger.records.metadata import check_encoded


class Producer(msgspec.Struct, frozen=True, kw_only=True):
    """Which step of which run made a version, as which output."""

    run: str
    step: str
    output: str


class Visualization(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the content that shows the value."""

    path: str
    type: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a version."""

    id: VersionId
    name: str
    requested_version: str | None
    created_at: str
    created_by: str
    type: str
    save_type: str
    materializer: str
    data_type: str
    trust: str
    content: Content
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    producer: Producer | None
    visualizations: tuple[Visualization, ...]
    kind: Literal["version"] = "version"
    format: int = canonical.FORMAT


class TagsEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Tags taken from a version, then tags put on it."""

    id: EventId
    created_at: str
    created_by: str
    add: tuple[str, ...]
    remove: tuple[str, ...]
    kind: Literal["tags"] = "tags"
    format: int = canonical.FORMAT


class MetadataEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Metadata logged on a version after it was published."""

    id: EventId
    created_at: str
    created_by: str
    metadata: dict[str, Any]
    kind: Literal["metadata"] = "metadata"
    format: int = canonical.FORMAT


class RenumberedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A merge gave a version another place; time and author are the version's, so that every clone writes the same."""

    id: EventId
    created_at: str
    created_by: str
    from_position: int
    from_version: str
    kind: Literal["renumbered"] = "renumbered"
    format: int = canonical.FORMAT


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a kind that only later programs know; it is kept, and skipped."""

    id: EventId
    kind: str
    format: int


Event = TagsEvent | MetadataEvent | RenumberedEvent | UnknownEvent

_KNOWN_EVENTS: dict[str, type[Event]] = {"tags": TagsEvent, "metadata": MetadataEvent, "renumbered": RenumberedEvent}


def decode_manifest(data: bytes, *, where: str) -> Manifest:
    """The manifest in ``data``, its fields checked; raises `FormatError`."""
    manifest = canonical.decode(data, Manifest, where=where)
    if not is_uuid(manifest.id):
        raise FormatError(f"{where}: id {manifest.id!r} is not a UUID", where=where)
    check_content(manifest.content, where)
    check_encoded(manifest.metadata, where)
    return manifest


def decode_event(data: bytes, *, where: str) -> Event:
    """The event in ``data``, of a known kind or not; raises `FormatError`."""
    event: Event = canonical.decode(data, UnknownEvent, where=where)
    if event.kind in _KNOWN_EVENTS:
        event = canonical.decode(data, _KNOWN_EVENTS[event.kind], where=where)
    if isinstance(event, MetadataEvent):
        check_encoded(event.metadata, where)
    if not is_uuid(event.id):
        raise FormatError(f"{where}: id {event.id!r} is not a UUID", where=where)
    return event


def check_content(content: Content, where: str) -> None:
    """Refuse a content whose parts contradict each other, before anything is read for it."""
    digests = [content.digest, *(digest for digest, _ in content.chunks or ())]
    if not all(is_digest(digest) for digest in digests):
        raise FormatError(f"{where}: content names a malformed digest", where=where)
    if content.files is None:
        if content.file_count is None:
            raise FormatError(f"{where}: content lists no files and does not count them", where=where)
        return
    sizes = [file.size for file in content.files]
    if min(sizes, default=0) < 0 or sum(sizes) != content.size:
        raise FormatError(f"{where}: files of {sum(sizes)} bytes in a content of {content.size}", where=where)
    if content.linked is None:
        _check_chunks(content, where)


def _check_chunks(content: Content, where: str) -> None:
    sizes = [size for _, size in content.chunks or ()]
    if len(sizes) > 1 or min(sizes, default=1) < 1 or sum(sizes) != content.size:
        raise FormatError(
            f"{where}: {len(sizes)} chunks of {sum(sizes)} bytes in a content of {content.size}", where=where
        )
