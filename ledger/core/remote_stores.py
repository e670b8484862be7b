"""The stores of a ledger's remotes, behind its own: what others saved is read where they put it.

There are three ways to look behind the own store, which differ in what happens where a remote's store is away:

    behind_own          to read: an error, if none of the others has what is sought
    holding             to find linked data, which lies whole in one store: the same
    optionally_behind   to save: it counts as empty, for a while and with a warning, as bytes can be stored again

Readers learn that bytes are missing only if all these stores could be asked, which `check` finds out.
"""

import functools
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ledger.blobs import (
    FallbackStore,
    LocalStore,
    OptionalStore,
    Store,
    UnopenedStore,
    is_present,
    open_store,
    store_id,
)
from ledger.core.noted_stores import check_noted
from ledger.core.remote_errors import place_empty, place_found_since, place_of_others, place_unknown
from ledger.errors import (
    ConfigError,
    MissingDependencyError,
    StorageError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ledger.forks import cached_property
from ledger.lookup import (
    DEFAULT_STORE,
    RemoteConfig,
    folder_of,
    is_absent,
    likely_store_of_remote,
    remotes_of,
    setting_named,
    store_of_remote,
    store_setting,
    store_url,
)
from ledger.records import Content
from ledger.system_errors import raise_if_inconclusive
from ledger.wording import without_secrets

if TYPE_CHECKING:
    from ledger.core.workspace import Workspace


class RemoteStores:
    """Where the bytes are that the remotes in a ledger's settings have published; each store is opened when needed.

    Where the settings change, a path leads to another store than at first, or a store can be opened that could not, the
    workspace forgets these and makes new ones.
    """

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace
        self._ledger_dir = workspace.path
        self._config = workspace.config

    @property
    def stores(self) -> tuple[Store, ...]:
        """The stores themselves; one that is away, or cannot be opened, is an error when it is asked."""
        return tuple(self._by_url.values())

    @cached_property
    def behind_own(self) -> Store:
        """The own store, and these behind it, to read from."""
        own = self._workspace.store
        return FallbackStore(own, self.stores, self.check, tries_all=True) if self._config.remotes else own

    def optionally_behind(self, own: Store) -> Store:
        """A store, and these behind it as a save needs them: asked once, and done without while they are away."""
        return FallbackStore(own, self._optional) if self._optional else own

    def holding(self, content: Content) -> Store:
        """The first of the own store and these that has some linked data; the own one where all lack it."""
        own = self._workspace.store
        return FallbackStore(own, self.stores, self.check).first_of(lambda store: is_present(store, content)) or own

    def check(self) -> None:
        """Raise `StoreUnavailableError` where what is missing may be in one of these all the same.

        It may be if another store than the noted one is in its place, or none, or if it cannot be looked at, or if
        nobody has said where it is.
        """
        remotes = self._config.remotes.items()
        try:
            for store in self.stores:
                check_noted(self._ledger_dir, store)
            for name, remote in remotes:
                self._check_place(name, remote)
        except (StoreMismatchError, StorageError) as error:
            raise_if_inconclusive(error)
            raise StoreUnavailableError(str(error), hint=error.hint, **error.facts) from error
        if self._config.store != DEFAULT_STORE:
            return  # those who share a store need not say so
        for name, remote in remotes:
            if not store_of_remote(self._ledger_dir, remote):
                raise place_unknown(self._ledger_dir, name, remote)

    @cached_property
    def _by_url(self) -> dict[str, Store]:
        return {url: self._open_or_defer(url) for url in self._remote_of}

    @cached_property
    def _optional(self) -> tuple[Store, ...]:
        return tuple(
            OptionalStore(without_secrets(url), functools.partial(self._open_noted, url)) for url in self._remote_of
        )

    def _open_or_defer(self, url: str) -> Store:
        """A store to read from, or one that is opened when it is asked, if it cannot be now."""
        try:
            store = self._open_as_it_is(url)
        except (ConfigError, MissingDependencyError, StorageError):
            return UnopenedStore(without_secrets(url), functools.partial(self._open_after_all, url))
        return LocalStore(store.root, is_of_others=True) if isinstance(store, LocalStore) else store

    def _open_as_it_is(self, url: str) -> Store:
        with self._setting_of(url):
            return open_store(url, cache=self._workspace.cache)

    def _open_after_all(self, url: str) -> Store:
        """Open a store that could not be opened at first; whoever asks for the stores from now on gets it itself."""
        store = self._open_as_it_is(url)
        self._workspace.forget_remotes()
        return store

    def _open_noted(self, url: str) -> Store:
        """A store for a save; one in a folder is checked to be the one that is noted, as its disk may be away."""
        with self._setting_of(url):
            store = open_store(url, cache=self._workspace.cache, attempts=1)
        if isinstance(store, LocalStore):
            check_noted(self._ledger_dir, store)
        return store

    def _setting_of(self, url: str) -> AbstractContextManager[None]:
        name = self._remote_of[url]
        return setting_named(self._ledger_dir, store_setting(name, self._config.remotes[name]))

    @cached_property
    def _remote_of(self) -> dict[str, str]:
        """The URL of each store, with the name of the first remote that has it."""
        found: dict[str, str] = {}
        for name, remote in self._config.remotes.items():
            if url := likely_store_of_remote(self._ledger_dir, remote):
                found.setdefault(url, name)
        return found

    def _check_place(self, name: str, remote: RemoteConfig) -> None:
        """Raise unless the store at a remote's place, where that is known, is one that is asked here."""
        url = store_of_remote(self._ledger_dir, remote)
        if not url:
            return
        if url not in self._by_url:
            self._workspace.forget_remotes()
            raise place_found_since(name, remote)
        if not remote.store and is_absent(remote):
            raise place_empty(self._ledger_dir, name, remote)
        if self._workspace.history.has_heard_of(name):
            store_id(self._by_url[url])  # a store that holds something has one
        self._refuse_stores_behind(name, remote)

    def _refuse_stores_behind(self, name: str, remote: RemoteConfig) -> None:
        """Raise where a remote is a ledger that reads bytes of others from stores that are not read here."""
        read_here = {_place(url) for url in (store_url(self._ledger_dir, self._config), *self._by_url)}
        for other, store in remotes_of(remote):
            if store and _place(store) not in read_here:
                raise place_of_others(name, remote, other, store)


def _place(url: str) -> str:
    """A store's URL, or its path as the system has it, however it was spelled."""
    path = folder_of(url)
    return url.rstrip("/") if path is None else os.path.realpath(path)
