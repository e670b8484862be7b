"""What a commit is built on, asked of Git, which goes through many commits fast.

Git treats a lost commit as one that is built on nothing. So before a "no" of Git's is taken for a rewritten history,
`check_readable` looks for lost commits.
"""

from pathlib import Path

from ledger.errors import IntegrityError, RemoteError
from ledger.history.git.damage import raise_if_object_damaged
from ledger.history.git.objects import Objects
from ledger.history.git.revisions import walk_commits
from ledger.history.sharing.git_program import TRANSFER_SECONDS, Done, run_git
from ledger.history.sharing.git_words import advice
from ledger.ids import CommitId

_MOST_QUESTIONS = 16
_PARENTS_WIDTH = 2 * 40 + 1


def is_ancestor(git_dir: Path, older: CommitId, newer: CommitId) -> bool:
    """Whether a commit is part of what another one is built on."""
    return _ask(git_dir, older, newer, "--is-ancestor").code == 0


def common_commit(git_dir: Path, one: CommitId, other: CommitId) -> CommitId | None:
    """The newest commit that two commits share, maybe one of them; ``None`` if they have no history in common."""
    done = _ask(git_dir, one, other)
    return CommitId(done.output.strip()) if done.code == 0 else None


def check_readable(git_dir: Path, *tips: CommitId) -> None:
    """Raise `IntegrityError` if any commit that these tips are built on is lost or damaged; all are read anew."""
    objects = Objects(git_dir)
    try:
        for tip in tips:
            for _ in walk_commits(objects, tip):
                pass
    except IntegrityError as error:
        raise_if_object_damaged(error)  # what is odd about a commit that could be read is for others to judge


def commits_between(git_dir: Path, known: CommitId | None, tip: CommitId) -> list[CommitId]:
    """The commits that a tip is built on and a known commit is not, oldest first.

    Raises `IntegrityError` or `RemoteError` where Git cannot list them.

    Git tells by the commits' dates where to stop looking. Where a clock ran back, it also lists commits that the known
    one is built on. They are noticed by the oldest of them, which has no parent in the list.
    """
    if known is None:
        return list(_parents_by_commit(git_dir, tip))
    found = _parents_by_commit(git_dir, tip, f"^{known}")
    first = [commit for commit, parents in found.items() if found.keys().isdisjoint(parents)]
    # Each question takes Git some milliseconds: for many commits, a list of all that the known one has is faster.
    if len(first) > _MOST_QUESTIONS or any(is_ancestor(git_dir, commit, known) for commit in first):
        held = _parents_by_commit(git_dir, known)
        return [commit for commit in found if commit not in held]
    return list(found)


def _ask(git_dir: Path, one: CommitId, other: CommitId, *options: str) -> Done:
    """What Git says: code 0 is yes, 1 is no. Raises an error where Git could not tell, which is not a no."""
    done = run_git(git_dir, "merge-base", *options, one, other)
    if done.code not in (0, 1):
        check_readable(git_dir, one, other)
        message = f"git cannot tell what {other} is built on: {done.words}"
        raise RemoteError(message, hint=advice(done.words, "run `ledger verify`"), commit=other)
    return done


def _parents_by_commit(git_dir: Path, tip: CommitId, *without: str) -> dict[CommitId, list[str]]:
    """The commits that a tip is built on, oldest first, and the parents of each."""
    # Cut to as many parents as a ledger's commit has: another's may have thousands, and Git would write them all.
    command = ["rev-list", "--topo-order", "--reverse", f"--format=%<({_PARENTS_WIDTH},trunc)%P", tip, *without]
    done = run_git(git_dir, *command, seconds=TRANSFER_SECONDS, is_whole=True)
    if done.code:
        check_readable(git_dir, tip)
        message = f"cannot list the commits of {tip}: {done.words}"
        raise RemoteError(message, hint=advice(done.words, RemoteError.usual_hint), commit=tip)
    lines = iter(done.output.splitlines())
    return {CommitId(head.removeprefix("commit ")): parents.split() for head, parents in zip(lines, lines, strict=True)}
