"""Columns that a user asks for with ``--show``: values of metadata and parameters, beside a list's usual columns.

Owns where a key is looked for. A value in a nested group has a dotted key, as where a version is shown by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from ledger.cli.arguments import Decorated
from ledger.cli.printing import Shape, print_list
from ledger.cli.shapes import label_of
from ledger.errors import FormatError, IntegrityError
from ledger.lookup import ArtifactVersion, PipelineRun
from ledger.notices import warn_user
from ledger.records import encode_values
from ledger.wording import shown

Values = Mapping[str, Any]
"""What a row has under the keys that are asked for, without those that it does not have."""

_VALUES = "shown"
"""The key in a row's JSON below which the values are."""


def show_option(help: str) -> Callable[[Decorated], Decorated]:
    """The option ``--show KEY``, as a tuple ``keys``."""
    return click.option("--show", "keys", metavar="KEY", multiple=True, help=help)


def values_of_version(version: ArtifactVersion, keys: Sequence[str]) -> Values:
    """What a version has under the keys: in its metadata, else in the parameters of its step, else of its run."""

    def sources() -> Iterator[Mapping[str, Any]]:
        yield version.metadata
        if version.step is not None:
            yield version.step.parameters
        if version.run is not None:
            yield version.run.parameters

    return _values(label_of(version), sources(), keys)


def values_of_run(run: PipelineRun, keys: Sequence[str]) -> Values:
    """What a run has under the keys: in its parameters, else in those of its steps, else in its versions' metadata."""

    def sources() -> Iterator[Mapping[str, Any]]:
        yield run.parameters
        yield from (step.parameters for step in run.steps.values())
        yield from (version.metadata for version in run.artifact_versions)

    return _values(f"run {run.id}", sources(), keys)


def print_asked(
    columns: Mapping[str, str], rows: Sequence[tuple[Shape, Values]], keys: Sequence[str], *, wants_json: bool
) -> None:
    """Print a list with a column for each key; warns of a key that no row has."""
    for key in keys if rows else ():
        if not any(key in values for _, values in rows):
            warn_user(f"neither metadata nor parameters of what is listed have the key {shown(key)}")
    if not keys:
        shapes = [shape for shape, _ in rows]
    elif wants_json:
        shapes = [{**shape, _VALUES: encode_values({**dict.fromkeys(keys), **values})} for shape, values in rows]
    else:
        # A key may have the name of a column, which stays in its place: so the values have keys of their own.
        columns = {**columns, **{_heading(key, columns): f"{_VALUES}.{key}" for key in keys}}
        shapes = [{**shape, **{f"{_VALUES}.{key}": values.get(key) for key in keys}} for shape, values in rows]
    print_list(columns, shapes, wants_json=wants_json)


def _heading(key: str, columns: Mapping[str, str]) -> str:
    return f"{_VALUES}.{key}" if key in columns else key


def _values(row: str, sources: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> Values:
    """What the first source that has a key says under it, and no key that none has; without keys no source is read.

    A damaged source costs its values and those of the sources behind it, with a warning that names the row.
    """
    if not keys:
        return {}
    found: dict[str, Any] = {}
    missing = set(keys)
    try:
        for source in sources:
            said = _dotted(source)
            found.update({key: said[key] for key in missing & said.keys()})
            missing -= said.keys()
            if not missing:
                break
    except (FormatError, IntegrityError) as error:
        warn_user(f"{row} is listed without {', '.join(map(shown, sorted(missing)))}: {error}")
    return found


def _dotted(group: Mapping[str, Any]) -> dict[str, Any]:
    """Every value and every group in it under its dotted key; a key that has dots of its own wins over those."""
    below = {
        f"{key}.{inner}": value
        for key, within in group.items()
        if isinstance(within, dict)
        for inner, value in _dotted(within).items()
    }
    return {**below, **group}
