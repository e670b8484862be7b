"""What is known about a version: where it stands, its manifest, and what later events changed.

Pure. The handle shows these facts; searches decide by them.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import FormatError
from ledger.history import Claim
from ledger.records import (
    Event,
    Manifest,
    MetadataEntry,
    MetadataEvent,
    TagsEvent,
    decode_values,
    merge,
    parse_time,
)

_WORDS: dict[type[StrEnum], frozenset[str]] = {kind: frozenset(kind) for kind in (ArtifactType, VisualizationType)}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A version's claim and manifest, and its tags and metadata as its events left them."""

    claim: Claim
    manifest: Manifest
    tags: tuple[str, ...]
    entries: Mapping[str, MetadataEntry]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata as a plain dict."""
        return {key: entry.value for key, entry in self.entries.items()}


def facts_of(claim: Claim, manifest: Manifest, events: Iterable[Event]) -> Facts:
    """The facts after all events, which are given in the order of their ids."""
    tags = set(manifest.tags)
    entries: dict[str, MetadataEntry] = {}
    _log(entries, manifest.metadata, manifest.created_at, manifest.created_by)
    for event in events:
        if isinstance(event, TagsEvent):
            tags.difference_update(event.remove)
            tags.update(event.add)
        elif isinstance(event, MetadataEvent):
            _log(entries, event.metadata, event.created_at, event.created_by)
    return Facts(claim=claim, manifest=manifest, tags=tuple(sorted(tags)), entries=entries)


def check_claim(manifest: Manifest, claim: Claim) -> None:
    """Raise `FormatError` if the manifest's name or id is not the one in its path, or if it names an unknown type."""
    for what, found, claimed in (("name", manifest.name, claim.name), ("id", manifest.id, claim.id)):
        if found != claimed:
            raise FormatError(
                f"{claim.label}: its manifest has {what} {found!r}, its path claims {claimed!r}",
                name=claim.name,
                version=claim.version,
            )
    kinds = [(manifest.type, ArtifactType), *((shown.type, VisualizationType) for shown in manifest.visualizations)]
    for word, known in kinds:
        if word not in _WORDS[known]:
            raise FormatError(
                f"{claim.label}: its manifest has the {known.__name__} {word!r}, which is none",
                name=claim.name,
                version=claim.version,
            )


def leaves(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value of nested groups under its dotted key, in order."""
    return ((".".join(path), value) for path, value in paths_in(metadata))


def paths_in(metadata: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of nested groups under the keys that lead to it, in order; an empty group is a value."""
    for key, value in metadata.items():
        if isinstance(value, dict) and value:
            yield from paths_in(value, (*above, key))
        else:
            yield (*above, key), value


def _log(entries: dict[str, MetadataEntry], logged: Mapping[str, Any], at: str, by: str) -> None:
    values = decode_values(dict(logged))
    before = {key: entries[key].value for key in values if key in entries}
    for key, value in merge(before, values).items():
        entries[key] = MetadataEntry(value=value, recorded_at=parse_time(at), recorded_by=by)
