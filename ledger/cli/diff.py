"""The command that shows what differs between two versions."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from ledger.cli.completions import complete_version
from ledger.cli.printing import Shape, print_fields, print_json, print_line, print_table
from ledger.cli.session import ExampleCommand, Session, json_option, pass_session
from ledger.cli.shapes import file_shape, version_shape
from ledger.lookup import ArtifactVersion, Change, FileChange, FilesDiff, Origin, VersionDiff
from ledger.records import FileEntry, encode_values
from ledger.wording import counted, human_size

_Row = TypeVar("_Row")

_FILE_COLUMNS = {"FILE": "path", "CHANGE": "change", "OLD": "old", "NEW": "new"}
_MOST_LINES = 50
_MOST_CHARACTERS = 60  # of a value
_TELLING: Mapping[str, Callable[[Any], str]] = {"digest": lambda digest: digest[:19], "size": human_size}
_CONTENT = {True: "equal", False: "differs", None: "undecided"}


@click.command(
    cls=ExampleCommand, short_help="Show what differs between two versions.", example="ledger diff iris@1 iris"
)
@click.argument("old", shell_complete=complete_version)
@click.argument("new", required=False, shell_complete=complete_version)
@json_option
@pass_session
def diff(session: Session, old: str, new: str | None) -> None:
    """Show what differs from version OLD to version NEW, each NAME[@VERSION]: content, files, metadata and tags.

    With one version, show what differs from the one before it. Lists of files are compared first; bytes are read only
    where the lists leave a question open. The exit code is 0 whether or not anything differs.
    """
    opened = session.ledger()
    last = opened.get(old if new is None else new)
    first = opened.before(last) if new is None else opened.get(old)
    found = first.diff(last)
    if session.json:
        print_json(_shape(first, last, found))
        return
    print_fields(
        [("old", _worded(found.old)), ("new", _worded(found.new)), ("content", _CONTENT[found.has_same_content])]
    )
    _print_bounded(print_fields, list(_fields(found)), "value")
    if found.files is not None and found.files.changes:
        _print_bounded(partial(print_table, _FILE_COLUMNS), list(map(_file_row, found.files.changes)), "file")
        counts = Counter(each.change for each in found.files.changes)
        print_line(
            ", ".join(f"{number} {change}" for change, number in [*counts.items(), ("equal", found.files.equal)])
        )
    for problem in found.problems:
        print_line(f"cannot be told: {problem}")


def _print_bounded(show: Callable[[list[_Row]], None], rows: list[_Row], noun: str) -> None:
    """Show rows below an empty line: all, or if they are very many the first, and how many more there are."""
    if not rows:
        return
    click.echo()
    shown = rows if len(rows) <= _MOST_LINES else rows[: _MOST_LINES - 1]
    show(shown)
    if len(shown) < len(rows):
        print_line(f"and {counted(len(rows) - len(shown), f'more {noun}')}, which --json has")


def _worded(origin: Origin) -> str:
    made = f", step {origin.step} of run {origin.run}" if origin.run is not None else ""
    return f"{origin.label}, saved {origin.created_at:%Y-%m-%dT%H:%M:%SZ} by {origin.created_by}{made}"


def _fields(found: VersionDiff) -> Iterator[tuple[str, str]]:
    """What differs but for files, each with its name and both sides."""
    for name, change in found.properties.items():
        yield name, _change_worded(change, _TELLING.get(name, str))
    for path, change in found.metadata.items():
        yield f"metadata.{'.'.join(path)}", _change_worded(change, _value_worded)
    tags = [*(f"+{tag}" for tag in found.added_tags), *(f"-{tag}" for tag in found.removed_tags)]
    if tags:
        yield "tags", ", ".join(tags)


def _change_worded(change: Change, tell: Callable[[Any], str]) -> str:
    """``added 3``, ``removed 3``, or ``0.91 -> 0.95 (+0.04)``."""
    if change.is_added or change.is_removed:
        return f"added {tell(change.new)}" if change.is_added else f"removed {tell(change.old)}"
    more = change.difference
    growth = f" ({more:{'+d' if isinstance(more, int) else '+.6g'}})" if more else ""
    return f"{tell(change.old)} -> {tell(change.new)}{growth}"


def _value_worded(value: Any) -> str:
    """A value of metadata as JSON, which tells texts from numbers; a long one by its beginning."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _file_row(file: FileChange) -> Shape:
    old, new = file.old, file.new
    is_other_kind = old is not None and new is not None and old.kind != new.kind
    return {
        "path": f"{old.path} -> {file.path}" if old is not None and old.path != file.path else file.path,
        "change": file.change,
        "old": _entry_worded(old, with_kind=is_other_kind),
        "new": _entry_worded(new, with_kind=is_other_kind),
    }


def _entry_worded(file: FileEntry | None, *, with_kind: bool) -> str | None:
    if file is None:
        return None
    return f"{human_size(file.size)}, {file.kind}" if with_kind else human_size(file.size)


def _shape(old: ArtifactVersion, new: ArtifactVersion, found: VersionDiff) -> Shape:
    """All of it as JSON; its keys are a promise (specs/command-line.md)."""
    return {
        "old": _side_shape(old, found.old),
        "new": _side_shape(new, found.new),
        "content": _CONTENT[found.has_same_content],
        "properties": {name: _change_shape(change) for name, change in found.properties.items()},
        "metadata": [{"key": list(path), **_change_shape(change)} for path, change in found.metadata.items()],
        "tags": {"added": list(found.added_tags), "removed": list(found.removed_tags)},
        "files": _files_shape(found.files) if found.files is not None else None,
        "problems": list(found.problems),
    }


def _side_shape(version: ArtifactVersion, origin: Origin) -> Shape:
    return {**version_shape(version), "digest": version.digest, "run": origin.run, "step": origin.step}


def _change_shape(change: Change) -> Shape:
    """Both values; that of a side which has none is left out."""
    sides = {} if change.is_added else {"old": encode_values(change.old)}
    return sides if change.is_removed else {**sides, "new": encode_values(change.new)}


def _files_shape(files: FilesDiff) -> Shape:
    return {"changes": [_file_change_shape(each) for each in files.changes], "equal": files.equal}


def _file_change_shape(file: FileChange) -> Shape:
    sides = {side: file_shape(entry) if entry else None for side, entry in (("old", file.old), ("new", file.new))}
    return {"path": file.path, "change": file.change, **sides}
