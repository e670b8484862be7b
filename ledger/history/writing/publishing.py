"""The write protocol: what is decided becomes commits, and the branch moves to the last (specs/concurrency.md, 2).

Under the ledger's lock:

1. read the branch;
2. place every draft after what is there: its position, its number (`Chain`, which writes nothing);
3. make the new objects durable as one pack;
4. move the branch by compare-and-swap; where another writer was faster, start over.

Whoever holds the lock publishes for those who wait for it as well: a commit each, one pack and one
move for all. The lock saves work; the compare-and-swap alone keeps two writers from losing each
other's versions.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from ledger.disk import HeldLock, LockFile, mode_of, settle, settle_everything
from ledger.errors import LedgerError, LockTimeoutError
from ledger.history.folds.pack_writing import check_pack, release_pack, write_pack
from ledger.history.folds.staging import StagingArea
from ledger.history.git.branch import (
    BranchLock,
    branch_held,
    clear_dead_lock,
    is_branch_held,
    move_branch,
    move_held_branch,
    once_published,
    read_branch,
)
from ledger.history.git.objects import Objects
from ledger.history.git.refs import BRANCH
from ledger.history.git.repository import UNSYNCED
from ledger.history.tree.checked_trees import CheckedTrees
from ledger.history.tree.drafts import Publication
from ledger.history.tree.layout import Claim
from ledger.history.tree.placing import claims_of
from ledger.history.tree.snapshot import Snapshot
from ledger.history.writing.commits import Chain
from ledger.history.writing.fold_turns import Folds
from ledger.history.writing.turns import Turns
from ledger.history.writing.waiting import Queue, Waiter
from ledger.ids import CommitId

Decision = Callable[[CommitId], Publication]
"""Says what is to be published upon the commit that it is given; called anew for every attempt."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit published: the claims of its new versions, in the order of their drafts."""

    commit: CommitId
    claims: tuple[Claim, ...]


class Publisher:
    """Who moves the branch of one history. Threads may share it, and a fork may go on with it."""

    def __init__(
        self, lock: Path, objects: Objects, staging: StagingArea, trees: CheckedTrees, *, timeout: float
    ) -> None:
        """``lock`` is the file of the ledger's lock, ``timeout`` how many seconds a writer waits for its turn."""
        self._git_dir = objects.git_dir
        self._objects = objects
        self._trees = trees
        self._timeout = timeout
        self._unsynced = lock.parent / UNSYNCED
        self._lock = LockFile(lock)
        self._queue = Queue(lock.parent / "queue")
        self._turns = Turns(objects, self._lock, self._queue, timeout=timeout)
        self._folds = Folds(staging, lock.parent, self._queue, timeout=timeout)

    def publish_in_turn(self, publication: Publication) -> Published:
        """Publish under the ledger's lock, or have its holder do so."""
        turn = self._turns.take(publication)
        if isinstance(turn, HeldLock):
            return self._publish_holding(turn, lambda _: publication)
        with once_published():
            return Published(commit=turn, claims=claims_of(publication.drafts, Snapshot(self._trees.of(turn))))

    def publish_alone(self, decide: Decision) -> Published:
        """Publish what is decided under the ledger's lock, and so cannot be published by another holder for us."""
        turn = self._lock.hold(timeout=self._timeout)
        return self._publish_holding(turn, decide)

    def move_exclusively(self, commit: CommitId, *, expected: CommitId) -> bool:
        """Durably publish a commit made from ``expected`` if the branch is still there; says whether it was.

        The caller is in an `exclusively` block.
        """
        if not self._clear_dead_lock(holder_died=False, deadline=time.monotonic() + self._timeout):
            return False
        self._settle(expected)
        try:
            return move_branch(self._git_dir, expected=expected, new=commit)
        except FileExistsError:
            return False

    def settle(self) -> None:
        """Make durable what saves without fsync have left, and what was pushed here by Git itself."""
        tip = read_branch(self._git_dir)
        if mode_of(self._unsynced) or self._objects.loose.has(tip):
            with self.exclusively():
                self._settle(tip)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """A block under the ledger's lock, before which a dead holder's leftovers go; it ends by waking a writer."""
        try:
            with self._lock.hold(timeout=self._timeout) as lock:
                if lock.holder_died:
                    self._clear_dead_lock(holder_died=True, deadline=math.inf)
                yield
        finally:
            self._queue.ring_next()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """A block under the ledger's lock in which nobody else folds packs either."""
        # The lock of those who fold comes first: whoever waits for a fold to end keeps nobody from publishing.
        with self._folds.hold(), self.exclusively():
            yield

    def _publish_holding(self, turn: HeldLock, decide: Decision) -> Published:
        """Publish for ourselves and for those who wait for the ledger's lock, let go of it, and fold if it is time."""
        with ExitStack() as while_folding:
            try:
                with turn, self._queue.waiters() as waiters:
                    published = self._publish(decide, waiters, holder_died=turn.holder_died)
                    fold = self._folds.choose(while_folding)
            finally:
                self._queue.ring_next()
            if fold is not None:
                self._folds.do(fold)
        return published

    def _publish(self, decide: Decision, waiters: Sequence[Waiter], *, holder_died: bool) -> Published:
        """Publish, also for those who wait and whose drafts can have their places; try until nobody comes between."""
        deadline = time.monotonic() + self._timeout
        if not self._clear_dead_lock(holder_died=holder_died, deadline=deadline):
            raise self._contended()
        published = None
        # All packs are released together, since another attempt may make the same pack again. If Git's housekeeping had
        # seen the first one released and unreachable, it would remove the second by its name once that is published.
        with ExitStack() as packs:
            # While somebody else holds the branch, the attempt would be in vain.
            if not is_branch_held(self._git_dir):
                published = self._attempt(decide, waiters, move_branch, packs)
            while published is None:
                if not self._clear_dead_lock(holder_died=False, deadline=deadline):
                    raise self._contended()
                # A writer that lost a race holds the branch while it tries again: many would spoil each other's work.
                with self._branch_held(deadline) as lock:
                    published = self._attempt(decide, waiters, partial(move_held_branch, lock), packs)
        return published

    @contextmanager
    def _branch_held(self, deadline: float) -> Iterator[BranchLock]:
        """A block during which nobody else moves the branch; `LockTimeoutError` if it cannot be had by the deadline."""
        with ExitStack() as stack:
            try:
                lock = stack.enter_context(branch_held(self._git_dir, patience=deadline - time.monotonic()))
            except FileExistsError:
                raise self._contended() from None
            yield lock

    def _attempt(
        self,
        decide: Decision,
        waiters: Sequence[Waiter],
        move: Callable[..., bool],
        packs: ExitStack,
    ) -> Published | None:
        """Place, write and publish once; ``None`` where another writer came first, or a waiter went.

        What was written is kept from Git's housekeeping until ``packs`` ends.
        """
        base = read_branch(self._git_dir)
        self._trees.of(base)  # of another format it is refused
        chain = Chain(self._objects, base)
        own = chain.place(decide(base))
        chain.append(own)
        taken = [(waiter, commit) for waiter in waiters if (commit := _take_up(waiter, chain)) is not None]
        pack = write_pack(self._objects, chain.new)
        packs.callback(release_pack, self._objects, pack)

        def agreed() -> bool:
            check_pack(self._objects, pack)
            return all(waiter.is_waiting for waiter, _ in taken)

        try:
            self._settle(base)
            moved = move(self._git_dir, expected=base, new=chain.tip, agreed=agreed)
        except FileExistsError:
            return None
        if not moved:
            return None
        chain.remember()
        for waiter, commit in taken:
            waiter.tell(commit)
        return Published(commit=own.commit, claims=own.claims)

    def _settle(self, base: CommitId) -> None:
        """Make durable what a commit upon ``base`` builds on. If ``base`` is loose, Git made it without syncing it."""
        settle(self._unsynced)
        if self._objects.loose.has(base):
            settle_everything()

    def _clear_dead_lock(self, *, holder_died: bool, deadline: float) -> bool:
        """Move a dead writer's lock on the branch aside; whoever holds the ledger's lock can tell that it is one.

        ``False`` where it may still be a living Git's at the deadline.
        """
        return clear_dead_lock(self._git_dir, holder_died=holder_died, deadline=deadline)

    def _contended(self) -> LockTimeoutError:
        return LockTimeoutError(
            f"other writers kept moving {self._git_dir} for {self._timeout:g} s",
            hint=f"try again; nothing was published; a {BRANCH}.lock that stays there is a dead writer's: remove it",
            path=str(self._git_dir),
        )


def _take_up(waiter: Waiter, chain: Chain) -> CommitId | None:
    """The commit of a waiting publication, next in the chain, or ``None`` where it is left to its own writer."""
    if not waiter.is_waiting:
        return None
    try:
        link = chain.place(waiter.publication)
        waiter.take_up(link.commit)
    except LedgerError:
        # Not for this writer to report: the other one tries for itself in its turn, and meets the error then.
        return None
    chain.append(link)
    return link.commit
