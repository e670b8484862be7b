"""A history: read at any commit, and published to by moving one ref.

The write protocol (specs/concurrency.md): under the ledger's lock, read the branch,
place every draft after what is there, make the new objects durable as one pack, and move
the branch by compare-and-swap. The lock saves work; the compare-and-swap alone keeps
two writers from losing each other's versions, and a lost race starts over.
"""

import datetime as dt
import os
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec

from ledger.disk import exclusive_lock
from ledger.errors import IntegrityError, LedgerError, LockTimeoutError
from ledger.history import layout
from ledger.history.drafts import Draft, message_for, place_all
from ledger.history.layout import Claim
from ledger.history.objects import COMMIT, Commit, ObjectId, Objects
from ledger.history.packing import fold_packs, release_pack, write_pack
from ledger.history.refs import clear_dead_lock, create_branch, move_branch, read_branch, read_ref, tracking_ref
from ledger.history.repository import check_format, check_repository, create_repository, find_repository
from ledger.history.revisions import resolve_revision, walk_commits
from ledger.history.snapshot import Snapshot
from ledger.history.trees import CommittedTree, GrowingTree, emit_into
from ledger.ids import CommitId
from ledger.records import FORMAT, decode, encode

_UNSAFE = re.compile(r"[\x00-\x1f\x7f<>]+")
_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit published: the claims of its new versions, in the order of their drafts."""

    commit: CommitId
    claims: tuple[Claim, ...]


class History:
    """The Git repository of one ledger. Threads may share it, and a fork may go on with it."""

    def __init__(self, git_dir: Path, lock: Path, *, lock_timeout: float = 60.0, locking: bool = True) -> None:
        """``locking=False`` is for tests that show the compare-and-swap to be enough."""
        self.git_dir = git_dir
        self._lock = lock
        self._lock_timeout = lock_timeout
        self._locking = locking
        self._objects = Objects(git_dir)
        self._checked_format = False

    @classmethod
    def create(cls, ledger_dir: Path, *, author: str, now: dt.datetime) -> "History":
        """Make the history of a new ledger, with the commit that states its format."""
        git_dir = ledger_dir / "history.git"
        create_repository(git_dir)
        history = cls(git_dir, ledger_dir / "lock")
        tree = GrowingTree(history._objects, None)
        tree.add(layout.LEDGER_FILE, encode({"features": [], "format": FORMAT}))
        message = f"start a ledger\n\nTime: {commit_time(now)}\n"
        commit, pack = history.write_commit(tree, (), author=author, now=now, message=message)
        create_branch(git_dir, commit)
        release_pack(history._objects, pack)
        return history

    @classmethod
    def open(cls, ledger_dir: Path, *, lock_timeout: float = 60.0) -> "History":
        """Open the history of a ledger that exists."""
        git_dir = find_repository(ledger_dir)
        check_repository(git_dir)
        return cls(git_dir, ledger_dir / "lock", lock_timeout=lock_timeout)

    @property
    def objects(self) -> Objects:
        """The objects of the repository, for the rest of this package."""
        return self._objects

    def tip(self) -> CommitId:
        """The commit that is published now."""
        return read_branch(self.git_dir)

    def snapshot(self, commit: CommitId | None = None) -> Snapshot:
        """The history at a commit, by default the one published now."""
        tree = CommittedTree(self._objects, self._objects.commit(commit or self.tip()).tree)
        self._check_format(tree)
        return Snapshot(tree)

    def resolve(self, revision: str | dt.datetime) -> CommitId:
        """The commit that a revision or a moment means; raises `RevisionNotFoundError`."""
        return resolve_revision(self._objects, self.tip(), revision)

    def log(self, commit: CommitId | None = None) -> Iterator[Commit]:
        """The commits, newest first."""
        return walk_commits(self._objects, commit or self.tip())

    def remote_snapshot(self, remote: str = "origin") -> Snapshot | None:
        """What the remote's branch held when last heard of, or ``None`` without one."""
        commit = read_ref(self.git_dir, tracking_ref(remote))
        return self.snapshot(commit) if commit is not None else None

    def publish(self, drafts: Sequence[Draft], *, author: str, now: dt.datetime, subject: str = "") -> Published:
        """Publish drafts in one commit, all or none; when this returns, the commit is durable.

        ``subject`` goes before what the commit's subject says by itself.

        Raises `VersionExistsError` and `NameCollisionError` where a draft cannot have its place, and
        `LockTimeoutError` where other writers leave no gap for the length of the lock's timeout.
        """
        deadline = time.monotonic() + self._lock_timeout
        with self._exclusively() as holder_died:
            pause = _FIRST_PAUSE
            while True:
                published = self._attempt(drafts, author, now, subject, holder_died=bool(holder_died))
                if published is not None:
                    break
                if time.monotonic() > deadline:
                    raise self._contended()
                time.sleep(pause * int.from_bytes(os.urandom(1)) / 255)  # chance spreads the writers
                pause = min(2 * pause, _LONGEST_PAUSE)
            if self._locking:
                self._fold()
        return published

    def move_to(self, commit: CommitId, *, expected: CommitId) -> bool:
        """Publish a commit that was made from ``expected``; says whether the branch still was there. Durable."""
        with self._exclusively() as holder_died:
            if self._locking:
                clear_dead_lock(self.git_dir, holder_died=bool(holder_died))
            try:
                return move_branch(self.git_dir, expected=expected, new=commit)
            except FileExistsError:
                return False

    def _exclusively(self) -> AbstractContextManager[bool | None]:
        return exclusive_lock(self._lock, timeout=self._lock_timeout) if self._locking else nullcontext()

    def _attempt(
        self, drafts: Sequence[Draft], author: str, now: dt.datetime, subject: str, *, holder_died: bool
    ) -> Published | None:
        """Place, write and publish once; ``None`` where another writer came first."""
        base = self.tip()
        root = self._objects.commit(base).tree
        self._check_format(CommittedTree(self._objects, root))
        tree = GrowingTree(self._objects, root)
        claims = place_all(drafts, tree, time_ms=int(now.timestamp() * 1000))
        message = message_for(drafts, claims, commit_time(now), subject)
        commit, pack = self.write_commit(tree, (base,), author=author, now=now, message=message)
        try:
            if self._locking:
                clear_dead_lock(self.git_dir, holder_died=holder_died)
            moved = move_branch(self.git_dir, expected=base, new=commit)
        except FileExistsError:
            return None
        finally:
            release_pack(self._objects, pack)
        return Published(commit=commit, claims=tuple(claims)) if moved else None

    def write_commit(
        self, tree: GrowingTree, parents: Sequence[CommitId], *, author: str, now: dt.datetime, message: str
    ) -> tuple[CommitId, str]:
        """Make a commit durable with all that is new in it; returns it and the name of its pack.

        The caller names the commit by a ref, then releases the pack.
        """
        new: dict[ObjectId, tuple[int, bytes]] = {}
        emit = emit_into(new)
        root = tree.write(emit)
        commit = emit(COMMIT, encode_commit(root, parents, author, now, message))
        pack = write_pack(self._objects, new)
        # The next save builds on these, and whoever saved looks at them first.
        for name, (kind, data) in new.items():
            self._objects.remember(name, kind, data)
        return CommitId(commit), pack

    def _fold(self) -> None:
        try:
            fold_packs(self._objects)
        except LedgerError as error:
            # The save is durable already; what failed was making later look-ups cheaper.
            warnings.warn(f"the history's packs could not be folded: {error}", stacklevel=4)

    def _check_format(self, tree: CommittedTree) -> None:
        if self._checked_format:
            return
        where = f"{self.git_dir}: ledger.json"
        data = tree.read(layout.LEDGER_FILE)
        if data is None:
            raise IntegrityError(f"{where} is missing: this is not a ledger's history", where=str(self.git_dir))
        marker = decode(data, dict[str, object], where=where)
        check_format(marker.get("format"), marker.get("features"), where)
        self._checked_format = True

    def _contended(self) -> LockTimeoutError:
        return LockTimeoutError(
            f"other writers kept moving {self.git_dir} for {self._lock_timeout:g} s",
            hint="try again; nothing was published",
            path=str(self.git_dir),
        )


def encode_commit(tree: ObjectId, parents: Sequence[CommitId], author: str, now: dt.datetime, message: str) -> bytes:
    """The bytes of a commit by a person, ``Name <address>``, at a time in UTC."""
    name, address = (_UNSAFE.sub("", part).strip() for part in [*author.rsplit(" <", 1), ""][:2])
    person = f"{name or 'unknown'} <{address}> {max(0, int(now.timestamp()))} +0000"
    above = "".join(f"parent {parent}\n" for parent in parents)
    return f"tree {tree}\n{above}author {person}\ncommitter {person}\n\n{message}".encode(errors="replace")


def commit_time(now: dt.datetime) -> str:
    """A moment as the trailer `Time:` holds it."""
    return now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
