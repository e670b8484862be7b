"""What a remote offers, checked before anything here relies on it.

A remote's branch may be anybody's work. It is fetched under a ref of its own, which no
look-up reads, and is judged as a whole (specs/sharing.md, 4):

* it still holds what it held when last heard of;
* a commit adds to its first parent and changes nothing; a merge is exactly the tree that
  merging its parents gives;
* every new file is a record in its place, within its limits;
* positions are dense, version strings unique and found, names distinct.

What is refused stays under ``refs/ledger/quarantine/`` as evidence.
"""

import os
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from ledger.disk import fresh_name, names_in, remove_if_there, storage_errors
from ledger.errors import (
    ArgumentError,
    FormatError,
    HistoryRewrittenError,
    LedgerError,
    RemoteError,
    UnsupportedFormatError,
)
from ledger.history import layout
from ledger.history.ancestry import commits_between, have_common_commit, is_ancestor
from ledger.history.comparing import compare
from ledger.history.entries import KINDS
from ledger.history.forms import BLOB, COMMIT, ObjectId
from ledger.history.git_program import TRANSFER_SECONDS
from ledger.history.history import History
from ledger.history.layout import Claim
from ledger.history.merging import Merged, merge_trees
from ledger.history.placing import check_file
from ledger.history.refs import BRANCH, known_ref, note_known, read_ref, write_ref
from ledger.history.remotes import PUBLISHED, Remote, without_secrets
from ledger.history.revisions import LAST_SECOND
from ledger.history.snapshot import Snapshot
from ledger.history.standing import claim_problem, pointer_problems
from ledger.history.transport import fetch, remote_tip
from ledger.history.trees import CommittedTree, GrowingTree, emit_into
from ledger.ids import CommitId
from ledger.records import Name

_MOST_PARENTS = 2
_INCOMING = "refs/ledger/incoming"
_ABANDONED_SECONDS = 2 * TRANSFER_SECONDS


def receive(history: History, remote: Remote, *, local: CommitId | None) -> CommitId | None:
    """The commit that a remote's branch holds, fetched and checked; ``None`` where it has no branch yet.

    ``local`` is the commit published here, ``None`` for a clone that is being made.
    Raises `HistoryRewrittenError`, `FormatError` or another `LedgerError` for a branch that is refused;
    nothing that is read here has changed then.
    """
    git_dir = history.git_dir
    known = read_ref(git_dir, known_ref(remote.name))
    tip = remote_tip(git_dir, remote)
    if tip is None:
        if known is None:
            return None
        raise HistoryRewrittenError(
            f"{remote} has lost its branch main, which was at {known} when last heard of",
            hint=f"{_restore(remote, known)}; this ledger is unchanged",
            remote=remote.name,
            known=known,
        )
    if tip == known:
        return tip
    _remove_abandoned(git_dir)
    # A ref of this sync's own: another one may be under way here, and one that was killed may have left Git's lock.
    incoming = fresh_name(f"{_INCOMING}/{remote.name}-")
    try:
        fetch(git_dir, remote, incoming)
        fetched = read_ref(git_dir, incoming)
        if fetched is None:
            raise RemoteError(
                f"cannot fetch from {remote}: it is a shallow clone, whose history is cut off",
                hint="run `git fetch --unshallow` there, or share through a repository that is whole",
                remote=remote.name,
                url=str(remote),
            )
        _accept(history, remote, known, fetched, local)
    finally:
        remove_if_there(git_dir / incoming)
    return fetched


def _accept(
    history: History, remote: Remote, known: CommitId | None, fetched: CommitId, local: CommitId | None
) -> None:
    """Check what was fetched, and remember that the remote holds it; what is refused is kept as evidence."""
    git_dir = history.git_dir
    try:
        _check_is_commit(history, remote, fetched)
        if known is not None:
            _check_descent(history, remote, known, fetched)
        _check_kind(history, remote, fetched)
        if known is None and local is not None:
            _check_kinship(history, remote, fetched, local)
        check_commits(history, known or local, fetched, way_out=partial(_taking_back, history, remote, local))
        if known is not None and remote.name == PUBLISHED:
            _check_published(history, remote, known, fetched)
    except LedgerError:
        write_ref(git_dir, f"refs/ledger/quarantine/{fetched}", fetched)
        raise
    note_known(git_dir, remote.name, fetched)


def _remove_abandoned(git_dir: Path) -> None:
    """Remove what syncs left that were killed while they fetched; nothing reads it."""
    for name in names_in(git_dir / _INCOMING):
        path = git_dir / _INCOMING / name
        with storage_errors(path, "look at"), suppress(FileNotFoundError):
            if time.time() - os.lstat(path).st_mtime > _ABANDONED_SECONDS:
                remove_if_there(path)


def _check_is_commit(history: History, remote: Remote, tip: CommitId) -> None:
    """It is a commit: what Git finds below a branch that was written by hand may be anything."""
    kind, _ = history.objects.read(ObjectId(tip))
    if kind != COMMIT:
        raise FormatError(
            f"{remote} has a {KINDS[kind].decode()} on its branch main, {tip}, and no commit",
            hint="nothing changed here; whoever runs the remote puts the branch back to a commit of the ledger",
            remote=remote.name,
            commit=tip,
        )


def _check_descent(history: History, remote: Remote, known: CommitId, tip: CommitId) -> None:
    """The remote's branch goes on from where it was."""
    if not is_ancestor(history.git_dir, known, tip):
        error = _rewritten(remote, known, tip, "which is no part of it")
        if is_ancestor(history.git_dir, tip, known):
            error.hint = f"it was moved back: {_restore(remote, known)}; this ledger is unchanged"
        raise error


def _check_kind(history: History, remote: Remote, tip: CommitId) -> None:
    """It is a ledger's, and of a format that is read here: what else is found in it follows from that."""
    marker = CommittedTree(history.objects, history.objects.commit(tip).tree).read(layout.LEDGER_FILE)
    if marker is None:
        raise FormatError(
            f"{remote} holds no ledger: there is no ledger.json on its branch main",
            hint="choose a repository that holds a ledger, or one that is empty",
            remote=remote.name,
            commit=tip,
        )
    check_file(layout.LEDGER_FILE, marker)


def _check_kinship(history: History, remote: Remote, tip: CommitId, local: CommitId) -> None:
    """Of a remote that was never heard of, the branch goes on from somewhere in this history."""
    if not have_common_commit(history.git_dir, local, tip):
        raise ArgumentError(
            f"{remote} holds another ledger: its history and this one have no commit in common",
            hint="clone it and save there, or choose a remote that is empty",
            remote=remote.name,
            commit=tip,
        )


def _taking_back(history: History, remote: Remote, local: CommitId | None, commit: CommitId) -> str | None:
    """How the remote gets rid of a commit that is refused; one that nothing stands before cannot be taken back."""
    before = next(iter(history.objects.commit(commit).parents), None)
    if before is None:
        return None
    program = "ledger git" if local is not None else "git"
    command = f"{program} push --force {shlex.quote(without_secrets(remote.url))} {before}:{BRANCH}"
    return f"nothing changed here; who may push to {remote} takes the commit back with `{command}`"


def _check_published(history: History, remote: Remote, known: CommitId, tip: CommitId) -> None:
    """What was published under a path is there still: no merge has put other versions in front of it."""
    change = compare(history.objects, history.objects.commit(known).tree, history.objects.commit(tip).tree)
    for path in (*change.removed, *change.edited):
        raise _rewritten(remote, known, tip, f"which had {'/'.join(path)}")


def _restore(remote: Remote, known: CommitId) -> str:
    return f"`ledger git push {shlex.quote(without_secrets(remote.url))} {known}:{BRANCH}` restores it"


def _rewritten(remote: Remote, known: CommitId, tip: CommitId, what: str) -> HistoryRewrittenError:
    """The way on is theirs, in a new clone, or ours, by force: only a person can say which."""
    force = f"ledger git push --force {shlex.quote(without_secrets(remote.url))} {known}:{BRANCH}"
    return HistoryRewrittenError(
        f"{remote} was rewritten: its branch is at {tip}, and was at {known}, {what}",
        hint="nothing changed here; if the remote is right, clone it anew, save there what only this ledger holds, and "
        f"go on in the clone (specs/sharing.md, 3); if not, `{force}` brings back what it held. What it holds now is "
        f"kept as refs/ledger/quarantine/{tip}",
        remote=remote.name,
        known=known,
        commit=tip,
    )


def check_commits(
    history: History, known: CommitId | None, tip: CommitId, *, way_out: Callable[[CommitId], str | None]
) -> None:
    """Check every commit that ``known`` does not hold, and what they add up to.

    `FormatError` names the commit that is refused, with the hint that ``way_out`` has for it, if any.
    """
    for commit in commits_between(history.git_dir, known, tip):
        try:
            _check_commit(history, commit, is_first_allowed=known is None)
        except UnsupportedFormatError:
            raise
        except LedgerError as error:
            hint = way_out(commit) or error.hint
            raise FormatError(f"commit {commit} is refused: {error}", hint=hint, commit=commit) from error
    objects = history.objects
    base = objects.commit(known).tree if known is not None else None
    added = compare(objects, base, objects.commit(tip).tree).added
    try:
        _check_artifacts(CommittedTree(objects, objects.commit(tip).tree), added)
    except LedgerError as error:
        hint = way_out(tip) or error.hint
        raise FormatError(f"commit {tip} is refused: {error}", hint=hint, commit=tip) from error


def merge_roots(history: History, theirs: ObjectId, ours: ObjectId) -> tuple[GrowingTree, Merged]:
    """The tree that two clones agree on, ``theirs`` being the published one, and how it came about."""
    objects = history.objects
    change = compare(objects, theirs, ours)
    merged = merge_trees(
        CommittedTree(objects, theirs), CommittedTree(objects, ours), only_ours=change.added, only_theirs=change.removed
    )
    tree = GrowingTree(objects, theirs)
    for path, data in merged.added.items():
        tree.add(path, data)
    return tree, merged


def _check_commit(history: History, id: CommitId, *, is_first_allowed: bool) -> None:
    objects = history.objects
    commit = objects.commit(id)
    if len(commit.parents) > _MOST_PARENTS or (not commit.parents and not is_first_allowed):
        raise FormatError(f"it has {len(commit.parents)} parents")
    if commit.time > LAST_SECOND:
        raise FormatError(f"its time is {commit.time}, behind the end of the year 9999 at {LAST_SECOND}")
    first = objects.commit(commit.parents[0]).tree if commit.parents else None
    difference = compare(objects, first, commit.tree)
    for verb, paths in (("removes", difference.removed), ("edits", difference.edited)):
        for path in paths:
            raise FormatError(f"it {verb} {'/'.join(path)}", path="/".join(path))
    tree = CommittedTree(objects, commit.tree)
    for path in difference.added:
        entry = tree.find(path)
        assert entry is not None
        check_file(path, objects.get(entry.id, BLOB))
    if len(commit.parents) == _MOST_PARENTS and first is not None:
        merged, _ = merge_roots(history, first, objects.commit(commit.parents[1]).tree)
        expected = merged.write(emit_into({}))
        if expected != commit.tree:
            raise FormatError(f"its tree is {commit.tree}, merging its parents gives {expected}, as `ledger sync` does")


def _check_artifacts(tree: CommittedTree, added: tuple[layout.Path, ...]) -> None:
    """The artifacts that new files belong to are whole, as a reader would meet them."""
    touched = dict[Name, set[layout.Path]]()
    for path in added:
        name = layout.artifact_of(path)
        if name is not None:
            touched.setdefault(name, set()).add(path[:-1])
    _check_spellings(tree, touched)
    ids: set[str] = set()
    for name in sorted(touched):
        _check_artifact(tree, name, new=touched[name], ids=ids)


def _check_spellings(tree: CommittedTree, touched: Mapping[Name, object]) -> None:
    """No name that is touched differs from another one only in case; a folder of names is gone through once."""
    for shard in sorted({layout.artifact_path(name)[:-1] for name in touched}):
        met: dict[str, Name] = {}
        for name in filter(None, map(layout.parse_name, tree.names(shard))):
            other = met.setdefault(name.lower(), name)
            if other != name and (name in touched or other in touched):
                new, old = (name, other) if name in touched else (other, name)
                raise FormatError(f"artifact {new!r} stands beside {old!r}")


def _check_artifact(tree: CommittedTree, name: Name, *, new: set[layout.Path], ids: set[str]) -> None:
    """One artifact is whole; versions in ``new`` folders are found, and none has one of ``ids``, which gain theirs."""
    snapshot = Snapshot(tree)
    strays = snapshot.strays(name)
    if strays:
        raise FormatError(f"artifact {name!r} stands beside {strays[0]!r}")
    before: Claim | None = None
    versions: set[str] = set()
    pointers: set[layout.Path] = set()
    for claim in snapshot.claims(name):
        where = "/".join(claim.path)
        problem = claim_problem(claim, before)
        if problem is not None:
            raise FormatError(f"{where}: {problem}")
        if claim.id in ids or claim.version in versions:
            what = f"the id {claim.id}" if claim.id in ids else f"the version {claim.version!r}"
            raise FormatError(f"{where}: another one has {what}")
        ids.add(claim.id)
        versions.add(claim.version)
        if claim.pointer is not None:
            pointers.add(claim.pointer)
        if claim.path in new:
            _check_found(claim, tree, snapshot)
        before = claim
    for problem in pointer_problems(tree, name, pointers):
        raise FormatError(problem)


def _check_found(claim: Claim, tree: CommittedTree, snapshot: Snapshot) -> None:
    """A version is whole and found by its name; those before it still are, as no two have one, or one pointer."""
    if layout.MANIFEST not in tree.names(claim.path):
        raise FormatError(f"{claim.label} at {'/'.join(claim.path)} has no manifest")
    if snapshot.claim_of(claim.name, claim.version) != claim:
        raise FormatError(f"{'/'.join(claim.path)}: looking up version {claim.version!r} does not find it")
