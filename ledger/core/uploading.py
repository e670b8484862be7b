"""The bytes of a sync: what the remote's store lacks is put there before the history that names it is pushed.

Owns which bytes those are. Of a store that this ledger has put bytes to before, only those of the versions that are to
be published, and of those that plain Git has published since. Of any other also all that this ledger's own store holds:
a remote may have got another store since it was last heard of, as after a disk that died or an address that was wrong,
or may be a copy of a history without its bytes.
"""

from collections.abc import Iterable, Iterator, MutableSet
from contextlib import ExitStack, contextmanager
from functools import partial

from ledger.blobs import (
    Copied,
    LocalStore,
    Store,
    are_present,
    copy_contents,
    create_store,
    hold,
    open_store,
    store_id,
)
from ledger.core.noted_stores import check_noted, note_store, recognise
from ledger.core.workspace import Workspace
from ledger.errors import ConfigError, LedgerError, StoreMismatchError
from ledger.history import Claim, Remote, SyncPlan, without_secrets
from ledger.lookup import CONFIG_FILE, DEFAULT_STORE, RemoteConfig, store_of_remote, store_url
from ledger.meters import task
from ledger.notices import warn_user
from ledger.records import Content

_Contents = list[tuple[Claim, Content]]


@contextmanager
def uploaded(workspace: Workspace, settings: RemoteConfig, plan: SyncPlan, *, sound: MutableSet[str]) -> Iterator[None]:
    """A block in which the bytes of what is to be published are where others will look for them, and are held there.

    ``sound`` are the packs that were found whole there by this sync: each is looked at once.
    """
    passed_by = _stored_here(workspace, plan, plan.passed_by)
    is_said = bool(plan.unpublished or passed_by or store_of_remote(workspace.path, settings))
    target = _target(workspace, settings, plan.remote) if is_said else None
    with ExitStack() as held:
        if target is not None:
            _bring(workspace, settings, plan, target, passed_by, sound=sound, held=held)
        yield


def _bring(
    workspace: Workspace,
    settings: RemoteConfig,
    plan: SyncPlan,
    target: Store,
    passed_by: _Contents,
    *,
    sound: MutableSet[str],
    held: ExitStack,
) -> None:
    """Put into the remote's store what it lacks, and keep everybody from removing it there until ``held`` ends."""
    is_new = not recognise(workspace.path, target)
    new = _contents(workspace, plan, plan.unpublished)
    old = _stored_here(workspace, plan, _published(workspace, plan)) if is_new else passed_by
    if not new and not old:
        _look_at(workspace, target, plan, is_new=is_new)
        return
    if is_new:
        _make(workspace, settings, plan, len(new) + len(old))
    else:
        check_noted(workspace.path, target)
    held.callback(hold(target, timeout=workspace.config.lock_timeout).release)
    with ExitStack() as reading, task(f"sync {plan.remote.name}", sum(content.size for _, content in (*new, *old))):
        reading.callback(workspace.hold_store().release)  # what is read goes nowhere else meanwhile
        wanted = (Copied(workspace.store_holding(content), content, claim.label) for claim, content in new)
        copy_contents(wanted, target, sound=sound)
        besides = (Copied(workspace.store, content, claim.label) for claim, content in old)
        copy_contents(besides, target, sound=sound, refused=partial(_warn_not_put, target))
    note_store(workspace.path, target.url, store_id(target))


def _target(workspace: Workspace, settings: RemoteConfig, remote: Remote) -> Store | None:
    """The remote's store; ``None`` where both ledgers use one store."""
    url = store_of_remote(workspace.path, settings)
    own = open_store(store_url(workspace.path, workspace.config))
    if not url:
        if workspace.config.store == DEFAULT_STORE and isinstance(own, LocalStore):
            raise ConfigError(
                f"{remote} has no store: others could not read the bytes of what is published there",
                hint=f'add `store = "URL"` below [remotes.{remote.name}] in {workspace.path / CONFIG_FILE}',
                remote=remote.name,
                url=without_secrets(settings.url),
            )
        return None
    target = open_store(url, cache=workspace.cache)
    return None if target.url == own.url else target


def _contents(workspace: Workspace, plan: SyncPlan, claims: Iterable[Claim]) -> _Contents:
    snapshot = workspace.history.snapshot(plan.tip)
    return [(claim, workspace.facts(snapshot, claim).manifest.content) for claim in claims]


def _published(workspace: Workspace, plan: SyncPlan) -> Iterator[Claim]:
    """The versions that the remote holds already."""
    new = {claim.id for claim in plan.unpublished}
    return (claim for claim in workspace.history.snapshot(plan.tip).all_claims() if claim.id not in new)


def _stored_here(workspace: Workspace, plan: SyncPlan, claims: Iterable[Claim]) -> _Contents:
    """Of some versions, those whose bytes lie in this ledger's own store."""
    contents = _contents(workspace, plan, claims)
    there = are_present(workspace.store, (content for _, content in contents))
    return [found for found, is_there in zip(contents, there, strict=True) if is_there]


def _look_at(workspace: Workspace, target: Store, plan: SyncPlan, *, is_new: bool) -> None:
    """Where nothing is to be put: note a store in a folder, or warn that it is not the one that is noted."""
    if not isinstance(target, LocalStore):
        return  # it may be far away, or not let this user in, and nothing is asked of it
    try:
        if is_new:
            note_store(workspace.path, target.url, store_id(target))
        else:
            check_noted(workspace.path, target)
    except StoreMismatchError as error:
        if not is_new:
            warn_user(f"the bytes at {plan.remote.name} cannot be read: {error}; {error.hint}")


def _make(workspace: Workspace, settings: RemoteConfig, plan: SyncPlan, count: int) -> None:
    """Make the remote's store where there is none; ``count`` versions are about to be put there."""
    url = store_of_remote(workspace.path, settings)
    try:
        store_id(open_store(url))
    except StoreMismatchError:
        made = create_store(url, cache=workspace.cache)
        lacking = sum(1 for _ in workspace.history.snapshot(plan.tip).all_claims()) - count
        if lacking:
            warn_user(
                f"{made.url} is a new store, without {lacking} of the versions that others saved: their syncs "
                f"bring them; if it should be another one, correct `store` below [remotes.{plan.remote.name}] "
                f"in {workspace.path / CONFIG_FILE}"
            )


def _warn_not_put(target: Store, error: LedgerError) -> None:
    """Say of a version that is published already why it is not put: that keeps nothing else from being so."""
    warn_user(f"not put into {target.url}: {error}")
