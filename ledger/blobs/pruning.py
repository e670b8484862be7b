"""Making room in a store: chunks out of packs that are mostly dead, and objects that nobody needs.

Owns how objects of a store in a folder are rewritten and removed, not which: the caller says what is needed.
Rules it keeps (specs/maintenance.md, 3):

* a table names its chunks' places anew only when the new pack is durable; the old pack stays for whoever has
  read the old table, and its age counts from then on;
* nothing is removed, and no table rewritten, while anybody who may rely on it holds the store;
* age is told by the store's own clock; what seems to come from the future is young.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from ledger.blobs.layout import OBJECT_KINDS, STORE_KEY, pack_key, parse_key, table_key
from ledger.blobs.local import LocalStore
from ledger.blobs.packs import PackBuilder, PackIndex, load_index, open_entry
from ledger.blobs.sought import Sought
from ledger.blobs.store import Store
from ledger.blobs.tables import Run, load_table, put_runs
from ledger.disk import Hold, alone, fresh_name, remove_if_there, status_of, storage_errors, walk, write_new_file
from ledger.records import Content

_LABEL = "the store"
_LEFTOVER = re.compile(r"tmp_[0-9a-f]{16}")

Moves = Mapping[tuple[str, int], tuple[str, int]]
"""Where chunks went: pack and number before, pack and number now."""


class Spare(NamedTuple):
    """A file of the store: its key or path, its size in bytes, and its age in seconds."""

    key: str
    size: int
    age: float


def hold(store: Store, *, timeout: float) -> Hold:
    """Keep everybody from removing objects of a store as long as this is held; where nobody can, nothing is held."""
    return Hold(store.root / STORE_KEY if isinstance(store, LocalStore) else None, timeout=timeout)


@contextmanager
def alone_with(store: LocalStore, *, timeout: float) -> Iterator[None]:
    """A block during which nobody holds a store; raises `LockTimeoutError` where somebody goes on doing so."""
    path = store.root / STORE_KEY
    with ExitStack() as stack:
        with storage_errors(path, "open"):
            stack.enter_context(alone(path, timeout=timeout))
        yield


def clock_of(store: LocalStore) -> float:
    """The time of the store's own disk, in seconds since 1970."""
    path = str(store.root / fresh_name())
    with storage_errors(path, "write"):
        write_new_file(path, [])
        try:
            return os.stat(path).st_mtime
        finally:
            remove_if_there(path)


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
    for kind in OBJECT_KINDS:
        for folder, _, names in walk(store.root / kind):
            paths = [os.path.relpath(os.path.join(folder, name), store.root) for name in names]
            left += [path for path in paths if _LEFTOVER.fullmatch(os.path.basename(path))]
            keys += [path for path in paths if parse_key(path) is not None]
    return sorted(keys), sorted(left)


def is_within(store: LocalStore, folder: Path) -> bool:
    """Whether all objects of a store lie below a folder, also where links lead."""
    with storage_errors(store.root, "look at"):
        places = [os.path.realpath(store.root / kind) for kind in ("", *OBJECT_KINDS)]
        return all(Path(place).is_relative_to(os.path.realpath(folder)) for place in places)


def live_bytes(store: Store, key: str, stretches: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The stored bytes of a pack's chunks that some stretches name, and of all its chunks."""
    index = load_index(store, _name(key), label=_LABEL)
    return sum(index.entries[number].stored_size for number in _numbers(index, stretches)), index.offsets[-1]


def repack(store: LocalStore, needed: Mapping[str, Sequence[tuple[int, int]]]) -> Moves:
    """Put the chunks that are needed of some packs, given by their keys, into new packs, each checked on its way."""
    places: dict[tuple[str, int], tuple[str, int]] = {}
    builder, waiting = PackBuilder(), dict[tuple[str, int], int]()
    for key, stretches in needed.items():
        index = load_index(store, _name(key), label=_LABEL)
        for number in _numbers(index, stretches):
            stored = _checked(store, index, number)
            if not builder.has_room(len(stored)):
                places |= _put(store, builder, waiting)
                builder, waiting = PackBuilder(), {}
            entry = index.entries[number]
            waiting[index.pack, number] = builder.add(entry.digest, entry.plain_size, stored)
    if len(builder):
        places |= _put(store, builder, waiting)
    return places


def packs_in(places: Moves) -> set[str]:
    """The keys of the packs that chunks went to."""
    return {pack_key(pack) for pack, _ in places.values()}


def point_anew(store: LocalStore, content: Content, places: Moves, *, timeout: float) -> bool:
    """Make a table name the chunks where they are now; says whether it named any that went elsewhere.

    Nobody else writes it meanwhile: it may be healed by a save at any other moment.
    """
    if not store.has(table_key(content.digest)) or _runs_now(store, content, places) is None:
        return False
    with alone_with(store, timeout=timeout):
        runs = _runs_now(store, content, places)
        if runs is not None:
            put_runs(store, content, runs, label=_LABEL)
    return runs is not None


def age_anew(store: LocalStore, key: str) -> None:
    """Let the age of an object begin now."""
    path = store.root / key
    with storage_errors(path, "touch"):
        os.utime(path)


def _numbers(index: PackIndex, stretches: Sequence[tuple[int, int]]) -> list[int]:
    """The chunks of a pack that some stretches name, in order."""
    named = {number for first, stop in stretches for number in range(first, min(stop, len(index.entries)))}
    return sorted(named)


def _name(key: str) -> str:
    kind, name = parse_key(key) or ("", "")
    assert kind == "packs", f"{key} is no pack"
    return name


def _checked(store: Store, index: PackIndex, number: int) -> bytes:
    """The stored bytes of a chunk, once they are what its digest says."""
    entry, start = index.entries[number], index.offsets[number]
    key = pack_key(index.pack)
    stored = store.get(key, start, entry.stored_size)
    open_entry(stored, entry, Sought(_LABEL, "chunk", entry.digest, store, key))
    return stored


def _put(
    store: Store, builder: PackBuilder, waiting: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], tuple[str, int]]:
    name, parts = builder.build()
    store.put(pack_key(name), [b"".join(parts)])
    return {before: (name, number) for before, number in waiting.items()}


def _runs_now(store: Store, content: Content, places: Moves) -> tuple[Run, ...] | None:
    """The runs of a table as they should be, or ``None`` where they are so."""
    table = load_table(store, content, label=_LABEL)
    runs = tuple(_joined(_moved(table.runs, places)))
    return runs if runs != table.runs else None


def _moved(runs: Sequence[Run], places: Moves) -> Iterator[tuple[str, int]]:
    for pack, first, count in runs:
        yield from (places.get((pack, number), (pack, number)) for number in range(first, first + count))


def _joined(chunks: Iterator[tuple[str, int]]) -> Iterator[Run]:
    """Chunks as runs: those that follow each other in one pack together."""
    run: Run | None = None
    for pack, number in chunks:
        if run is not None and (run[0], run[1] + run[2]) == (pack, number):
            run = (pack, run[1], run[2] + 1)
            continue
        if run is not None:
            yield run
        run = (pack, number, 1)
    if run is not None:
        yield run
