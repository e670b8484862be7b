"""Which store each remote's bytes went to: ``remote-stores.json``, local like the settings and written by syncs.

From outside, an empty mount point looks like a store that is still to be made, and a wrong disk looks like the right
one. So the id of the store behind a URL is noted the first time that it is seen, and compared from then on. Whoever
replaces a store on purpose deletes the file.
"""

from pathlib import Path

import msgspec

from ledger.disk import read_file, write_file
from ledger.records import FORMAT, decode, encode

NOTED_STORES_FILE = "remote-stores.json"


class _NotedStores(msgspec.Struct, frozen=True, kw_only=True):
    stores: dict[str, str]
    format: int = FORMAT


def noted_store(ledger_dir: Path, url: str) -> str:
    """The id of the store that was met behind a URL, empty where none was; `FormatError` for a damaged file."""
    return _read(ledger_dir).get(url, "")


def note_store(ledger_dir: Path, url: str, id: str) -> None:
    """Remember the id of the store behind a URL."""
    stores = _read(ledger_dir)
    if stores.get(url) != id:
        write_file(ledger_dir / NOTED_STORES_FILE, [encode(_NotedStores(stores={**stores, url: id}))])


def _read(ledger_dir: Path) -> dict[str, str]:
    path = ledger_dir / NOTED_STORES_FILE
    try:
        return decode(read_file(path), _NotedStores, where=str(path)).stores
    except FileNotFoundError:
        return {}
