"""The command that shows how many bytes versions take."""

from typing import TYPE_CHECKING

import click

from ledger.cli.arguments import name_and_version
from ledger.cli.completions import complete_version
from ledger.cli.printing import Shape, print_json, print_table
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session

if TYPE_CHECKING:
    from ledger.core import ArtifactUsage, Usage, VersionUsage

_BYTES = {"LOGICAL": "logical", "STORED": "stored", "SHARED": "shared"}
_ARTIFACT_COLUMNS = {"NAME": "name", "VERSIONS": "versions", **_BYTES}
_VERSION_COLUMNS = {"NAME": "name", "VERSION": "version", **_BYTES}
_TOTAL = "total"


@click.command(
    cls=ExampleCommand, short_help="Show what versions take, and what sharing saves.", example="ledger du iris"
)
@click.argument("name", metavar="[NAME[@VERSION]]", required=False, shell_complete=complete_version)
@json_option
@pass_session
def du(session: Session, name: str | None) -> None:
    """Show the bytes of each artifact, or of one artifact's versions: in files, as stored, and shared with others."""
    opened = session.ledger()
    wanted, only = name_and_version(opened, name)
    usage = opened.usage()
    chosen = [artifact for artifact in usage.artifacts if wanted in (None, artifact.name)]
    if session.json:
        artifacts = [_artifact_shape(artifact, only) for artifact in chosen]
        print_json({"logical": usage.logical, "stored": usage.stored, "artifacts": artifacts})
    elif wanted is not None:
        rows = [shape for artifact in chosen for shape in _version_shapes(artifact, only)]
        print_table(_VERSION_COLUMNS, [*rows, *(_sum_of(artifact) for artifact in chosen if only is None)])
    else:
        rows = [{**_artifact_shape(artifact), "versions": len(artifact.versions)} for artifact in chosen]
        print_table(_ARTIFACT_COLUMNS, [*rows, _total(usage)])


def _artifact_shape(artifact: "ArtifactUsage", only: str | None = None) -> Shape:
    return {
        "name": artifact.name,
        "logical": artifact.logical,
        "stored": artifact.stored,
        "shared": artifact.shared,
        "versions": _version_shapes(artifact, only),
    }


def _version_shapes(artifact: "ArtifactUsage", only: str | None) -> list[Shape]:
    """Its versions, or ``only`` one of them."""
    return [_version_shape(version) for version in artifact.versions if only in (None, version.claim.version)]


def _version_shape(version: "VersionUsage") -> Shape:
    claim = version.claim
    return {
        "name": claim.name,
        "version": claim.version,
        "position": claim.position,
        "id": claim.id,
        "logical": version.logical,
        "stored": version.stored,
        "shared": version.shared,
    }


def _sum_of(artifact: "ArtifactUsage") -> Shape:
    """The last row of an artifact's versions; ``shared`` there is what other artifacts need too."""
    return {**_artifact_shape(artifact), "name": _TOTAL, "version": None}


def _total(usage: "Usage") -> Shape:
    versions = sum(len(artifact.versions) for artifact in usage.artifacts)
    return {"name": _TOTAL, "versions": versions, "logical": usage.logical, "stored": usage.stored, "shared": None}
