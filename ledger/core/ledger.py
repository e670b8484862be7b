"""The ledger: one object for everything that can be done with it.

A face over the parts of `ledger.core`: each method finds what is meant, delegates, and
returns handles. Every read sees one commit; every write is a transaction.
"""

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from ledger.blobs import ObjectCache, Store
from ledger.core import sharing
from ledger.core.annotating import tag_exclusively
from ledger.core.bodies import running_body
from ledger.core.caching import CacheHit, find_cached
from ledger.core.creation import create_ledger
from ledger.core.mapping import MappedCopies
from ledger.core.pending import Target
from ledger.core.reports import Report
from ledger.core.transactions import Transaction
from ledger.core.usage import Usage, measure
from ledger.core.verifying import Check
from ledger.core.workspace import Workspace, user_identity, utc_now
from ledger.disk import absolute, given_path, given_text
from ledger.enums import ArtifactType
from ledger.errors import ArgumentTypeError
from ledger.history import refuse_taken
from ledger.lookup import ArtifactVersion, Reader, find_path, remove_remote
from ledger.materializers import BaseMaterializer
from ledger.records import check_given_tags, check_name, check_switches, check_tags, check_version
from ledger.wording import shown_with_type


class Ledger(Reader):
    """An artifact ledger in a directory: the look-ups of `Reader`, and loading and writing. Threads may share one.

    A call that publishes raises `ReadOnlyError` for a ledger of the past (`at`), `LockTimeoutError` if other writers
    leave it no turn for as long as the settings say (60 seconds), and `StorageError` if the disk fails.
    """

    def __init__(self, workspace: Workspace) -> None:
        """Use `Ledger.open` or `Ledger.init`."""
        if not isinstance(workspace, Workspace):
            raise ArgumentTypeError(
                f"a ledger is not made of {shown_with_type(workspace)}",
                hint="Ledger.open(path) opens one, Ledger.init(path) makes one",
            )
        super().__init__(workspace)
        self._workspace = workspace

    @classmethod
    def init(cls, path: str | Path, store: str | Path | None = None) -> Self:
        """Make a ledger in the directory ``path`` and open it.

        ``store`` is where the bytes go, a folder or a URL (specs/stores.md); by default they lie inside the ledger.
        Raises `LedgerExistsError` if something is there.
        """
        target = absolute(given_path(path, "a ledger directory"))
        author = user_identity(target.parent, os.environ)
        create_ledger(target, store=_store_text(store), author=author, now=utc_now())
        return cls.open(target)

    @classmethod
    def open(cls, path: str | Path | None = None) -> Self:
        """Open the ledger in ``path``, or the one that ``LEDGER_DIR`` or the working directory leads to.

        Raises `LedgerNotFoundError` where there is none.
        """
        return cls(Workspace(find_path(path)))

    @classmethod
    def clone(cls, url: str | Path, path: str | Path, store: str | Path | None = None) -> Self:
        """Make a ledger in the directory ``path`` that holds the history of another, checked, and open it.

        ``url`` is a ledger directory, a bare repository or any URL that Git knows; it becomes the remote
        ``origin``. Bytes are not copied: a load reads them from the remote's store, and a sync puts those of new
        versions there. ``store`` is that store, a folder or URL; if ``url`` is a path, it is found beside the history.
        Raises `LedgerExistsError` if something is at ``path``, `RemoteError` if the remote cannot be reached, and
        `FormatError` for a history that is refused.
        """
        target = absolute(given_path(path, "a ledger directory"))
        sharing.clone(given_text(url, "a remote"), target, _store_text(store))
        return cls.open(target)

    @property
    def store(self) -> Store:
        """Where the bytes are."""
        return self._workspace.store

    @property
    def workspace(self) -> Workspace:
        """The parts of this ledger, for what is built on it."""
        return self._workspace

    @property
    def cache(self) -> ObjectCache:
        """The cache of distant stores on this machine, which all ledgers of this user share."""
        return self._workspace.cache

    @property
    def mapped(self) -> MappedCopies:
        """The copies in this ledger's folder that are mapped into memory (``load(mmap=True)``)."""
        return self._workspace.mapped

    @property
    def author(self) -> str:
        """The user, as records and commits name them."""
        return self._workspace.author

    def now(self) -> dt.datetime:
        """The ledger's clock."""
        return self._workspace.now()

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
    ) -> ArtifactVersion:
        """Save a value as a new version, published whole or not at all; durable when this returns.

        The arguments and errors are those of `ledger.save_artifact`.
        """
        with self.transaction() as transaction:
            transaction.save(
                data,
                name,
                version,
                artifact_type=artifact_type,
                tags=tags,
                run_metadata=run_metadata,
                materializer=materializer,
                extract_metadata=extract_metadata,
                include_visualizations=include_visualizations,
            )
        return transaction.versions[0]

    def register(
        self,
        folder_or_file_uri: str | Path,
        name: str,
        version: str | int | None = None,
        *,
        artifact_type: ArtifactType | str | None = None,
        tags: Iterable[str] | None = None,
        run_metadata: Mapping[str, Any] | None = None,
    ) -> ArtifactVersion:
        """Link data inside the store as a new version, without copying it; its files are hashed and listed.

        ``folder_or_file_uri`` is a path, or a URL below the store's. Raises `OutsideStoreError` (a
        ``FileNotFoundError``) for data elsewhere.
        """
        with self.transaction() as transaction:
            transaction.register(
                folder_or_file_uri, name, version, artifact_type=artifact_type, tags=tags, run_metadata=run_metadata
            )
        return transaction.versions[0]

    def load(
        self,
        name_or_id: str | UUID,
        version: str | int | None = None,
        *,
        tag: str | None = None,
        trust: bool = False,
        mmap: bool = False,
        data_type: type | None = None,
    ) -> Any:
        """The value of a version, with every byte checked against its digest.

        Takes the version as `get` does and the rest as `ArtifactVersion.load` does, and raises what these raise. In a
        step, the version is recorded as an input.
        """
        found = self.get(name_or_id, version, tag=tag)
        if (body := running_body(self.path)) is not None:
            body.note_loaded(found)
        return found.load(trust=trust, mmap=mmap, data_type=data_type)

    def log_metadata(self, metadata: Mapping[str, Any], on: Target, version: str | int | None = None) -> None:
        """Log metadata, a dict of plain values, on a version; what was logged before stays in the history.

        ``on`` is a name, an id or a handle of this ledger; ``version`` goes with a name, which by itself means the
        latest version. Nested dicts merge key by key, and other values replace earlier ones. Raises `MetadataError`
        and what `get` raises.
        """
        with self.transaction() as transaction:
            transaction.log_metadata(metadata, on, version)

    def tag(
        self,
        on: Target,
        tags: Iterable[str],
        version: str | int | None = None,
        *,
        remove: Iterable[str] | None = None,
        exclusive: bool = False,
    ) -> None:
        """Put tags on a version, which is given as in `log_metadata`, and take others off it, in one commit.

        ``exclusive`` takes the tags off all other versions of the name as well, for a tag that says which version is in
        use: ``ledger.tag("model", ["production"], 7, exclusive=True)``; a version whose record is damaged is left out
        with a warning. It is no error to put on a tag that the version has, or to take off one that it does not have.

        Raises `InvalidTagError` for a tag that is invalid, or that is to be put on and taken off at once,
        `ArgumentTypeError` for tags that are no list, and what `get` raises.
        """
        check_switches(exclusive=exclusive)
        wanted = check_given_tags(tags)
        if exclusive and wanted:
            tag_exclusively(self._workspace, on, version, add=wanted, remove=check_tags(remove))
            return
        with self.transaction() as transaction:
            transaction.tag(on, wanted, version, remove=remove)

    def untag(self, on: Target, tags: Iterable[str], version: str | int | None = None) -> None:
        """Take tags off a version, which is given as in `log_metadata`; that they were there stays in the history.

        Raises what `tag` raises; a tag that the version does not have is no error.
        """
        with self.transaction() as transaction:
            transaction.untag(on, tags, version)

    def transaction(self, *, subject: str = "") -> Transaction:
        """A ``with`` block whose saves, tags and metadata are published in one commit, or none of them.

        ``subject`` is put in front of the commit's own subject, as in ``nightly: save iris@3``. Raises `ArgumentError`
        unless it is one line of printable characters, and `ReadOnlyError` for a ledger of the past (`at`).
        """
        return Transaction(self._workspace, subject=subject)

    def refuse_taken(self, name: str, version: str | int | None = None) -> None:
        """Raise what a save under that name and version would raise, before the work of making its value.

        That is `VersionExistsError` or `NameCollisionError`. If somebody saves that version meanwhile, the save itself
        raises.
        """
        checked = check_name(name), check_version(version) if version is not None else None
        refuse_taken(*checked, self._workspace.snapshot())

    def find_cached(self, key: str) -> CacheHit | None:
        """What an earlier step gave for a cache key, if all of it can still be loaded."""
        return find_cached(self._workspace, key)

    def at(self, revision: str | dt.datetime) -> "Ledger":
        """The ledger as it was at a commit or a moment, read-only.

        A revision is ``HEAD``, ``main``, a tag that `ledger git tag` made, or 4 to 40 digits of a commit, with Git's
        ``~N`` and ``^N`` behind it; a moment without a time zone is local time. The ledger holds what was published by
        then; a version is published a little after its ``created_at``. Raises `RevisionNotFoundError`.
        """
        workspace = self._workspace
        past = Workspace(
            workspace.path,
            environment=workspace.environment,
            clock=workspace.now,
            history=workspace.history,
            revision=workspace.history.resolve(revision),
        )
        return Ledger(past)

    def trust(self, name_or_id: str | UUID, version: str | int | None = None) -> ArtifactVersion:
        """Let a version run code whenever this user loads it on this machine from now on; returns the version.

        Raises what `get` raises, and `StorageError` where the trust file (specs/trust.md) cannot be written.
        """
        found = self.get(name_or_id, version)
        self._workspace.trust.add(found.content.digest, found.claim.label, self._workspace.now())
        return found

    def add_remote(self, name: str, url: str | Path, store: str | Path | None = None) -> None:
        """Add a remote: ``url`` is any URL or path that Git knows, ``store`` where its bytes are, unless a path tells.

        Raises `RemoteExistsError` for a name that is taken, and `ArgumentError` for a ``url`` or ``store`` that is
        invalid.
        """
        sharing.add_remote(self._workspace, name, given_text(url, "a remote"), _store_text(store))

    def remove_remote(self, name: str) -> None:
        """Remove a remote: this ledger no longer syncs with it, nor reads from its store.

        What this ledger knows the remote to have published stays published. Raises `RemoteNotFoundError`.
        """
        sharing.refuse_other_than_name(name)
        remove_remote(self._workspace.path, name)

    def sync(self, remote: str = "origin") -> sharing.SyncReport:
        """Bring this ledger and a remote to the same versions: fetch, check, merge, upload, push.

        What the remote published stays; versions saved here at the same positions move behind it, and keep their ids.
        Raises `RemoteError` if the remote does not answer, `HistoryRewrittenError` if it lost what it held, and
        `FormatError` if it holds what no ledger should; nothing is changed here then.
        """
        return sharing.sync(self._workspace, remote)

    def usage(self) -> Usage:
        """How much room every artifact and version takes, in bytes.

        That is the size of its files, what the store holds for it, and how much of that it shares with others.
        A version whose record or bytes are damaged is left out with a warning.
        """
        return measure(self._workspace)

    def verify(self, *, deep: bool = True) -> Report:
        """Check history, records and bytes. What is wrong is in the report and raises nothing; see ``Report.ok``.

        ``deep=False`` checks the records, but of the bytes only that they are there, and reads none of them.
        """
        return self.checking(deep=deep).run_all()

    def checking(self, *, deep: bool = True) -> Check:
        """A check that the caller drives piece by piece, to stop in between or to show how far it is."""
        check_switches(deep=deep)
        return Check(self._workspace, deep=deep)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process that is given a ledger opens it for itself. A value that holds one is saved in this form, so
        # the form names none of the parts that a ledger is made of.
        return _reopened, (self.path, self._workspace.revision)


def _store_text(store: object) -> str | None:
    """The path or URL of a store, where one is given."""
    return given_text(store, "a store") if store is not None else None


def _reopened(path: Path, revision: str | None) -> Ledger:
    ledger = Ledger.open(path)
    return ledger if revision is None else ledger.at(revision)
