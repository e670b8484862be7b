"""A history: read at any commit, and published to.

Here is what there is to ask a history for and to have done to it; how the branch moves, `publishing` knows.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ledger.disk import current_durability, locks_end_here
from ledger.history.folds.pack_writing import release_pack, write_pack
from ledger.history.folds.staging import StagingArea
from ledger.history.git.branch import create_branch, read_branch, refuse_gone
from ledger.history.git.forms import Commit, ObjectId
from ledger.history.git.kinds import COMMIT, RawObject
from ledger.history.git.objects import Objects
from ledger.history.git.refs import known_ref, read_ref, read_tag
from ledger.history.git.remotes import PUBLISHED
from ledger.history.git.repository import LOCK, REPOSITORY, check_repository, create_repository, find_repository
from ledger.history.git.revisions import commit_behind, resolve_revision, walk_commits
from ledger.history.tree.checked_trees import MARKER, CheckedTrees
from ledger.history.tree.drafts import Draft, Publication
from ledger.history.tree.layout import LEDGER_FILE
from ledger.history.tree.snapshot import Snapshot
from ledger.history.tree.trees import GrowingTree, add_object
from ledger.history.writing.commits import encode_commit
from ledger.history.writing.publishing import Published, Publisher
from ledger.ids import CommitId
from ledger.records import format_time


class History:
    """The Git repository of one ledger. Threads may share it, and a fork may go on with it."""

    def __init__(self, git_dir: Path, lock: Path, *, lock_timeout: float = 60.0) -> None:
        """``lock`` is the file of the ledger's lock, ``lock_timeout`` how many seconds a writer waits for its turn."""
        self.git_dir = git_dir
        self.objects = Objects(git_dir)
        """The objects of the repository, for the rest of this package."""
        self.staging = StagingArea(self.objects)
        """Where folds that take several steps stand, for the rest of this package."""
        self._trees = CheckedTrees(self.objects)
        self._publisher = Publisher(lock, self.objects, self.staging, self._trees, timeout=lock_timeout)
        # One value, which threads replace as a whole. Kept because many versions in a row ask for it at one commit.
        self._published: tuple[CommitId, Snapshot] | None = None

    @classmethod
    def create(cls, ledger_dir: Path, *, author: str, now: dt.datetime) -> "History":
        """Make the history of a new ledger, with the commit that states its format."""
        history = cls.without_branch(ledger_dir)
        tree = GrowingTree(history.objects, None)
        tree.add(LEDGER_FILE, MARKER)
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
        return Snapshot(self._trees.of(commit or self.tip()))

    def refuse_other_format(self, commit: CommitId | None = None) -> None:
        """Raise `UnsupportedFormatError` for a commit, by default the one published now, of a ledger of another format.

        Raises `IntegrityError` if it is of no ledger.
        """
        self._trees.of(commit or self.tip())

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
            return self._publisher.publish_in_turn(publication)

    def publish_upon(self, decide: Callable[[CommitId], Sequence[Draft]], *, author: str, now: dt.datetime) -> None:
        """As `publish`, but ``decide`` makes the drafts under the ledger's lock, for the commit that is published then.

        It is called again if the branch moves all the same. What it raises is raised here.
        """
        with locks_end_here():
            self._publisher.publish_alone(lambda base: _publication(decide(base), author, now))

    def move_to(self, commit: CommitId, *, expected: CommitId) -> bool:
        """Durably publish a commit made from ``expected`` if the branch is still there; says whether it was."""
        with self.exclusively():
            return self.move_exclusively(commit, expected=expected)

    def move_exclusively(self, commit: CommitId, *, expected: CommitId) -> bool:
        """As `move_to`, for whoever is in an `exclusively` block."""
        return self._publisher.move_exclusively(commit, expected=expected)

    def settle(self) -> None:
        """Make durable what saves without fsync have left, and what was pushed here by Git itself."""
        self._publisher.settle()

    def exclusively(self) -> AbstractContextManager[None]:
        """A block under the ledger's lock, before which a dead holder's leftovers go; it ends by waking a writer."""
        return self._publisher.exclusively()

    def undisturbed(self) -> AbstractContextManager[None]:
        """A block under the ledger's lock in which nobody else folds packs either."""
        return self._publisher.undisturbed()

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


def _publication(drafts: Sequence[Draft], author: str, now: dt.datetime, subject: str = "") -> Publication:
    return Publication(
        drafts=tuple(drafts),
        author=author,
        now=format_time(now),
        subject=subject,
        durability=current_durability(),
    )
