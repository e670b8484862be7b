"""What an earlier step gave for a cache key, if all of it is still there."""

from collections.abc import Iterator

import msgspec

from ledger.core.workspace import Workspace
from ledger.errors import ArgumentTypeError, FormatError, IntegrityError
from ledger.history import Claim, Snapshot
from ledger.lookup import ArtifactVersion
from ledger.records import CacheRecord, Name, decode_cache
from ledger.wording import shown_with_type


class CacheHit(msgspec.Struct, frozen=True, kw_only=True):
    """The versions that an earlier run gave for a cache key, by output, and that run."""

    run: str
    outputs: dict[str, ArtifactVersion]


def find_cached(workspace: Workspace, key: str) -> CacheHit | None:
    """What the newest step with a cache key gave, of those whose outputs can all still be loaded; if there is one."""
    if not isinstance(key, str):
        raise ArgumentTypeError(f"a cache key is a str, got {shown_with_type(key)}")
    snapshot = workspace.snapshot()
    for entry in _readable_entries(snapshot, key):
        outputs = _present_outputs(workspace, snapshot, entry) if entry.key == key else None
        if outputs is not None:
            return CacheHit(run=entry.run, outputs=outputs)
    return None


def _readable_entries(snapshot: Snapshot, key: str) -> Iterator[CacheRecord]:
    """The cache entries of a key, newest first; a damaged one costs a run of its step, not the pipeline."""
    try:
        for data in snapshot.cache_entries(key):
            try:
                entry = decode_cache(data, where=f"cache entry {key[:12]}")
            except FormatError:
                continue
            yield entry
    except IntegrityError:
        return  # older entries cannot be found any more; the next run makes a newer one


def _present_outputs(workspace: Workspace, snapshot: Snapshot, entry: CacheRecord) -> dict[str, ArtifactVersion] | None:
    outputs: dict[str, ArtifactVersion] = {}
    for output in entry.outputs:
        claim = snapshot.claim_by_id(Name(output.name), output.id)
        if claim is None or not _can_be_loaded(workspace, snapshot, claim):
            return None
        outputs[output.output] = ArtifactVersion(claim, workspace, snapshot)
    return outputs


def _can_be_loaded(workspace: Workspace, snapshot: Snapshot, claim: Claim) -> bool:
    try:
        return workspace.has_at_hand(workspace.facts(snapshot, claim).manifest.content)
    except (FormatError, IntegrityError):
        return False
