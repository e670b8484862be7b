"""The store that a ledger was made with: told from any other one, and made again where it was deleted."""

import os
import re
from pathlib import Path

from ledger.blobs import OBJECT_KINDS, LocalStore, Store, create_store, is_deleted, refuse_other_store
from ledger.disk import (
    fresh_name,
    is_folder,
    is_link,
    links_below,
    mode_of,
    names_in,
    refuse_linked,
    remove_folder,
    storage_errors,
    sync_directory,
)
from ledger.errors import FormatError, StoreMismatchError
from ledger.history import History
from ledger.lookup import CONFIG_FILE, DEFAULT_STORE, Config
from ledger.notices import warn_user

_OF_OBJECTS = r"[0-9a-f]{2}|[0-9a-f]{62}|tmp_.*"  # compiled by `re` when it is first used
"""The names of objects, of the folders that they lie in, and of temporary files."""


def check_own_store(store: Store, ledger_dir: Path, config: Config) -> None:
    """Raise `StoreMismatchError` where the settings' store is another one than the ledger was made with, or none."""
    try:
        refuse_other_store(store, config.store_id, known=f"this ledger was made with {config.store_id}")
    except StoreMismatchError as error:
        if "found" in error.facts:
            error.hint = (
                f"mount the right store, or correct `store` in {ledger_dir / CONFIG_FILE}; "
                "a store that moves keeps its id (specs/stores.md, 7)"
            )
        elif isinstance(error.__cause__, FormatError):
            is_inside = _is_inside(config)
            right = "delete that file, and the next save makes it again" if is_inside else "put back a copy of it"
            error.hint = f"if it is the right store, {right}"
        elif _is_inside(config) and is_deleted(LocalStore(ledger_dir / DEFAULT_STORE)):
            error.hint = (
                "it was deleted: the next save makes it again, and `ledger repair --from SOURCE` brings back what "
                "another ledger or store has of it"
            )
        raise


def bring_back_store(ledger_dir: Path, config: Config, history: History) -> None:
    """Make the store inside the ledger directory again where somebody deleted it, so that work can go on.

    Raises `StorageError` where the history is gone with it: nothing is made below the mount point of a disk.
    """
    if _is_inside(config):
        store = LocalStore(ledger_dir / DEFAULT_STORE)
        if is_deleted(store):
            history.refuse_gone()
            _remake(ledger_dir, id=config.store_id)
            warn_user(f"{store.root} was deleted and is made again; `ledger verify` says which bytes are lost")


def refuse_foreign_folders(ledger_dir: Path, config: Config) -> None:
    """Raise `StorageError` where a link in the store inside the ledger directory leads to more than a store's objects.

    A ledger may come from anybody: what lies there is the user's own, and nothing is to be put beside it.
    """
    if not _is_inside(config):
        return
    root = ledger_dir / DEFAULT_STORE
    for kind in OBJECT_KINDS:
        shards = links_below(root / kind, lambda _: False) if is_folder(root / kind) else ()
        for folder in (root / kind, *(root / kind / name for name in shards)):
            if is_link(folder) and not all(re.fullmatch(_OF_OBJECTS, name) for name in names_in(folder)):
                refuse_linked(folder)


def _is_inside(config: Config) -> bool:
    """Whether the store is a part of the ledger directory, and so nobody else's."""
    return config.store == DEFAULT_STORE and bool(config.store_id)


def _remake(path: Path, *, id: str) -> None:
    """Make the store inside a ledger directory again, under its old id; several processes may do so at once."""
    store = path / DEFAULT_STORE
    if mode_of(store, follow=False):
        create_store(str(store), id=id)
        return
    staging = path / fresh_name(f"{DEFAULT_STORE}.")
    try:
        create_store(str(staging), id=id)
        with storage_errors(store, "make"):
            try:
                os.rename(staging, store)  # whole, as an empty folder there would mean a disk that is away
            except OSError:
                if not store.is_dir():
                    raise
    finally:
        remove_folder(staging)
    sync_directory(path)
