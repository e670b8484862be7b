"""Check a ledger: its history, its records, and the bytes of every version.

Cuts the work into pieces, which can be done in any order and a part at a time (`ledger.maintenance` does so), and
makes one problem of each thing that is wrong, with the versions that it touches (`touching`). Starts with empty
caches, so that nothing this process has read before is believed. Changes nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ledger.blobs import (
    STORE_KEY,
    LocalStore,
    age_of,
    check_objects,
    files_among,
    stored_keys,
    uncached,
)
from ledger.core.findings import Findings
from ledger.core.reports import Orphan, Problem, Report
from ledger.core.touching import touched_contents, touched_versions
from ledger.core.version_checking import VersionCheck
from ledger.core.workspace import Workspace
from ledger.errors import (
    FormatError,
    IntegrityError,
    LedgerError,
    StorageError,
    StoreMismatchError,
    UnsupportedFormatError,
)
from ledger.history import Snapshot
from ledger.history.upkeep import (
    all_commits,
    check_commit,
    check_git_file,
    check_indexes,
    check_missed,
    check_nothing_taken_back,
    check_place,
    git_files,
    places_of,
    without_index,
)
from ledger.ids import CommitId
from ledger.records import Content, Name
from ledger.system_errors import raise_if_inconclusive

PieceKind = Literal["git file", "commit", "branch", "records", "artifact", "object"]

_LEFT_SECONDS = 86_400.0  # after which no writer is at work on a temporary file any more


class Piece(NamedTuple):
    """One thing to check: its kind, and which one."""

    kind: PieceKind
    name: str

    @property
    def key(self) -> str:
        """What orders the pieces where each check does a part of them: as if by chance, but always the same."""
        return hashlib.sha256(f"{self.kind} {self.name}".encode()).hexdigest()


class Check:
    """A check under way: gives the pieces, does them, and reports on those done."""

    def __init__(self, workspace: Workspace, *, deep: bool) -> None:
        self._workspace = workspace.afresh()
        self._history = self._workspace.history
        self._deep = deep
        self.found = Findings()
        """What is wrong, as far as pieces are done."""
        self._without_index: frozenset[str] = frozenset()
        if deep:
            # Checked before anything is read: reading objects makes a lost index again.
            self.found.note_git(check_indexes(self._history))
            self._without_index = without_index(self._history)
        self._snapshot = self._open()
        self._open_store()
        # This machine's cache says nothing about what the stores hold.
        self._store = uncached(self._workspace.store)
        self._stores = uncached(self._workspace.all_stores)
        self._listed: frozenset[str] = frozenset(stored_keys(self._store))
        self._versions = VersionCheck(self._workspace, self._stores, self._listed, self.found, deep=deep)
        self._objects = 0
        self._bytes = 0

    def pieces(self) -> list[Piece]:
        """Everything there is to check, in the order in which a whole check does it."""
        pieces = [Piece("git file", name) for name in git_files(self._history)] if self._deep else []
        if self._deep:
            pieces += [Piece("commit", id) for id in all_commits(self._history)]
            pieces.append(Piece("branch", "main"))
        if self._snapshot is None:
            return pieces  # without records nobody knows who needs what is in the store
        try:
            pieces += [Piece("records", "/".join(place)) for place in places_of(self._snapshot.folders)]
        except (IntegrityError, StorageError) as error:
            self.found.note_error_at("records", error)
        try:  # apart from the above: lost records of runs do not hide the artifacts
            pieces += [Piece("artifact", name) for name in self._snapshot.artifact_names()]
        except (IntegrityError, StorageError) as error:
            self._versions.hides_needs = True
            self.found.note_error_at("artifacts", error)
        if self._deep:
            pieces += [Piece("object", key) for key in sorted(self._listed)]
        return pieces

    def run(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Check pieces in order, but objects last and on all cores; gives each piece when it is done."""
        pieces = list(pieces)
        waiting = [piece for piece in pieces if piece.kind == "object"]
        self._versions.awaited = frozenset(piece.name for piece in waiting)
        for piece in pieces:
            if piece.kind != "object":
                self._check(piece)
                yield piece
        self._versions.finish()
        yield from self._check_objects(waiting)

    def run_all(self) -> Report:
        """Check everything, and report on it."""
        for _ in self.run(self.pieces()):
            pass  # the report is the point
        return self.report()

    def report(self, *, is_whole: bool = True) -> Report:
        """What the pieces that are done come to; ``is_whole`` says whether these are all there are."""
        self.found.note_git(check_missed(self._history, self._without_index))
        touched, is_readable = self._touched() if self.found.has_faults else ({}, True)
        # A fault in what no version needs is no problem, as long as every version says what it needs.
        unneeded = {key for key in self.found.store if is_readable and key not in touched}
        # At a revision, what only later versions need would look spare.
        is_now = self._snapshot is not None and self._workspace.revision is None
        tells_spare = is_whole and is_now and not self._versions.hides_needs
        spare = self._listed - self._versions.named.keys() if tells_spare else set()
        damaged = unneeded if is_now else set()
        return Report(
            versions=self._versions.count,
            problems=self.found.problems(touched, without=unneeded),
            objects=self._objects,
            bytes=self._bytes,
            orphans=(
                *(Orphan(object=key, is_damaged=key in damaged) for key in sorted(spare | damaged)),
                *(self._leftovers() if is_whole else ()),
            ),
            is_whole=is_whole,
        )

    def touched_contents(self) -> Iterator[tuple[str, Content]]:
        """Each content that a fault of the store touches, once, with a version's label, as far as records tell."""
        if self._snapshot is not None:
            yield from touched_contents(self._workspace, self._snapshot, self._stores, self.found.store)

    def _open(self) -> Snapshot | None:
        """The records as they are now; ``None`` where the damage begins with the branch or the root."""
        try:
            return self._workspace.snapshot()
        except UnsupportedFormatError:
            raise
        except (IntegrityError, FormatError, StorageError) as error:
            raise_if_inconclusive(error)
            self.found.add(Problem(kind="corrupt", label="history", message=str(error), object="history"))
            return None

    def _open_store(self) -> None:
        """Open the store, even if it is damaged or the wrong one: the report says what versions lack there."""
        try:
            self._workspace.store  # noqa: B018  # opening is the check
        except StoreMismatchError as error:
            self._workspace.read_any_store()
            if not isinstance(self._workspace.store, LocalStore):
                raise  # a place that does not even answer for itself
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            problem = Problem(
                kind="missing" if is_missing else "corrupt",
                label="store",
                message=str(error),
                object=STORE_KEY,
                hint=error.hint,
            )
            self.found.add(problem)

    def _check(self, piece: Piece) -> None:
        match piece.kind:
            case "git file":
                self.found.note_git(check_git_file(self._history, piece.name))
            case "commit":
                self.found.note_git([check_commit(self._history, CommitId(piece.name))])
            case "branch":
                self.found.note_git(check_nothing_taken_back(self._history))
            case "records":
                self._check_records(self._records(), tuple(filter(None, piece.name.split("/"))))
            case "artifact":
                self._versions.check(self._records(), Name(piece.name))
            case "object":
                raise AssertionError("objects are read together, by `_check_objects`")

    def _records(self) -> Snapshot:
        assert self._snapshot is not None, "without records there are no pieces of them"
        return self._snapshot

    def _check_records(self, snapshot: Snapshot, place: tuple[str, ...]) -> None:
        try:
            for where, error in check_place(snapshot.folders, place):
                self.found.note_error_at(where, error)
        except LedgerError as error:
            self.found.note_error_at("/".join(place), error)

    def _check_objects(self, pieces: list[Piece]) -> Iterator[Piece]:
        """Read objects of the store on all cores; one that is missing and that no version names is no fault."""
        by_key = {piece.name: piece for piece in pieces}
        for done in check_objects(self._store, by_key):
            self._objects += 1
            self._bytes += done.size
            fault = self._versions.fault_of(done)
            if fault is not None and not (fault.kind == "missing" and done.key not in self._versions.named):
                self.found.note([fault])
            yield by_key[done.key]

    def _touched(self) -> tuple[dict[str, list[str]], bool]:
        """The versions that each fault touches, by its place; and whether every version says what it needs."""
        if self._snapshot is None:
            return {}, False
        by_object = {id: fault.where for fault in self.found.git for id in fault.objects}
        return touched_versions(self._workspace, self._snapshot, self._stores, self.found.store, by_object)

    def _leftovers(self) -> Iterator[Orphan]:
        """The temporary files of the store that no writer can be at work on any more."""
        if isinstance(self._store, LocalStore):
            now = self._workspace.now().timestamp()
            for key in files_among(self._store)[1]:
                file = age_of(self._store, key, now)
                if file is not None and file.age >= _LEFT_SECONDS:
                    yield Orphan(object=key)
