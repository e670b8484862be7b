"""The functions of the public contract, on the default ledger.

The default ledger is the one of the running step's run, else that of ``LEDGER_DIR``, else the nearest ``.ledger``
in the working directory or above it; the first write makes one. Each function finds the ledger and delegates.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.core import (
    ArtifactVersion,
    Ledger,
    check_options,
    check_request,
    ledger_for_reading,
    ledger_for_writing,
)
from ledger.enums import ArtifactType
from ledger.errors import ArgumentError, ArtifactNotFoundError, LedgerNotFoundError
from ledger.materializers import BaseMaterializer
from ledger.records import check_version
from ledger.runtime import current_recording, current_step, lazy_lookup


def save_artifact(
    data: object,
    name: str,
    version: str | int | None = None,
    *,
    artifact_type: ArtifactType | str | None = None,
    tags: Iterable[str] | None = None,
    run_metadata: Mapping[str, Any] | None = None,
    materializer: type[BaseMaterializer] | None = None,
    extract_metadata: bool = True,
    include_visualizations: bool = True,
) -> ArtifactVersion:
    """Save a value as a new version of an artifact, published whole or not at all; durable when this returns.

    Without ``version``, the version gets the next number. A ``pathlib.Path`` is saved as the file or folder that lies
    there, a str as text. ``tags`` is a list of str, ``run_metadata`` a dict of plain values. ``artifact_type`` wins
    over the materializer's, and ``materializer`` is a class to use instead of the one chosen by the value's type.
    ``extract_metadata=False`` leaves out what the materializer notes about the value (such as its shape), and
    ``include_visualizations=False`` its visualizations. In a step, the version is tied to the step.

    Raises `VersionExistsError` (a ``ValueError``) for a version that exists, `InvalidNameError`, `MetadataError` and
    their like for what cannot be recorded, and `MaterializerError` for a value that cannot become files. If it raises,
    nothing is published.
    """
    # Judged before the ledger is found: a first save that is refused for its arguments makes none.
    request = check_request(name, version, type=artifact_type, tags=tags, metadata=run_metadata)
    check_options(materializer, extract_metadata=extract_metadata, include_visualizations=include_visualizations)
    return ledger_for_writing().save(
        data,
        request.name,
        request.version,
        artifact_type=request.type,
        tags=request.tags,
        run_metadata=request.metadata,
        materializer=materializer,
        extract_metadata=extract_metadata,
        include_visualizations=include_visualizations,
    )


def load_artifact(
    name_or_id: str | UUID, version: str | int | None = None, *, tag: str | None = None, trust: bool = False
) -> Any:
    """The value of an artifact's version, by default the latest, with every byte checked against its digest.

    ``name_or_id`` may also be a version's id, the beginning of one, or ``NAME@VERSION``. With ``tag``, the newest
    version of the name that has the tag is loaded. ``trust=True`` lets this one call run code that the version holds.
    In a pipeline's body, the result is a placeholder for the value, and ``trust=True`` is refused. In a step, the
    version is recorded as an input.

    Raises `ArtifactNotFoundError` (a ``KeyError``), `VersionNotFoundError`, `IntegrityError` for bytes that are
    missing or damaged, and `UntrustedArtifactError` for a value that only code can rebuild.
    """
    if current_recording() is not None:
        return lazy_lookup(name_or_id, version, tag).load(trust=trust)
    return ledger_for_reading().load(name_or_id, version, tag=tag, trust=trust)


def register_artifact(
    folder_or_file_uri: str | Path,
    name: str,
    version: str | int | None = None,
    *,
    artifact_type: ArtifactType | str | None = None,
    tags: Iterable[str] | None = None,
    run_metadata: Mapping[str, Any] | None = None,
) -> ArtifactVersion:
    """Link a file or folder that already lies inside the artifact store as a new version, without copying it.

    Its files are read once to record their digests, so that a load notices if they have changed since. A load gives the
    path. Raises `OutsideStoreError` (a ``FileNotFoundError``) for data elsewhere, and what `save_artifact` raises for
    its arguments.
    """
    request = check_request(name, version, type=artifact_type, tags=tags, metadata=run_metadata)
    return ledger_for_writing().register(
        folder_or_file_uri,
        request.name,
        request.version,
        artifact_type=request.type,
        tags=request.tags,
        run_metadata=request.metadata,
    )


def log_artifact_metadata(
    metadata: Mapping[str, Any],
    artifact_name: str | UUID | None = None,
    version: str | int | None = None,
    *,
    artifact_version: str | int | None = None,
) -> None:
    """Log metadata on an output of the running step, or on an existing version.

    In a step and without a version, the name of an output, or of its artifact, means that output; no name means the
    only output. In all other cases, the metadata are logged on that version of the artifact, by default the latest.
    ``metadata`` is a dict of plain values; nested dicts merge key by key with what was logged before.
    ``artifact_version`` is another word for ``version``.

    Raises `ArgumentError` (a ``ValueError``) if the name is left out outside a step, in a step that does not have
    exactly one output, or beside a version; `MetadataError` for a value that cannot be recorded; and
    `ArtifactNotFoundError` (a ``KeyError``) if there is no such artifact.
    """
    is_twice = version is not None and artifact_version is not None
    if is_twice and check_version(version) != check_version(artifact_version):
        raise ArgumentError(f"version is {version!r}, but artifact_version is {artifact_version!r}; give one of them")
    chosen = version if version is not None else artifact_version
    context = current_step()
    outputs = context.output_names if context is not None else ()
    if context is not None and chosen is None and (output := context.output_meant_by(artifact_name)) is not None:
        context.add_output_metadata(metadata, output)
        return
    if artifact_name is None:
        raise _unnamed(chosen, outputs)
    try:
        _ledger_with(artifact_name).log_metadata(metadata, artifact_name, chosen)
    except ArtifactNotFoundError as error:
        if outputs and chosen is None:
            error.hint = f"{error.hint}; the outputs of this step are: {', '.join(outputs)}"
        raise


def _unnamed(version: str | int | None, outputs: Sequence[str]) -> ArgumentError:
    """The error where no name says what metadata are about, and no step with these outputs does."""
    if version is not None:
        return ArgumentError(
            f"an artifact name must be given with a version, got version {version!r} alone",
            hint="name the artifact, or leave the version out for the output that a step is making",
        )
    return ArgumentError(
        "an artifact name must be given unless the call is inside a step with a single output"
        + (f"; this step has the outputs {', '.join(outputs)}" if outputs else ""),
        hint="name the artifact: log_artifact_metadata(metadata, 'name')",
    )


def _ledger_with(artifact_name: str | UUID) -> Ledger:
    """The default ledger, to change what it has; a typing error is no reason to make one where there is none."""
    try:
        return ledger_for_reading()
    except LedgerNotFoundError as error:
        name = str(artifact_name)
        raise ArtifactNotFoundError(f"no artifact {name!r}: {error}", hint=error.hint, name=name) from error
