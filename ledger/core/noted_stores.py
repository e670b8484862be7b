"""Which store each remote's bytes went to: ``remote-stores.json``, local like the settings and written by syncs.

From outside, an empty mount point looks like a store that is still to be made, and a wrong disk looks like the right
one. So the id of the store behind a URL is noted the first time that it is seen, and compared from then on. Whoever
replaces a store on purpose deletes the file, and the next sync fills the new one (`ledger.core.uploading`).
"""

import shlex
from pathlib import Path

import msgspec

from ledger.blobs import STORE_KEY, LocalStore, Store, refuse_other_store, store_id, store_record
from ledger.disk import SMALL, locks_end_here, read_file, write_file
from ledger.errors import FormatError, StoreMismatchError, UnsupportedFormatError
from ledger.lookup import CONFIG_FILE, changing_settings
from ledger.records import FORMAT, decode, encode

NOTED_STORES_FILE = "remote-stores.json"


class _NotedStores(msgspec.Struct, frozen=True, kw_only=True):
    stores: dict[str, str]
    format: int = FORMAT


def check_noted(ledger_dir: Path, store: Store) -> None:
    """Raise `StoreMismatchError` if a store was noted behind this URL and is no longer the one that is there.

    There may be another one now, one without an id, or none. Raises `FormatError` for a damaged file of notes.
    """
    known = _read(ledger_dir).get(store.url, "")
    if not known:
        return
    try:
        refuse_other_store(store, known, known=f"it had {known} before")
    except StoreMismatchError as error:
        if isinstance(error.__cause__, FormatError):
            error.hint = f"if it is the right store, {_record_again(store, known)}"
        else:
            note = f"delete {ledger_dir / NOTED_STORES_FILE}: the next sync puts there what is stored here"
            where = f"mount the right store, or correct its URL in {ledger_dir / CONFIG_FILE}"
            error.hint = f"{where}; if it was replaced for good, {note}"
        raise


def recognise(ledger_dir: Path, store: Store) -> bool:
    """Whether a store is noted behind this URL, or this very store behind another URL, from which it has moved.

    In the second case the new URL is noted. Raises `FormatError` as `check_noted` does.
    """
    known = _read(ledger_dir)
    if store.url in known or not known:
        return store.url in known
    try:
        id = store_id(store)
    except StoreMismatchError:
        return False
    if id in known.values():
        note_store(ledger_dir, store.url, id)
    return id in known.values()


@locks_end_here()
def note_store(ledger_dir: Path, url: str, id: str) -> None:
    """Remember the id of the store behind a URL."""
    if _read(ledger_dir).get(url) != id:
        with changing_settings(ledger_dir):
            stores = {**_read(ledger_dir), url: id}
            write_file(ledger_dir / NOTED_STORES_FILE, [encode(_NotedStores(stores=stores))])


def _record_again(store: Store, id: str) -> str:
    """How to give a store the record with its id again."""
    if not isinstance(store, LocalStore):
        return f"put back a copy of its {STORE_KEY}, which holds the id {id}"
    text = store_record(id).decode().replace("\n", r"\n")
    return f"run `printf {shlex.quote(text)} > {shlex.quote(str(store.root / STORE_KEY))}`"


def _read(ledger_dir: Path) -> dict[str, str]:
    path = ledger_dir / NOTED_STORES_FILE
    try:
        return decode(read_file(path, most=SMALL), _NotedStores, where=str(path)).stores
    except FileNotFoundError:
        return {}
    except UnsupportedFormatError:
        raise
    except FormatError as error:
        error.hint = "delete that file: the next sync looks at all versions, and notes the stores again"
        raise
