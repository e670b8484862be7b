"""The parts of one ledger together: history, store, settings, trust, clock and user.

The one place where the parts are put together. `Ledger`, transactions and maintenance work with a `Workspace`;
the packages below know nothing of each other.
"""

import datetime as dt
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from ledger.blobs import (
    ContentReader,
    LocalStore,
    ObjectCache,
    Store,
    cache_folder,
    hold,
    is_present,
    linked_path,
    open_store,
)
from ledger.core.downloads import download_zip
from ledger.core.files import ContentPaths, LoadingFiles, local_copy
from ledger.core.links import is_wrapped
from ledger.core.mapping import MappedCopies, mapped_folder
from ledger.core.own_store import bring_back_store, check_own_store
from ledger.core.remote_stores import RemoteStores
from ledger.core.restoring import restore, restore_one
from ledger.core.trust import TrustFile
from ledger.disk import Hold
from ledger.errors import (
    FormatError,
    IntegrityError,
    MaterializerError,
    MissingDependencyError,
    ReadOnlyError,
    StoreLostError,
    StoreMismatchError,
    UntrustedArtifactError,
)
from ledger.history import Claim, History, Snapshot, git_identity
from ledger.ids import CommitId
from ledger.lookup import Access, Facts, View, read_config, store_url
from ledger.materializers import load_value
from ledger.meters import task
from ledger.records import Content, FileEntry, Name

SIMILAR_VERSIONS = 2
"""How many of the newest versions of a name a new one may share chunks with."""


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


class Workspace(View):
    """One ledger's parts; ``revision`` fixes what is read, and makes it read-only."""

    def __init__(
        self,
        path: Path,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], dt.datetime] = utc_now,
        history: History | None = None,
        revision: CommitId | None = None,
    ) -> None:
        super().__init__(path, history=history, revision=revision)
        self.environment = environment
        self.now = clock
        self.trust = TrustFile(environment)

    def refuse_past(self, purpose: str) -> None:
        """Raise `ReadOnlyError` where a revision is fixed; ``purpose`` is the verb for what was to be done."""
        if self.revision is not None:
            raise ReadOnlyError(
                f"the ledger {self.path} is open at revision {self.revision[:10]}, where it can only be read",
                hint=f"open it without a revision to {purpose}",
            )

    @property
    def access(self) -> Access:
        """What handles do with bytes."""
        return self

    @functools.cached_property
    def cache(self) -> ObjectCache:
        """Where pieces of distant stores are kept, if the settings want that."""
        return ObjectCache(cache_folder(self.environment), self.config.cache_limit)

    @functools.cached_property
    def mapped(self) -> MappedCopies:
        """Where files lie that were put together to be mapped, if the settings want that."""
        return MappedCopies(mapped_folder(self.path), self.config.cache_limit)

    @functools.cached_property
    def store(self) -> Store:
        """The store, checked to be the one that this ledger was made with."""
        store = self._opened_store()
        check_own_store(store, self.path, self.config)
        return store

    def _opened_store(self) -> Store:
        return open_store(store_url(self.path, self.config), cache=self.cache)

    @functools.cached_property
    def remotes(self) -> RemoteStores:
        """The stores of the remotes: what others saved is read there until somebody copies it."""
        return RemoteStores(self.path, self.config, self.cache)

    @functools.cached_property
    def all_stores(self) -> Store:
        """The store, and those of the remotes behind it: for looking what is there already, and for reading."""
        return self.remotes.behind(self.store)

    def read_settings_again(self) -> None:
        """Take up remotes that were added since the ledger was opened."""
        self.config = read_config(self.path)
        for derived in ("remotes", "all_stores"):
            self.__dict__.pop(derived, None)

    def afresh(self) -> "Workspace":
        """The same ledger with empty caches, as a process that has just started would see it."""
        return Workspace(self.path, environment=self.environment, clock=self.now, revision=self.revision)

    def store_holding(self, content: Content) -> Store:
        """The store to read a content from; linked data lies whole in one."""
        if content.linked is None:
            return self.all_stores
        found = next((store for store in (self.store, *self.remotes.stores) if is_present(store, content)), None)
        if found is None:
            self.remotes.check()
        return found or self.store

    def has_at_hand(self, content: Content) -> bool:
        """Whether all bytes of a content are there, without reading them; a remote's store that is away has none."""
        is_linked = content.linked is not None
        return is_present(self.store_holding(content) if is_linked else self.stores_for_saving(), content)

    def read_any_store(self) -> None:
        """Take the store as it is from now on, whichever it is: for a check that says what it lacks."""
        self.__dict__["store"] = self._opened_store()

    def store_for_writing(self) -> Store:
        """The store; one in a folder is checked again to be the right one, because its disk may have gone since."""
        self.bring_back_store()
        if isinstance(self.store, LocalStore):
            check_own_store(self.store, self.path, self.config)
        return self.store

    def stores_for_saving(self) -> Store:
        """The store for a save, and behind it those of the remotes, whose chunks need not be stored again."""
        return self.remotes.optionally_behind(self.store_for_writing())

    def hold_store(self) -> Hold | None:
        """Keep maintenance from removing objects of the store for as long as this is held; only folders can be."""
        self.bring_back_store()
        return hold(self.store, timeout=self.config.lock_timeout)

    def bring_back_store(self) -> None:
        """Make the store inside the ledger directory again where somebody deleted it, so that work can go on."""
        bring_back_store(self.path, self.config)

    @functools.cached_property
    def author(self) -> str:
        """The user, as records and commits name them."""
        return user_identity(self.path.parent, self.environment)

    def reader(self, claim: Claim, facts: Facts) -> ContentReader:
        """The files of a version."""
        content = facts.manifest.content
        with self._naming(claim, content):
            return ContentReader(self.store_holding(content), content, label=claim.label)

    def load(self, claim: Claim, facts: Facts, *, trust: bool, mmap: bool, data_type: type | None) -> Any:
        """The value of a version, its bytes verified."""
        content = facts.manifest.content
        with self._naming(claim, content), task(f"load {claim.label}", content.size):
            if content.linked is not None:
                return self._load_linked(content, claim.label)
            return self._load_stored(claim, facts, trust=trust, mmap=mmap, data_type=data_type)

    def download(self, claim: Claim, facts: Facts, path: str | Path, *, overwrite: bool) -> Path:
        """The files of a version as one zip."""
        content = facts.manifest.content
        with self._naming(claim, content), task(f"get {claim.label}", content.size):
            reader = self.reader(claim, facts)
            return download_zip(reader, path, is_wrapped=is_wrapped(facts.manifest), overwrite=overwrite)

    def restore(self, claim: Claim, facts: Facts, path: str | Path, *, only: FileEntry | None, overwrite: bool) -> Path:
        """The files of a version as a file or folder, without what shows the value; or one of them."""
        manifest = facts.manifest
        shown = {visualization.path for visualization in manifest.visualizations}
        size = manifest.content.size if only is None else only.size
        with self._naming(claim, manifest.content), task(f"get {claim.label}", size):
            reader = self.reader(claim, facts)
            if only is not None:
                return restore_one(reader, only, path, overwrite=overwrite)
            return restore(reader, path, without=shown, is_wrapped=is_wrapped(manifest), overwrite=overwrite)

    def similar_contents(self, snapshot: Snapshot, name: Name) -> Iterator[Content]:
        """The contents of the newest versions of a name, which a new one probably resembles."""
        for claim in itertools.islice(snapshot.claims(name, newest_first=True), SIMILAR_VERSIONS):
            try:
                content = self.facts(snapshot, claim).manifest.content
            except (FormatError, IntegrityError):
                continue  # a damaged version is no help, and no reason to refuse the next one
            if content.linked is None:
                yield content

    @contextmanager
    def _naming(self, claim: Claim, content: Content) -> Iterator[None]:
        """A block in which damage, or a value that cannot be made, is a version's: the error names it.

        One that names a version already is about another one, which was loaded on the way.
        """
        try:
            yield
        except (MaterializerError, MissingDependencyError) as error:
            if "version" not in error.facts:
                error.args = (f"{claim.label}: {error}",)
                error.hint = error.hint.replace("NAME@VERSION", claim.label)
                # Of a library that is missing the name is its own.
                error.add_facts(**{"name": claim.name, **error.facts, "version": claim.version})
            raise
        except StoreLostError:
            raise
        except StoreMismatchError as error:
            whole = {"name": claim.name, "version": claim.version, "digest": content.digest}
            where = self._opened_store().url
            message = f"{claim.label}: {error}"
            raise StoreLostError(message, hint=error.hint, **{**error.facts, **whole, "location": where}) from error
        except IntegrityError as error:
            found = {fact: value for fact, value in error.facts.items() if value is not None}
            whole = {"name": claim.name, "version": claim.version, "digest": content.digest, "location": self.store.url}
            error.add_facts(**{**whole, **found})
            raise

    def _load_linked(self, content: Content, label: str) -> Path:
        """Where registered data lies, checked; of data in an object store, where a checked copy of it lies."""
        store = self.store_holding(content)
        if isinstance(store, LocalStore):
            return linked_path(store, content, label=label)
        reader = ContentReader(store, content, label=label)
        reader.check_listing()
        return local_copy(reader, PurePosixPath(content.linked or "").name)

    def _load_stored(self, claim: Claim, facts: Facts, *, trust: bool, mmap: bool, data_type: type | None) -> Any:
        manifest = facts.manifest
        reader = self.reader(claim, facts)
        shown = {visualization.path for visualization in manifest.visualizations}
        paths = tuple(entry.path for entry in reader.files if entry.path not in shown)
        ask = functools.partial(self._ask_trust, claim, facts, trust=trust)
        local = functools.partial(self.mapped.open, manifest.content.digest, reader)
        files = LoadingFiles(reader, ContentPaths(paths), ask=ask, local_of=local)
        return load_value(manifest.materializer, manifest.data_type, files, data_type=data_type, mmap=mmap)

    def _ask_trust(self, claim: Claim, facts: Facts, what: str, *, trust: bool) -> None:
        """Deny by default: only this call's word or the local trust file lets code run."""
        digest = facts.manifest.content.digest
        if trust is True or self.trust.holds(digest):  # a text such as 'no' is no falsehood either
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
