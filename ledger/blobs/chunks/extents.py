"""Which stored bytes a content is made of: stretches of objects of the store.

Reads tables and the indexes of packs, each once however many contents name them, and no chunk. Whatever is
missing or damaged is an error of the contents that need it and of no other. What the stretches
add up to, and who shares them, is for others to say.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ledger.blobs.chunks.packs import load_index
from ledger.blobs.chunks.tables import Run, load_table_as_stored
from ledger.blobs.stores.layout import chunk_key, pack_key, table_key
from ledger.blobs.stores.sought import Sought
from ledger.blobs.stores.store import Store, size_of, small_at_once
from ledger.blobs.stores.workers import in_order
from ledger.errors import IntegrityError, LedgerError, StorageError, UnsupportedFormatError
from ledger.ids import Digest
from ledger.records import Content
from ledger.wording import counted


class Extent(NamedTuple):
    """Stored bytes of an object of the store, from ``start`` to ``stop``."""

    key: str
    start: int
    stop: int


Extents = Sequence[Extent]

_Whole = tuple[list[Extent], Sequence[Run]]  # objects that are a content's as a whole, and runs of chunks in packs


def extents_of(store: Store, contents: Iterable[Content]) -> dict[Content, Extents | LedgerError]:
    """The stored bytes of each content, or what is wrong with it; contents may share stored bytes.

    Linked data is the user's own: only its table counts. Results are by content and not by digest, because one of two
    manifests with the same digest may be wrong about what it is made of.
    """
    distinct = dict.fromkeys(contents)
    threads = small_at_once(store)
    found = in_order(partial(_whole_objects, store), distinct, threads=threads)
    whole = dict(zip(distinct, found, strict=True))
    packs = sorted({pack for each in whole.values() if not isinstance(each, LedgerError) for pack, _, _ in each[1]})
    offsets = dict(zip(packs, in_order(partial(_offsets, store), packs, threads=threads), strict=True))
    return {content: _together(each, offsets, content.digest) for content, each in whole.items()}


def _whole_objects(store: Store, content: Content) -> _Whole | LedgerError:
    try:
        if content.has_table:
            table, stored = load_table_as_stored(store, content, label=f"content {content.digest}")
            return [Extent(table_key(content.digest), 0, len(stored))], table.runs
        return [_chunk(store, digest, content) for digest, _ in content.chunks or ()], ()
    except (IntegrityError, StorageError, UnsupportedFormatError) as error:
        return error


def _chunk(store: Store, digest: Digest, content: Content) -> Extent:
    key = chunk_key(digest)
    size = size_of(store, key)
    if size is None:
        raise Sought(f"content {content.digest}", "chunk", digest, store, key).missing()
    return Extent(key, 0, size)


def _offsets(store: Store, pack: str) -> tuple[int, ...] | LedgerError:
    try:
        return load_index(store, pack, label=f"pack {pack}").offsets
    except (IntegrityError, StorageError) as error:
        return error


def _together(
    whole: _Whole | LedgerError, offsets: Mapping[str, tuple[int, ...] | LedgerError], digest: Digest
) -> Extents | LedgerError:
    """The extents of a content: the objects that are its own, and its runs of chunks by the offsets of their packs."""
    if isinstance(whole, LedgerError):
        return whole
    extents, runs = list(whole[0]), whole[1]
    for pack, first, count in runs:
        places = offsets[pack]
        if isinstance(places, LedgerError):
            return places
        if first + count >= len(places):
            return IntegrityError(
                f"content {digest} needs {counted(first + count, 'chunk')} of the pack {pack}, "
                f"which has {len(places) - 1}",
                digest=digest,
            )
        extents.append(Extent(pack_key(pack), places[first], places[first + count]))
    return extents
