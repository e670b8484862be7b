"""The parts of one ledger together: history, store, settings, trust, clock and user.

The composition root of reading and writing. Everything above works with this; everything
below knows only its own part.
"""

import datetime as dt
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ledger.blobs import ContentReader, LocalStore, Store, linked_path, open_store, store_id
from ledger.core.config import read_config, store_url
from ledger.core.facts import Facts, check_claim, fold
from ledger.core.files import LoadingFiles
from ledger.core.handles import ArtifactVersion, Source
from ledger.core.trust import TrustFile
from ledger.errors import FormatError, IntegrityError, StoreMismatchError, UntrustedArtifactError
from ledger.history import Claim, History, Snapshot, git_identity
from ledger.ids import CommitId
from ledger.materializers import load_value
from ledger.records import Content, Producer, decode_event, decode_manifest

SIMILAR_VERSIONS = 2
"""How many of the newest versions of a name a new one may share chunks with."""


ProducerFinder = Callable[["Workspace", Snapshot, Producer], tuple[Any, Any]]
"""Finds the run and the step that made a version; given from above, because runs are made of versions."""


def utc_now() -> dt.datetime:
    """The clock of a real ledger."""
    return dt.datetime.now(dt.UTC)


def user_identity(start: Path, environment: Mapping[str, str]) -> str:
    """Who is writing: the Git identity, else ``user@host``."""
    found = git_identity(start, environment)
    if found is not None:
        return found
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())  # a user without an entry, as in many containers
    address = f"{user}@{os.uname().nodename}"
    return f"{address} <{address}>"


class Workspace:
    """One ledger's parts; ``revision`` fixes what is read, and makes it read-only."""

    def __init__(
        self,
        path: Path,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], dt.datetime] = utc_now,
        history: History | None = None,
        revision: CommitId | None = None,
        producer_of: ProducerFinder,
    ) -> None:
        self.path = path
        self.environment = environment
        self.now = clock
        self.config = read_config(path)
        self.history = history or History.open(path, lock_timeout=self.config.lock_timeout)
        self.revision = revision
        self.producer_of = producer_of
        self.trust = TrustFile(environment)

    @functools.cached_property
    def store(self) -> Store:
        """The store, checked to be the one that this ledger was made with."""
        store = open_store(store_url(self.path, self.config))
        self._check_store(store)
        return store

    def store_for_writing(self) -> Store:
        """The store, and where asking costs nothing, checked again: a disk may have gone since."""
        if isinstance(self.store, LocalStore):
            self._check_store(self.store)
        return self.store

    def _check_store(self, store: Store) -> None:
        found = store_id(store)
        if self.config.store_id and found != self.config.store_id:
            raise StoreMismatchError(
                f"the store {store.url} has the id {found}, this ledger was made with {self.config.store_id}",
                hint=f"mount the right store, or correct `store` in {self.path / 'config.toml'}",
                found=found,
                expected=self.config.store_id,
            )

    @functools.cached_property
    def author(self) -> str:
        """The user, as records and commits name them."""
        return user_identity(self.path.parent, self.environment)

    def snapshot(self) -> Snapshot:
        """The history as it is now, or at the fixed revision."""
        return self.history.snapshot(self.revision)

    def version(self, snapshot: Snapshot, claim: Claim) -> ArtifactVersion:
        """The handle of a version."""
        return ArtifactVersion(claim, self.source(snapshot))

    def source(self, snapshot: Snapshot) -> Source:
        """What the handles of one snapshot work with."""
        return Source(
            facts=functools.partial(self.facts, snapshot),
            reader=self.reader,
            load=self.load,
            is_published=self.is_published,
            producer=functools.partial(self.producer_of, self, snapshot),
        )

    def facts(self, snapshot: Snapshot, claim: Claim) -> Facts:
        """A version's manifest and events; `FormatError` or `IntegrityError` if either is damaged."""
        manifest = decode_manifest(snapshot.manifest(claim), where=f"the manifest of {claim.label}")
        check_claim(manifest, claim)
        events = [decode_event(data, where=f"event {id} on {claim.label}") for id, data in snapshot.events(claim)]
        return fold(manifest, events)

    def reader(self, claim: Claim, facts: Facts) -> ContentReader:
        """The files of a version."""
        return ContentReader(self.store, facts.manifest.content, label=claim.label)

    def load(self, claim: Claim, facts: Facts, trust: bool, mmap: bool, data_type: type | None) -> Any:  # noqa: FBT001  # `Source.load`
        """The value of a version, its bytes verified."""
        try:
            if facts.manifest.content.linked is not None and isinstance(self.store, LocalStore):
                return linked_path(self.store, facts.manifest.content, label=claim.label)
            return self._load_stored(claim, facts, trust=trust, mmap=mmap, data_type=data_type)
        except IntegrityError as error:
            error.__dict__.update(name=claim.name, version=claim.version)
            raise

    def is_published(self, claim: Claim) -> bool:
        """Whether the remote's branch, as last heard of, holds a version."""
        remote = self.history.remote_snapshot()
        return remote is not None and remote.holds(claim)

    def similar_contents(self, snapshot: Snapshot, name: Any) -> Iterator[Content]:
        """The contents of the newest versions of a name, which a new one probably resembles."""
        for claim in itertools.islice(snapshot.claims(name, newest_first=True), SIMILAR_VERSIONS):
            try:
                content = self.facts(snapshot, claim).manifest.content
            except (FormatError, IntegrityError):
                continue  # a damaged version is no help, and no reason to refuse the next one
            if content.linked is None:
                yield content

    def _load_stored(self, claim: Claim, facts: Facts, *, trust: bool, mmap: bool, data_type: type | None) -> Any:
        manifest = facts.manifest
        reader = self.reader(claim, facts)
        shown = {visualization.path for visualization in manifest.visualizations}
        paths = tuple(entry.path for entry in reader.files if entry.path not in shown)
        ask = functools.partial(self._ask_trust, claim, facts, trust)
        files = LoadingFiles(reader, paths, ask=ask)
        return load_value(manifest.materializer, manifest.data_type, files, data_type=data_type, mmap=mmap)

    def _ask_trust(self, claim: Claim, facts: Facts, trust: bool, what: str) -> None:  # noqa: FBT001  # bound by partial
        """Deny by default: only this call's word or the local trust file lets code run."""
        digest = facts.manifest.content.digest
        if trust or self.trust.holds(digest):
            return
        raise UntrustedArtifactError(
            f"loading {claim.label} would run code that {facts.manifest.created_by} saved: {what} ({digest})",
            hint=f"if you trust them, run `ledger trust {claim.label}` or pass trust=True; `ledger get {claim.label}` "
            "gives the files without running anything",
            name=claim.name,
            version=claim.version,
            digest=digest,
            saved_by=facts.manifest.created_by,
        )
