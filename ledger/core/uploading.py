"""The bytes of a sync: what the remote's store lacks is put there before the history that names it is pushed.

Owns which bytes those are. Of a store that this ledger has put bytes to before, only those of the versions that are to
be published, and of those that plain Git has published since. Of any other also all that this ledger's own store holds:
a remote may have got another store since it was last heard of, as after a disk that died or an address that was wrong,
or may be a copy of a history without its bytes.
"""

from collections.abc import Iterable, Iterator, MutableSet
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
from ledger.core.noted_stores import has_met, is_noted, note_store
from ledger.core.workspace import Workspace
from ledger.disk import Hold
from ledger.errors import ConfigError, LedgerError, StoreMismatchError
from ledger.history import Claim, Remote, SyncPlan, without_secrets
from ledger.lookup import CONFIG_FILE, DEFAULT_STORE, RemoteConfig, store_of_remote, store_url
from ledger.meters import task
from ledger.notices import warn_user
from ledger.records import Content

_Contents = list[tuple[Claim, Content]]


def upload(workspace: Workspace, settings: RemoteConfig, plan: SyncPlan, sound: MutableSet[str]) -> Hold | None:
    """Put the bytes of what is to be published where others will look for them, and hold them there.

    ``sound`` are the packs that were found whole there by this sync: each is looked at once.
    """
    more = _stored_here(workspace, plan, plan.passed_by)
    is_said = bool(plan.unpublished or more or store_of_remote(workspace.path, settings))
    target = _target(workspace, settings, plan.remote) if is_said else None
    if target is None:
        return None
    is_new = not has_met(workspace.path, target)
    contents = _contents(workspace, plan, plan.unpublished)
    if is_new:
        more = _stored_here(workspace, plan, _published(workspace, plan))
    if not contents and not more:
        _look_at(workspace, target, plan, is_new=is_new)
        return None
    if is_new:
        _make(workspace, settings, plan, len(contents) + len(more))
    else:
        is_noted(workspace.path, target)
    held = hold(target, timeout=workspace.config.lock_timeout)
    try:
        own = workspace.hold_store()  # what is read goes nowhere else meanwhile
        try:
            with task(f"sync {plan.remote.name}", sum(content.size for _, content in (*contents, *more))):
                new = (Copied(workspace.store_holding(content), content, claim.label) for claim, content in contents)
                copy_contents(new, target, sound=sound)
                old = (Copied(workspace.store, content, claim.label) for claim, content in more)
                copy_contents(old, target, sound=sound, refused=partial(_warn_not_put, target))
        finally:
            if own is not None:
                own.release()
        note_store(workspace.path, target.url, store_id(target))
    except BaseException:
        if held is not None:
            held.release()
        raise
    return held


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
    """Where nothing is to be put: note a store in a folder, or warn that it is not the one that was met."""
    if not isinstance(target, LocalStore):
        return  # it may be far away, or not let this user in, and nothing is asked of it
    try:
        if is_new:
            note_store(workspace.path, target.url, store_id(target))
        else:
            is_noted(workspace.path, target)
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
