"""The bytes of contents, copied from one store to another.

Every object is checked by its digests on the way, so that damage is never passed on, and it is the checked
bytes that are put, not a second answer of the source. What the target has already is left alone once that
is certain: chunks and tables are compared; a pack is read whole in a folder, and by its index and size in a distant
store. The table comes last, so that where a table is, everything it names is.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableSet, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from ledger.blobs.chunks.codec import open_chunk, stored_limit
from ledger.blobs.chunks.moving import Moves, moved_runs, numbers_in, pack_of, repack
from ledger.blobs.chunks.needs import Stretch, stretches_of
from ledger.blobs.chunks.packs import (
    FOOTER_SIZE,
    PackedChunk,
    PackIndex,
    encode_footer,
    encode_index,
    load_index,
    pack_sought,
    parse_index,
    parts_of,
    read_chunks,
    read_part,
)
from ledger.blobs.chunks.tables import load_table_as_stored, table_sought, with_runs
from ledger.blobs.registering.linked_copies import copy_linked
from ledger.blobs.stores.layout import chunk_key, pack_key, table_key
from ledger.blobs.stores.local import LocalStore
from ledger.blobs.stores.sought import Sought
from ledger.blobs.stores.spooled import stage
from ledger.blobs.stores.store import Store, checked_reading, puts_at_once, settle, size_of, small_at_once, uncached
from ledger.blobs.stores.workers import in_order
from ledger.errors import ArgumentError, IntegrityError, LedgerError
from ledger.ids import Digest
from ledger.meters import advance
from ledger.records import Content

_REFUSALS = (ArgumentError, IntegrityError)


class Copied(NamedTuple):
    """A content to be copied: where it is read, and what errors call it."""

    source: Store
    content: Content
    label: str


class Copier:
    """Makes contents complete in ``target``, durably.

    ``sound`` names packs that are known to be whole there; those that are found whole, or put there, are added to it.
    So each pack is looked at once, even one with damage. Objects of ``anew`` are put over what is there.
    """

    def __init__(
        self, target: Store, *, sound: MutableSet[str] | None = None, anew: Container[str] = frozenset()
    ) -> None:
        self._target = target
        self._sound = set() if sound is None else sound
        self._anew = anew
        self._damaged: set[str] = set()
        """Packs that cannot be copied whole."""
        self._moves: dict[str, dict[int, PackedChunk]] = {}
        """Where chunks of packs with damage were put."""

    def copy_all(self, contents: Iterable[Copied], *, refused: Callable[[LedgerError], None]) -> None:
        """Make contents complete, in order; small neighbours at the same time.

        ``refused`` is called, from any thread, with the reason why a content cannot be copied; the others are still
        copied, unless it raises.
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
        """Put those objects of a content that the target lacks, and those of ``anew``; no registered files."""
        source, content, label = copied
        if not content.has_table:
            advance(self._copy_small(copied))
            return
        table, stored = load_table_as_stored(source, content, label=label)
        self._copy_packs(copied, stretches_of(table))
        runs = moved_runs(table.runs, self._moves)
        if runs != table.runs:
            stored = with_runs(stored, runs, table_sought(source, table.digest, label))
        self._target.put(table_key(content.digest), [stored])

    def _copy_packs(self, copied: Copied, needed: Mapping[str, Sequence[Stretch]]) -> None:
        """Copy the packs that a table names, given by their keys with the chunks that it needs."""
        packs = sorted({pack_of(key) for key in needed}.difference(self._sound))
        copy = partial(self._copy_pack_or_chunks, copied, needed)
        for number, moves in enumerate(in_order(copy, packs, threads=puts_at_once(self._target))):
            # Only their indexes say how much of the content is in which pack; equal shares do for a progress bar.
            advance(copied.content.size * (number + 1) // len(packs) - copied.content.size * number // len(packs))
            if moves is None:
                self._sound.add(packs[number])
            else:
                for pack, moved in moves.items():
                    self._moves.setdefault(pack, {}).update(moved)

    def _copy_pack_or_chunks(self, copied: Copied, needed: Mapping[str, Sequence[Stretch]], pack: str) -> Moves | None:
        """Copy a pack, or where it has damage only the chunks that are needed, into other packs; says where these went.

        The damage may be in chunks of other contents, or in some that were stored again since.
        """
        source, _, label = copied
        if pack not in self._damaged:
            try:
                self._copy_pack(source, pack, label=label)
            except IntegrityError:
                self._damaged.add(pack)
            else:
                return None
        key = pack_key(pack)
        index = load_index(source, pack, label=label)
        if any(stop > len(index.entries) for _, stop in needed[key]):
            raise pack_sought(source, pack, label).damaged("has fewer chunks than a table needs of it")
        moved = self._moves.get(pack, {})
        chunks = (number for number in numbers_in(index, needed[key]) if number not in moved)
        return repack(source, {key: [(number, number + 1) for number in chunks]}, self._target, label=label)

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
                raise sought.missing() from error
            open_chunk(stored, size, sought)
            return stored

        self._target.put(key, [checked_reading(source, key, read)])

    def _copy_pack(self, source: Store, pack: str, *, label: str) -> None:
        """Copy a pack of ``anew``, or one that is not whole in the target."""
        key, target = pack_key(pack), self._target
        if key not in self._anew and _is_whole(target, pack, label):
            return
        index = load_index(source, pack, label=label)
        staged = stage(target)
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
    key = pack_key(index.pack)
    for part in parts_of(index):
        yield checked_reading(source, key, partial(read_chunks, index, part, label))
    yield checked_reading(source, key, partial(_read_end, index, label))


def _read_end(index: PackIndex, label: str, store: Store) -> bytes:
    """The index of a pack as it is stored, checked, with a footer that fits it."""
    lines = read_part(store, index.pack, label, index.offsets[-1], len(encode_index(index.entries)))
    parse_index(index.pack, lines, pack_sought(store, index.pack, label))
    return lines + encode_footer(lines)


def _is_whole(store: Store, pack: str, label: str) -> bool:
    """Whether a pack can be relied on; a distant one is judged by index and size: to read it all would cost a put."""
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
        settle(itself, key)
    return is_whole
