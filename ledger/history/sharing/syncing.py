"""Bring this history and a remote's to the same commit.

The steps of specs/sharing.md, 2; whoever drives them uploads bytes between the first and the second:

1. `plan_sync`: fetch and check what the remote holds; decide which commit both are to hold;
2. `push_plan`: ask the remote to move forward to it, never by force, and look whether it did;
3. `adopt_plan`: move the branch here to it by compare-and-swap; if somebody saved here meanwhile, `join_plan` merges
   that behind the commit and moves the branch to the merge.

A step that finds that somebody was faster says so, and the caller plans anew. A crash between
the steps loses nothing: the next plan starts from what is there.
"""

import datetime as dt
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec

from ledger.errors import ArgumentError, IntegrityError, LedgerNotFoundError, RemoteError
from ledger.history.folds.pack_writing import release_pack
from ledger.history.git.branch import create_branch
from ledger.history.git.refs import brought_ref, known_ref, merged_ref, note_known, read_ref, write_ref
from ledger.history.git.remotes import PUBLISHED, Remote
from ledger.history.history import History
from ledger.history.sharing.admission import check_commits, merge_roots
from ledger.history.sharing.ancestry import check_readable, common_commit, is_ancestor
from ledger.history.sharing.git_words import advice
from ledger.history.sharing.incoming import receive
from ledger.history.sharing.transport import push, remote_tip, settle_remote
from ledger.history.tree import layout
from ledger.history.tree.comparing import compare_commits
from ledger.history.tree.layout import Claim
from ledger.ids import CommitId, VersionId
from ledger.records import format_time
from ledger.wording import counted


class SyncPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that both sides are to hold, and what each side gains by it.

    ``theirs`` is what the remote holds, ``None`` for a remote without a branch. ``moved`` are the claims that change
    here: from where, to where. The ``other`` paths are the records of tags, metadata and runs that each side gains.
    ``passed_by`` are the versions that this clone had and the remote holds, though no sync of this clone brought them
    there: plain Git did, perhaps without their bytes. ``own_records`` are those that the merge itself made.
    """

    remote: Remote
    local: CommitId
    theirs: CommitId | None
    tip: CommitId
    unpublished: tuple[Claim, ...]
    passed_by: tuple[Claim, ...]
    fetched: tuple[Claim, ...]
    moved: tuple[tuple[Claim, Claim], ...]
    other_unpublished: frozenset[layout.TreePath]
    other_fetched: frozenset[layout.TreePath]
    own_records: frozenset[layout.TreePath]


def plan_sync(history: History, remote: Remote, *, author: str, now: dt.datetime) -> SyncPlan:
    """What a sync with a remote comes to, with the merge commit made if it takes one; nothing is moved yet.

    Raises what `receive` raises for a remote that is refused.
    """
    local = history.tip()
    history.refuse_other_format(local)  # before anything is fetched
    brought = _brought(history, remote)
    theirs = receive(history, remote, local=local)
    tip = _agree(history, remote, local, theirs, author, now, under=history.exclusively())
    _refuse_moving_published(history, remote, tip)
    return _plan_for(history, remote, local, theirs, tip, brought)


def push_plan(history: History, plan: SyncPlan) -> bool:
    """Bring the remote to the plan's commit, durably on this machine; says whether it holds that, as read back.

    ``False`` where somebody else moved its branch first; raises `RemoteError` with the remote's words where it refuses.
    """
    if plan.tip != plan.theirs:
        anew = (
            f"others would refuse it: clone {plan.remote} anew, save there what only this ledger holds, and go on "
            "in the clone (specs/sharing.md, 3)"
        )
        check_commits(history, plan.theirs, plan.tip, way_out=lambda _: anew)
        refusal = push(history.git_dir, plan.remote, plan.tip)
        found = remote_tip(history.git_dir, plan.remote)
        if found != plan.tip:
            if found != plan.theirs:
                return False
            raise RemoteError(
                f"{plan.remote} does not take {plan.tip}: {refusal or 'it said yes, and its branch did not move'}",
                hint=advice(refusal or "", "nothing is lost here; ask whoever runs the remote"),
                remote=plan.remote.name,
                commit=plan.tip,
            )
    # Also where nothing was pushed: whoever pushed what the remote holds may have died before this.
    settle_remote(plan.remote, plan.theirs)
    note_known(history.git_dir, plan.remote.name, plan.tip)
    if _brought(history, plan.remote) != plan.tip:
        write_ref(history.git_dir, brought_ref(plan.remote.name), plan.tip)
    return True


def adopt_plan(history: History, plan: SyncPlan) -> bool:
    """Move the branch here to the plan's commit, durably; ``False`` if somebody else was faster."""
    if plan.tip == plan.local:
        history.settle()
        return True
    return history.move_to(plan.tip, expected=plan.local)


def join_plan(history: History, plan: SyncPlan, *, author: str, now: dt.datetime) -> SyncPlan | None:
    """Merge what was saved here meanwhile behind a plan's commit, and move the branch here to the merge; its plan.

    The ledger holds all that the remote holds by then, so this happens under its lock, without asking the remote: a
    sync beside saves without a pause loses the race against them only once. ``None`` if somebody pushed into this
    history.
    """
    with history.exclusively():
        local = history.tip()
        tip = _agree(history, plan.remote, local, plan.tip, author, now, under=nullcontext())
        _refuse_moving_published(history, plan.remote, tip)
        is_moved = history.move_exclusively(tip, expected=local)
    return _plan_for(history, plan.remote, local, plan.tip, tip) if is_moved else None


def clone_history(ledger_dir: Path, remote: Remote) -> None:
    """Make the history of a ledger that is being made: everything a remote holds, checked.

    Raises `LedgerNotFoundError` where the remote has no branch, and what `receive` raises.
    """
    history = History.without_branch(ledger_dir)
    tip = receive(history, remote, local=None)
    if tip is None:
        raise LedgerNotFoundError(
            f"{remote} holds no ledger yet: it has no branch main",
            hint="make one with `ledger init`, then `ledger remote add` and `ledger sync` there",
            url=str(remote),
        )
    settle_remote(remote, tip)
    history.refuse_other_format(tip)  # before there is a branch
    write_ref(history.git_dir, brought_ref(remote.name), tip)
    create_branch(history.git_dir, tip)


def gained(history: History, before: CommitId | None, after: CommitId) -> dict[VersionId, Claim]:
    """The claims that one commit has and another lacks, by the ids of their versions."""
    return _by_id(compare_commits(history.objects, before, after).added)


def _plan_for(
    history: History,
    remote: Remote,
    local: CommitId,
    theirs: CommitId | None,
    tip: CommitId,
    brought: CommitId | None = None,
) -> SyncPlan:
    """What either side gains, and what moves, where both are to hold ``tip``."""
    objects = history.objects
    here = compare_commits(objects, local, tip)
    before = {claim.id: claim for claim in _claims_in(here.removed)}
    after = _by_id(here.added)
    unpublished = gained(history, theirs, tip)
    fetched = {id: claim for id, claim in after.items() if id not in before}
    told = unpublished.keys() | fetched.keys()
    since = gained(history, brought, tip) if brought is not None else {}
    # Not the differences to the tip: a merge adds records of its own, about the versions that it moves, and in a second
    # round the remote has them.
    sides = compare_commits(objects, theirs, local)
    others_here, others_there = _others_in(sides.added), _others_in(sides.removed)
    return SyncPlan(
        remote=remote,
        local=local,
        theirs=theirs,
        tip=tip,
        unpublished=tuple(unpublished.values()),
        passed_by=tuple(claim for claim in since.values() if claim.id not in told),
        fetched=tuple(fetched.values()),
        moved=tuple((before[claim.id], claim) for claim in after.values() if claim.id in before),
        other_unpublished=others_here - others_there,
        other_fetched=others_there - others_here,
        own_records=_others_in(here.added) - others_here - others_there,
    )


def _brought(history: History, remote: Remote) -> CommitId | None:
    """Up to which commit syncs of this clone have brought the remote what lies here; ``None`` before the first."""
    return read_ref(history.git_dir, brought_ref(remote.name))


def _agree(
    history: History,
    remote: Remote,
    local: CommitId,
    theirs: CommitId | None,
    author: str,
    now: dt.datetime,
    *,
    under: AbstractContextManager[None],
) -> CommitId:
    """The commit that both are to hold: the one that holds the other, or a merge behind the remote's.

    A commit here that is built on the remote's holds it only if it has not moved what is in it, as a merge behind
    another remote may have done.
    """
    if theirs in (None, local):
        return local
    if is_ancestor(history.git_dir, theirs, local) and compare_commits(history.objects, theirs, local).breach is None:
        return local
    if is_ancestor(history.git_dir, local, theirs):
        return theirs
    if common_commit(history.git_dir, local, theirs) is None:
        check_readable(history.git_dir, local, theirs)
        raise IntegrityError(
            f"the history here was rewritten: its branch is at {local}, and has no commit in common with {theirs}, "
            f"which {remote} holds",
            hint="`ledger git reflog main` lists where it was, `ledger git update-ref refs/heads/main COMMIT` sets it",
            commit=local,
            remote=remote.name,
        )
    return _merge_behind(history, remote, theirs, local, author, now, under=under)


def _merge_behind(
    history: History,
    remote: Remote,
    theirs: CommitId,
    local: CommitId,
    author: str,
    now: dt.datetime,
    *,
    under: AbstractContextManager[None],
) -> CommitId:
    """A new commit, durable and named by a ref, that adds to the remote's what only this history holds.

    It is written ``under`` the ledger's lock: a save that tidies up takes unnamed files for those of dead writers.
    """
    objects = history.objects
    tree, merged = merge_roots(history, objects.commit(theirs).tree, objects.commit(local).tree)
    lines = [f"Artifact: {after.label}\nId: {after.id}\nRenumbered: {before.label}" for before, after in merged.moved]
    count = len(merged.moved)
    what = f", {counted(count, 'version')} renumbered" if count else ""
    message = "\n".join([f"merge behind {remote.name}{what}", "", *lines, f"Time: {format_time(now)}", ""])
    with under:
        commit, pack = history.write_commit(tree, (theirs, local), author=author, now=now, message=message)
        try:
            # Named before its pack is let go: Git's housekeeping must not take it while it is pushed.
            write_ref(history.git_dir, merged_ref(remote.name), commit)
        finally:
            release_pack(objects, pack)
    return commit


def _by_id(paths: tuple[layout.TreePath, ...]) -> dict[VersionId, Claim]:
    return {claim.id: claim for claim in sorted(_claims_in(paths))}


def _others_in(paths: tuple[layout.TreePath, ...]) -> frozenset[layout.TreePath]:
    """The events and the records of runs; an event by its own name, as its version may move."""
    records = [path for path in paths if path[-1].endswith(".json") and path[-1] != layout.MANIFEST]
    events = frozenset(path[-1:] for path in records if path[:1] == layout.ARTIFACTS)
    return events.union(path for path in records if path[:1] == layout.RUNS)


def _claims_in(paths: tuple[layout.TreePath, ...]) -> list[Claim]:
    return [claim for claim in map(layout.claim_at, paths) if claim is not None]


def _refuse_moving_published(history: History, remote: Remote, tip: CommitId) -> None:
    """Raise `ArgumentError` if a commit from another remote moves a version from where ``origin`` has published it."""
    published = read_ref(history.git_dir, known_ref(PUBLISHED))
    if published is None or remote.name == PUBLISHED:
        return
    for claim in _claims_in(compare_commits(history.objects, published, tip).removed):
        raise ArgumentError(
            f"{remote} holds another version in the place of {claim.label}, which {PUBLISHED} has published",
            hint=f"sync that ledger with {PUBLISHED} first; where it is a bare repository, which nobody can sync, add "
            "an empty one in its stead, under another name (specs/sharing.md, 5)",
            remote=remote.name,
            name=claim.name,
            version=claim.version,
        )
