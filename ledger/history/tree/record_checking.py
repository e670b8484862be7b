"""Whether a file stands where its record says it belongs.

Owns the check of one path and its bytes against the layout (specs/format.md, 3 and 4), for files
that others wrote. Pure, and not concerned with a file's neighbours.
"""

from ledger.errors import FormatError
from ledger.history.git.repository import check_format
from ledger.history.tree import layout
from ledger.history.tree.layout import TreePath
from ledger.records import (
    Name,
    check_version,
    decode,
    decode_cache,
    decode_end,
    decode_event,
    decode_manifest,
    decode_run,
    decode_step,
)

_NAMED_DEPTH = 3
"""Segments of the shortest path that names an artifact: ``artifacts``, the shard, the name."""


def check_file(path: TreePath, data: bytes) -> None:
    """Raise `FormatError` unless ``data`` is a record that belongs at ``path``."""
    where = "/".join(path)
    if path == layout.LEDGER_FILE:
        marker = decode(data, dict[str, object], where=where)
        check_format(marker.get("format"), marker.get("features"), where)
    elif path[:1] == layout.ARTIFACTS:
        _check_artifact_file(path, data, where)
    elif path[:1] == layout.RUNS:
        _check_run_file(path, data, where)
    elif path[:1] == layout.CACHE:
        entry = decode_cache(data, where=where)
        _expect(path, layout.cache_file(entry.key, entry.run), where)
    else:
        raise FormatError(f"{where}: no record of a ledger has this place", where=where)


def _check_artifact_file(path: TreePath, data: bytes, where: str) -> None:
    """Raise unless a file below the artifacts is an event, a pointer or a manifest, as its place says."""
    name = layout.parse_name(path[2]) if len(path) > _NAMED_DEPTH else None
    if name is None:
        raise FormatError(f"{where}: this is no artifact's folder", where=where)
    root = layout.artifact_path(name)
    event = layout.parse_event(path[-1])
    if path == (*root, layout.EVENTS, path[-1]) and event is not None:
        _check_event(data, event, where)
    elif path[3] == layout.NAMES:
        pointer = layout.parse_pointer(path[-1])
        if pointer is None or data or path[:-1] != layout.pointer_page(name, pointer[0]):
            raise FormatError(f"{where}: this is no pointer", where=where)
    else:
        claim = layout.parse_claim(name, path[-2])
        _expect(path[:-1], claim.path, where)
        if path[-1] == layout.MANIFEST:
            manifest = decode_manifest(data, where=where)
            if (manifest.name, manifest.id) != (name, claim.id):
                raise FormatError(f"{where}: holds the manifest of {manifest.name!r}, id {manifest.id}", where=where)
            if manifest.requested_version is not None:
                check_version(manifest.requested_version)
        elif event is not None:
            _check_event(data, event, where)
        else:
            raise FormatError(f"{where}: neither a manifest nor an event", where=where)


def _check_event(data: bytes, id: str, where: str) -> None:
    event = decode_event(data, where=where)
    if event.id != id:
        raise FormatError(f"{where}: holds the event {event.id}", where=where)


def _check_run_file(path: TreePath, data: bytes, where: str) -> None:
    kind = decode(data, dict[str, object], where=where).get("kind")
    if kind == "run":
        expected = _run_part(decode_run(data, where=where).id, "run", where)
    elif kind == "end":
        expected = _run_part(decode_end(data, where=where).run, "end", where)
    else:
        step = decode_step(data, where=where)
        _run_part(step.run, "run", where)
        expected = layout.step_file(step.run, Name(step.name))
    _expect(path, expected, where)


def _run_part(run: str, part: str, where: str) -> TreePath:
    try:
        return layout.run_file(run, part)
    except (ValueError, OverflowError, OSError) as error:
        raise FormatError(f"{where}: the run's id {run!r} is no UUIDv7", where=where) from error


def _expect(path: TreePath, expected: TreePath, where: str) -> None:
    if path != expected:
        raise FormatError(f"{where}: the record belongs at {'/'.join(expected)}", where=where)
