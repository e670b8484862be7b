"""Folding: the objects of several packs move into one, a slice at a time.

A fold goes through its packs from the newest to the oldest and copies each entry as it stands; only an entry that
is whole and has a relative (`relatives`) becomes a delta, if that is shorter. After each slice what was written is read
back from the disk, and each object is checked by its name. No old pack goes before the new one is durable in its place.

The entries of all packs are rows of one table (`Entries`), and the new pack has a record of each: ``new[row]``. ``at``
is which pack an entry is of, ``number`` its place among the entries of that pack.

The caller holds the lock of those who fold during each slice, and during `put_in_place`.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from ledger.errors import IntegrityError
from ledger.forks import cached_property
from ledger.history.folds.name_filter import NameFilter
from ledger.history.folds.new_pack import NewPack, Record
from ledger.history.folds.old_packs import Entries, OldPack, OldPackDamage
from ledger.history.folds.relatives import Relatives
from ledger.history.git.deltas import encode_delta
from ledger.history.git.entries import (
    BASES_BYTES,
    NAME_DELTA,
    OFFSET_DELTA,
    Head,
    PackDamage,
    encode_delta_entry,
    encode_entry,
    encode_head,
    inflate,
    is_stored,
    read_head,
)
from ledger.history.git.kinds import COMMIT, TREE
from ledger.history.git.recent_objects import RecentObjects

LONGEST_OWN_CHAIN = 48
"""Most deltas that we let build on one another."""

UNLIMITED = 1 << 60
"""As ``most_related`` of a `Fold`: relatives are sought in every pack."""

_LEAST_ENTRY = 64
"""A shorter entry is not worth a delta."""


class _Relations(NamedTuple):
    """For one pack: the base that each object may become a delta against, and the length of the chain on each entry."""

    at: int
    bases: dict[bytes, bytes]
    heights: dict[int, int]


class Fold:
    """Several packs on their way into one."""

    def __init__(self, packs: Sequence[OldPack], new: NewPack, *, most_related: int) -> None:
        """``packs``, the newest first; in those of more than ``most_related`` objects no relatives are sought."""
        self.packs = packs
        self.new = new
        self._most_related = most_related
        self._entries = Entries(packs)
        self._starts = self._entries.starts
        self._filter = NameFilter(len(self), is_empty=not len(new))
        self._bases = RecentObjects(BASES_BYTES)
        self._current = _Relations(-1, {}, {})

    def __len__(self) -> int:
        """How many entries there are to go through."""
        return len(self._entries)

    @property
    def is_copied(self) -> bool:
        """Whether every entry has been gone through."""
        return len(self.new) == len(self)

    def fits(self) -> bool:
        """Whether the records so far are those of these packs, as far as the last one tells."""
        if not len(self.new):
            return True
        last = len(self.new) - 1
        if last >= len(self):
            return False
        at = self._entries.pack_of(last)
        return self.packs[at].ordered_names[last - self._starts[at]] == self.new[last].name

    def advance(self, most: int, *, durably: bool) -> None:
        """Go through the next entries, ``most`` or fewer; raises `OldPackDamage`."""
        start = len(self.new)
        stop = min(start + most, len(self))
        try:
            while len(self.new) < stop:
                self._advance_in(self._entries.pack_of(len(self.new)), stop)
        except PackDamage as error:
            raise OldPackDamage(self.packs[self._entries.pack_of(len(self.new))]) from error
        self.new.flush(durably=durably)
        unreadable = self.new.first_unreadable(start)
        if unreadable is not None:
            self._entries.read(self.new[unreadable].name)  # raises where it could not be read in the old pack either
            raise IntegrityError(f"{self.new.path} does not hold what was written to it", where=str(self.new.path))

    def _advance_in(self, at: int, stop: int) -> None:
        """Go through the entries of one pack, up to the row ``stop``."""
        old, first = self.packs[at], self._starts[at]
        names = old.ordered_names
        for number in range(len(self.new) - first, min(len(old), stop - first)):
            name = names[number]
            known = self._located(name, first)  # only packs before this one are asked: it holds each object once
            if known is not None:
                self.new.add_known(name, known)
                continue
            self._filter.add(name)
            offset = old.offsets[number]
            head = read_head(old.pack.content(), offset)
            if head.kind == OFFSET_DELTA:
                self._add_moved(old, first, name, head, old.offsets[number + 1])
            elif head.kind == NAME_DELTA:
                self.new.add(name, encode_entry(*old.pack.read_at(offset)), depth=0)
            elif not self._add_related(at, number, name, head):
                self.new.add(name, _compressed(old, number, head), depth=0)
        if len(self.new) == self._starts[at + 1]:
            old.forget_names()

    def _add_moved(self, old: OldPack, first: int, name: bytes, head: Head, end: int) -> None:
        """Add a delta of an old pack as it stands, except for the distance to its base."""
        assert isinstance(head.base, int)
        base = self.new[first + old.number_at(head.base)]
        moved = encode_head(OFFSET_DELTA, head.size, self.new.end - base.offset)
        self.new.add(name, moved + old.pack.content()[head.at : end], depth=base.depth + 1)

    def _add_related(self, at: int, number: int, name: bytes, head: Head) -> bool:
        """Add a whole entry as a delta against its relative, if it has one and that is shorter; says whether it did."""
        old = self.packs[at]
        relations = self._relations(at)
        length = old.offsets[number + 1] - old.offsets[number]
        base = self._relatives.of_commit(name) if head.kind == COMMIT else relations.bases.get(name)
        place = self._located(base, len(self.new)) if base is not None and length >= _LEAST_ENTRY else None
        if base is None or place is None or place.depth + relations.heights.get(number, 0) >= LONGEST_OWN_CHAIN:
            return False
        data = inflate(old.pack.content(), head)
        delta = encode_delta(self._base(base), data, is_tree=head.kind == TREE)
        entry = encode_delta_entry(self.new.end - place.offset, delta)
        if len(entry) >= length:
            return False
        self.new.add(name, entry, depth=place.depth + 1)
        return True

    def _located(self, name: bytes, stop: int) -> Record | None:
        """Where an object went, if one of the rows before ``stop`` held it; else ``None``."""
        if not self._filter.may_hold(name):
            return None
        row = self._entries.row_of(name, stop)
        return self.new[row] if row is not None else None

    def _base(self, name: bytes) -> bytes:
        """The bytes of a base."""
        found = self._bases.get(name) or self._entries.read(name)
        assert found is not None, "one of the rows before holds it"
        self._bases.put(name, *found)
        return found[1]

    @cached_property
    def _relatives(self) -> Relatives:
        tip = self.packs[0].tip
        # No method of this object is passed on: the two would keep each other, and the mapped packs, alive.
        return Relatives(tip.tree if tip is not None else None, partial(_read_tree, self._entries))

    def _relations(self, at: int) -> _Relations:
        """The relations of an old pack, kept until the next one is asked for."""
        if self._current.at != at:
            old = self.packs[at]
            if len(old) <= self._most_related and old.tip is not None:
                bases = self._relatives.of_pack(frozenset(old.ordered_names), old.tip.tree)
                self._current = _Relations(at, bases, old.heights())
            else:
                self._current = _Relations(at, {}, {})
        return self._current


def _compressed(old: OldPack, number: int, head: Head) -> bytes:
    """An entry as it stands, or compressed, if it is not yet."""
    content = old.pack.content()
    if is_stored(content, head):
        return encode_entry(head.kind, inflate(content, head))
    return old.entry(number)


def _read_tree(entries: Entries, name: bytes) -> bytes | None:
    found = entries.read(name)
    return found[1] if found is not None and found[0] == TREE else None
