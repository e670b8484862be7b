"""From a value to a draft: everything that is checked and made durable before anything is published.

The steps, in order: check every argument; refuse a version that exists; write the value's files into the store; gather
metadata; build the manifest. Bytes are durable before the draft exists, except small objects that the transaction puts
at the same time before its commit.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from ledger.blobs import ContentWriter
from ledger.core.files import SavingFiles
from ledger.enums import ArtifactType, SaveType, TrustClass
from ledger.errors import ArgumentTypeError, FormatError, MetadataError
from ledger.history import VersionDraft
from ledger.ids import VersionId, new_uuid
from ledger.materializers import BaseMaterializer, PathMaterializer, SavedValue, save_value
from ledger.meters import expect
from ledger.notices import warn_user
from ledger.records import (
    Content,
    Manifest,
    Name,
    Producer,
    VersionString,
    Visualization,
    check_name,
    check_switches,
    check_tags,
    check_type,
    check_version,
    encode,
    encode_values,
    format_time,
    merge,
    normalise,
    normalise_given,
)
from ledger.wording import shown

VISUALIZATIONS = ".visualizations"

IN_PLACE = SavedValue(
    key=PathMaterializer.REGISTRY_KEY,
    data_type="pathlib.Path",
    artifact_type=ArtifactType.DATA,
    trust=TrustClass.DATA,
    metadata={},
    visualizations={},
)
"""What a record says about data that is registered in place, and that no materializer has written."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asked to be saved along with the bytes, checked and normalised."""

    name: Name
    version: VersionString | None
    type: ArtifactType | None
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]
    save_type: SaveType
    producer: Producer | None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a value is turned into files, and what is worked out about it."""

    materializer: type[BaseMaterializer] | None = None
    extract_metadata: bool = True
    include_visualizations: bool = True


def check_request(
    name: object,
    version: object,
    *,
    type: object,
    tags: object,
    metadata: object,
    save_type: SaveType = SaveType.MANUAL,
    producer: Producer | None = None,
) -> Request:
    """The arguments of a save, each refused with its own error before anything is written."""
    return Request(
        name=check_name(name),
        version=check_version(version) if version is not None else None,
        type=check_type(type),
        tags=check_tags(tags),
        metadata=check_metadata(metadata),
        save_type=save_type,
        producer=producer,
    )


def check_metadata(metadata: object) -> dict[str, Any]:
    """The metadata in its one form; `MetadataError` for a value that is none, or for too much of it."""
    return _within_limits(normalise(metadata))


def check_logged(metadata: object) -> dict[str, Any]:
    """The metadata that a call is about, as `check_metadata` gives it, but ``None`` is refused."""
    return _within_limits(normalise_given(metadata))


def check_options(materializer: object, *, extract_metadata: bool, include_visualizations: bool) -> Options:
    """The options of a save; a materializer is given as its class."""
    if materializer is not None and not (isinstance(materializer, type) and issubclass(materializer, BaseMaterializer)):
        raise ArgumentTypeError(f"a materializer is a subclass of BaseMaterializer, got {shown(materializer)}")
    check_switches(extract_metadata=extract_metadata, include_visualizations=include_visualizations)
    return Options(
        materializer=materializer, extract_metadata=extract_metadata, include_visualizations=include_visualizations
    )


def store_value(writer: ContentWriter, value: object, options: Options) -> tuple[SavedValue, Content]:
    """Write a value's files through a new writer, which is used up; on an error it is aborted."""
    expect(_size_in_memory(value))
    files = SavingFiles(writer)
    visualizations = files.below(VISUALIZATIONS) if options.include_visualizations else None
    try:
        saved = save_value(
            value,
            files,
            materializer=options.materializer,
            extract_metadata=options.extract_metadata,
            visualizations=visualizations,
        )
        files.collect()
        if not writer.files:
            warn_user(f"materializer {saved.key} has written no file below self.uri, where self.open makes them")
        saved = _with_visualizations_there(saved, writer)
        content = writer.finish()
    except BaseException:
        writer.abort()
        raise
    finally:
        files.clean()
    return saved, content


def _with_visualizations_there(saved: SavedValue, writer: ContentWriter) -> SavedValue:
    """What a materializer says of a value, without visualizations that it names but has not written."""
    if not saved.visualizations:
        return saved
    there = {file.path for file in writer.files}
    visualizations = {}
    for path, kind in saved.visualizations.items():
        if f"{VISUALIZATIONS}/{path}" in there:
            visualizations[path] = kind
        else:
            warn_user(f"visualization {path!r} of the {saved.data_type} is left out: there is no such file")
    return replace(saved, visualizations=visualizations)


def manifest_of(request: Request, saved: SavedValue, content: Content, *, author: str, now: dt.datetime) -> Manifest:
    """The manifest of what was stored, or registered in place."""
    automatic = merge({"storage_size": content.size}, saved.metadata)
    return Manifest(
        id=VersionId(new_uuid(int(now.timestamp() * 1000))),
        name=request.name,
        requested_version=request.version,
        created_at=format_time(now),
        created_by=author,
        type=(request.type or saved.artifact_type).value,
        save_type=request.save_type.value,
        materializer=saved.key,
        data_type=saved.data_type,
        trust=saved.trust.value,
        content=content,
        tags=request.tags,
        metadata=encode_values(merge(automatic, request.metadata)),
        producer=request.producer,
        visualizations=tuple(
            Visualization(path=f"{VISUALIZATIONS}/{path}", type=kind.value)
            for path, kind in saved.visualizations.items()
        ),
    )


def draft_of(request: Request, manifest: Manifest) -> VersionDraft:
    """The draft that publishes a manifest."""
    trailers = [f"Content: {manifest.content.digest}"]
    if manifest.producer is not None:
        trailers.append(f"Run: {manifest.producer.run}")
    return VersionDraft(
        name=request.name,
        id=manifest.id,
        requested=request.version,
        manifest=encode(manifest),
        trailers=tuple(trailers),
    )


def _within_limits(values: dict[str, Any]) -> dict[str, Any]:
    if values:
        try:
            encode(encode_values(values))
        except FormatError as error:
            raise MetadataError(f"metadata is too large: {error}", hint=error.hint) from error
    return values


def _size_in_memory(value: object) -> int:
    """The bytes of a value that is a buffer, which its files will roughly have; 0 for any other."""
    try:
        with memoryview(value) as view:  # type: ignore[arg-type]  # asking is the test
            return view.nbytes
    except (TypeError, ValueError, BufferError):
        return 0
