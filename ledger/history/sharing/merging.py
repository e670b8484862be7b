"""Which tree two clones of one ledger agree on. Pure.

One side is published and keeps everything as it is; of the other side, versions that the
first lacks move behind it, in their order, and everything else joins (specs/sharing.md, 3):

* a version keeps its id and the bytes of its records; only its claim may move, and then a
  `renumbered` event says from where;
* no clock and no chance: every clone that merges the same two trees gets the same tree;
* nothing is lost, and nothing that the published side holds is touched.

The work grows with what differs, not with how many versions there are: whoever clones does every merge again.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from ledger.errors import IntegrityError
from ledger.history.tree import layout
from ledger.history.tree.layout import Claim, TreePath
from ledger.history.tree.placing import allocate, refuse_collision
from ledger.history.tree.snapshot import Snapshot
from ledger.history.tree.trees import Folders
from ledger.ids import EventId, VersionId, derived_uuid, undashed
from ledger.records import (
    MAX_NUMBER,
    VERSION_LIMIT,
    Manifest,
    Name,
    RenumberedEvent,
    VersionString,
    check_version,
    decode_manifest,
    encode,
)

_SHORTEST_VARIANT = 4
_ID_DIGITS = 32


class Merged(msgspec.Struct, frozen=True):
    """What is to be added to the published side, and the claims that moved: from where, to where."""

    added: dict[TreePath, bytes]
    moved: tuple[tuple[Claim, Claim], ...]


def merge_trees(
    theirs: Folders, ours: Folders, only_ours: Iterable[TreePath], only_theirs: Iterable[TreePath]
) -> Merged:
    """What ``ours`` adds to ``theirs``, which is published and stays.

    ``only_ours`` and ``only_theirs`` are the files that the other side lacks.

    Raises `NameCollisionError` where two names differ only in case, and `IntegrityError` where one
    record has two forms.
    """
    added: dict[TreePath, bytes] = {}
    moved: list[tuple[Claim, Claim]] = []
    elsewhere = {claim.id: claim for claim in filter(None, map(layout.claim_at, only_theirs))}
    touched: dict[Name, set[TreePath]] = {}
    for path in only_ours:
        name = layout.artifact_of(path)
        if name is None:
            added[path] = _bytes(ours, path)
        else:
            touched.setdefault(name, set()).add(path[:-1])
    for name in sorted(touched):
        artifact = _Artifact(name, theirs, ours, elsewhere)
        artifact.merge(touched[name])
        added |= artifact.added
        moved += artifact.moved
    return Merged(added, tuple(moved))


class _Artifact:
    """One artifact while its versions are merged."""

    def __init__(self, name: Name, theirs: Folders, ours: Folders, elsewhere: Mapping[VersionId, Claim]) -> None:
        """``elsewhere`` are the claims that our side lacks: a version of ours may have one of them on their side."""
        self._published = Snapshot(theirs)
        refuse_collision(name, self._published)
        self.added: dict[TreePath, bytes] = {}
        self.moved: list[tuple[Claim, Claim]] = []
        self._name = name
        self._theirs = theirs
        self._ours = ours
        self._elsewhere = elsewhere
        self._given = set[VersionString]()
        self._latest = self._published.latest(name)

    def merge(self, touched: set[TreePath]) -> None:
        """Join the versions of our side whose directories hold something that the other side lacks."""
        for path in sorted(touched):
            claim = layout.claim_at((*path, layout.MANIFEST))
            if claim is not None:
                place = self._place_of(claim)
                for file in self._ours.names(path):
                    self._join((*path, file), (*place.path, file))

    def _place_of(self, claim: Claim) -> Claim:
        """The claim that a version of ours has on the published side, or gets there."""
        if self._published.holds(claim):
            return claim
        return self._elsewhere.get(claim.id) or self._allocate(claim)

    def _is_taken(self, version: VersionString) -> bool:
        return version in self._given or self._published.claim_of(self._name, version) is not None

    def _allocate(self, claim: Claim) -> Claim:
        """Give a version that only we have its place behind the others."""
        manifest = decode_manifest(
            _bytes(self._ours, (*claim.path, layout.MANIFEST)), where=f"the manifest of {claim.label}"
        )
        requested = check_version(manifest.requested_version) if manifest.requested_version is not None else None
        if requested is None and self._latest is not None and self._latest.counter >= MAX_NUMBER:
            requested = claim.version  # no number is left: a sync that failed for it would fail for ever
        if requested is not None and self._is_taken(requested):
            requested = _variant(requested, claim.id, self._is_taken)
        place = allocate(self._name, claim.id, self._latest, requested)
        self._latest = place
        self._given.add(place.version)
        if place.pointer is not None:
            self.added[place.pointer] = b""
        if place != claim:
            self._note_move(claim, place, manifest)
        return place

    def _note_move(self, claim: Claim, place: Claim, manifest: Manifest) -> None:
        """Note that a version moved, and add the event that says from where."""
        self.moved.append((claim, place))
        seed = f"renumbered {claim.id} {claim.directory} {place.directory}".encode()
        id = EventId(derived_uuid(seed, after=Snapshot(self._ours).last_event(claim) or claim.id))
        event = RenumberedEvent(
            id=id,
            created_at=manifest.created_at,
            created_by=manifest.created_by,
            from_position=claim.position,
            from_version=claim.version,
        )
        self.added[*place.path, f"{id}.json"] = encode(event)

    def _join(self, source: TreePath, target: TreePath) -> None:
        """Add a file of our side, unless the published side has it; raises `IntegrityError` if that has other bytes."""
        data, existing = _bytes(self._ours, source), self._theirs.read(target)
        if existing is None:
            self.added[target] = data
        elif existing != data:
            raise two_forms(target)


def two_forms(path: TreePath) -> IntegrityError:
    """The error for a record that both sides have, with other bytes: neither may take the other's place."""
    where = "/".join(path)
    message = f"{where} has two forms: the record in this ledger and the published one differ"
    return IntegrityError(message, where=where)


def _variant(wanted: VersionString, id: VersionId, is_taken: Callable[[VersionString], bool]) -> VersionString:
    """The version string of a version whose own is taken: as much of its id as tells it from the others."""
    digits = undashed(id)
    for length in range(_SHORTEST_VARIANT, _ID_DIGITS + 1):
        suffix = f".variant-{digits[:length]}"
        version = VersionString(f"{wanted[: VERSION_LIMIT - len(suffix)]}{suffix}")
        if not is_taken(version):
            return version
    raise IntegrityError(f"every variant of version {wanted!r} for id {id} is taken", id=id, version=wanted)


def _bytes(folders: Folders, path: TreePath) -> bytes:
    data = folders.read(path)
    if data is None:
        raise IntegrityError(f"{'/'.join(path)} is missing from the history", where="/".join(path))
    return data
