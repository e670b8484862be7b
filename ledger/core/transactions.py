"""Many records, one commit: the only way anything is written.

A transaction makes bytes durable as it goes, many small objects at the same time, and publishes all its records at the
end, or none. A single save is a transaction of one.
"""

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from uuid import UUID

import msgspec

from ledger.blobs import LocalStore, link_content, link_objects
from ledger.core.annotating import metadata_draft, published_claim, refuse_both, tags_draft
from ledger.core.bodies import running_body
from ledger.core.deposits import Deposit
from ledger.core.locations import key_below, local_path
from ledger.core.pending import PendingVersion, PendingVersions, Target
from ledger.core.saving import (
    IN_PLACE,
    Request,
    check_logged,
    check_options,
    check_request,
    manifest_of,
)
from ledger.core.workspace import Workspace
from ledger.disk import durability
from ledger.enums import ArtifactType, SaveType
from ledger.errors import ArgumentError, ArgumentTypeError, ArtifactNotFoundError
from ledger.forks import ThreadLock
from ledger.history import (
    Claim,
    Draft,
    EventDraft,
    RecordDraft,
    once_published,
    refuse_taken,
)
from ledger.ids import full_id
from ledger.lookup import Artifact, ArtifactVersion, split_label
from ledger.materializers import BaseMaterializer, SavedValue
from ledger.meters import task
from ledger.notices import warn_user
from ledger.records import (
    Content,
    Producer,
    check_given_tags,
    check_tags,
    encode,
    merge_encoded,
)
from ledger.wording import shown, shown_with_type

_PATH_LIMIT = 4096
"""No path is longer than this. A longer text is not tried as a path, which would copy it."""
_BY_HAND = (SaveType.MANUAL, SaveType.PREEXISTING)
"""How the body of a step saves by itself; what it returns is saved by who runs it."""


class Transaction:
    """Saves, tags and metadata that are published together when the ``with`` block ends well, or else not at all.

    The block's end raises `VersionExistsError` or `NameCollisionError` for what another writer has taken meanwhile,
    `LockTimeoutError` if others leave it no turn, and `StorageError` for a disk that fails. Threads may share it. It
    belongs to the process that made it: a fork publishes nothing of it.
    """

    def __init__(self, workspace: Workspace, *, subject: str) -> None:
        """``subject`` is put in front of the commit's own subject; one printable line."""
        workspace.refuse_past("write")
        _refuse_unfit_subject(subject)
        self._workspace = workspace
        self._pending = PendingVersions()
        self._events: list[EventDraft] = []
        self._records: list[RecordDraft] = []
        self._subject = subject
        self._process = os.getpid()
        self._deposit = Deposit(workspace)
        self._body = running_body(workspace.path)
        self._lock = ThreadLock()
        self._snapshot = workspace.snapshot()
        self.versions: tuple[ArtifactVersion, ...] = ()
        """The new versions, once the transaction is over."""
        self._is_over = False

    def save(
        self,
        data: object,
        name: str,
        version: str | int | None = None,
        *,
        artifact_type: ArtifactType | str | None = None,
        tags: Iterable[str] | None = None,
        run_metadata: Mapping[str, Any] | None = None,
        materializer: type[BaseMaterializer] | None = None,
        extract_metadata: bool = True,
        include_visualizations: bool = True,
        save_type: SaveType = SaveType.MANUAL,
        producer: Producer | None = None,
        similar_to: Iterable[ArtifactVersion] = (),
    ) -> PendingVersion:
        """Store a value; it becomes a version when the transaction ends.

        The arguments and errors are those of `ledger.save_artifact`. ``similar_to`` are versions, beside the newest of
        the name, whose bytes it may share; ``save_type`` and ``producer`` say how it came to be, and in which step.
        """
        request = check_request(
            name,
            version,
            type=artifact_type,
            tags=tags,
            metadata=run_metadata,
            save_type=save_type,
            producer=producer,
        )
        options = check_options(
            materializer, extract_metadata=extract_metadata, include_visualizations=include_visualizations
        )
        if isinstance(data, (ArtifactVersion, PendingVersion, Artifact)):
            raise _no_value(data, request.name)
        self._refuse_taken(request)
        if type(data) is str and save_type is SaveType.MANUAL and len(data) < _PATH_LIMIT and os.path.exists(data):
            warn_user(f"{shown(data)} is saved as a text, not what lies there: a pathlib.Path of it saves that")
        self._hold_store()
        workspace = self._workspace
        similar = itertools.chain(
            workspace.similar_contents(self._snapshot, request.name), (version.content for version in similar_to)
        )
        saved, content = self._deposit.put(data, options, name=request.name, similar=similar)
        return self._add_pending(request, saved, content)

    def register(
        self,
        folder_or_file_uri: str | Path,
        name: str,
        version: str | int | None = None,
        *,
        artifact_type: ArtifactType | str | None = None,
        tags: Iterable[str] | None = None,
        run_metadata: Mapping[str, Any] | None = None,
    ) -> PendingVersion:
        """Link data that lies inside the store already; it becomes a version when the transaction ends.

        The arguments and errors are those of `ledger.register_artifact`.
        """
        request = check_request(
            name,
            version,
            type=artifact_type,
            tags=tags,
            metadata=run_metadata,
            save_type=SaveType.PREEXISTING,
        )
        self._refuse_taken(request)
        self._hold_store()
        store = self._workspace.store_for_writing()
        with task(f"register {request.name}"), durability(self._workspace.config.durability):
            if isinstance(store, LocalStore):
                content = link_content(store, local_path(folder_or_file_uri, store=store.url))
            else:
                content = link_objects(store, key_below(folder_or_file_uri, store=store.url))
        return self._add_pending(request, IN_PLACE, content)

    def log_metadata(self, metadata: Mapping[str, Any], on: Target, version: str | int | None = None) -> None:
        """Log metadata, a dict of plain values, on a version that is published, or was saved in this transaction.

        ``on`` is a name, an id or a handle; without a ``version`` a name means the latest, which is one of this
        transaction or what was the latest when it began. Raises `MetadataError`, and what `Ledger.get` raises for a
        version that does not exist.
        """
        values = check_logged(metadata)
        target = self._target(on, version)
        if isinstance(target, PendingVersion):
            with self._lock:
                self._refuse_late()
                target.change(metadata=merge_encoded(target.manifest.metadata, values))
        elif values:
            self._add_event(metadata_draft(self._workspace, target, values))

    def tag(
        self,
        on: Target,
        tags: Iterable[str] | None = None,
        version: str | int | None = None,
        *,
        remove: Iterable[str] | None = None,
    ) -> None:
        """Put tags on a version, which is given as in `log_metadata`, and take others off it.

        Raises `InvalidTagError` for a tag that is invalid, or that is to be put on and taken off at once,
        `ArgumentTypeError` for tags that are no list, and what `Ledger.get` raises.
        """
        add, drop = check_tags(tags), check_tags(remove)
        refuse_both(add, drop)
        target = self._target(on, version)
        if isinstance(target, PendingVersion):
            with self._lock:
                self._refuse_late()
                target.change(tags=tuple(sorted({*target.manifest.tags, *add} - set(drop))))
        elif add or drop:
            self._add_event(tags_draft(self._workspace, target, add, drop))

    def untag(self, on: Target, tags: Iterable[str], version: str | int | None = None) -> None:
        """Take tags off a version; a tag that it does not have is no error."""
        self.tag(on, None, version, remove=check_given_tags(tags))

    def add_record(self, path: tuple[str, ...], record: object, *, trailers: tuple[str, ...] = ()) -> None:
        """Publish a record of another kind, at a path of its own, with the rest."""
        draft = RecordDraft(path=path, data=encode(record), trailers=trailers)
        with self._lock:
            self._refuse_late()
            self._records.append(draft)

    def commit(self) -> tuple[ArtifactVersion, ...]:
        """Publish everything in one commit, once; returns the new versions."""
        with self._lock:  # whatever another thread adds is published, or refused
            self._refuse_late()
            self._is_over = True
        try:
            self._publish()
        finally:
            self._deposit.let_go()
        return self.versions

    def _publish(self) -> None:
        drafts: list[Draft] = [*(pending.draft for pending in self._pending), *self._events, *self._records]
        if not drafts:
            return
        self._show_run()
        workspace = self._workspace
        with durability(workspace.config.durability):
            self._deposit.finish()
            published = workspace.history.publish(
                drafts, author=workspace.author, now=workspace.now(), subject=self._subject
            )
        with once_published():
            self._deposit.check_place()  # waiting for the lock may take a while
            snapshot = workspace.history.snapshot(published.commit)
            self.versions = tuple(ArtifactVersion(claim, workspace, snapshot) for claim in published.claims)
        for pending, handle in zip(self._pending, self.versions, strict=True):
            pending.published = handle
            if self._body is not None and pending.request.save_type in _BY_HAND:
                self._body.note_saved(handle)

    def _show_run(self) -> None:
        """Publish the run before its versions: else others who get these would look in vain for what made them."""
        if self._body is not None and any(pending.request.save_type in _BY_HAND for pending in self._pending):
            self._body.show_run()

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "a transaction belongs to its process, and is not given to another one",
            hint="give the ledger to the workers, or have them return what is to be saved",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._is_over:
                self.commit()
        finally:
            self._is_over = True
            self._deposit.let_go()

    def __del__(self) -> None:
        # Nobody can commit a transaction that is forgotten, and what it saved is in no version.
        is_forgotten = not getattr(self, "_is_over", True) and self._process == os.getpid()
        if is_forgotten and (self._pending or self._events or self._records):
            names = sorted({pending.name for pending in self._pending})
            what = ", ".join(names[:3]) or "a record"
            warn_user(f"a transaction with {what} was never committed: use it in a `with` block, or call commit()")

    def _hold_store(self) -> None:
        """Keep gc away, from before bytes are relied on until they are published (specs/maintenance.md, 3)."""
        with self._lock:
            self._refuse_late()
            self._deposit.hold()
            if self._is_over:  # an error ended the block in another thread, while this one waited for gc
                self._deposit.let_go()
                self._refuse_late()

    def _add_pending(self, request: Request, saved: SavedValue, content: Content) -> PendingVersion:
        if self._body is not None and request.save_type in _BY_HAND:
            request = msgspec.structs.replace(request, producer=self._body.producer(request.name))
        manifest = manifest_of(request, saved, content, author=self._workspace.author, now=self._workspace.now())
        with self._lock:
            self._refuse_late()
            return self._pending.add(request, manifest)

    def _refuse_late(self) -> None:
        if self._process != os.getpid():
            # The parent publishes what was there at the fork, and would never see what is added here.
            raise ArgumentError(
                f"a transaction on {self._workspace.path} is that of process {self._process}, "
                f"of which {os.getpid()} is a fork",
                hint="end a fork in its block with os._exit, or begin a transaction of its own in the fork",
            )
        if self._is_over:
            raise ArgumentError(
                f"a transaction on {self._workspace.path} is over, nothing can be added to it",
                hint="begin another one with ledger.transaction()",
            )

    def _refuse_taken(self, request: Request) -> None:
        """Refuse what publishing would refuse, before bytes are written; publishing decides."""
        self._refuse_late()
        refuse_taken(request.name, request.version, self._snapshot)
        self._pending.refuse_twice(request)

    def _target(self, on: Target, version: str | int | None) -> PendingVersion | Claim:
        """The version that is meant: one that this transaction will publish, or the claim of a published one."""
        self._refuse_late()
        own = self._pending.find(on, version) if isinstance(on, (str, UUID, PendingVersion)) else None
        if own is not None:
            return own
        try:
            return published_claim(self._snapshot, on, version)
        except ArtifactNotFoundError:
            # A name means what was there when the transaction began, a handle or an id its version, whenever it came.
            if isinstance(on, str) and full_id(split_label(on, None)[0]) is None:
                raise
            return published_claim(self._workspace.snapshot(), on, version)

    def _add_event(self, draft: EventDraft) -> None:
        with self._lock:
            self._refuse_late()
            self._events.append(draft)


def _refuse_unfit_subject(subject: object) -> None:
    """Raise for what can be no subject. Git takes a commit with a NUL in its message for damaged, for ever."""
    if not isinstance(subject, str):
        raise ArgumentTypeError(f"a subject is a str, got {shown_with_type(subject)}")
    if not subject.isprintable():
        raise ArgumentError(f"a subject is one line of printable characters, got {shown(subject)}")


def _no_value(handle: ArtifactVersion | PendingVersion | Artifact, name: str) -> ArgumentTypeError:
    """The error where somebody saves a handle: it stands for a value that is saved already."""
    label = handle.claim.label if isinstance(handle, ArtifactVersion) else handle.name
    what = "an artifact" if isinstance(handle, Artifact) else "a version"
    first = "take its `published` handle when the transaction is over; " if isinstance(handle, PendingVersion) else ""
    hint = f"{first}save what its load() gives, or hand the version to a step as an argument"
    return ArgumentTypeError(f"cannot save {label} as {name!r}: it is {what}, not a value", hint=hint)
