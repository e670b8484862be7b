"""What is needed to find versions: the history, the settings, and a revision.

Reads records only. Bytes, values and writing are for `ledger.core`, which builds on this and
gives handles their access to bytes.
"""

from pathlib import Path
from typing import Any, NoReturn

from ledger.errors import ArgumentError
from ledger.history import Claim, History, Snapshot
from ledger.ids import CommitId
from ledger.lookup.access import Access
from ledger.lookup.cataloguing import CatalogKeeper, CataloguedSnapshot
from ledger.lookup.config import read_config
from ledger.lookup.discovery import is_ledger, not_found
from ledger.lookup.facts import Facts, check_claim, facts_of
from ledger.lookup.finding_runs import ProducerFinder
from ledger.lookup.runs import PipelineRun, StepRun
from ledger.records import Producer, decode_event, decode_manifest


class View:
    """One ledger's records; ``revision`` fixes which commit is read."""

    def __init__(self, path: Path, *, history: History | None = None, revision: CommitId | None = None) -> None:
        self.path = path
        self.config = read_config(path)
        self.history = history or History.open(path, lock_timeout=self.config.lock_timeout)
        self.revision = revision
        self._catalog = CatalogKeeper(path, self.history, self.facts)
        self._producers = ProducerFinder()

    @property
    def access(self) -> Access:
        """What handles do with bytes; here, nothing."""
        return _LookingOnly()

    def snapshot(self) -> CataloguedSnapshot:
        """The history as it is now, or at the fixed revision."""
        return self.snapshot_at(self.commit())

    def commit(self) -> CommitId:
        """The commit that is read: the newest one, or the fixed revision."""
        return self.revision or self.history.tip()

    def snapshot_at(self, commit: CommitId) -> CataloguedSnapshot:
        """The history at a commit: the fixed revision, or one that is published now."""
        is_past = self.revision is not None
        return CataloguedSnapshot(self.history.snapshot(commit), commit, self._catalog, is_past=is_past)

    def facts(self, snapshot: Snapshot, claim: Claim) -> Facts:
        """A version's manifest and events; `FormatError` or `IntegrityError` if either is damaged."""
        manifest = decode_manifest(snapshot.manifest(claim), where=f"the manifest of {claim.label}")
        check_claim(manifest, claim)
        events = [decode_event(data, where=f"event {id} on {claim.label}") for id, data in snapshot.events(claim)]
        return facts_of(claim, manifest, events)

    def is_published(self, claim: Claim) -> bool:
        """Whether the remote ``origin``, as last heard of, holds a version."""
        published = self.history.published_snapshot()
        return published is not None and published.holds(claim)

    def producer(self, producer: Producer) -> tuple[PipelineRun | None, StepRun | None]:
        """The run and the step that made a version."""
        return self._producers.find(self, producer)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process that is given one opens the ledger for itself.
        return _reopened, (type(self), self.path, self.revision)


def _reopened(kind: type[View], path: Path, revision: CommitId | None) -> View:
    if not is_ledger(path):
        raise not_found(path)
    return kind(path, revision=revision)


class _LookingOnly:
    """The access of a `Reader`: it finds versions and leaves their bytes alone."""

    def _refuse(self, facts: Facts, *_: object, **__: object) -> NoReturn:
        raise ArgumentError(
            f"{facts.claim.label} ({facts.manifest.content.size} bytes) was looked up without access to its bytes",
            hint="open the ledger with Ledger.open to load it",
        )

    reader = files = chunks = load = download = restore = _refuse
