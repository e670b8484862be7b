"""The bytes of contents, from a store to another.

Every object is checked by its digests on the way, so that damage is never passed on, and it is the checked
bytes that are put, not a second answer of the source. What the target has already is left alone once that
is certain: chunks and tables are compared; a pack is read whole in a folder, and by its index and size in a distant
store. The table comes last, so that where a table is, everything it names is.
"""

from collections.abc import Callable, Container, Iterable, Iterator, MutableSet, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from ledger.blobs.codec import open_chunk, stored_limit
from ledger.blobs.layout import chunk_key, pack_key, table_key
from ledger.blobs.linked_copies import copy_linked
from ledger.blobs.local import LocalStore
from ledger.blobs.moving import moved_runs, pack_of, repack
from ledger.blobs.needs import stretches_of
from ledger.blobs.packs import (
    FOOTER_SIZE,
    PackEntry,
    PackIndex,
    encode_footer,
    encode_index,
    load_index,
    open_entry,
    parse_index,
)
from ledger.blobs.sought import Sought
from ledger.blobs.spooled import stage
from ledger.blobs.store import Store, checked_reading, keep, puts_at_once, size_of, small_at_once, uncached
from ledger.blobs.tables import Table, load_table_as_stored, with_runs
from ledger.blobs.workers import in_order
from ledger.errors import ArgumentError, IntegrityError, LedgerError
from ledger.ids import Digest, digest_from_hex
from ledger.meters import advance
from ledger.records import Content

_REFUSALS = (ArgumentError, IntegrityError)
_COPIED_SIZE = 8 << 20  # stored bytes of a pack that are held at a time


class Copied(NamedTuple):
    """A content to be copied: where it is read, and what errors call it."""

    source: Store
    content: Content
    label: str


def _refuse(error: LedgerError) -> None:
    raise error


class Copier:
    """Makes contents complete in ``target``, durably.

    Packs of ``sound`` are known to be whole there, and those that are found so or put there join them: each is looked
    at once. Objects of ``anew`` are put over what is there.
    """

    def __init__(
        self, target: Store, *, sound: MutableSet[str] | None = None, anew: Container[str] = frozenset()
    ) -> None:
        self._target = target
        self._sound = set() if sound is None else sound
        self._anew = anew

    def copy_all(self, contents: Iterable[Copied], *, refused: Callable[[LedgerError], None] = _refuse) -> None:
        """Make contents complete, in order; small neighbours at the same time.

        ``refused`` is told, from any thread, why a content cannot be copied; the others are if it does not raise.
        """

        def copy_small(copied: Copied) -> int:
            try:
                return self._copy_small(copied)
            except _REFUSALS as error:
                refused(error)
                return copied.content.size

        for is_small, group in groupby(contents, _is_small):
            if is_small:
                for size in in_order(copy_small, group, threads=small_at_once(self._target)):
                    advance(size)
                continue
            for copied in group:
                try:
                    self.copy(copied)
                except _REFUSALS as error:
                    refused(error)

    def copy(self, copied: Copied) -> None:
        """Make a content complete.

        Raises `IntegrityError` where the source's bytes are missing or damaged, and `ArgumentError` for registered
        data that the target cannot hold.
        """
        if copied.content.linked is not None:
            copy_linked(copied.source, self._target, copied.content, copied.label)
        else:
            self.copy_objects(copied)

    def copy_objects(self, copied: Copied) -> None:
        """Put the objects of a content there that the target lacks, and those of ``anew``; no registered files."""
        source, content, label = copied
        if not content.has_table:
            advance(self._copy_small(copied))
            return
        table, stored = load_table_as_stored(source, content, label=label)
        try:
            self._copy_packs(copied, table)
        except IntegrityError as error:
            stored = self._copy_needed(copied, table, stored, error)
        self._target.put(table_key(content.digest), [stored])

    def _copy_packs(self, copied: Copied, table: Table) -> None:
        """Copy the packs that a table names."""
        source, content, label = copied
        packs = sorted({pack for pack, _, _ in table.runs}.difference(self._sound))
        copy = partial(self._copy_pack, source, label=label)
        for number, _ in enumerate(in_order(copy, packs, threads=puts_at_once(self._target))):
            # How much of the content is in which pack only their indexes say; an even share is near enough for a bar.
            advance(content.size * (number + 1) // len(packs) - content.size * number // len(packs))
        self._sound |= set(packs)

    def _copy_needed(self, copied: Copied, table: Table, stored: bytes, error: IntegrityError) -> bytes:
        """Put what a table needs of packs with damage into other packs, and return the table that says so.

        The damage may be in chunks of other contents, or in some that were stored again since. Raises ``error`` where
        this content needs them.
        """
        source, _, label = copied
        damaged = {
            key: stretches
            for key, stretches in stretches_of(table).items()
            if not (self._has_whole(pack_of(key), label) or _is_sound(source, pack_of(key), label))
        }
        try:
            runs = moved_runs(table.runs, repack(uncached(source), damaged, self._target, label=label))
        except IntegrityError:
            raise error from None
        if not damaged or any(pack_key(pack) in damaged for pack, _, _ in runs):
            raise error
        for pack in {pack for pack, _, _ in runs}:
            self._copy_pack(source, pack, label=label)
        return with_runs(stored, runs, Sought(label, "table", table.digest, source, table_key(table.digest)))

    def _copy_small(self, copied: Copied) -> int:
        """Copy a content that has no table; returns its size."""
        for digest, size in copied.content.chunks or ():
            self._copy_chunk(copied.source, digest, size, copied.label)
        return copied.content.size

    def _copy_chunk(self, source: Store, digest: Digest, size: int, label: str) -> None:
        key = chunk_key(digest)

        def read(store: Store) -> bytes:
            sought = Sought(label, "chunk", digest, store, key)
            try:
                stored = store.get(key, 0, stored_limit(size))
            except FileNotFoundError as error:
                raise sought.damaged("is missing") from error
            open_chunk(stored, size, sought)
            return stored

        self._target.put(key, [checked_reading(source, key, read)])

    def _has_whole(self, pack: str, label: str) -> bool:
        """Whether nothing is to be put for a pack."""
        return pack_key(pack) not in self._anew and _is_whole(self._target, pack, label)

    def _copy_pack(self, source: Store, pack: str, *, label: str) -> None:
        """Copy a pack of ``anew``, or one that is not whole in the target."""
        key, target = pack_key(pack), self._target
        if self._has_whole(pack, label):
            return
        index = load_index(source, pack, label=label)
        staged = stage(target)
        if staged is None:
            target.put(key, list(_checked_parts(source, index, label)))
            return
        try:
            start = 0
            for part in _checked_parts(source, index, label):
                staged.write_at(start, [part])
                start += len(part)
            staged.publish(key)
        finally:
            staged.drop()


def _is_small(copied: Copied) -> bool:
    return copied.content.linked is None and not copied.content.has_table


def _checked_parts(source: Store, index: PackIndex, label: str) -> Iterator[bytes]:
    """The bytes of a pack as they lie in the store, its chunks checked, a few at a time, and its index at the end."""
    key, chunks = pack_key(index.pack), list(zip(index.entries, index.offsets, strict=False))
    while chunks:
        start = chunks[0][1]
        count = max(1, sum(at + entry.stored_size - start <= _COPIED_SIZE for entry, at in chunks))
        yield checked_reading(source, key, partial(_read_chunks, index.pack, chunks[:count], label))
        del chunks[:count]
    yield checked_reading(source, key, partial(_read_end, index, label))


def _read_chunks(pack: str, chunks: Sequence[tuple[PackEntry, int]], label: str, store: Store) -> bytes:
    """The stored bytes of neighbouring chunks of a pack, given with where they begin, each checked."""
    start, stop = chunks[0][1], chunks[-1][1] + chunks[-1][0].stored_size
    data = _read_part(store, pack, label, start, stop - start)
    for entry, at in chunks:
        found = memoryview(data)[at - start : at - start + entry.stored_size]
        open_entry(found, entry, Sought(label, "chunk", entry.digest, store, pack_key(pack)))
    return data[: stop - start]


def _read_end(index: PackIndex, label: str, store: Store) -> bytes:
    """The index of a pack as it is stored, checked, with a footer that fits it."""
    lines = _read_part(store, index.pack, label, index.offsets[-1], None)[:-FOOTER_SIZE]
    parse_index(index.pack, lines, _sought(index.pack, label, store))
    return lines + encode_footer(lines)


def _read_part(store: Store, pack: str, label: str, start: int, length: int | None) -> bytes:
    """A part of a pack; whoever copies reads once, so nothing of it is worth a place in a cache."""
    try:
        return uncached(store).get(pack_key(pack), start, length)
    except FileNotFoundError as error:
        raise _sought(pack, label, store).damaged("is missing") from error


def _sought(pack: str, label: str, store: Store) -> Sought:
    return Sought(label, "pack", digest_from_hex(pack), store, pack_key(pack))


def _is_sound(store: Store, pack: str, label: str) -> bool:
    """Whether every chunk of a pack is what its index says."""
    try:
        for _ in _checked_parts(store, load_index(store, pack, label=label), label):
            pass
    except IntegrityError:
        return False
    return True


def _is_whole(store: Store, pack: str, label: str) -> bool:
    """Whether a pack can be relied on; reading all of a distant one would cost as much as putting it."""
    key, itself = pack_key(pack), uncached(store)
    if not itself.has(key):
        return False
    try:
        index = load_index(itself, pack, label=label)
        if isinstance(itself, LocalStore):
            for _ in _checked_parts(itself, index, label):
                pass
    except IntegrityError:
        return False  # putting it again replaces it
    is_whole = size_of(itself, key) == index.offsets[-1] + len(encode_index(index.entries)) + FOOTER_SIZE
    if is_whole:
        keep(itself, key)
    return is_whole
