"""What a remote offers, checked before anything here relies on it.

A remote's branch may be anybody's work. It is fetched under a ref of its own, which no
look-up reads, and is judged as a whole (specs/sharing.md, 4): it still holds what it held
when last heard of, and each new commit may be admitted.

What is refused stays under ``refs/ledger/quarantine/`` as evidence.
"""

import shlex
from functools import partial

from ledger.disk import fresh_name, link_on_way, remove_abandoned, remove_if_there
from ledger.errors import (
    ArgumentError,
    FormatError,
    HistoryRewrittenError,
    LedgerError,
    RemoteError,
    StorageError,
)
from ledger.history.git.damage import raise_if_object_damaged
from ledger.history.git.forms import ObjectId
from ledger.history.git.kinds import COMMIT, KINDS
from ledger.history.git.refs import (
    BRANCH,
    INCOMING,
    QUARANTINE,
    STAGED,
    brought_ref,
    known_ref,
    note_known,
    offered_ref,
    read_ref,
    write_ref,
)
from ledger.history.git.remotes import PUBLISHED, Remote
from ledger.history.history import History
from ledger.history.sharing.admission import check_commits
from ledger.history.sharing.ancestry import check_readable, common_commit, is_ancestor
from ledger.history.sharing.git_program import TRANSFER_SECONDS, run_git
from ledger.history.sharing.transport import fetch, remote_tip
from ledger.history.tree import layout
from ledger.history.tree.comparing import compare_commits
from ledger.history.tree.record_checking import check_file
from ledger.history.tree.trees import CommittedTree
from ledger.ids import CommitId
from ledger.wording import without_secrets

_LEFT_IN = {INCOMING: "", "": STAGED}
"""Where syncs that were killed leave files, and how the names of those begin."""
_PORTAL = "; see first that the remote itself answered, and not a page to sign in at: Git takes one for no branches"
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
            f"{remote} has no branch main, which was at {known} when last heard of",
            hint=f"{_restore(remote, known)}, also in a new repository that takes the place of the old one; "
            f"this ledger is unchanged{_PORTAL if remote.url.startswith('http') else ''}",
            remote=remote.name,
            known=known,
        )
    if tip == known:
        return tip
    for folder, prefix in _LEFT_IN.items():
        if not link_on_way(git_dir, folder):  # behind a link lies what is the user's own
            remove_abandoned(git_dir / folder, prefix, seconds=_ABANDONED_SECONDS)
    write_ref(git_dir, offered_ref(remote.name), tip)
    # A ref for this sync alone: others may be under way here, and one that was killed may have left Git's lock on its
    # ref.
    incoming = fresh_name(f"{INCOMING}/{remote.name}-")
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
        if read_ref(git_dir, incoming) is not None:  # Git's housekeeping has packed it meanwhile
            run_git(git_dir, "update-ref", "-d", incoming)
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
    except StorageError:
        raise  # it could not be judged
    except LedgerError as error:
        raise_if_object_damaged(error)  # an object that lies here: this says nothing about the remote's
        write_ref(git_dir, f"{QUARANTINE}/{fetched}", fetched)
        raise
    note_known(git_dir, remote.name, fetched)


def _check_is_commit(history: History, remote: Remote, tip: CommitId) -> None:
    """Check that the remote's branch names a commit: one that was written by hand may name anything."""
    kind, _ = history.objects.read(ObjectId(tip))
    if kind != COMMIT:
        raise FormatError(
            f"{remote} has a {KINDS[kind].decode()} on its branch main, {tip}, and no commit",
            hint="nothing changed here; whoever runs the remote puts the branch back to a commit of the ledger",
            remote=remote.name,
            commit=tip,
        )


def _check_descent(history: History, remote: Remote, known: CommitId, tip: CommitId) -> None:
    """Check that the remote's branch goes on from where it was.

    A branch that does not may have been put back from a backup, together with its store. So `brought_ref` moves back to
    what both sides share, and never ahead again here: the next sync then looks what that store lacks.
    """
    if not is_ancestor(history.git_dir, known, tip):
        check_readable(history.git_dir, known, tip)
        error = _rewritten(remote, known, tip, "which is no part of it")
        brought = read_ref(history.git_dir, brought_ref(remote.name)) or known
        common = common_commit(history.git_dir, brought, tip)
        if common is not None:
            write_ref(history.git_dir, brought_ref(remote.name), common)
        if is_ancestor(history.git_dir, tip, known):
            error.hint = f"it was moved back: {_restore(remote, known)}; this ledger is unchanged"
        raise error


def _check_kind(history: History, remote: Remote, tip: CommitId) -> None:
    """Check that it is a ledger's, in a format that is read here; this comes before all that depends on the format."""
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
    """Check that the branch of a remote that is new here has a commit in common with this history."""
    if common_commit(history.git_dir, local, tip) is None:
        check_readable(history.git_dir, local, tip)
        raise ArgumentError(
            f"{remote} holds another ledger: its history and this one have no commit in common",
            hint="clone it and save there, also what is here (specs/sharing.md, 3), or choose a remote that is empty",
            remote=remote.name,
            commit=tip,
        )


def _taking_back(history: History, remote: Remote, local: CommitId | None, commit: CommitId) -> str | None:
    """How to take a refused commit back from the remote; ``None`` for a first commit, which cannot be."""
    before = next(iter(history.objects.commit(commit).parents), None)
    if before is None:
        return None
    where, program = ("", "ledger git") if local is not None else (", in a `git clone` of it,", "git")
    command = f"{program} push --force {shlex.quote(without_secrets(remote.url))} {before}:{BRANCH}"
    return f"nothing changed here; who may push to {remote} takes the commit back{where} with `{command}`"


def _check_published(history: History, remote: Remote, known: CommitId, tip: CommitId) -> None:
    """Check that what was published under a path is still there: no merge has put other versions in front of it."""
    change = compare_commits(history.objects, known, tip)
    if change.breach is not None:
        raise _rewritten(remote, known, tip, f"which had {change.breach[1]}")


def _restore(remote: Remote, known: CommitId) -> str:
    return f"`ledger git push {shlex.quote(without_secrets(remote.url))} {known}:{BRANCH}` restores it"


def _rewritten(remote: Remote, known: CommitId, tip: CommitId, what: str) -> HistoryRewrittenError:
    """The error for a rewritten branch; only a person can say if theirs is right, or ours, or it is another remote."""
    force = f"ledger git push --force {shlex.quote(without_secrets(remote.url))} {known}:{BRANCH}"
    return HistoryRewrittenError(
        f"{remote} was rewritten: its branch is at {tip}, and was at {known}, {what}",
        hint="nothing changed here; if it is another one than had this name before, add it under a name of its own; if "
        "it is a ledger that was put back from a copy, sync there first, with this one as a remote; if what it holds "
        "is right, clone it anew, save there what only this ledger holds, and go on in the clone (specs/sharing.md, "
        f"3); only if it has lost what it held, `{force}` puts that in the place of what it holds now, which is kept "
        f"here as {QUARANTINE}/{tip}",
        remote=remote.name,
        known=known,
        commit=tip,
    )
