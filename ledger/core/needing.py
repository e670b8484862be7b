"""Which objects of the store the versions of a ledger need.

Owns the definition of "needed": whatever a version names that any branch, tag or remote's branch in this ledger's
repository reaches. A record or table that cannot be read might name anything, so then nothing is called spare: an error
says so. Reads records and tables, changes nothing.
"""

from collections.abc import Iterable, Iterator

import msgspec

from ledger.blobs import Fault, needs_of, uncached
from ledger.core.touching import every_content
from ledger.core.workspace import Workspace
from ledger.errors import IntegrityError, LedgerError, StorageError
from ledger.history.sharing import accepted_tips, gained
from ledger.ids import CommitId
from ledger.records import Content


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """What versions need: objects by key, with the stretches of chunks of a pack; and the contents that have tables.

    ``tip`` is the commit that the branch was at.
    """

    tip: CommitId
    stretches: dict[str, set[tuple[int, int]]]
    contents: tuple[Content, ...]


def needed_objects(workspace: Workspace) -> Needed:
    """What the versions of a ledger need; raises where that cannot be told for all of them.

    That is a `StorageError` where something cannot be read, and an `IntegrityError` where it is missing or damaged.
    """
    tip = workspace.history.tip()
    stretches: dict[str, set[tuple[int, int]]] = {}
    seen: set[Content] = set()  # and no digests: two contents with one digest may name other objects
    with_tables: dict[str, Content] = {}
    for label, content in _contents(workspace, tip):
        if isinstance(content, LedgerError):
            raise _untold(label, content)
        if content in seen:
            continue
        needs = needs_of(uncached(workspace.all_stores), content)
        if needs.fault is not None:
            raise _untold(label, needs.fault)
        seen.add(content)
        if content.has_table and content.linked is None:
            with_tables[content.digest] = content
        for key, named in needs.stretches.items():
            stretches.setdefault(key, set()).update(named)
    return Needed(tip=tip, stretches=stretches, contents=tuple(with_tables.values()))


def needed_since(workspace: Workspace, before: CommitId, after: CommitId) -> set[str]:
    """The keys of the objects that those versions need which the commit ``after`` has and ``before`` lacks."""
    snapshot = workspace.history.snapshot(after)
    claims = gained(workspace.history, before, after).values()
    return needed_by(workspace, (workspace.facts(snapshot, claim).manifest.content for claim in claims))


def needed_by(workspace: Workspace, contents: Iterable[Content]) -> set[str]:
    """The keys of the objects that some contents need, as their tables are now; raises as `needed_objects` does."""
    keys: set[str] = set()
    for content in contents:
        needs = needs_of(uncached(workspace.all_stores), content)
        if needs.fault is not None:
            raise _untold(f"content {content.digest}", needs.fault)
        keys |= needs.stretches.keys()
    return keys


def _contents(workspace: Workspace, tip: CommitId) -> Iterator[tuple[str, Content | LedgerError]]:
    """The contents of all versions of the branch, and of what other refs have beside it."""
    yield from every_content(workspace, workspace.history.snapshot(tip))
    commits = {commit.id for commit in workspace.history.log(tip)}
    for ref, target in sorted(accepted_tips(workspace.history.git_dir).items()):
        try:
            commit = workspace.history.commit_behind(target)
            if commit is not None and commit not in commits:
                commits.add(commit)
                yield from every_content(workspace, workspace.history.snapshot(commit))
        except LedgerError as error:
            yield ref, error


def _untold(label: str, why: LedgerError | Fault) -> LedgerError:
    """The error for needs that cannot be told: a `StorageError` where the system did not let them be read."""
    reason, cause = (why.message, why.cause) if isinstance(why, Fault) else (why, why)
    message = f"what {label} needs cannot be told, so nothing can be told to be spare: {reason}"
    if isinstance(cause, StorageError):
        return StorageError(message, hint=cause.hint, **cause.facts)
    return IntegrityError(message, hint="run `ledger verify`, then `ledger repair --from SOURCE`", label=label)
