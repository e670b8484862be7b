"""The commands that say more about a version: tags and metadata."""

import click

from ledger.cli.arguments import key_value, one_value_each
from ledger.cli.completions import complete_known_tag, complete_tag
from ledger.cli.errors import print_warning
from ledger.cli.printing import print_json, print_line
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session, version_argument
from ledger.cli.shapes import full_version_shape, label_of, version_shape
from ledger.records import encode_values


@click.command(cls=ExampleCommand, example="ledger tag iris@1 best approved --remove raw")
@version_argument
@click.argument("tags", metavar="[TAG]...", nargs=-1, shell_complete=complete_known_tag)
@click.option(
    "--remove", metavar="TAG", multiple=True, help="A tag to take off; may be repeated.", shell_complete=complete_tag
)
@click.option("--exclusive", is_flag=True, help="Take the tags off all other versions of the name.")
@json_option
@pass_session
def tag(session: Session, version: str, tags: tuple[str, ...], remove: tuple[str, ...], exclusive: bool) -> None:
    """Put tags on a version, and take others off."""
    if not tags and not remove:
        raise click.UsageError("give a tag to put on, or --remove TAG")
    if exclusive and not tags:
        raise click.UsageError("--exclusive needs a tag to put on: --remove takes off that version alone")
    opened = session.ledger()
    found = opened.get(version)
    opened.tag(found, tags, remove=remove, exclusive=exclusive)
    for known in sorted({*tags} & {*found.tags}):
        print_warning(f"{label_of(found)} had the tag {known!r} already")
    for unknown in sorted({*remove} - {*found.tags}):
        print_warning(f"{label_of(found)} had no tag {unknown!r} to take off")
    tagged = opened.get(found.id)
    if session.json:
        print_json(version_shape(tagged))
    else:
        print_line(f"{label_of(tagged)}  tags: {', '.join(tagged.tags) or 'none'}")


@click.command(cls=ExampleCommand, example="ledger meta iris@1 source=camera-3 rows=150")
@version_argument
@click.argument("metadata", metavar="KEY=VALUE...", type=key_value, callback=one_value_each, nargs=-1, required=True)
@json_option
@pass_session
def meta(session: Session, version: str, metadata: dict[str, object]) -> None:
    """Log metadata on a version. What was logged before stays in the history."""
    opened = session.ledger()
    found = opened.get(version)
    shape = full_version_shape(found) if session.json else {}  # it asks the store: without an answer nothing is logged
    opened.log_metadata(metadata, found)
    noted = opened.get(found.id)
    if session.json:
        print_json({**shape, **version_shape(noted), "metadata": encode_values(noted.metadata)})
    else:
        print_line(f"{label_of(noted)}  metadata: {', '.join(metadata)}")
