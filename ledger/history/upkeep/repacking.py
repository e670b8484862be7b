"""All packs of a history brought into a few, by hand: planned, shown, then done.

What `packing` does after saves keeps look-ups quick; this goes further and looks for relatives in packs of any size,
which a save cannot wait for. It goes slice by slice (`staging`) and lets go of the locks between
them, so that saves go on; killed at any point it has changed nothing, or put whole packs in place.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ledger.disk import storage_errors
from ledger.errors import ArgumentError
from ledger.history.folds.old_packs import MOST_BYTES, open_old_packs
from ledger.history.folds.pack_writing import pack_loose_objects
from ledger.history.folds.packing import tidy
from ledger.history.git.objects import Objects
from ledger.history.history import History

MOST_PACKED = 1_000_000
"""Most objects of a pack that is made: each takes some 80 bytes of memory meanwhile."""

_SLICE = 4096  # entries of a slice: after each, others have the locks


class PackSize(NamedTuple):
    """A pack by its name, the objects in it and the bytes that it takes with its index."""

    stem: str
    objects: int
    bytes: int


class PackingPlan:
    """Which groups of packs are to become one pack each. It can be executed once."""

    def __init__(self, groups: Sequence[Sequence[PackSize]], left: Sequence[PackSize], loose: int) -> None:
        """``left`` are the packs that stay as they are; ``loose`` is how many loose objects there are."""
        self.groups = groups
        self.left = left
        self.loose = loose
        self._is_used = False

    @property
    def objects(self) -> int:
        """How many objects are gone through."""
        return sum(pack.objects for group in self.groups for pack in group) + self.loose

    @property
    def bytes(self) -> int:
        """The bytes of the packs that become others."""
        return sum(pack.bytes for group in self.groups for pack in group)

    def use(self) -> None:
        """Mark the plan as executed; raises `ArgumentError` if it was already."""
        if self._is_used:
            raise ArgumentError("a plan of packing can be executed once", hint="plan again: the packs are others now")
        self._is_used = True


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """What packing came to: packs and bytes before and after, and the loose objects that became part of packs."""

    packs_before: int
    packs_after: int
    bytes_before: int
    bytes_after: int
    loose: int


def plan_packing(history: History) -> PackingPlan:
    """What packing would do. Reads indexes and the newest commit of each pack; takes no lock."""
    history.refuse_other_format()
    objects = history.objects
    sizes = _sizes(objects)
    with storage_errors(objects.pack_directory, "read"):
        packs = open_old_packs(objects.pack_directory, sorted(sizes))
    newest_first = [sizes[old.base.name] for old in packs]
    groups = group_packs(newest_first)
    taken = {pack.stem for group in groups for pack in group}
    left = [pack for stem, pack in sorted(sizes.items()) if stem not in taken]
    return PackingPlan(groups, left, sum(1 for _ in objects.loose.ids()))


def group_packs(packs: Sequence[PackSize]) -> list[list[PackSize]]:
    """Neighbours that have room in one pack of ours; one that half fills such a pack stays alone. Pure."""
    groups: list[list[PackSize]] = [[]]
    share = 0.0
    for pack in packs:
        own = max(pack.objects / MOST_PACKED, pack.bytes / MOST_BYTES)
        if own > 1 / 2:
            continue
        if share + own > 1:
            groups.append([])
            share = 0.0
        groups[-1].append(pack)
        share += own
    return [group for group in groups if len(group) > 1]


def execute_packing(history: History, plan: PackingPlan, progress: Callable[[int], None]) -> Packed:
    """Do what was planned; ``progress`` is told how many more objects have been gone through.

    Packs that are gone or turn out to be damaged are left as they are. Raises `ArgumentError` for a plan
    that was executed before, and `LockTimeoutError` where other writers leave no gap.
    """
    plan.use()
    objects = history.objects
    before = _sizes(objects)
    with history.undisturbed():
        tidy(objects)
        loose = pack_loose_objects(objects, most=plan.loose) if plan.loose else 0
    progress(loose)
    for group in plan.groups:
        with storage_errors(objects.pack_directory, "fold"):
            _fold_group(history, [pack.stem for pack in group], progress)
    after = _sizes(objects)
    return Packed(
        packs_before=len(before),
        packs_after=len(after),
        bytes_before=sum(pack.bytes for pack in before.values()),
        bytes_after=sum(pack.bytes for pack in after.values()),
        loose=loose,
    )


def _fold_group(history: History, stems: Sequence[str], progress: Callable[[int], None]) -> None:
    """Fold packs into one, letting writers in between the slices."""
    staging = history.staging
    with history.undisturbed():
        fold = staging.begin(stems, by_hand=True)
    while fold is not None:
        done = fold.done
        with history.undisturbed():
            if not staging.is_current(fold):
                # A writer took this program for dead, as when it was stopped for long.
                fold = staging.begin(stems, by_hand=True)
                continue
            following = staging.advance(fold, _SLICE)
        progress(fold.done - done)
        fold = following


def _sizes(objects: Objects) -> Mapping[str, PackSize]:
    """The packs that there are now."""
    objects.packs.look_again()
    found: dict[str, PackSize] = {}
    for stem, count in objects.packs.counts().items():
        base = objects.pack_directory / stem
        with storage_errors(base, "read"):
            try:
                size = sum(os.stat(f"{base}{ending}").st_size for ending in (".pack", ".idx"))
            except FileNotFoundError:
                continue
        found[stem] = PackSize(stem, count, size)
    return found
