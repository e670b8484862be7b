"""What the shell offers for a word that is typed half: names of artifacts, versions, tags, remotes and runs.

Click calls each ``complete_`` function for an argument or option that names it, and gets the words that begin with
``incomplete``. None fails or warns: what cannot be read is not offered.
"""

import warnings
from collections.abc import Callable

import click

from ledger.cli.shapes import label_of, readable
from ledger.errors import LedgerError
from ledger.lookup import PipelineRun, Reader, read_config

_RUNS_OFFERED = 50
"""More ids than one looks through, and few enough to be read while somebody waits."""

_TAGGED_READ = 200
"""Most versions whose tags are read while somebody waits."""


def complete_name(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The names of artifacts."""
    return _complete(context, Reader.artifact_names, incomplete)


def complete_version(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of artifacts; after a name and its ``@`` the versions, newest first."""
    name, mark, _ = incomplete.partition("@")
    if not mark:
        return complete_name(context, parameter, incomplete)
    return _complete(
        context, lambda reader: [f"{name}@{each.version}" for each in reversed(reader.versions(name))], incomplete
    )


def complete_tag(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The tags of the version that the words before name."""
    given = context.params.get("version")
    # The option to complete has no value yet: click then leaves the arguments before it unread.
    version = given if given is not None else next(iter(context.args), None)
    if version is None:
        return []
    return _complete(context, lambda reader: list(reader.get(version).tags), incomplete)


def complete_known_tag(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The tags of the newest versions, only of the artifact that is named if one is."""
    given = context.params.get("name") or context.params.get("version") or next(iter(context.args), "")
    named = given.partition("@")[0]

    def tags(reader: Reader) -> list[str]:
        name = named if reader.has_artifact(named) else None
        found = readable(reader.search(name=name, limit=_TAGGED_READ), lambda each: each.tags, label_of)
        return sorted({tag for tags in found for tag in tags})

    return _complete(context, tags, incomplete)


def complete_remote(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The names of remotes."""
    return _complete(context, lambda reader: sorted(read_config(reader.path).remotes), incomplete)


def complete_pipeline(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The pipelines of the newest runs, the latest first."""
    return _complete(context, lambda reader: list(dict.fromkeys(run.name for run in _newest_runs(reader))), incomplete)


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """What names a run: the pipelines, and the ids of the newest runs, the latest first."""
    ids = _complete(context, lambda reader: [str(run.id) for run in _newest_runs(reader)], incomplete)
    return [*complete_pipeline(context, parameter, incomplete), *ids]


def _newest_runs(reader: Reader) -> list[PipelineRun]:
    return reader.runs(limit=_RUNS_OFFERED)[::-1]


def _complete(context: click.Context, choices: Callable[[Reader], list[str]], incomplete: str) -> list[str]:
    # A shell that completes has no place for an error or a warning; the command itself will say it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            found = choices(Reader.open(context.find_root().params.get("ledger")))
        except LedgerError:
            return []
    return [each for each in found if each.startswith(incomplete)]
