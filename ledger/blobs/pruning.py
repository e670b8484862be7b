"""Making room in a store: chunks out of packs that are mostly dead, and objects that nobody needs.

Owns how objects of a store in a folder are rewritten and removed, not which: the caller says what is needed.
Rules it keeps (specs/maintenance.md, 3):

* a table names its chunks' places anew only when the new pack is durable; the old pack stays for whoever has
  read the old table, and its age counts from then on;
* nothing is removed, and no table rewritten, while anybody who may rely on it holds the store;
* age is told by the store's own clock; what seems to come from the future is young.
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from ledger.blobs.chunks.moving import Moves, moved_runs, numbers_in, pack_of
from ledger.blobs.chunks.needs import Stretch
from ledger.blobs.chunks.packs import load_index
from ledger.blobs.chunks.tables import Run, put_runs, read_table
from ledger.blobs.stores.layout import OBJECT_KINDS, STORE_KEY, parse_key, table_key
from ledger.blobs.stores.local import LocalStore
from ledger.blobs.stores.sought import THE_STORE
from ledger.blobs.stores.store import Store
from ledger.disk import (
    Hold,
    alone,
    is_folder,
    is_temporary,
    scratch_file,
    status_of,
    storage_errors,
    walk,
)
from ledger.errors import DiskFullError
from ledger.records import Content


class Spare(NamedTuple):
    """A file of the store: its key or path, its size in bytes, and its age in seconds."""

    key: str
    size: int
    age: float


def hold(store: Store, *, timeout: float) -> Hold:
    """Keep everybody from removing objects of a store while this is held; where nobody can, nothing is held."""
    return Hold(store.root / STORE_KEY if isinstance(store, LocalStore) else None, timeout=timeout)


def alone_with(store: LocalStore, *, timeout: float) -> AbstractContextManager[None]:
    """A block during which nobody holds a store; raises `LockTimeoutError` where somebody goes on holding it."""
    return alone(store.root / STORE_KEY, timeout=timeout)


def clock_of(store: LocalStore) -> float:
    """The time of the store's own disk, in seconds since 1970."""
    try:
        with scratch_file(store.root) as now:
            return os.fstat(now.fileno()).st_mtime
    except DiskFullError:
        path = str(store.root / STORE_KEY)  # to touch a file that is there takes no room
        with storage_errors(path, "write"):
            os.utime(path)
            return os.stat(path).st_mtime


def age_of(store: LocalStore, key: str, now: float) -> Spare | None:
    """Size and age of a file of the store, or ``None`` where there is none."""
    status = status_of(store.root / key)
    return Spare(key, status.st_size, now - status.st_mtime) if status is not None else None


def age_of_table(store: LocalStore, content: Content, now: float) -> float | None:
    """How long ago the table of a content was written, in seconds, or ``None`` where there is none."""
    found = age_of(store, table_key(content.digest), now)
    return found.age if found is not None else None


def files_among(store: LocalStore) -> tuple[list[str], list[str]]:
    """The keys of all objects, and the temporary files that writers which died have left among them."""
    keys: list[str] = []
    left: list[str] = []
    for top in filter(is_folder, (store.root / kind for kind in OBJECT_KINDS)):
        for folder, _, names in walk(top):
            paths = [os.path.relpath(os.path.join(folder, name), store.root) for name in names]
            left += [path for path in paths if is_temporary(os.path.basename(path))]
            keys += [path for path in paths if parse_key(path) is not None]
    return sorted(keys), sorted(left)


def is_within(store: LocalStore, folder: Path) -> bool:
    """Whether all objects of a store lie below a folder, also where links lead."""
    with storage_errors(store.root, "look at"):
        places = [os.path.realpath(store.root / kind) for kind in ("", *OBJECT_KINDS)]
        return all(Path(place).is_relative_to(os.path.realpath(folder)) for place in places)


def live_bytes(store: Store, key: str, stretches: Iterable[Stretch]) -> tuple[int, int]:
    """The stored bytes of a pack's chunks that some stretches name, and of all its chunks."""
    index = load_index(store, pack_of(key), label=THE_STORE)
    return sum(index.entries[number].stored_size for number in numbers_in(index, stretches)), index.offsets[-1]


def point_anew(store: LocalStore, content: Content, places: Moves, *, timeout: float) -> bool:
    """Make a table name the chunks where they are now; says whether it named any that were moved.

    It is read again while nobody holds the store: until then a save may write it anew.
    """
    if not store.has(table_key(content.digest)) or _runs_now(store, content, places) is None:
        return False
    with alone_with(store, timeout=timeout):
        runs = _runs_now(store, content, places)
        if runs is not None:
            put_runs(store, content, runs)
    return runs is not None


def age_anew(store: LocalStore, key: str) -> None:
    """Let the age of an object begin now."""
    path = store.root / key
    with storage_errors(path, "touch"):
        os.utime(path)


def _runs_now(store: Store, content: Content, places: Moves) -> tuple[Run, ...] | None:
    """The runs that a table should have after the moves, or ``None`` where it has them."""
    table, _ = read_table(store, content.digest, label=THE_STORE)
    runs = moved_runs(table.runs, places)
    return runs if runs != table.runs else None
