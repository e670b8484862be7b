"""The history at one commit: which artifacts and versions there are.

Reads only what a question needs: the latest version is the last entry of the last
folders, a number is one walk from the root, a custom version one more. Nothing here
opens a manifest; names, numbers and ids are in the paths.
"""

import heapq
from collections.abc import Iterator

from ledger.errors import FormatError, IntegrityError
from ledger.history.tree import layout
from ledger.history.tree.layout import Claim
from ledger.history.tree.trees import Folders
from ledger.ids import EventId, VersionId, undashed
from ledger.records import Name, number_of


class Snapshot:
    """Look-ups over the tree of one commit, or over one that is being built."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        """The tree that is looked into."""

    def artifact_names(self) -> list[Name]:
        """The names of all artifacts, sorted."""
        shards = self.folders.names(layout.ARTIFACTS)
        names = (
            layout.parse_name(entry) for shard in shards for entry in self.folders.names((*layout.ARTIFACTS, shard))
        )
        return sorted(name for name in names if name is not None)

    def names_like(self, name: Name) -> list[Name]:
        """The names of other artifacts that differ from this one only in case."""
        entries = self.folders.names((*layout.ARTIFACTS, layout.shard_of(name)))
        # An entry without an escape is a name as it stands: so most entries of a large folder need not be decoded.
        likely = (entry for entry in entries if "%" in entry or entry.lower() == name.lower())
        found = (layout.parse_name(entry) for entry in likely)
        return [other for other in found if other is not None and other != name and other.lower() == name.lower()]

    def has_artifact(self, name: Name) -> bool:
        """Whether any version of this name was ever published."""
        return bool(self.folders.names(layout.artifact_path(name)))

    def latest(self, name: Name) -> Claim | None:
        """The version published last, or ``None`` for a name without versions."""
        return next(self.claims(name, newest_first=True), None)

    def claims(self, name: Name, *, newest_first: bool = False) -> Iterator[Claim]:
        """The versions of an artifact in the order of publication, or the other way round.

        Entries among them that are no claims hide none of them; `strays` lists those.
        """
        for entry in self._entries(name, newest_first=newest_first):
            if layout.is_claim(entry):
                yield layout.parse_claim(name, entry)

    def strays(self, name: Name) -> list[str]:
        """What stands among the versions of an artifact and is none."""
        return [entry for entry in self._entries(name, newest_first=False) if not layout.is_claim(entry)]

    def claim_at(self, name: Name, position: int) -> Claim | None:
        """The version at a position, or ``None``."""
        if not 1 <= position <= layout.MAX_POSITION:
            return None
        page = (*layout.artifact_path(name), *layout.page_of(position))
        entry = next(iter(self.folders.names(page, layout.claim_start(position))), None)
        return layout.parse_claim(name, entry) if entry is not None else None

    def claim_of(self, name: Name, version: str) -> Claim | None:
        """The version of this version string, or ``None``."""
        for entry in self.folders.names(layout.pointer_page(name, version), layout.pointer_start(version)):
            pointer = layout.parse_pointer(entry)
            if pointer is not None and pointer[0] == version:
                return self._pointed(name, version, pointer[1])
        number = number_of(version)
        claim = self.claim_at(name, number) if number is not None else None
        return claim if claim is not None and claim.version == version else None

    def all_claims(self) -> Iterator[Claim]:
        """The versions of every artifact, one artifact after the other."""
        return (claim for name in self.artifact_names() for claim in self.claims(name))

    def claims_with_id(self, prefix: str, *, most: int = 1) -> tuple[list[Claim], int]:
        """The versions whose id, without dashes, begins with some hex digits: the first few by id, and how many."""
        found = [claim for claim in self.all_claims() if undashed(claim.id).startswith(prefix)]
        return heapq.nsmallest(most, found, key=lambda claim: claim.id), len(found)

    def manifest(self, claim: Claim) -> bytes:
        """The bytes of a version's manifest."""
        data = self.folders.read((*claim.path, layout.MANIFEST))
        if data is None:
            raise IntegrityError(
                f"{claim.label} has no manifest in the history", name=claim.name, version=claim.version
            )
        return data

    def events(self, claim: Claim) -> list[tuple[EventId, bytes]]:
        """The events on a version in their order."""
        entries = ((layout.parse_event(entry), entry) for entry in self.folders.names(claim.path))
        found = sorted((event, entry) for event, entry in entries if event is not None)
        return [(event, self.folders.read((*claim.path, entry)) or b"") for event, entry in found]

    def last_event(self, claim: Claim) -> EventId | None:
        """The id of the newest event on a version."""
        found = (layout.parse_event(entry) for entry in sorted(self.folders.names(claim.path), reverse=True))
        return next((event for event in found if event is not None), None)  # ids have one length: names sort as they do

    def runs(self, *, newest_first: bool = False) -> Iterator[str]:
        """The ids of all runs in the order of their start, or the other way round."""
        for day in sorted(self.folders.names(layout.RUNS), reverse=newest_first):
            yield from sorted(self.folders.names((*layout.RUNS, day)), reverse=newest_first)

    def run_records(self, run: str) -> dict[str, bytes]:
        """The records of a run by file name; none for a run that is not there."""
        folder = layout.run_path(run)
        return {name: self.folders.read((*folder, name)) or b"" for name in self.folders.names(folder)}

    def cache_entries(self, key: str) -> Iterator[bytes]:
        """The cache entries of a key, newest first; each is read when it is asked for."""
        folder = layout.cache_folder(key)
        for name in sorted(self.folders.names(folder, layout.cache_start(key)), reverse=True):
            yield self.folders.read((*folder, name)) or b""

    def claim_by_id(self, name: Name, id: VersionId) -> Claim | None:
        """The version of an artifact that has an id, sought from the newest on."""
        return next((claim for claim in self.claims(name, newest_first=True) if claim.id == id), None)

    def claim_now(self, claim: Claim) -> Claim | None:
        """The claim that a version has now: the one that it had, or the one that a merge has given it since."""
        return claim if self.holds(claim) else self.claim_by_id(claim.name, claim.id)

    def holds(self, claim: Claim) -> bool:
        """Whether exactly this claim is here."""
        return bool(self.folders.names(claim.path))

    def _entries(self, name: Name, *, newest_first: bool) -> Iterator[str]:
        root = layout.artifact_path(name)
        for high in sorted(filter(layout.is_page, self.folders.names(root)), reverse=newest_first):
            for low in sorted(self.folders.names((*root, high)), reverse=newest_first):
                yield from sorted(self.folders.names((*root, high, low)), reverse=newest_first)

    def _pointed(self, name: Name, version: str, position: int) -> Claim:
        claim = self.claim_at(name, position)
        if claim is None or claim.version != version:
            raise self._misled(name, version, position)
        return claim

    def _misled(self, name: Name, version: str, position: int) -> FormatError:
        """The error for a pointer to a position that is not the version's, or not the version's alone."""
        page = (*layout.artifact_path(name), *layout.page_of(position))
        entries = filter(layout.is_claim, self.folders.names(page, layout.claim_start(position)))
        claims = [layout.parse_claim(name, entry) for entry in entries]
        pointed = f"artifact {name!r}: the pointer of version {version!r} names position {position}, which"
        there = " and ".join(f"{claim.label} (id {claim.id})" for claim in claims)
        if len(claims) <= 1:
            return FormatError(f"{pointed} {f'is that of {there}' if there else 'nobody claims'}", name=name)
        return FormatError(
            f"{pointed} {there} claim, as a plain `git merge` leaves them",
            hint="look each up by its id; `ledger sync` merges without that, so clone the remote anew, save there what "
            "only this ledger holds, and go on in the clone",
            name=name,
        )
