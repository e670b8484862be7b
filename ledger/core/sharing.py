"""Sharing a ledger: clone it, and bring two of them to the same versions.

Drives the steps of `ledger.history` and puts the bytes between them: a version's bytes are in the
remote's store before the commit that names it is pushed (specs/sharing.md, 2). Nothing
is downloaded; what others saved is read from where they put it.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom

import msgspec

from ledger.blobs import open_store, store_id
from ledger.core.creation import create_clone, refuse_existing_path
from ledger.core.noted_stores import note_store
from ledger.core.uploading import uploaded
from ledger.core.workspace import Workspace
from ledger.disk import locks_end_here
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    LockTimeoutError,
    MissingDependencyError,
    NameCollisionError,
    RemoteExistsError,
    RemoteNotFoundError,
    StorageError,
    StoreMismatchError,
)
from ledger.history import Claim, Remote, is_remote_name, remote_url
from ledger.history.sharing import SyncPlan, adopt_plan, join_plan, plan_sync, push_plan
from ledger.lookup import (
    CONFIG_FILE,
    RemoteConfig,
    is_history_of,
    most_like,
    remote_for_git,
    settings_for,
    store_of_remote,
    write_remote,
)
from ledger.notices import warn_user
from ledger.wording import BoundedRepr, shown_with_type, without_secrets

ATTEMPTS = 20
"""How often a sync starts over because somebody was faster."""

_LONGEST_PAUSE = 0.2


class Renumbered(msgspec.Struct, frozen=True, kw_only=True):
    """A version whose number changed because others published theirs first: ``iris@3`` is now ``iris@4``."""

    id: str
    before: str
    after: str


class SyncReport(BoundedRepr, msgspec.Struct, frozen=True, kw_only=True):
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
        open_store(settings_for(url, store).store)
    write_remote(workspace.path, name, url, store=store)


def _note_store_of_origin(path: Path, settings: RemoteConfig) -> str:
    """Note the store of a new clone's remote; if it cannot be read, gives the reason, and the first upload notes it."""
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
    settings = _settings_of(workspace, name)
    remote = remote_for_git(name, settings)
    if is_history_of(settings, workspace.history.git_dir):
        raise ArgumentError(
            f"{remote} is this ledger itself",
            hint=f"correct its URL in {workspace.path / CONFIG_FILE}; `git init --bare -b main PATH` makes a remote",
            remote=name,
        )
    rounds, sound = _Rounds(), set[str]()
    for _ in range(ATTEMPTS):
        with _collisions_told(remote):
            plan = plan_sync(workspace.history, remote, author=workspace.author, now=workspace.now())
        rounds.note_made(plan)
        with uploaded(workspace, settings, plan, sound=sound):
            is_pushed = push_plan(workspace.history, plan)
        if is_pushed:
            rounds.note_pushed(plan)
            if adopt_plan(workspace.history, plan):
                rounds.note_adopted(plan)
                return _report(rounds)
            with _collisions_told(remote):
                joined = join_plan(workspace.history, plan, author=workspace.author, now=workspace.now())
            if joined is not None:
                rounds.note_made(joined)
                rounds.note_adopted(joined)
        # Chance spreads those who sync at once, also processes that have seeded ``random`` alike.
        time.sleep(SystemRandom().random() * _LONGEST_PAUSE)
    raise LockTimeoutError(
        f"others kept publishing to {remote} or saving here: {ATTEMPTS} attempts to sync were overtaken",
        hint="try again; nothing is lost",
        remote=name,
    )


def _settings_of(workspace: Workspace, name: str) -> RemoteConfig:
    """The settings of a remote; raises `RemoteNotFoundError`."""
    if name not in workspace.config.remotes:
        _take_from_git(workspace, name)
    settings = workspace.config.remotes.get(name)
    if settings is None:
        raise RemoteNotFoundError(
            f"no remote {without_secrets(name)!r} in {workspace.path / CONFIG_FILE}",
            hint=_way_out(name, list(workspace.config.remotes)),
            name=without_secrets(name),
        )
    return settings


def _way_out(name: str, known: Sequence[str]) -> str:
    """What to do where a remote is not among those that are known; empty where its name could be none."""
    if near := most_like(name, known):
        return f"did you mean {near[0]!r}?"
    if not is_remote_name(name):
        return ""
    add = f"`ledger remote add {name} URL`"
    return f"run `ledger remote list` to see what there is, {add} to add it" if known else f"run {add}"


def _take_from_git(workspace: Workspace, name: str) -> None:
    """Write a remote that only Git's own settings know into the ledger's, which say where bytes are read."""
    url = remote_url(workspace.history.git_dir, name)
    if url is not None:
        with suppress(RemoteExistsError):  # another process has written it
            write_remote(workspace.path, name, url)
        workspace.read_settings_again()


@contextmanager
def _collisions_told(remote: Remote) -> Iterator[None]:
    """A block that merges; for names that differ only in case, which cannot be merged, the error says how to go on."""
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


class _Rounds:
    """What the rounds of one sync have come to; it begins another round where others were faster."""

    def __init__(self) -> None:
        self.adopted: list[SyncPlan] = []
        """The plans whose commits this ledger has held, one after another."""
        self.pushed: dict[str, Claim] = {}
        self.other_pushed: frozenset[tuple[str, ...]] = frozenset()
        self.own_records: frozenset[tuple[str, ...]] = frozenset()
        """The records that this sync's own merges made, which are no news to either side."""

    def note_made(self, plan: SyncPlan) -> None:
        """Note a plan, whatever becomes of it: its merge may have made records."""
        self.own_records |= plan.own_records

    def note_pushed(self, plan: SyncPlan) -> None:
        """Note that the remote holds the commit of a plan."""
        self.pushed |= {claim.id: claim for claim in plan.unpublished}
        self.other_pushed |= plan.other_unpublished

    def note_adopted(self, plan: SyncPlan) -> None:
        """Note that this ledger holds the commit of a plan."""
        self.adopted.append(plan)


def _report(rounds: _Rounds) -> SyncReport:
    """What all rounds come to together; the last one has adopted its plan."""
    other_fetched = frozenset[tuple[str, ...]]().union(*(plan.other_fetched for plan in rounds.adopted))
    fetched = {claim.id: claim for plan in rounds.adopted for claim in plan.fetched}
    moved: dict[str, tuple[Claim, Claim]] = {}
    for before, after in (move for plan in rounds.adopted for move in plan.moved):
        moved[before.id] = moved.get(before.id, (before,))[0], after
    last = rounds.adopted[-1]
    return SyncReport(
        remote=last.remote.name,
        commit=last.tip,
        pushed=_labels(rounds.pushed.values()),
        fetched=_labels(fetched.values()),
        renumbered=tuple(
            Renumbered(id=after.id, before=before.label, after=after.label)
            for before, after in moved.values()
            if before.label != after.label
        ),
        other_pushed=len(rounds.other_pushed - rounds.own_records),
        other_fetched=len(other_fetched - rounds.own_records),
    )


def _labels(claims: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(claim.label for claim in sorted(claims))
