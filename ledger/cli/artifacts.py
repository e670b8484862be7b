"""The commands that show artifacts and their versions."""

import datetime as dt

import click

from ledger.cli.arguments import limit_option, metadata_option, moment, name_and_version, tags_option, type_option
from ledger.cli.asked_columns import print_asked, show_option, values_of_version
from ledger.cli.completions import complete_name, complete_version
from ledger.cli.printing import Shape, print_fields, print_json, print_list, print_table
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session, version_argument
from ledger.cli.shapes import (
    file_shape,
    full_artifact_shape,
    full_version_shape,
    label_of,
    listed_artifact_shape,
    readable,
    version_shape,
)
from ledger.cli.suggesting import SuggestingGroup
from ledger.errors import ArgumentError
from ledger.lookup import leaves

_ARTIFACT_COLUMNS = {
    "NAME": "name",
    "LATEST": "latest",
    "VERSIONS": "versions",
    "TYPE": "type",
    "CREATED": "created_at",
}
_VERSION_COLUMNS = {
    "NAME": "name",
    "VERSION": "version",
    "ID": "id",
    "TYPE": "type",
    "SIZE": "size",
    "TAGS": "tags",
    "CREATED": "created_at",
    "BY": "created_by",
}
_FILE_COLUMNS = {"FILE": "path", "SIZE": "size", "KIND": "kind"}


@click.group(cls=SuggestingGroup)
def artifact() -> None:
    """Look at artifacts and their versions."""


@artifact.group("version", cls=SuggestingGroup)
def versions() -> None:
    """Look at versions."""


@artifact.command("list", cls=ExampleCommand, example="ledger artifact list --tag best")
@tags_option("Only artifacts that have a version with this tag; may be repeated.")
@json_option
@pass_session
def list_artifacts(session: Session, tags: tuple[str, ...]) -> None:
    """List the artifacts by name, with their latest version."""
    found = session.reader().artifacts(tag=tags or None)
    print_list(_ARTIFACT_COLUMNS, list(map(listed_artifact_shape, found)), wants_json=session.json)


@artifact.command("show", cls=ExampleCommand, example="ledger artifact show iris")
@click.argument("name", shell_complete=complete_name)
@json_option
@pass_session
def show_artifact(session: Session, name: str) -> None:
    """Show an artifact. Tags and metadata are those of its latest version."""
    reader = session.reader()
    if name_and_version(reader, name)[1] is not None:
        raise ArgumentError(
            f"{name!r} names a version, and this shows an artifact", hint=f"run `ledger artifact version show {name}`"
        )
    found = reader.artifact(name)
    _show_one(session, full_artifact_shape(found), found.latest.metadata)


@versions.command("list", cls=ExampleCommand, example="ledger artifact version list iris --tag best --limit 10")
@click.argument("name", metavar="[NAME[@VERSION]]", required=False, shell_complete=complete_version)
@tags_option("Only versions with this tag; may be repeated.")
@metadata_option(
    "Only versions with this metadata, JSON or text; a group is 'metrics={\"accuracy\": 0.97}'; may be repeated."
)
@type_option("Only versions of this type, such as ModelArtifact.")
@click.option("--since", type=moment, metavar="TIME", help="Only versions saved after this time (ISO 8601).")
@limit_option("Only the newest N versions.")
@show_option("Add a column for this key, from the metadata, else the parameters behind it; may be repeated.")
@json_option
@pass_session
def list_versions(
    session: Session,
    name: str | None,
    tags: tuple[str, ...],
    meta: dict[str, object],
    type_: str | None,
    since: dt.datetime | None,
    limit: int | None,
    keys: tuple[str, ...],
) -> None:
    """List versions, oldest first: of one artifact or of all. NAME@VERSION lists only that one."""
    reader = session.reader()
    name, version = name_and_version(reader, name)
    found = reader.search(
        name=name,
        version=version,
        tag=tags or None,
        type=type_,
        run_metadata=meta,
        created_after=since,
        limit=limit,
    )
    rows = readable(found, lambda each: (version_shape(each), values_of_version(each, keys)), label_of)
    print_asked(_VERSION_COLUMNS, list(rows), keys, wants_json=session.json)


@versions.command("show", cls=ExampleCommand, example="ledger artifact version show iris@1")
@version_argument
@json_option
@pass_session
def show_version(session: Session, version: str) -> None:
    """Show everything about a version. Without @VERSION, about the latest."""
    found = session.ledger().get(version)
    _show_one(session, full_version_shape(found), found.metadata)
    if not session.json:
        click.echo()
        print_table(_FILE_COLUMNS, map(file_shape, found.files()))


def _show_one(session: Session, shape: Shape, metadata: dict[str, object]) -> None:
    """One thing as JSON, or field by field with its metadata under dotted keys."""
    if session.json:
        print_json(shape)
        return
    plain = [(key, value) for key, value in shape.items() if key not in ("metadata", "files", "visualizations")]
    print_fields([*plain, *((f"metadata.{key}", value) for key, value in leaves(metadata))])
