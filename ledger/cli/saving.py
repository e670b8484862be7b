"""The commands that save files and give them back."""

from pathlib import Path

import click

import ledger
from ledger.cli.arguments import PATH, metadata_option, tags_option, type_option
from ledger.cli.completions import complete_known_tag, complete_name
from ledger.cli.printing import print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session, version_argument
from ledger.cli.shapes import label_of, version_shape
from ledger.disk import given_path, mode_of
from ledger.errors import SourceNotFoundError
from ledger.lookup import ArtifactVersion


@click.command(cls=ExampleCommand, example="ledger save data.csv --name iris --tag raw --meta rows=150")
@click.argument("path", type=PATH)
@click.option("--name", metavar="NAME", required=True, help="The artifact's name.", shell_complete=complete_name)
@click.option("--version", metavar="VERSION", help="The version; by default the next number.")
@tags_option("A tag; may be repeated.")
@metadata_option("Metadata, JSON or text; may be repeated.")
@type_option("The artifact type, such as ModelArtifact.")
@json_option
@pass_session
def save(
    session: Session,
    path: str,
    name: str,
    version: str | None,
    tags: tuple[str, ...],
    meta: dict[str, object],
    type_: str | None,
) -> None:
    """Save a file or folder as a new version."""
    if path == "-":  # what arrives in a stream may be cut off, and nobody could tell
        raise click.UsageError("a file or folder is saved by its path, not standard input; a file of the name - is ./-")
    given_path(path, "a path to save")
    if not mode_of(path, follow=False):  # before the first save makes a ledger
        raise SourceNotFoundError(f"{path!r} does not exist, nothing can be saved", path=path)
    # The default ledger is made if need be, for what can be saved; one that was named must exist.
    save_in_ledger = session.ledger().save if session.path is not None else ledger.save_artifact
    saved = save_in_ledger(Path(path), name, version, tags=tags, run_metadata=meta, artifact_type=type_)
    if session.json:
        print_json(version_shape(saved))
    else:
        print_line(f"{label_of(saved)}  {saved.id}")


@click.command(cls=ExampleCommand, example="ledger get iris@1 -o restored.csv")
@version_argument
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="PATH",
    required=True,
    help="Where the files go; a path that ends in .zip gets a zip.",
)
@click.option(
    "--tag",
    metavar="TAG",
    help="The newest version that has this tag, instead of the latest.",
    shell_complete=complete_known_tag,
)
@click.option("--file", metavar="FILE", help="Only this file or folder, by its path in the version.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@json_option
@pass_session
def get(session: Session, version: str, output: str, tag: str | None, file: str | None, overwrite: bool) -> None:
    """Restore the files of a version. Every byte is checked and nothing is run.

    One file becomes PATH, or goes into PATH if that is a folder. Several files, or a folder, become a new folder PATH.
    """
    if output == "-":  # it appears whole or not at all, which a stream cannot
        raise click.UsageError("the files go to a path, not to standard output; a file of the name - is ./-")
    found = session.ledger().get(version, tag=tag)
    wants_zip = output.endswith(".zip")
    if wants_zip and file is not None and any(each.path.startswith(f"{file.rstrip('/')}/") for each in found.files()):
        raise click.UsageError("a folder of a version becomes a folder; choose a path that does not end in .zip")
    zipped = wants_zip and file is None and not _is_zip(found)
    made = found.download_files(output, overwrite) if zipped else found.restore(output, overwrite, file=file)
    if session.json:
        print_json({**version_shape(found), "path": str(made.absolute())})
    else:
        print_line(f"{label_of(found)}  {made}")


def _is_zip(version: ArtifactVersion) -> bool:
    """Whether a version is one zip by itself, not a folder that was saved or registered with one in it."""
    paths, linked = [file.path for file in version.files()], version.content.linked
    is_by_itself = len(paths) == 1 and (f"/{linked}".endswith(f"/{paths[0]}") if linked else "/" not in paths[0])
    return is_by_itself and paths[0].endswith(".zip")
