"""Sharing a ledger: clone it, and bring two of them to the same versions.

Drives the steps of `ledger.history` and puts the bytes between them: a version's bytes are in the
remote's store before the commit that names it is pushed (specs/sharing.md, 2). Nothing
is downloaded; what others saved is read from where they put it.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ledger.blobs import open_store, store_id
from ledger.core.creation import create_clone, refuse_existing_path
from ledger.core.noted_stores import note_store
from ledger.core.uploading import uploaded
from ledger.core.workspace import Workspace
from ledger.disk import locks_end_here
from ledger.errors import (
    ArgumentTypeError,
    FormatError,
    LockTimeoutError,
    MissingDependencyError,
    NameCollisionError,
    RemoteNotFoundError,
    StorageError,
    StoreMismatchError,
)
from ledger.history import Claim, Remote, is_remote_name
from ledger.history.sharing import SyncPlan, adopt_plan, join_plan, plan_sync, push_plan
from ledger.lookup import (
    CONFIG_FILE,
    RemoteConfig,
    find_remote,
    remote_for_git,
    settings_for,
    store_of_remote,
    write_remote,
)
from ledger.notices import warn_user
from ledger.wording import shown_with_type, without_secrets

ATTEMPTS = 20
"""How often a sync starts over because somebody was faster."""

_LONGEST_PAUSE = 0.2


class Renumbered(msgspec.Struct, frozen=True, kw_only=True):
    """A version whose number changed because others published theirs first: ``iris@3`` is now ``iris@4``."""

    id: str
    before: str
    after: str


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync did: the versions it published and received, as ``NAME@VERSION``, and those that moved.

    ``commit`` is what both sides hold now. The ``other`` numbers count records of tags, metadata and runs.
    """

    remote: str
    commit: str
    pushed: tuple[str, ...]
    fetched: tuple[str, ...]
    renumbered: tuple[Renumbered, ...]
    other_pushed: int
    other_fetched: int


def clone(url: str, path: Path, store: str | None = None) -> None:
    """Make a ledger at ``path`` with the checked history of a remote, which becomes ``origin``.

    ``store`` is where the remote's bytes are, or will be with the first sync.
    """
    refuse_existing_path(path)
    settings = settings_for(url, store)
    if settings.store:
        open_store(settings.store)  # a URL that nobody understands is refused before anything is made
    create_clone(path, remote=remote_for_git("origin", settings), settings=settings)
    unread = _note_store_of_origin(path, settings)
    if unread and Workspace(path).snapshot().artifact_names():
        place = f"`store` below [remotes.origin] in {path / CONFIG_FILE}"
        warn_user(f"the bytes of what was cloned cannot be read yet: {unread}; {place} says where they are")


def refuse_other_than_name(name: object) -> None:
    """Raise `ArgumentTypeError` for a remote that is given by something else than a name."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"a remote is named by a str, got {shown_with_type(name)}")


def add_remote(workspace: Workspace, name: str, url: str, store: str | None = None) -> None:
    """Write a remote into the settings; a store's URL that nobody understands is refused: it would stop every load."""
    refuse_other_than_name(name)
    if store:
        open_store(store_of_remote(workspace.path, settings_for(url, store)))
    write_remote(workspace.path, name, url, store=store)


def _note_store_of_origin(path: Path, settings: RemoteConfig) -> str:
    """Note the store of a new clone's remote, or say why it cannot be read; then the first upload notes it."""
    where = store_of_remote(path, settings)
    if not where:
        return "nobody has said where they lie"
    try:
        store = open_store(where, attempts=1)
        note_store(path, store.url, store_id(store))
    except (FormatError, MissingDependencyError, StorageError, StoreMismatchError) as error:
        return str(error)
    return ""


@locks_end_here()
def sync(workspace: Workspace, name: str = "origin") -> SyncReport:
    """Bring a ledger and a remote to the same commit; starts over, within bounds, while others are faster."""
    workspace.refuse_past("sync")
    refuse_other_than_name(name)
    workspace.read_settings_again()
    settings = find_remote(workspace.path, workspace.history.git_dir, name)
    if settings is None:
        raise RemoteNotFoundError(
            f"no remote {without_secrets(name)!r} in {workspace.path / CONFIG_FILE}",
            hint=f"run `ledger remote add {name} URL`" if is_remote_name(name) else "",
            name=without_secrets(name),
        )
    remote = remote_for_git(name, settings)
    adopted: list[SyncPlan] = []
    pushed: dict[str, Claim] = {}
    other_pushed: frozenset[tuple[str, ...]] = frozenset()
    own_records: frozenset[tuple[str, ...]] = frozenset()
    sound: set[str] = set()
    for _ in range(ATTEMPTS):
        with _collisions_told(remote):
            plan = plan_sync(workspace.history, remote, author=workspace.author, now=workspace.now())
        own_records |= plan.own_records
        with uploaded(workspace, settings, plan, sound=sound):
            is_pushed = push_plan(workspace.history, plan)
        if is_pushed:
            pushed |= {claim.id: claim for claim in plan.unpublished}
            other_pushed |= plan.other_unpublished
            if adopt_plan(workspace.history, plan):
                return _report([*adopted, plan], pushed, other_pushed, own_records)
            with _collisions_told(remote):
                joined = join_plan(workspace.history, plan, author=workspace.author, now=workspace.now())
            if joined is not None:
                adopted.append(joined)
                own_records |= joined.own_records
        time.sleep(random.random() * _LONGEST_PAUSE)  # noqa: S311  # chance spreads those who sync at once
    raise LockTimeoutError(
        f"others kept publishing to {remote} or saving here: {ATTEMPTS} attempts to sync were overtaken",
        hint="try again; nothing is lost",
        remote=name,
    )


@contextmanager
def _collisions_told(remote: Remote) -> Iterator[None]:
    """A block that merges: names that differ only in case can be neither merged nor changed here any more."""
    try:
        yield
    except NameCollisionError as error:
        name, existing = error.facts["name"], error.facts["existing"]
        raise NameCollisionError(
            f"cannot sync with {remote}: artifact name {name!r} differs only in case from {existing!r}, which it holds",
            hint=f"clone the remote anew, save there what only this ledger holds, with {existing!r} for {name!r}, "
            "and go on in the clone (specs/sharing.md, 3)",
            **error.facts,
        ) from error


def _report(
    adopted: Sequence[SyncPlan],
    pushed: dict[str, Claim],
    other_pushed: frozenset[tuple[str, ...]],
    own_records: frozenset[tuple[str, ...]],
) -> SyncReport:
    """What the plans that were adopted, one after another, come to, without the records of this sync's own merges."""
    other_fetched = frozenset[tuple[str, ...]]().union(*(plan.other_fetched for plan in adopted))
    fetched = {claim.id: claim for plan in adopted for claim in plan.fetched}
    moved: dict[str, tuple[Claim, Claim]] = {}
    for before, after in (move for plan in adopted for move in plan.moved):
        moved[before.id] = moved.get(before.id, (before,))[0], after
    return SyncReport(
        remote=adopted[-1].remote.name,
        commit=adopted[-1].tip,
        pushed=_labels(pushed.values()),
        fetched=_labels(fetched.values()),
        renumbered=tuple(
            Renumbered(id=after.id, before=before.label, after=after.label)
            for before, after in moved.values()
            if before.label != after.label
        ),
        other_pushed=len(other_pushed - own_records),
        other_fetched=len(other_fetched - own_records),
    )


def _labels(claims: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(claim.label for claim in sorted(claims))
