"""The bytes of a sync: what the remote's store lacks is put there before the history that names it is pushed.

Owns which bytes those are. A store that this ledger has put bytes to before is given those of the versions that are to
be published, and of those that plain Git has published since. Any other is given all that this ledger's own store
holds, too: the remote may have got another store, as after a disk that died or an address that was wrong, or may be a
copy of a history without its bytes.
"""

from collections.abc import Iterable, Iterator, MutableSet
from contextlib import ExitStack, contextmanager
from functools import partial

from ledger.blobs import (
    CHANGED_IN_PLACE,
    Copied,
    Copier,
    LocalStore,
    Store,
    are_present,
    create_store,
    hold,
    open_store,
    store_id,
)
from ledger.core.noted_stores import check_noted, note_store, recognise
from ledger.core.workspace import Workspace
from ledger.errors import ConfigError, IntegrityError, LedgerError, StoreMismatchError
from ledger.history import Claim, Snapshot
from ledger.history.sharing import SyncPlan
from ledger.lookup import (
    CONFIG_FILE,
    DEFAULT_STORE,
    RemoteConfig,
    setting_named,
    store_of_remote,
    store_setting,
)
from ledger.meters import task
from ledger.notices import warn_user
from ledger.records import Content
from ledger.wording import without_secrets

_Contents = list[tuple[Claim, Content]]

_BRING_BACK = (
    "nothing is published without it: save the same bytes again, put registered data back as it was, or run "
    "`ledger repair --from` a backup or clone; `ledger verify` lists all that is damaged, and what nobody has any more "
    "is left out in a new clone (specs/sharing.md, 3)"
)
"""What to do where the bytes of a version that only this ledger holds are missing or damaged."""


@contextmanager
def uploaded(workspace: Workspace, settings: RemoteConfig, plan: SyncPlan, *, sound: MutableSet[str]) -> Iterator[None]:
    """A block for publishing: the bytes lie where others will look for them, and nobody removes them there.

    ``sound`` are the packs that were found whole there by this sync: each is looked at once.
    """
    with ExitStack() as held:
        _Upload(workspace, settings, plan, sound).bring(held)
        yield


class _Upload:
    """The bytes that the plan of a sync asks for."""

    def __init__(self, workspace: Workspace, settings: RemoteConfig, plan: SyncPlan, sound: MutableSet[str]) -> None:
        self._workspace = workspace
        self._settings = settings
        self._plan = plan
        self._sound = sound
        self._url = store_of_remote(workspace.path, settings)

    def bring(self, held: ExitStack) -> None:
        """Put into the remote's store what it lacks, and keep everybody from removing it there until ``held`` ends."""
        workspace, plan = self._workspace, self._plan
        passed_by = self._stored_here(plan.passed_by)
        target = self._target() if plan.unpublished or passed_by or self._url else None
        if target is None:
            return
        is_new = not recognise(workspace.path, target)
        new = self._contents(plan.unpublished)
        old = self._stored_here(self._published()) if is_new else passed_by
        if not new and not old:
            self._look_at(target, is_new=is_new)
            return
        if is_new:
            self._make(len(new), len(old))
        else:
            check_noted(workspace.path, target)
        held.callback(hold(target, timeout=workspace.config.lock_timeout).let_go)
        self._copy(new, old, target)
        note_store(workspace.path, target.url, store_id(target))

    def _target(self) -> Store | None:
        """The remote's store; ``None`` where both ledgers use one store."""
        workspace, remote = self._workspace, self._plan.remote
        own = workspace.unchecked_store()
        if not self._url:
            if workspace.config.store == DEFAULT_STORE and isinstance(own, LocalStore):
                raise ConfigError(
                    f"{remote} has no store: others could not read the bytes of what is published there",
                    hint=f'add `store = "URL"` below [remotes.{remote.name}] in {workspace.path / CONFIG_FILE}',
                    remote=remote.name,
                    url=without_secrets(self._settings.url),
                )
            return None
        with setting_named(workspace.path, store_setting(remote.name, self._settings)):
            target = open_store(self._url, cache=workspace.cache)
        return None if target.url == own.url else target

    def _contents(self, claims: Iterable[Claim]) -> _Contents:
        snapshot = self._snapshot()
        return [(claim, self._workspace.facts(snapshot, claim).manifest.content) for claim in claims]

    def _stored_here(self, claims: Iterable[Claim]) -> _Contents:
        """The contents of those of some versions whose bytes lie in this ledger's own store."""
        contents = self._contents(claims)
        there = are_present(self._workspace.store, (content for _, content in contents))
        return [found for found, is_there in zip(contents, there, strict=True) if is_there]

    def _published(self) -> Iterator[Claim]:
        """The versions that the remote holds already."""
        new = {claim.id for claim in self._plan.unpublished}
        return (claim for claim in self._snapshot().all_claims() if claim.id not in new)

    def _snapshot(self) -> Snapshot:
        return self._workspace.history.snapshot(self._plan.tip)

    def _look_at(self, target: Store, *, is_new: bool) -> None:
        """If nothing is to be put, note a store in a folder, or warn that it is not the one that was noted."""
        if not isinstance(target, LocalStore):
            return  # it may be far away, or not let this user in, and nothing is asked of it
        try:
            if is_new:
                note_store(self._workspace.path, target.url, store_id(target))
            else:
                check_noted(self._workspace.path, target)
        except StoreMismatchError as error:
            if not is_new:
                warn_user(f"the bytes at {self._plan.remote.name} cannot be read: {error}; {error.hint}")

    def _make(self, new: int, old: int) -> None:
        """Make the remote's store where there is none; ``new`` and ``old`` versions are about to be put there.

        None is made where others have published and nothing of that lies here: they know of a store elsewhere.
        """
        try:
            store_id(open_store(self._url))
        except StoreMismatchError as error:
            where = f"`store` below [remotes.{self._plan.remote.name}] in {self._workspace.path / CONFIG_FILE}"
            lacking = sum(1 for _ in self._snapshot().all_claims()) - new - old
            if lacking and not old and not self._settings.store:
                error.hint = (
                    "nothing is published: the bytes of what others saved are elsewhere; write the URL of their store "
                    f"as {where}, or this one, if a store is to be made here, or have them sync first"
                )
                raise
            store = create_store(self._url, cache=self._workspace.cache)
            if lacking:
                warn_user(
                    f"{store.url} is a new store, without {lacking} of the versions that others saved: their syncs "
                    f"bring them; if it should be another one, correct {where}"
                )

    def _copy(self, new: _Contents, old: _Contents, target: Store) -> None:
        """Put bytes into ``target``: of ``new`` versions from wherever they lie, of ``old`` ones what lies here."""
        workspace, size = self._workspace, sum(content.size for _, content in (*new, *old))
        copier = Copier(target, sound=self._sound)
        with ExitStack() as reading, task(f"sync {self._plan.remote.name}", size):
            reading.callback(workspace.hold_store().let_go)  # gc leaves alone what is read
            copies_of_new = (Copied(workspace.store_holding(content), content, claim.label) for claim, content in new)
            copier.copy_all(copies_of_new, refused=_refuse)
            copies_of_old = (Copied(workspace.store, content, claim.label) for claim, content in old)
            copier.copy_all(copies_of_old, refused=partial(_warn_not_put, target))


def _refuse(error: LedgerError) -> None:
    """End the sync, since what others build on a version may not lack it; say how the version gets its bytes back."""
    # A hint that knows more stays, as where a path is closed or something else lies in the remote's store.
    if error.hint in (IntegrityError.usual_hint, CHANGED_IN_PLACE):
        error.hint = _BRING_BACK
    raise error


def _warn_not_put(target: Store, error: LedgerError) -> None:
    """Warn why the bytes of a version that is published already are not put; those of the others are."""
    warn_user(f"not put into {target.url}: {error}")
