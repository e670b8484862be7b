"""What is needed to find versions: the history, the settings, and a revision.

Reads records only. Bytes, values and writing are for `ledger.core`, which builds on this and
gives handles their access to bytes.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ledger.errors import ArgumentError
from ledger.history import Claim, History, Snapshot
from ledger.ids import CommitId
from ledger.lookup.access import Access, Source
from ledger.lookup.cataloguing import CatalogKeeper, CataloguedSnapshot
from ledger.lookup.config import read_config
from ledger.lookup.discovery import is_ledger, not_found
from ledger.lookup.facts import Facts, check_claim, fold
from ledger.lookup.handles import ArtifactVersion
from ledger.records import Producer, decode_event, decode_manifest

if TYPE_CHECKING:
    from ledger.lookup.runs import PipelineRun, StepRun

ProducerFinder = Callable[["View", Snapshot, Producer], "tuple[PipelineRun | None, StepRun | None]"]
"""Finds the run and the step that made a version; given from above, because runs are made of versions."""


class View:
    """One ledger's records; ``revision`` fixes which commit is read."""

    def __init__(
        self,
        path: Path,
        *,
        history: History | None = None,
        revision: CommitId | None = None,
        producer_of: ProducerFinder,
    ) -> None:
        self.path = path
        self.config = read_config(path)
        self.history = history or History.open(path, lock_timeout=self.config.lock_timeout)
        self.revision = revision
        self.producer_of = producer_of
        self._catalog = CatalogKeeper(path, self.history, self.facts)

    @property
    def access(self) -> Access:
        """What handles do with bytes; here, nothing."""
        return _LookingOnly()

    def snapshot(self) -> CataloguedSnapshot:
        """The history as it is now, or at the fixed revision."""
        commit = self.revision or self.history.tip()
        is_past = self.revision is not None
        return CataloguedSnapshot(self.history.snapshot(commit), commit, self._catalog, is_past=is_past)

    def version(self, snapshot: Snapshot, claim: Claim, facts: Facts | None = None) -> ArtifactVersion:
        """The handle of a version, with what was read about it already."""
        return ArtifactVersion(claim, self.source(snapshot), facts)

    def source(self, snapshot: Snapshot) -> Source:
        """What the handles of one snapshot work with."""
        return Source(
            facts=functools.partial(self.facts, snapshot),
            is_published=self.is_published,
            producer=functools.partial(self.producer_of, self, snapshot),
            claims=snapshot.claims,
            access=self.access,
            reopen=functools.partial(_source_now, self),
        )

    def facts(self, snapshot: Snapshot, claim: Claim) -> Facts:
        """A version's manifest and events; `FormatError` or `IntegrityError` if either is damaged."""
        manifest = decode_manifest(snapshot.manifest(claim), where=f"the manifest of {claim.label}")
        check_claim(manifest, claim)
        events = [decode_event(data, where=f"event {id} on {claim.label}") for id, data in snapshot.events(claim)]
        return fold(manifest, events)

    def is_published(self, claim: Claim) -> bool:
        """Whether the remote's branch, as last heard of, holds a version."""
        published = self.history.published_snapshot()
        return published is not None and published.holds(claim)

    def __reduce__(self) -> tuple[Any, ...]:
        # A process that is handed one opens the ledger for itself.
        return _reopened, (type(self), self.path, self.revision, self.producer_of)


def _reopened(kind: type[View], path: Path, revision: CommitId | None, producer_of: ProducerFinder) -> View:
    if not is_ledger(path):
        raise not_found(path)
    return kind(path, revision=revision, producer_of=producer_of)


def _source_now(view: View) -> Source:
    """What the handles of a ledger that was opened anew work with."""
    return view.source(view.snapshot())


class _LookingOnly:
    """The access of a `Reader`: it finds versions and leaves their bytes alone."""

    def reader(self, claim: Claim, facts: Facts) -> NoReturn:
        """Refuse."""
        raise _looking_only(claim, facts)

    def load(self, claim: Claim, facts: Facts, *_: object, **__: object) -> NoReturn:
        """Refuse."""
        raise _looking_only(claim, facts)

    download = restore = load


def _looking_only(claim: Claim, facts: Facts) -> ArgumentError:
    return ArgumentError(
        f"{claim.label} ({facts.manifest.content.size} bytes) was looked up without access to its bytes",
        hint="open the ledger with Ledger.open to load it",
    )
