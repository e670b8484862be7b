"""gc: room in the store, taken back from what no version needs.

Plan, show, execute. Objects that no version names are removed when they are old enough. Packs that are mostly dead are
rewritten: what is alive in them goes into new packs, the tables name it there, and a later gc removes the old packs.
Git is not touched. Everything is looked at again under the locks before it goes (specs/maintenance.md, 3).
"""

import math
from collections.abc import Iterable

import msgspec

from ledger.blobs import (
    LocalStore,
    Spare,
    age_anew,
    age_of,
    age_of_table,
    alone_with,
    clock_of,
    files_among,
    is_within,
    live_bytes,
    packs_in,
    point_anew,
    repack,
)
from ledger.core import Ledger, Needed, Workspace, needed_by, needed_objects, needed_since
from ledger.disk import locks_end_here
from ledger.errors import ArgumentError, ReadOnlyError
from ledger.lookup import DEFAULT_STORE
from ledger.maintenance.given import refuse_other_than_ledger, refuse_other_than_made
from ledger.records import Content, check_number, check_switches

GRACE_DAYS = 14
"""Days for which an object that nobody names is kept: a save that is under way, or a clone, may name it yet."""

MOSTLY_DEAD = 0.5
"""Share of dead bytes from which a pack is rewritten."""

_DAY = 86_400
_TICK = 2.0  # seconds; the coarsest time that a file system keeps
_TOGETHER = 256  # objects removed before the locks are released for whoever waits


class PackRewrite(msgspec.Struct, frozen=True, kw_only=True):
    """A pack that is mostly dead: its key, the bytes of its chunks, and how many of those are needed."""

    key: str
    size: int
    live: int


class GcPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be rewritten and removed, and how many spare files are too young to go.

    ``began`` is the time of the store's disk before anything was looked at, in seconds since 1970; minus infinity if
    the disk can only be read.
    """

    began: float
    needed: Needed
    grace_days: float
    rewrites: tuple[PackRewrite, ...]
    spare: tuple[Spare, ...]
    young: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.rewrites or self.spare)


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: packs rewritten, tables that name their chunks anew, files removed and their bytes."""

    packs: int
    tables: int
    removed: tuple[str, ...]
    freed: int


def plan_gc(ledger: Ledger, *, grace_days: float = GRACE_DAYS, exclusive: bool = False) -> GcPlan:
    """Plan what can go. ``exclusive`` states that no other ledger uses a store outside this one's directory.

    ``grace_days`` is how old a file must be to go. The command line takes none below `GRACE_DAYS`: a younger object may
    still be named by a save that is under way, or by a clone.

    Raises `ArgumentError` for a store in which nothing can be removed safely, and for an age below 0, and
    `IntegrityError` where damage hides what is needed. Nothing is changed.
    """
    refuse_other_than_ledger(ledger)
    check_switches(exclusive=exclusive)
    grace_days = check_number(grace_days, "grace_days")
    if not grace_days >= 0:  # nor is NaN
        raise ArgumentError(f"grace_days is a number from 0, got {grace_days:g}")
    workspace = ledger.workspace.afresh()
    store = _own_store(workspace, exclusive=exclusive)
    try:
        now = began = clock_of(store)
    except ReadOnlyError:
        # On a read-only disk the plan is only to be looked at: nothing can be removed, and the disk's clock, which is
        # read off a new file, cannot be asked.
        now, began = workspace.now().timestamp(), -math.inf
    # The files are listed first: what is put afterwards is not among them, and what is named afterwards counts as
    # needed.
    listed, left = files_among(store)
    needed = needed_objects(workspace)
    unneeded = [*(key for key in listed if key not in needed.stretches), *left]
    found = [spare for key in unneeded if (spare := age_of(store, key, now)) is not None]
    old = [spare for spare in found if spare.age >= grace_days * _DAY]
    return GcPlan(
        began=began,
        needed=needed,
        grace_days=grace_days,
        rewrites=tuple(_mostly_dead(store, listed, needed)),
        spare=tuple(sorted(old)),
        young=len(found) - len(old),
    )


@locks_end_here()
def execute_gc(ledger: Ledger, plan: GcPlan, *, exclusive: bool = False) -> Collected:
    """Carry out a plan, as far as it is still right.

    Raises `LockTimeoutError` while others are saving, and `ReadOnlyError` for a ledger that is open at a revision.
    """
    refuse_other_than_ledger(ledger)
    refuse_other_than_made(GcPlan, plan, by="plan_gc")
    check_switches(exclusive=exclusive)
    ledger.workspace.refuse_past("collect it")
    workspace = ledger.workspace.afresh()
    store = _own_store(workspace, exclusive=exclusive)
    # Removing comes first, as it makes room: the disk may be full.
    removed: list[Spare] = []
    for start in range(0, len(plan.spare), _TOGETHER):
        removed += _remove(workspace, store, plan, plan.spare[start : start + _TOGETHER])
    tables = _rewrite(store, plan, timeout=workspace.config.lock_timeout)
    return Collected(
        packs=len(plan.rewrites),
        tables=tables,
        removed=tuple(each.key for each in removed),
        freed=sum(each.size for each in removed),
    )


def _own_store(workspace: Workspace, *, exclusive: bool) -> LocalStore:
    """The ledger's store, if it is one to remove from: a folder that no other ledger uses, as far as one can tell."""
    store = workspace.store_for_writing()
    if not isinstance(store, LocalStore):
        raise ArgumentError(
            f"cannot remove anything from {store.url}: gc works on stores in folders",
            hint="a folder on another machine is collected there, by a ledger whose `store` it is; a bucket is given a "
            "rule that removes unfinished uploads, and finished objects stay",
            url=store.url,
        )
    if not exclusive and not (workspace.config.store == DEFAULT_STORE and is_within(store, workspace.path)):
        raise ArgumentError(
            f"the store {store.url} lies outside of {workspace.path}: what other ledgers keep there would look spare",
            hint="say exclusive=True, in the shell --exclusive, if no other ledger uses it",
            url=store.url,
        )
    return store


def _mostly_dead(store: LocalStore, listed: Iterable[str], needed: Needed) -> Iterable[PackRewrite]:
    for key in listed:
        stretches = needed.stretches.get(key)
        if stretches and key.startswith("packs/"):
            live, size = live_bytes(store, key, stretches)
            if live <= (1 - MOSTLY_DEAD) * size:
                yield PackRewrite(key=key, size=size, live=live)


def _rewrite(store: LocalStore, plan: GcPlan, *, timeout: float) -> int:
    """Put what is alive in the packs into new ones; returns how many tables were written again.

    The old packs stay, for readers that have read an old table.
    """
    if not plan.rewrites:
        return 0
    keys = [rewrite.key for rewrite in plan.rewrites]
    places = repack(store, {key: plan.needed.stretches[key] for key in keys})
    for key in (*keys, *packs_in(places)):
        age_anew(store, key)
    return sum(point_anew(store, content, places, timeout=timeout) for content in plan.needed.contents)


def _remove(workspace: Workspace, store: LocalStore, plan: GcPlan, spare: Iterable[Spare]) -> list[Spare]:
    """Remove the files that are still spare, under locks: nobody relies on one now and names it afterwards."""
    removed: list[Spare] = []
    # The store before the ledger's lock: whoever holds the store may be waiting for that lock.
    with alone_with(store, timeout=workspace.config.lock_timeout), workspace.history.exclusively():
        workspace.store_for_writing()  # the same one still, not another disk in its place
        now = clock_of(store)
        wanted = needed_since(workspace, plan.needed.tip, workspace.history.tip())
        # A save of the same bytes may have written a table that names what was spare, and died before it was published.
        wanted |= needed_by(workspace, (each for each in plan.needed.contents if _is_written_since(store, each, plan)))
        for each in spare:
            found = age_of(store, each.key, now)
            if found is not None and found.age >= plan.grace_days * _DAY and each.key not in wanted:
                store.delete(each.key)
                removed.append(found)
    return removed


def _is_written_since(store: LocalStore, content: Content, plan: GcPlan) -> bool:
    """Whether a content's table was written after the plan was begun, as far as a clock that ticks can tell."""
    age = age_of_table(store, content, plan.began)
    return age is None or age < _TICK
