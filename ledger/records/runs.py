"""The records about runs: what ran, with which inputs, giving which outputs.

Inert values (specs/format.md, 4.5). Versions are named by artifact and id: a version's number
may change when ledgers merge, its id never does.
"""

from typing import Any, Literal

import msgspec

from ledger.errors import FormatError
from ledger.ids import VersionId, is_uuid
from ledger.records import canonical
from ledger.records.metadata import check_encoded

Status = Literal["completed", "cached", "failed"]
InputKind = Literal["step", "lookup", "external", "manual"]


class VersionRef(msgspec.Struct, frozen=True, kw_only=True):
    """A version by artifact and id, which name it whatever its number is."""

    name: str
    id: VersionId


class StepInput(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a step took as an argument, or loaded in its body (then ``argument`` is empty)."""

    argument: str
    name: str
    id: VersionId
    kind: InputKind


class StepOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a step gave as an output."""

    output: str
    name: str
    id: VersionId


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the code around a run: its Git commit, and whether tracked files had changes."""

    commit: str | None
    dirty: bool | None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of a run: what was started, by whom, with which parameters."""

    id: str
    pipeline: str
    started_at: str
    created_by: str
    parameters: dict[str, Any]
    steps: tuple[str, ...]
    project: Project | None
    kind: Literal["run"] = "run"
    format: int = canonical.FORMAT


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one step did. ``cached_from`` is the run whose outputs were used again."""

    run: str
    name: str
    status: Status
    started_at: str
    ended_at: str
    parameters: dict[str, Any]
    inputs: tuple[StepInput, ...]
    outputs: tuple[StepOutput, ...]
    saved: tuple[VersionRef, ...]
    source: str
    cache_key: str | None
    cached_from: str | None
    error: str | None
    kind: Literal["step"] = "step"
    format: int = canonical.FORMAT


class EndRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    run: str
    status: Status
    ended_at: str
    kind: Literal["end"] = "end"
    format: int = canonical.FORMAT


class CacheRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs that a step gave for a cache key."""

    key: str
    run: str
    step: str
    outputs: tuple[StepOutput, ...]
    kind: Literal["cache"] = "cache"
    format: int = canonical.FORMAT


def decode_run(data: bytes, *, where: str) -> RunRecord:
    """The record of a run; raises `FormatError`."""
    record = canonical.decode(data, RunRecord, where=where)
    if not is_uuid(record.id):
        raise FormatError(f"{where}: id {record.id!r} is not a UUID", where=where)
    check_encoded(record.parameters, where)
    return record


def decode_step(data: bytes, *, where: str) -> StepRecord:
    """The record of a step; raises `FormatError`."""
    record = canonical.decode(data, StepRecord, where=where)
    if record.cached_from is not None and not is_uuid(record.cached_from):
        raise FormatError(f"{where}: cached_from {record.cached_from!r} is not a UUID", where=where)
    check_encoded(record.parameters, where)
    return record


def decode_end(data: bytes, *, where: str) -> EndRecord:
    """The record of a run's end; raises `FormatError`."""
    return canonical.decode(data, EndRecord, where=where)


def decode_cache(data: bytes, *, where: str) -> CacheRecord:
    """A cache entry; raises `FormatError`."""
    return canonical.decode(data, CacheRecord, where=where)
