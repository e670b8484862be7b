"""A history: read at any commit, and published to by moving one ref.

The write protocol (specs/concurrency.md), under the ledger's lock:

1. read the branch;
2. place every draft after what is there: its position, its number (`Chain`, which writes nothing);
3. make the new objects durable as one pack;
4. move the branch by compare-and-swap; where another writer was faster, start over.

Whoever holds the lock publishes for those who wait for it as well: a commit each, one pack and one
move for all. The lock saves work; the compare-and-swap alone keeps two writers from losing each
other's versions.
"""

import datetime as dt
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from ledger.disk import HeldLock, LockFile, current_durability, locks_end_here, mode_of, settle, settle_everything
from ledger.errors import IntegrityError, LedgerError, LockTimeoutError
from ledger.history import layout
from ledger.history.branch import (
    BranchLock,
    branch_held,
    clear_dead_lock,
    create_branch,
    is_branch_held,
    move_branch,
    move_held_branch,
    once_published,
    read_branch,
    refuse_gone,
)
from ledger.history.commits import Chain, encode_commit
from ledger.history.drafts import Draft, Publication
from ledger.history.folds import Folds
from ledger.history.forms import Commit, ObjectId, object_id
from ledger.history.kinds import BLOB, COMMIT, RawObject
from ledger.history.layout import Claim
from ledger.history.objects import Objects
from ledger.history.pack_writing import check_pack, release_pack, write_pack
from ledger.history.placing import claims_of
from ledger.history.refs import BRANCH, known_ref, read_ref, read_tag
from ledger.history.remotes import PUBLISHED
from ledger.history.repository import (
    LOCK,
    REPOSITORY,
    UNSYNCED,
    check_format,
    check_repository,
    create_repository,
    find_repository,
)
from ledger.history.revisions import commit_behind, resolve_revision, walk_commits
from ledger.history.snapshot import Snapshot
from ledger.history.staging import StagingArea
from ledger.history.trees import CommittedTree, GrowingTree, add_object
from ledger.history.turns import Turns
from ledger.history.waiting import Queue, Waiter
from ledger.ids import CommitId
from ledger.records import FORMAT, decode, encode, format_time

_MARKER = encode({"features": [], "format": FORMAT})
_MARKER_ID = object_id(BLOB, _MARKER)

Decision = Callable[[CommitId], Publication]
"""Says what is to be published upon the commit that it is given; called anew for every attempt."""


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit published: the claims of its new versions, in the order of their drafts."""

    commit: CommitId
    claims: tuple[Claim, ...]


class History:
    """The Git repository of one ledger. Threads may share it, and a fork may go on with it."""

    def __init__(self, git_dir: Path, lock: Path, *, lock_timeout: float = 60.0) -> None:
        """``lock`` is the file of the ledger's lock, ``lock_timeout`` how many seconds a writer waits for its turn."""
        self.git_dir = git_dir
        self._lock = LockFile(lock)
        self._lock_timeout = lock_timeout
        self._queue = Queue(lock.parent / "queue")
        self._unsynced = lock.parent / UNSYNCED
        self.objects = Objects(git_dir)
        """The objects of the repository, for the rest of this package."""
        self.staging = StagingArea(self.objects)
        """Where folds that take several steps stand, for the rest of this package."""
        self._turns = Turns(git_dir, self.objects, self._lock, self._queue, timeout=lock_timeout)
        self._folds = Folds(self.staging, lock.parent, self._queue, timeout=lock_timeout)
        self._checked_format = False
        # One value, which threads replace as a whole. Kept because many versions in a row ask for it at one commit.
        self._published: tuple[CommitId, Snapshot] | None = None

    @classmethod
    def create(cls, ledger_dir: Path, *, author: str, now: dt.datetime) -> "History":
        """Make the history of a new ledger, with the commit that states its format."""
        history = cls.without_branch(ledger_dir)
        tree = GrowingTree(history.objects, None)
        tree.add(layout.LEDGER_FILE, _MARKER)
        message = f"start a ledger\n\nTime: {format_time(now)}\n"
        commit, pack = history.write_commit(tree, (), author=author, now=now, message=message)
        create_branch(history.git_dir, commit)
        release_pack(history.objects, pack)
        return history

    @classmethod
    def without_branch(cls, ledger_dir: Path) -> "History":
        """Make the repository of a history whose first commit is still to come."""
        git_dir = ledger_dir / REPOSITORY
        create_repository(git_dir)
        return cls(git_dir, ledger_dir / LOCK)

    @classmethod
    def open(cls, ledger_dir: Path, *, lock_timeout: float = 60.0) -> "History":
        """Open the history of a ledger that exists."""
        git_dir = find_repository(ledger_dir)
        check_repository(git_dir)
        return cls(git_dir, ledger_dir / LOCK, lock_timeout=lock_timeout)

    def tip(self) -> CommitId:
        """The commit that is published now."""
        return read_branch(self.git_dir)

    def refuse_gone(self) -> None:
        """Raise `StorageError` where the history is not where it was opened, as when its disk was unmounted since."""
        refuse_gone(self.git_dir)

    def snapshot(self, commit: CommitId | None = None) -> Snapshot:
        """The history at a commit, by default the one published now; raises as `refuse_other_format`."""
        return Snapshot(self._checked_tree(commit or self.tip()))

    def refuse_other_format(self, commit: CommitId | None = None) -> None:
        """Raise `UnsupportedFormatError` for a commit, by default the one published now, of a ledger of another format.

        Raises `IntegrityError` if it is of no ledger.
        """
        self._checked_tree(commit or self.tip())

    def resolve(self, revision: str | dt.datetime) -> CommitId:
        """The commit that a revision or a moment means; raises `RevisionNotFoundError`."""
        return resolve_revision(self.objects, self.tip(), lambda name: read_tag(self.git_dir, name), revision)

    def commit_behind(self, id: str) -> CommitId | None:
        """The commit that an object is or, if it is a tag, leads to; ``None`` if that is a tree or a file."""
        return commit_behind(self.objects, id)

    def log(self, commit: CommitId | None = None) -> Iterator[Commit]:
        """The commits, newest first."""
        newest = commit or self.tip()
        self.refuse_other_format(newest)
        return walk_commits(self.objects, newest)

    def published_snapshot(self) -> Snapshot | None:
        """What the branch of the remote ``origin`` held when last heard of, or ``None`` without one."""
        commit = read_ref(self.git_dir, known_ref(PUBLISHED))
        if commit is None:
            return None
        known = self._published
        if known is None or known[0] != commit:
            self._published = known = commit, self.snapshot(commit)
        return known[1]

    def has_heard_of(self, remote: str) -> bool:
        """Whether it is known what the branch of a remote holds."""
        return read_ref(self.git_dir, known_ref(remote)) is not None

    def publish(self, drafts: Sequence[Draft], *, author: str, now: dt.datetime, subject: str = "") -> Published:
        """Publish drafts in one commit, all or none; when this returns, the commit is durable.

        ``subject`` is put in front of the commit's own subject.

        Raises `VersionExistsError` and `NameCollisionError` where a draft cannot have its place, and
        `LockTimeoutError` where other writers leave no gap for the length of the lock's timeout.
        """
        publication = _publication(drafts, author, now, subject)
        with locks_end_here():
            return self._publish_in_turn(publication)

    def publish_upon(self, decide: Callable[[CommitId], Sequence[Draft]], *, author: str, now: dt.datetime) -> None:
        """As `publish`, but ``decide`` makes the drafts under the ledger's lock, for the commit that is published then.

        It is called again if the branch moves all the same. What it raises is raised here.
        """
        with locks_end_here():
            self._publish_alone(lambda base: _publication(decide(base), author, now))

    def move_to(self, commit: CommitId, *, expected: CommitId) -> bool:
        """Durably publish a commit made from ``expected`` if the branch is still there; says whether it was."""
        with self.exclusively():
            return self.move_exclusively(commit, expected=expected)

    def move_exclusively(self, commit: CommitId, *, expected: CommitId) -> bool:
        """As `move_to`, for whoever is in an `exclusively` block."""
        if not self._clear_dead_lock(holder_died=False, deadline=time.monotonic() + self._lock_timeout):
            return False
        self._settle(expected)
        try:
            return move_branch(self.git_dir, expected=expected, new=commit)
        except FileExistsError:
            return False

    def settle(self) -> None:
        """Make durable what saves without fsync have left, and what was pushed here by Git itself."""
        tip = self.tip()
        if mode_of(self._unsynced) or self.objects.loose.has(tip):
            with self.exclusively():
                self._settle(tip)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """A block under the ledger's lock, before which a dead holder's leftovers go; it ends by waking a writer."""
        try:
            with self._lock.hold(timeout=self._lock_timeout) as lock:
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

    def write_commit(
        self, tree: GrowingTree, parents: Sequence[CommitId], *, author: str, now: dt.datetime, message: str
    ) -> tuple[CommitId, str]:
        """Make a commit durable with all that is new in it; returns it and the name of its pack.

        The caller names the commit by a ref, then releases the pack.
        """
        new: dict[ObjectId, RawObject] = {}
        root = tree.write(new)
        commit = add_object(new, COMMIT, encode_commit(root, parents, author, now, message))
        pack = write_pack(self.objects, new)
        self.objects.remember(new)
        return CommitId(commit), pack

    def _publish_in_turn(self, publication: Publication) -> Published:
        """Publish under the ledger's lock, or have its holder do so."""
        turn = self._turns.take(publication)
        if isinstance(turn, HeldLock):
            return self._publish_holding(turn, lambda _: publication)
        with once_published():
            return Published(commit=turn, claims=claims_of(publication.drafts, self.snapshot(turn)))

    def _publish_alone(self, decide: Decision) -> Published:
        """Publish what is decided under the ledger's lock, and so cannot be published by another holder for us."""
        turn = self._lock.hold(timeout=self._lock_timeout)
        return self._publish_holding(turn, decide)

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
        deadline = time.monotonic() + self._lock_timeout
        if not self._clear_dead_lock(holder_died=holder_died, deadline=deadline):
            raise self._contended()
        published = None
        # All packs are released together, since another attempt may make the same pack again. If Git's housekeeping had
        # seen the first one released and unreachable, it would remove the second by its name once that is published.
        with ExitStack() as packs:
            # While somebody else holds the branch, the attempt would be in vain.
            if not is_branch_held(self.git_dir):
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
                lock = stack.enter_context(branch_held(self.git_dir, patience=deadline - time.monotonic()))
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
        base = self.tip()
        self.refuse_other_format(base)
        chain = Chain(self.objects, base)
        own = chain.place(decide(base))
        chain.append(own)
        taken = [(waiter, commit) for waiter in waiters if (commit := _take_up(waiter, chain)) is not None]
        pack = write_pack(self.objects, chain.new)
        packs.callback(release_pack, self.objects, pack)

        def agreed() -> bool:
            check_pack(self.objects, pack)
            return all(waiter.is_waiting for waiter, _ in taken)

        try:
            self._settle(base)
            moved = move(self.git_dir, expected=base, new=chain.tip, agreed=agreed)
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
        if self.objects.loose.has(base):
            settle_everything()

    def _clear_dead_lock(self, *, holder_died: bool, deadline: float) -> bool:
        """Move a dead writer's lock on the branch aside; whoever holds the ledger's lock can tell that it is one.

        ``False`` where it may still be a living Git's at the deadline.
        """
        return clear_dead_lock(self.git_dir, holder_died=holder_died, deadline=deadline)

    def _checked_tree(self, commit: CommitId) -> CommittedTree:
        """The tree of a commit, whose format is known; all commits of a ledger have the same, so one is looked at."""
        tree = CommittedTree(self.objects, self.objects.commit(commit).tree)
        if self._checked_format:
            return tree
        where = f"{self.git_dir}: ledger.json"
        entry = tree.find(layout.LEDGER_FILE)
        if entry is None:
            raise IntegrityError(f"{where} is missing: this is not a ledger's history", where=str(self.git_dir))
        # The id alone tells what the file holds. As the oldest object it would be sought in every pack, if it were
        # read.
        if entry.id != _MARKER_ID:
            marker = decode(tree.read(layout.LEDGER_FILE) or b"", dict[str, object], where=where)
            check_format(marker.get("format"), marker.get("features"), where)
        self._checked_format = True
        return tree

    def _contended(self) -> LockTimeoutError:
        return LockTimeoutError(
            f"other writers kept moving {self.git_dir} for {self._lock_timeout:g} s",
            hint=f"try again; nothing was published; a {BRANCH}.lock that stays there is a dead writer's: remove it",
            path=str(self.git_dir),
        )


def _publication(drafts: Sequence[Draft], author: str, now: dt.datetime, subject: str = "") -> Publication:
    return Publication(
        drafts=tuple(drafts),
        author=author,
        now=now.astimezone(dt.UTC),
        subject=subject,
        durability=current_durability(),
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
