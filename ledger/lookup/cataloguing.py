"""Look-ups through the catalog of a ledger, which is brought up to the commit in question first.

Ties the history to the catalog: the differences between two commits become lines of the catalog. A look-up uses the
catalog where walking through the history would take long. It walks the history instead where there are few versions,
or where the catalog cannot be read or written: the catalog is derived, so a fault in it costs time but never changes
an answer.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from ledger.catalog import (
    Catalog,
    CatalogDamage,
    LineChange,
    Place,
    Traits,
    encode_line,
    key_of,
    overlay,
    read_catalog,
    update_catalog,
)
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.history import Claim, ClaimChange, History, Snapshot, claim_changes
from ledger.ids import CommitId, VersionId, undashed
from ledger.lookup.facts import Facts
from ledger.meters import advance, task
from ledger.records import Name, VersionString, parse_time

FEW = 200
"""Most versions that are walked through without making a catalog."""

_NAMES_KEPT = 32
"""Most artifacts whose newest versions a snapshot keeps in memory."""

MOST_ASIDE = 200_000
"""Most versions by which a past commit may differ from the file's catalog for look-ups in it to use that catalog.

Usually those are versions that came later, and leaving them out costs no reading of records."""

FactsFinder = Callable[[Snapshot, Claim], Facts]
_Answer = TypeVar("_Answer")
_Identity = tuple[int, ...]


class _Known(NamedTuple):
    """A catalog that was read from a file or built upon one, and the identity that the file had then."""

    identity: _Identity | None
    catalog: Catalog


class CatalogKeeper:
    """The catalog of one ledger. Threads may share it: what it knows is replaced, never changed."""

    def __init__(self, ledger_dir: Path, history: History, facts: FactsFinder) -> None:
        self._path = ledger_dir / "cache" / "catalog"
        self._history = history
        self._facts = facts
        self._read: _Known | None = None  # what the file held last
        self._asked: _Known | None = None  # what `at` returned last

    def at(self, snapshot: Snapshot, commit: CommitId, *, is_past: bool) -> Catalog | None:
        """The catalog of a commit, or ``None`` where the history is to be walked; raises `CatalogDamage`.

        For a past commit no file is written.
        """
        identity = _identity_of(self._path)
        asked = self._asked
        if asked is not None and (asked.identity, asked.catalog.commit) == (identity, commit):
            return asked.catalog
        before = self._from_file(identity)
        catalog: Catalog | None = None
        if before is not None and before.commit == commit:
            catalog = before
        elif is_past:
            catalog = self._looked_back(before, snapshot, commit)
        elif before is not None or not are_few(snapshot.all_claims()):
            catalog = self._brought_up(before, snapshot, commit)
        if catalog is not None:
            # The file's identity now. If the file could not be written, that is still the old one.
            self._asked = _Known(_identity_of(self._path), catalog)
        return catalog

    def made_again(self, snapshot: Snapshot, commit: CommitId, *, is_past: bool) -> Catalog | None:
        """A new catalog in the place of a damaged one; ``None`` for a past commit, for which no file is written."""
        if is_past:
            return None
        self._read = self._asked = None
        return self._brought_up(None, snapshot, commit)

    def _from_file(self, identity: _Identity | None) -> Catalog | None:
        if identity is None:
            return None
        known = self._read
        if known is not None and known.identity == identity:
            return known.catalog
        catalog = read_catalog(self._path)
        self._read = _Known(identity, catalog) if catalog is not None else None
        return catalog

    def _brought_up(self, before: Catalog | None, snapshot: Snapshot, commit: CommitId) -> Catalog | None:
        """The catalog of a commit, its file brought up to it or else made anew; ``None`` where neither is possible."""
        for base in dict.fromkeys((before, None)):
            # The catalog's commit may be gone, if the history was rewritten; its folder may not be writable; or the
            # history is damaged, and then the walk that follows says where.
            with contextlib.suppress(IntegrityError, FormatError, StorageError):
                return self._written(base, snapshot, commit)
        return None

    def _written(self, before: Catalog | None, snapshot: Snapshot, commit: CommitId) -> Catalog | None:
        with task("catalog the history"):
            catalog = update_catalog(self._path, before, self._line_changes(before, snapshot, commit), commit)
        if catalog is None or catalog.commit == commit:
            return catalog
        return self._aside(catalog, snapshot, commit)  # somebody else has written another one meanwhile

    def _looked_back(self, before: Catalog | None, snapshot: Snapshot, commit: CommitId) -> Catalog | None:
        """The catalog of a past commit, in memory only, made from the file's; ``None`` where that is of no use."""
        if before is not None:
            with contextlib.suppress(IntegrityError, FormatError, StorageError):
                return self._aside(before, snapshot, commit)
        return None

    def _aside(self, before: Catalog, snapshot: Snapshot, commit: CommitId) -> Catalog | None:
        """The catalog of a commit, in memory only; ``None`` where the file's differs too much from it."""
        known = list(itertools.islice(self._line_changes(before, snapshot, commit), MOST_ASIDE + 1))
        return overlay(before, known, commit) if len(known) <= MOST_ASIDE else None

    def _line_changes(self, before: Catalog | None, snapshot: Snapshot, commit: CommitId) -> Iterator[LineChange]:
        known = CommitId(before.commit) if before is not None else None
        for change in claim_changes(self._history, known, commit):
            made = self._line_change(snapshot, change)
            advance(len(made.line or b""))
            yield made

    def _line_change(self, snapshot: Snapshot, change: ClaimChange) -> LineChange:
        claim = change.claim
        place = Place(claim.id, claim.name, claim.position, claim.version, claim.counter, change.order or claim.id)
        replaced = key_of(encode_line(place, None)) if change.was_there else None
        if change.order is None:
            return LineChange(None, replaced)
        return LineChange(encode_line(place, self._traits(snapshot, claim)), replaced)

    def _traits(self, snapshot: Snapshot, claim: Claim) -> Traits | None:
        try:
            facts = self._facts(snapshot, claim)
        except (FormatError, IntegrityError):
            return None  # every search that might want it reads the records, and says what is wrong
        manifest = facts.manifest
        return Traits(
            type=manifest.type, tags=facts.tags, metadata=facts.metadata, created_at=parse_time(manifest.created_at)
        )


class CataloguedSnapshot(Snapshot):
    """The history at one commit, with a catalog for look-ups that would take long without one."""

    def __init__(self, snapshot: Snapshot, commit: CommitId, keeper: CatalogKeeper, *, is_past: bool) -> None:
        super().__init__(snapshot.folders)
        self._commit = commit
        self._keeper = keeper
        self._is_past = is_past
        # The newest versions of some names, for look-ups by name and id: a list of runs asks often for few names.
        # Threads replace the dict as a whole.
        self._newest: dict[Name, _Newest] = {}

    def ask(self, question: Callable[[Catalog], _Answer]) -> _Answer | None:
        """What the catalog answers; ``None`` where there is none, and the history is to be walked."""
        for catalog_of in (self._keeper.at, self._keeper.made_again):
            with contextlib.suppress(CatalogDamage):
                catalog = catalog_of(self, self._commit, is_past=self._is_past)
                return question(catalog) if catalog is not None else None
        return None  # even the new catalog is damaged: the disk does not keep what is written to it

    def claims_with_id(self, prefix: str, *, most: int = 1) -> tuple[list[Claim], int]:
        """The versions whose id, without dashes, begins with ``prefix``: the first ``most`` by id, and how many."""

        def find(catalog: Catalog) -> tuple[list[Claim], int]:
            found = [claim_of(place) for place in itertools.islice(catalog.find(prefix), most + 1)]
            return found[:most], len(found) if len(found) <= most else catalog.count(prefix)

        answer = self.ask(find)
        if answer is not None and all(map(self.holds, answer[0])):
            return answer
        return super().claims_with_id(prefix, most=most)

    def claim_by_id(self, name: Name, id: VersionId) -> Claim | None:
        """The version of an artifact that has an id: among the newest, else by the catalog, else by walking."""
        newest = self._newest_of(name)
        if id in newest.claims or newest.is_all:
            return newest.claims.get(id)
        catalogued = self.ask(lambda catalog: [claim_of(place) for place in catalog.find(undashed(id))])
        claim = next((claim for claim in catalogued or () if claim.name == name and self.holds(claim)), None)
        return claim or super().claim_by_id(name, id)

    def _newest_of(self, name: Name) -> "_Newest":
        newest = self._newest.get(name)
        if newest is None:
            claims = list(itertools.islice(self.claims(name, newest_first=True), FEW + 1))
            newest = _Newest({claim.id: claim for claim in reversed(claims)}, is_all=len(claims) <= FEW)
            others = self._newest if len(self._newest) < _NAMES_KEPT else {}
            self._newest = {**others, name: newest}
        return newest


class _Newest(NamedTuple):
    """The newest versions of an artifact, and whether these are all."""

    claims: dict[VersionId, Claim]
    is_all: bool


def claim_of(place: Place) -> Claim:
    """The claim that a line of the catalog is about."""
    return Claim(Name(place.name), place.position, VersionString(place.version), place.counter, place.id)


def are_few(claims: Iterator[Claim]) -> bool:
    """Whether there are so few versions that walking through them is quick."""
    return len(list(itertools.islice(claims, FEW + 1))) <= FEW


def _identity_of(path: Path) -> _Identity | None:
    """What changes whenever the file does; ``None`` where there is no file that can be read."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
