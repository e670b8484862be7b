"""Which packs of the history are folded together, and when.

Packs are folded in tiers, eight of about one size into one, so that a look-up never meets
more than a few dozen. A small fold is done at once; a large one in slices, each after a few saves or after
a large one (`staging`).
"""

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from ledger.disk import (
    durability,
    is_link,
    names_in,
    remove_abandoned,
    remove_abandoned_folders,
    remove_if_there,
    storage_errors,
)
from ledger.enums import Durability
from ledger.history.folds.old_packs import OldPack, fitting, is_others_keep, kept_packs, open_old_packs
from ledger.history.folds.pack_writing import SMALL, pack_loose_objects
from ledger.history.folds.replacing import TEMPORARY, fold_at_once
from ledger.history.folds.staging import DEAD_SECONDS, StagedFold, StagingArea
from ledger.history.git.indexing import index_orphans
from ledger.history.git.objects import Objects

TIERS = (SMALL, 512, 4096, 32768, 131072)
"""Most objects of a pack of each tier; larger packs are left to `ledger pack`."""

FOLD_AT = 8
"""Packs of one tier that are folded into one of the next."""

_FEWEST = FOLD_AT // 2
"""Fewest packs that are folded at once: some of a full tier may have to stay as they are."""

MOST_FOLDED = 262_144
"""Most objects that are folded into one pack by themselves."""

AT_ONCE = 1024
"""Most objects of a fold that is not cut into slices."""

SLICE = 512
"""Objects that a slice goes through; more after a save that wrote many (`_SLICE_PER_WRITTEN`)."""

SAVES_PER_SLICE = 8
"""A large fold goes on after one small save in so many: most saves are not slowed by it."""

_SLICE_PER_WRITTEN = 4  # objects of a slice for each that was just written
_GIT_DEAD_SECONDS = 3600.0
_DEAD_AFTER = {TEMPORARY: DEAD_SECONDS, "tmp_": _GIT_DEAD_SECONDS}
"""Seconds after which a file that nobody writes to is a dead writer's, by how its name begins: ours, and Git's."""

_PUSHED = ("tmp_objdir-", "incoming-")
"""How the folders begin in which Git keeps what is pushed until it has judged it; the latter before Git 2.35."""


def plan_fold(counts: Mapping[str, int], most: int = MOST_FOLDED) -> list[str]:
    """Which packs to fold into one, given how many objects each holds: of the lowest tier that is full. Pure.

    As many of that tier as hold at most ``most`` objects together, the smallest first.
    """
    tiers: list[list[tuple[int, str]]] = [[] for _ in (*TIERS, "too large")]
    for stem, count in counts.items():
        tiers[bisect_left(TIERS, count)].append((count, stem))
    full = next((sorted(tier) for tier in tiers[:-1] if len(tier) >= FOLD_AT), [])
    totals = itertools.accumulate(count for count, _ in full)
    return [stem for (_, stem), total in zip(full, totals, strict=True) if total <= most]


FoldStep = Callable[[], None]
"""A step towards few packs, ready to be done."""


def is_fold_due(staging: StagingArea) -> bool:
    """Whether there is something to fold, as far as this process knows, or a large fold whose turn it is."""
    counts = staging.objects.packs.counts()
    return bool(plan_fold(counts)) or (_is_turn(counts, _written_last(counts)) and staging.is_under_way())


def next_fold(staging: StagingArea) -> FoldStep | None:
    """The next step towards few packs, if one is due.

    The caller holds the ledger's lock, so that what is chosen belongs to no writer at work, and the lock of those who
    fold, which it keeps until the step is done. Packs that somebody marked with ``.keep`` and damaged packs are left as
    they are. Before a small fold, what dead writers left is cleared up.
    """
    objects = staging.objects
    written = _written_last(objects.packs.counts())
    objects.packs.look_again()  # Git's housekeeping may have been here, and others that fold
    with _folding(objects):
        under_way = staging.plan_under_way()
        # What stays as it is counts for no tier: one that is full of it would keep all higher ones from being folded.
        taken = kept_packs(objects.pack_directory).union(under_way.packs if under_way is not None else ())
        counts = {stem: count for stem, count in objects.packs.counts().items() if stem not in taken}
        # Beside a large fold that is under way only small ones are done, however many packs have gathered meanwhile.
        stems = plan_fold(counts, MOST_FOLDED if under_way is None else AT_ONCE)
        if len(stems) >= _FEWEST and sum(counts[stem] for stem in stems) <= AT_ONCE:
            tidy(objects)
            pack_loose_objects(objects)
            return partial(_fold_at_once, objects, fitting(open_old_packs(objects.pack_directory, stems)))
        if under_way is None and stems:
            return partial(_advance, staging, staging.begin(stems, by_hand=False), written)
        if under_way is not None and _is_turn(objects.packs.counts(), written):
            if not under_way.by_hand:
                return partial(_advance, staging, staging.resume(under_way), written)
            if staging.has_died():
                staging.discard()
    return None


def tidy(objects: Objects) -> None:
    """Clear up what dead writers left; the caller holds the ledger's lock, and the one of those who fold.

    Files are given some time all the same: a machine that does not share these locks may be writing them.
    """
    folder = objects.pack_directory
    names = frozenset(names_in(folder))
    if not is_link(folder):  # behind a link other programs may have files of such names
        for prefix, seconds in _DEAD_AFTER.items():
            remove_abandoned(folder, prefix, seconds=seconds)
        for base in (folder / name.removesuffix(".keep") for name in names if name.endswith(".keep")):
            # Its writer died before the pack had its name. Where an index is, a pack was lost, which a repair looks at.
            if names.isdisjoint((f"{base.name}.pack", f"{base.name}.idx")) and not is_others_keep(base):
                remove_if_there(f"{base}.keep")
    if not is_link(objects.directory):
        for prefix in _PUSHED:
            remove_abandoned_folders(objects.directory, prefix, seconds=_GIT_DEAD_SECONDS)
    index_orphans(folder, names)


def _is_turn(counts: Mapping[str, int], written: int) -> bool:
    """Whether a large fold goes on after a save of so many objects: if they are many, else once between small folds."""
    few = sum(count <= SMALL for count in counts.values())
    return written > SMALL or few % SAVES_PER_SLICE == SAVES_PER_SLICE // 2


def _written_last(counts: Mapping[str, int]) -> int:
    """How many objects the pack has that this process wrote last."""
    return next(iter(counts.values()), 0)


@contextmanager
def _folding(objects: Objects) -> Iterator[None]:
    # Fully durable even if the save need not be: the packs that are folded were there before it.
    with durability(Durability.FULL), storage_errors(objects.pack_directory, "fold"):
        yield


def _fold_at_once(objects: Objects, packs: Sequence[OldPack]) -> None:
    with _folding(objects):
        fold_at_once(objects, packs, _FEWEST)


def _advance(staging: StagingArea, fold: StagedFold | None, written: int) -> None:
    """Do a step in proportion to what was written: whoever publishes much has time for much."""
    with _folding(staging.objects):
        if fold is not None:
            staging.advance(fold, max(SLICE, _SLICE_PER_WRITTEN * written))
