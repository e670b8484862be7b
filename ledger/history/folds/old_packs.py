"""A pack whose objects are to move into another: its entries one by one, in the order in which they stand."""

import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.disk import names_in, read_file, storage_errors
from ledger.errors import StorageError
from ledger.forks import cached_property
from ledger.history.git.entries import PackDamage, read_head
from ledger.history.git.forms import decode_commit, object_id
from ledger.history.git.indexing import is_sound
from ledger.history.git.kinds import COMMIT, RawObject
from ledger.history.git.packfile import PACK_HEAD, TRAILER, PackFile
from ledger.history.git.revisions import time_of
from ledger.ids import CommitId

OUR_KEEP = b"ledger\n"
"""What our own ``.keep`` files hold. Whoever holds the ledger's lock and finds one knows that its writer died."""

_OTHERS_MARKS = ("promisor", "mtimes")
_COMMITS_COME_EARLY = 64  # entries at the beginning, among which the newest commit is sought

MOST_BYTES = 1 << 29
"""Most bytes of the packs that are folded into one: its index reaches to 2 GiB, and a save may wait for all of it."""

FEW = 16_384
"""The names of so many objects make a small list, of about 2 MB."""

_MANY_PACKS = 64
_MANY_NAMES = 131_072
"""Most names that are listed of more than `_MANY_PACKS`, about 20 MB: to ask each pack for each would take hours."""


class Tip(NamedTuple):
    """The newest commit of a pack: when it was made, and the name of its tree."""

    time: float
    tree: bytes


class OldPack:
    """One pack, known to be whole as far as its index, its head and its trailer say."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.pack = PackFile(str(base))
        self._names: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.pack)

    @cached_property
    def offsets(self) -> "array[int]":
        """Where each entry begins, in order, and where the last one ends."""
        found = array("Q", sorted(self.pack.offsets()))
        found.append(len(self.pack.content()) - TRAILER)
        return found

    @property
    def ordered_names(self) -> list[bytes]:
        """The names of the objects in the order of their entries, kept at hand until `forget_names`."""
        if self._names is None:
            self._names = [name for _, name in self.pack.places()]
        return self._names

    def forget_names(self) -> None:
        """Let go of the names, which take most of the memory, once the pack has been gone through."""
        self._names = None

    def entry(self, number: int) -> bytes:
        """The bytes of an entry."""
        # A copy: a view would keep the file open for as long as it waits to be written.
        return bytes(self.pack.content()[self.offsets[number] : self.offsets[number + 1]])

    def number_at(self, offset: int) -> int:
        """Which entry begins at an offset; raises `PackDamage` if none does."""
        number = bisect_left(self.offsets, offset)
        if number >= len(self) or self.offsets[number] != offset:
            raise PackDamage(f"{self.base}.pack has no entry at {offset}")
        return number

    @cached_property
    def tip(self) -> Tip | None:
        """The newest commit, which we and Git write first; ``None`` where there is none at the beginning."""
        try:
            for offset in self.offsets[: min(len(self), _COMMITS_COME_EARLY)]:
                kind, data = self.pack.read_at(offset)
                if kind == COMMIT:
                    commit = decode_commit(CommitId(""), data)
                    return Tip(time_of(commit).timestamp(), bytes.fromhex(commit.tree))
        except (ValueError, FileNotFoundError):
            return None  # damaged or gone, which shows again when it is copied
        return None

    def heights(self) -> dict[int, int]:
        """The length of the longest chain of deltas that builds on each entry, by number; most entries have none."""
        found: dict[int, int] = {}
        for number in range(len(self) - 1, -1, -1):
            base = read_head(self.pack.content(), self.offsets[number]).base
            if isinstance(base, int):
                below = self.number_at(base)
                found[below] = max(found.get(below, 0), found.get(number, 0) + 1)
        return found


class OldPackDamage(Exception):  # noqa: N818  # caught where the fold is planned anew without the pack
    """A pack that is to be folded holds an object that cannot be read, or is another one."""

    def __init__(self, old: OldPack) -> None:
        super().__init__(str(old.base))
        self.pack = old


class Entries:
    """The entries of several packs as rows of one table: those of the first pack, then those of the next.

    Of packs of three, two and two entries:

        row      0  1  2  3  4  5  6
        pack     0  0  0  1  1  2  2
        number   0  1  2  0  1  0  1        starts = [0, 3, 5, 7]
    """

    def __init__(self, packs: Sequence[OldPack]) -> None:
        self.packs = packs
        self.starts = [0, *itertools.accumulate(map(len, packs))]
        """The row of each pack's first entry, and behind them how many rows there are."""

    def __len__(self) -> int:
        return self.starts[-1]

    def pack_of(self, row: int) -> int:
        """The number of the pack that the entry of a row is of."""
        return bisect_right(self.starts, row) - 1

    def row_of(self, name: bytes, stop: int | None = None) -> int | None:
        """The first row that holds an object, or ``None`` if none of them, or none before ``stop``, does."""
        stop = len(self) if stop is None else stop
        first = self._rows.get(name, stop)
        for at in self._unlisted:
            if min(first, stop) <= self.starts[at]:
                break
            offset = self.packs[at].pack.find(name)
            if offset is not None:
                first = self.starts[at] + self.packs[at].number_at(offset)
                break
        return first if first < stop else None

    def read(self, name: bytes) -> RawObject | None:
        """The kind and bytes of an object, or ``None`` if it is in none of the packs; raises `OldPackDamage`."""
        row = self.row_of(name)
        if row is None:
            return None
        at = self.pack_of(row)
        old = self.packs[at]
        try:
            found = old.pack.read_at(old.offsets[row - self.starts[at]])
        except PackDamage as error:
            raise OldPackDamage(old) from error
        if object_id(*found) != name.hex():
            raise OldPackDamage(old)
        return found

    @cached_property
    def _unlisted(self) -> list[int]:
        """The packs whose names are not listed: the largest, if all names together were too many."""
        most = FEW if len(self.packs) <= _MANY_PACKS else _MANY_NAMES
        by_size = sorted(range(len(self.packs)), key=lambda at: len(self.packs[at]))
        totals = itertools.accumulate(len(self.packs[at]) for at in by_size)
        return sorted(at for at, total in zip(by_size, totals, strict=True) if total > most)

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        """The first row of each object in the packs whose names are listed."""
        unlisted = frozenset(self._unlisted)  # those are asked themselves, pack by pack
        rows: dict[bytes, int] = {}
        for at, old in enumerate(self.packs):
            if at not in unlisted:
                for row, name in enumerate(old.ordered_names, self.starts[at]):
                    rows.setdefault(name, row)
        return rows


def open_old_packs(folder: Path, stems: Iterable[str]) -> list[OldPack]:
    """Those of some packs that can be folded, the one with the newest commit first."""
    kept = kept_packs(folder)
    found = [old for stem in stems if stem not in kept and (old := _open(folder / stem)) is not None]
    return sorted(found, key=lambda old: old.tip.time if old.tip is not None else 0.0, reverse=True)


def fitting(packs: Sequence[OldPack]) -> list[OldPack]:
    """Those of some packs that have room in one, in their order: as many as do, the smallest first."""
    by_size = sorted(packs, key=lambda old: len(old.pack.content()))
    totals = itertools.accumulate(len(old.pack.content()) for old in by_size)
    chosen = {old.base for old, total in zip(by_size, totals, strict=True) if total <= MOST_BYTES}
    return [old for old in packs if old.base in chosen]


def kept_packs(folder: Path) -> frozenset[str]:
    """The packs that somebody wants to stay as they are: what marks them is Git's, or a ``.keep`` that is not ours."""
    marks = (name.rpartition(".") for name in names_in(folder))
    return frozenset(
        stem for stem, _, mark in marks if mark in _OTHERS_MARKS or (mark == "keep" and is_others_keep(folder / stem))
    )


def _open(base: Path) -> OldPack | None:
    """A pack to be folded; ``None`` for one that is gone or damaged."""
    with storage_errors(base, "read"):
        try:
            old = OldPack(base)
            return old if is_sound(base) and len(old) > 0 and old.offsets[0] == PACK_HEAD else None
        except (FileNotFoundError, PackDamage):
            return None  # gone, or damaged: whoever reads it reports that, and folding it would not help


def is_others_keep(base: Path) -> bool:
    """Whether the ``.keep`` of a pack is not ours, so that somebody wants the pack to stay.

    Ours is a dead writer's, since the caller holds the ledger's lock. One that cannot be read may be anybody's.
    """
    try:
        return read_file(f"{base}.keep") != OUR_KEEP
    except FileNotFoundError:
        return False
    except StorageError:
        return True
