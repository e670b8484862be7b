"""The functions of the public contract, on the default ledger.

Thin: each finds the ledger and delegates.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.core import ArtifactVersion, check_request, ledger_for_reading, ledger_for_writing
from ledger.enums import ArtifactType
from ledger.errors import ArgumentError, ArtifactNotFoundError, LedgerNotFoundError
from ledger.materializers import BaseMaterializer


def save_artifact(
    data: object,
    name: str,
    version: str | int | None = None,
    *,
    artifact_type: ArtifactType | str | None = None,
    tags: Iterable[str] | None = None,
    run_metadata: Any = None,
    materializer: type[BaseMaterializer] | None = None,
    extract_metadata: bool = True,
    include_visualizations: bool = True,
) -> ArtifactVersion:
    """Save a value as a new version of an artifact, published whole or not at all.

    Raises `VersionExistsError` for a version that exists; nothing is written then.
    """
    # Judged before the ledger is found: a refused first save makes none.
    request = check_request(name, version, type=artifact_type, tags=tags, metadata=run_metadata)
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


def load_artifact(name_or_id: str | UUID, version: str | int | None = None, *, trust: bool = False) -> Any:
    """The value of an artifact's version, by default the latest, its bytes verified."""
    return ledger_for_reading().load(name_or_id, version, trust=trust)


def register_artifact(
    folder_or_file_uri: str | Path,
    name: str,
    version: str | int | None = None,
    *,
    artifact_type: ArtifactType | str | None = None,
    tags: Iterable[str] | None = None,
    run_metadata: Any = None,
) -> ArtifactVersion:
    """Link data that lies inside the artifact store already, without copying it.

    Raises `OutsideStoreError` (a ``FileNotFoundError``) for data elsewhere.
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
    metadata: Any,
    artifact_name: str | UUID | None = None,
    version: str | int | None = None,
    *,
    artifact_version: str | int | None = None,
) -> None:
    """Log metadata on an existing version, by default the latest of the name.

    ``artifact_version`` is another word for ``version``. Raises `ArtifactNotFoundError` (a ``KeyError``).
    """
    if version is not None and artifact_version is not None and str(version) != str(artifact_version):
        raise ArgumentError(f"version is {version!r}, but artifact_version is {artifact_version!r}; give one of them")
    if artifact_name is None:
        raise ArgumentError(
            "an artifact name must be given unless the call is inside a step with a single output",
            hint="name the artifact: log_artifact_metadata(metadata, 'name')",
        )
    chosen = version if version is not None else artifact_version
    try:
        ledger = ledger_for_reading()
    except LedgerNotFoundError as error:
        # Where there is no ledger there is no such artifact; a typing error is no reason to make one.
        raise ArtifactNotFoundError(
            f"no artifact {str(artifact_name)!r}: {error}", hint=error.hint, name=str(artifact_name)
        ) from error
    ledger.log_metadata(metadata, artifact_name, chosen)
