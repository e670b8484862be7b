"""The parts of one ledger together: history, store, settings, trust, clock and user.

The one place where the parts are put together. `Ledger`, transactions and maintenance work with a `Workspace`;
the packages below know nothing of each other.
"""

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ledger.blobs import LocalStore, ObjectCache, Store, cache_folder, hold, is_present, open_store
from ledger.core.access import VersionAccess
from ledger.core.mapping import MappedCopies, mapped_folder
from ledger.core.own_store import bring_back_store, check_own_store, refuse_foreign_folders
from ledger.core.remote_stores import RemoteStores
from ledger.core.trust import TrustFile
from ledger.disk import Hold
from ledger.errors import FormatError, IntegrityError, LedgerError, ReadOnlyError, StoreMismatchError
from ledger.forks import cached_property
from ledger.history import History, Snapshot, git_identity, host_identity
from ledger.ids import CommitId
from ledger.lookup import Access, View, read_config, setting_named, settings_state, store_url
from ledger.records import Content, Name

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
    return host_identity(user, os.uname().nodename)


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
        self._settings_seen = settings_state(path)
        super().__init__(path, history=history, revision=revision)
        self.environment = environment
        self.now = clock
        self.trust = TrustFile(environment)
        self._remotes = RemoteStores(self)
        # Looked for once: if a ledger was copied from elsewhere, its foreign folders are there from the beginning.
        self._has_own_folders = False

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
        return VersionAccess(self)

    @cached_property
    def cache(self) -> ObjectCache:
        """Where pages of distant stores are kept, if the settings want that."""
        return ObjectCache(cache_folder(self.environment), self.config.cache_limit)

    @cached_property
    def mapped(self) -> MappedCopies:
        """Where files lie that were put together to be mapped, if the settings want that."""
        return MappedCopies(mapped_folder(self.path), self.config.cache_limit)

    @cached_property
    def store(self) -> Store:
        """The store, checked to be the one that this ledger was made with."""
        store = self.unchecked_store()
        check_own_store(store, self.path, self.config)
        return store

    def unchecked_store(self) -> Store:
        """The store that the settings name, whichever it is."""
        with setting_named(self.path, "store"):
            return open_store(store_url(self.path, self.config), cache=self.cache)

    @property
    def all_stores(self) -> Store:
        """The store, and those of the remotes behind it: to see what is there already, and to read it."""
        self._follow_settings()
        return self._remotes.behind_own

    def read_settings_again(self) -> None:
        """Take up a store that has moved, and remotes that were added or removed since the ledger was opened."""
        seen = settings_state(self.path)
        before, self.config = self.config, read_config(self.path)
        self._settings_seen = seen  # only now: what cannot be read is an error the next time, too
        if before.store != self.config.store:
            self.__dict__.pop("store", None)
        self.forget_remotes()

    def _follow_settings(self) -> None:
        """Take up what another process has written into the settings meanwhile: it may say where bytes are."""
        if settings_state(self.path) != self._settings_seen:
            self.read_settings_again()

    def forget_remotes(self) -> None:
        """Find and open the stores of the remotes again when they are needed next."""
        self._remotes = RemoteStores(self)

    def afresh(self) -> "Workspace":
        """The same ledger with empty caches, as a process that has just started would see it."""
        return Workspace(self.path, environment=self.environment, clock=self.now, revision=self.revision)

    def store_holding(self, content: Content) -> Store:
        """The store to read a content from; linked data lies whole in one."""
        if content.linked is None:
            return self.all_stores
        self._follow_settings()
        return self._remotes.holding(content)

    def has_at_hand(self, content: Content) -> bool:
        """Whether all bytes of a content are there, without reading them; a remote's store that is away has none."""
        self._follow_settings()
        is_linked = content.linked is not None
        return is_present(self.store_holding(content) if is_linked else self.stores_for_saving(), content)

    def read_any_store(self) -> None:
        """From now on use the store that is there, whichever it is: for a check that says what it lacks."""
        self.store = self.unchecked_store()

    def store_mismatch(self) -> StoreMismatchError | None:
        """What is wrong with the place of the store now, such as a disk that is gone; ``None`` if nothing is known."""
        try:
            check_own_store(open_store(store_url(self.path, self.config), attempts=1), self.path, self.config)
        except StoreMismatchError as error:
            return error
        except LedgerError:
            return None
        return None

    def store_for_writing(self) -> Store:
        """The store; one in a folder is checked again to be the right one, because its disk may have gone since."""
        self.bring_back_store()
        if isinstance(self.store, LocalStore):
            check_own_store(self.store, self.path, self.config)
        return self.store

    def stores_for_saving(self) -> Store:
        """The store for a save, and behind it those of the remotes, whose chunks need not be stored again."""
        return self._remotes.optionally_behind(self.store_for_writing())

    def hold_store(self) -> Hold:
        """Keep maintenance from removing objects of the store while this is held; only a store in a folder can be."""
        self._follow_settings()
        self.bring_back_store()
        return hold(self.store, timeout=self.config.lock_timeout)

    def bring_back_store(self) -> None:
        """Make the store inside the ledger directory again where somebody deleted it, so that work can go on."""
        bring_back_store(self.path, self.config, self.history)
        if not self._has_own_folders:
            refuse_foreign_folders(self.path, self.config)
            self._has_own_folders = True

    @cached_property
    def author(self) -> str:
        """The user, as records and commits name them."""
        return user_identity(self.path.parent, self.environment)

    def similar_contents(self, snapshot: Snapshot, name: Name) -> Iterator[Content]:
        """The contents of the newest versions of a name, which a new one probably resembles."""
        for claim in itertools.islice(snapshot.claims(name, newest_first=True), SIMILAR_VERSIONS):
            try:
                content = self.facts(snapshot, claim).manifest.content
            except (FormatError, IntegrityError):
                continue  # a damaged version is no help, and no reason to refuse the next one
            yield content
