"""Stored objects held against their names: which of them are missing or damaged.

Owns the reading of whole stores: each object once, however many contents share it, on all
cores, in bounded memory. A chunk is checked by its digest, a pack by its index and each of
its chunks, a table by the content that it is of. Knows nothing of versions: the caller says
which contents there are, and whom a fault touches. Changes nothing.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from ledger.blobs.chunks.chunk_lists import named_chunks
from ledger.blobs.chunks.codec import PLAIN_LIMIT, codec_of, frame_size, open_chunk, stored_limit
from ledger.blobs.chunks.needs import Needs, needs_of
from ledger.blobs.chunks.packs import PackIndex, load_index, open_entry, parts_of
from ledger.blobs.chunks.recent_indexes import RecentIndexes
from ledger.blobs.chunks.tables import Table
from ledger.blobs.reader import ContentReader
from ledger.blobs.stores.faults import Fault, missing
from ledger.blobs.stores.layout import OBJECT_KINDS, parse_key, table_key
from ledger.blobs.stores.sought import THE_STORE, Sought
from ledger.blobs.stores.store import PrunableStore, Store, gets_at_once, small_at_once
from ledger.blobs.stores.workers import ask_each, in_order
from ledger.errors import IntegrityError, StorageError
from ledger.ids import Digest, digest_from_hex
from ledger.records import Content, segments_of
from ledger.system_errors import raise_if_inconclusive
from ledger.wording import counted


class Checked(NamedTuple):
    """An object that was read whole, what is wrong with it, and how many bytes of its chunks were read.

    ``plain`` is the plain size of a sound chunk.
    """

    key: str
    fault: Fault | None
    size: int
    plain: int | None = None


def absent(store: Store, keys: Iterable[str]) -> Iterator[Fault]:
    """A fault for each object that is not there, or cannot be looked at."""
    yield from filter(None, ask_each(store, partial(_absence, store), keys))


def look_into(store: Store, content: Content, *, deep: bool) -> tuple[Needs, Fault | None]:
    """What a content needs; for a ``deep`` look, also the fault of a table whose runs are not its chunks."""
    needs = needs_of(store, content)
    if not deep or needs.table is None or content.linked is not None:
        return needs, None
    return needs, _check_table(store, content, needs.table)


def check_linked(store: Store, content: Content, *, label: str) -> None:
    """Read all of some registered data again; `IntegrityError` at the first file that is missing, changed or new."""
    ContentReader(store, content, label=label).check()


def stored_keys(store: Store) -> Iterator[str]:
    """The key of every object in a store that can be listed, and of whatever else lies among them."""
    if isinstance(store, PrunableStore):
        for kind in OBJECT_KINDS:
            yield from store.list(kind)


def check_objects(store: Store, keys: Iterable[str]) -> Iterator[Checked]:
    """Read chunk objects and packs whole, on all cores; what came of each, in order but packs last.

    A chunk is judged by its digest alone: what a manifest says of its size may be what is wrong.
    """
    packs: list[tuple[str, str]] = []
    small: list[str] = []
    for key in keys:
        kind, name = parse_key(key) or ("", "")
        if kind == "packs":
            packs.append((key, name))
        else:
            small.append(key)
    yield from _check_each(_small_work(store, small), small_at_once(store))
    yield from _check_each(_pack_work(store, packs), gets_at_once(store))


def _check_table(store: Store, content: Content, table: Table) -> Fault | None:
    """The fault of a table whose runs are not the chunks of its segments, judged by the indexes of its packs.

    The digest of a content covers its segments and not its runs, so only this comparison tells.
    """
    try:
        found = segments_of(named_chunks(table.runs, RecentIndexes(store, label=THE_STORE).get))
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        return None  # the pack that is at fault is reported by itself
    if found == table.segments:
        return None
    key = table_key(content.digest)
    return Fault(key, "corrupt", f"{store.url}/{key} has runs that are not the chunks of its segments")


def _absence(store: Store, key: str) -> Fault | None:
    try:
        return None if store.has(key) else missing(store, key)
    except StorageError as error:
        raise_if_inconclusive(error)
        return Fault(key, "corrupt", str(error))


class _Done(NamedTuple):
    """A part of an object that was read: how many bytes, what is wrong there, and whether it is the last part."""

    key: str
    size: int
    faults: Sequence[Fault]
    is_last: bool = True
    plain: int | None = None


def _check_each(work: Iterable[Callable[[], _Done]], threads: int | None) -> Iterator[Checked]:
    faults: list[Fault] = []
    size = 0
    for done in in_order(operator.call, work, threads=threads):  # the parts of an object in a row
        faults += done.faults
        size += done.size
        if done.is_last:
            yield Checked(done.key, _together(faults), size, done.plain)
            faults, size = [], 0


def _small_work(store: Store, keys: Iterable[str]) -> Iterator[Callable[[], _Done]]:
    for key in keys:
        kind, name = parse_key(key) or ("", "")
        if kind == "chunks":
            yield partial(_check_chunk, store, key, digest_from_hex(name))
        else:
            yield partial(_Done, key, 0, ())  # tables are checked with their contents


def _check_chunk(store: Store, key: str, digest: Digest) -> _Done:
    sought = Sought(THE_STORE, "chunk", digest, store, key)
    try:
        stored = store.get(key, 0, stored_limit(PLAIN_LIMIT))
        size = frame_size(stored, sought) if codec_of(stored) == "zstd" else len(stored)
        if size > PLAIN_LIMIT:
            raise sought.damaged(f"has {size} bytes, over the limit of {PLAIN_LIMIT}")
        if len(stored) > stored_limit(size):
            raise sought.damaged(f"takes {len(stored)} bytes for {size}, over the limit of {stored_limit(size)}")
        open_chunk(stored, size, sought)
    except FileNotFoundError:
        return _Done(key, 0, [missing(store, key)])
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        return _Done(key, 0, [Fault(key, "corrupt", str(error))])
    return _Done(key, len(stored), (), plain=size)


def _pack_work(store: Store, packs: Sequence[tuple[str, str]]) -> Iterator[Callable[[], _Done]]:
    """The parts of packs, each given by its key and name; a distant store is asked for many indexes at a time."""
    indexes = ask_each(store, partial(_index_of, store), packs)
    for (key, _), index in zip(packs, indexes, strict=True):
        if isinstance(index, Fault):
            yield partial(_Done, key, 0, [index])
            continue
        parts = list(parts_of(index))
        for part in parts:
            yield partial(_check_part, store, key, index, part, is_last=part is parts[-1])


def _index_of(store: Store, pack: tuple[str, str]) -> PackIndex | Fault:
    key, name = pack
    try:
        return load_index(store, name, label=THE_STORE)
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        is_missing = isinstance(error.__cause__, FileNotFoundError)
        return missing(store, key) if is_missing else Fault(key, "corrupt", str(error))


def _check_part(store: Store, key: str, index: PackIndex, part: range, *, is_last: bool) -> _Done:
    """Read some chunks of a pack at once, and check each."""
    start, stop = index.offsets[part.start], index.offsets[part.stop]
    faults: list[Fault] = []
    try:
        data = memoryview(store.get(key, start, stop - start))
    except FileNotFoundError:
        return _Done(key, 0, [missing(store, key)], is_last)
    except StorageError as error:
        raise_if_inconclusive(error)
        return _Done(key, 0, [Fault(key, "corrupt", str(error), frozenset(part))], is_last)
    for number in part:
        entry, at = index.entries[number], index.offsets[number] - start
        sought = Sought(THE_STORE, "chunk", entry.digest, store, key)
        try:
            open_entry(data[at : at + entry.stored_size], entry, sought)
        except IntegrityError as error:
            faults.append(Fault(key, "corrupt", str(error), frozenset([number])))
    return _Done(key, len(data), faults, is_last)


def _together(faults: Sequence[Fault]) -> Fault | None:
    """The faults of one object as one: the first gives the message, all of them the chunks that are damaged."""
    if not faults:
        return None
    whole = next((fault for fault in faults if not fault.chunks), None)
    if whole is not None or len(faults) == 1:
        return whole or faults[0]
    chunks = frozenset(chain.from_iterable(fault.chunks for fault in faults))
    return faults[0]._replace(
        message=f"{faults[0].message}, and {counted(len(chunks) - 1, 'more chunk')}", chunks=chunks
    )
