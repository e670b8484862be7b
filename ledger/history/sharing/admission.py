"""Commits that somebody else made, judged before they belong to a history (specs/sharing.md, 4).

* a commit adds to its first parent and changes nothing; a merge is exactly the tree that
  merging its parents gives;
* every new file is a record in its place, within its limits;
* positions are dense, version strings unique and found, names distinct.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from ledger.errors import FormatError, LedgerError, StorageError, UnsupportedFormatError
from ledger.history.git.damage import raise_if_object_damaged
from ledger.history.git.forms import ObjectId
from ledger.history.git.revisions import LAST_SECOND
from ledger.history.history import History
from ledger.history.sharing.ancestry import commits_between
from ledger.history.sharing.merging import Merged, merge_trees, two_forms
from ledger.history.tree import layout
from ledger.history.tree.comparing import compare, compare_commits
from ledger.history.tree.record_checking import check_file
from ledger.history.tree.snapshot import Snapshot
from ledger.history.tree.standing import lookup_problems, order_problem, pointer_problems
from ledger.history.tree.trees import CommittedTree, GrowingTree
from ledger.ids import CommitId
from ledger.records import Name

_MOST_PARENTS = 2


def check_commits(
    history: History, known: CommitId | None, tip: CommitId, *, way_out: Callable[[CommitId], str | None]
) -> None:
    """Check every commit that ``known`` does not hold, and what they add up to.

    `FormatError` names the commit that is refused, with the hint that ``way_out`` has for it, if any. A disk that
    fails here, or an object that is lost or damaged here, refuses nothing: its `StorageError` or `IntegrityError` is
    raised as it is.
    """
    added: list[layout.TreePath] = []
    for commit in commits_between(history.git_dir, known, tip):
        with _refusing(commit, way_out):
            added += _check_commit(history, commit, is_first_allowed=known is None)
    objects = history.objects
    with _refusing(tip, way_out):
        _check_artifacts(CommittedTree(objects, objects.commit(tip).tree), added)


def merge_roots(history: History, theirs: ObjectId, ours: ObjectId) -> tuple[GrowingTree, Merged]:
    """The tree that two clones agree on, ``theirs`` being the published one, and how it came about.

    `IntegrityError` where both have a file with other bytes: no merge keeps both.
    """
    objects = history.objects
    change = compare(objects, theirs, ours)
    if change.edited:
        raise two_forms(change.edited[0])
    merged = merge_trees(
        CommittedTree(objects, theirs), CommittedTree(objects, ours), only_ours=change.added, only_theirs=change.removed
    )
    tree = GrowingTree(objects, theirs)
    for path, data in merged.added.items():
        tree.add(path, data)
    return tree, merged


@contextmanager
def _refusing(commit: CommitId, way_out: Callable[[CommitId], str | None]) -> Iterator[None]:
    """A block that judges a commit: an error refuses the commit, unless it says that no judgement was possible."""
    try:
        yield
    except (UnsupportedFormatError, StorageError):
        raise
    except LedgerError as error:
        raise_if_object_damaged(error)
        hint = way_out(commit) or error.hint
        raise FormatError(f"commit {commit} is refused: {error}", hint=hint, commit=commit) from error


def _check_commit(history: History, id: CommitId, *, is_first_allowed: bool) -> tuple[layout.TreePath, ...]:
    """The files that a commit adds.

    Raises unless it only adds records where they belong, and, as a merge, has the tree that we would make.
    """
    objects = history.objects
    commit = objects.commit(id)
    if len(commit.parents) > _MOST_PARENTS or (not commit.parents and not is_first_allowed):
        raise FormatError(f"it has {len(commit.parents)} parents")
    if commit.time > LAST_SECOND:
        raise FormatError(f"its time is {commit.time}, behind the end of the year 9999 at {LAST_SECOND}")
    difference = compare_commits(objects, next(iter(commit.parents), None), id)
    if difference.breach is not None:
        verb, file = difference.breach
        raise FormatError(f"it {verb} {file}", path=file)
    tree = CommittedTree(objects, commit.tree)
    for path in difference.added:
        data = tree.read(path)
        assert data is not None, "what a comparison found is there"
        check_file(path, data)
    if len(commit.parents) == _MOST_PARENTS:
        theirs, ours = (objects.commit(parent).tree for parent in commit.parents)
        merged, _ = merge_roots(history, theirs, ours)
        expected = merged.write({})
        if expected != commit.tree:
            raise FormatError(f"its tree is {commit.tree}, merging its parents gives {expected}, as `ledger sync` does")
    return difference.added


def _check_artifacts(tree: CommittedTree, added: Iterable[layout.TreePath]) -> None:
    """Raise unless the artifacts that new files belong to are whole, as a reader would meet them."""
    touched = dict[Name, set[layout.TreePath]]()
    for path in added:
        name = layout.artifact_of(path)
        if name is not None:
            touched.setdefault(name, set()).add(path[:-1])
    _check_spellings(tree, touched)
    ids: set[str] = set()
    for name in sorted(touched):
        _check_artifact(tree, name, new=touched[name], ids=ids)


def _check_spellings(tree: CommittedTree, touched: Mapping[Name, object]) -> None:
    """Raise if a name that is touched differs from another one only in case; reads each folder of names once."""
    for shard in sorted({layout.artifact_path(name)[:-1] for name in touched}):
        met: dict[str, Name] = {}
        for name in filter(None, map(layout.parse_name, tree.names(shard))):
            other = met.setdefault(name.lower(), name)
            if other != name and (name in touched or other in touched):
                new, old = (name, other) if name in touched else (other, name)
                raise FormatError(f"artifact {new!r} stands beside {old!r}")


def _check_artifact(tree: CommittedTree, name: Name, *, new: set[layout.TreePath], ids: set[str]) -> None:
    """Raise unless an artifact is whole, its versions in ``new`` folders are found, and none has one of ``ids``.

    Adds the ids of its versions to ``ids``.
    """
    snapshot = Snapshot(tree)
    strays = snapshot.strays(name)
    if strays:
        raise FormatError(f"artifact {name!r} stands beside {strays[0]!r}")
    before: layout.Claim | None = None
    versions: set[str] = set()
    pointers: set[layout.TreePath] = set()
    for claim in snapshot.claims(name):
        problem = order_problem(claim, before)
        if problem is None and claim.id in ids:
            problem = f"another one has the id {claim.id}"
        if problem is None and claim.version in versions:
            problem = f"another one has the version {claim.version!r}"
        if problem is None and claim.path in new:
            # Claims that were checked before are found as well, since no two have one version string or one pointer.
            problem = next(lookup_problems(snapshot, claim), None)
        if problem is not None:
            raise FormatError(f"{claim.label} at {'/'.join(claim.path)}: {problem}")
        ids.add(claim.id)
        versions.add(claim.version)
        if (pointer := claim.pointer) is not None:
            pointers.add(pointer)
        before = claim
    for problem in pointer_problems(tree, name, pointers):
        raise FormatError(problem)
