"""The stores of a ledger's remotes, behind its own: what others saved is read where they put it.

Knows the settings of the remotes and which stores are noted; never asks the own store.
"""

import functools
from pathlib import Path

from ledger.blobs import FallbackStore, LocalStore, ObjectCache, OptionalStore, Store, is_present, open_store
from ledger.core.noted_stores import check_noted
from ledger.errors import StorageError, StoreMismatchError, StoreUnavailableError
from ledger.history import without_secrets
from ledger.lookup import CONFIG_FILE, DEFAULT_STORE, Config, likely_store_of_remote, store_of_remote
from ledger.records import Content
from ledger.system_errors import raise_unjudged


class RemoteStores:
    """Where the bytes are that the remotes in some settings have published; each store is opened when it is needed."""

    def __init__(self, ledger_dir: Path, config: Config, cache: ObjectCache) -> None:
        self._ledger_dir = ledger_dir
        self._config = config
        self._cache = cache

    @functools.cached_property
    def stores(self) -> tuple[Store, ...]:
        """The stores themselves; one that is away is an error when it is asked."""
        return tuple(open_store(url, cache=self._cache) for url in self._urls)

    def behind(self, own: Store) -> Store:
        """A store, and these behind it, to read from."""
        return FallbackStore(own, self.stores, self.check) if self._config.remotes else own

    def optionally_behind(self, own: Store) -> Store:
        """A store, and these behind it as a save needs them: asked once, and done without where they are away."""
        return FallbackStore(own, self._optional) if self._optional else own

    def holding(self, content: Content) -> Store | None:
        """The first of these that has some linked data; ``None`` where none has, and all could be asked."""
        try:
            found = next((store for store in self.stores if is_present(store, content)), None)
        except StorageError as error:
            raise_unjudged(error)
            self.check()
            raise
        if found is None:
            self.check()
        return found

    def check(self) -> None:
        """Raise `StoreUnavailableError` where what is missing may be in one of these all the same.

        Another store than is noted is in its place, or none, or it cannot be looked at, or nobody has said where it is.
        """
        try:
            for store in self.stores:
                check_noted(self._ledger_dir, store)
            self._refuse_later_stores()
        except (StoreMismatchError, StorageError) as error:
            raise_unjudged(error)
            raise StoreUnavailableError(str(error), hint=error.hint, **error.facts) from error
        if self._config.store != DEFAULT_STORE:
            return  # those who share a store need not say so
        for name, remote in self._config.remotes.items():
            if not store_of_remote(self._ledger_dir, remote):
                raise StoreUnavailableError(
                    f"not all bytes are here, and nobody has said where those are that {name} "
                    f"({without_secrets(remote.url)}) has published",
                    hint=f'add `store = "URL"` below [remotes.{name}] in {self._ledger_dir / CONFIG_FILE}',
                    remote=name,
                )

    @functools.cached_property
    def _optional(self) -> tuple[Store, ...]:
        return tuple(OptionalStore(without_secrets(url), functools.partial(self._open, url)) for url in self._urls)

    def _open(self, url: str) -> Store:
        """A store; one in a folder is checked to be the one that is noted, as its disk may be away."""
        store = open_store(url, cache=self._cache, attempts=1)
        if isinstance(store, LocalStore):
            check_noted(self._ledger_dir, store)
        return store

    @functools.cached_property
    def _urls(self) -> list[str]:
        urls = (likely_store_of_remote(self._ledger_dir, remote) for remote in self._config.remotes.values())
        return [url for url in dict.fromkeys(urls) if url]

    def _refuse_later_stores(self) -> None:
        """Raise `StoreUnavailableError` where a remote's path was away when it was looked at, and its store is not."""
        for name, remote in self._config.remotes.items():
            url = store_of_remote(self._ledger_dir, remote)
            if url and url not in self._urls:
                raise StoreUnavailableError(
                    f"the store of {name} ({without_secrets(remote.url)}) could not be looked for at first",
                    hint="it can be now: open the ledger again",
                    remote=name,
                )
