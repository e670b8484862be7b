"""Repair: good copies of what is damaged or missing, from another store or clone.

Plan, show, execute. A plan says for each thing that is wrong what the source can do about it; executing it brings in
good copies, each checked, keeps what was bad in ``quarantine/<time>/`` in the ledger directory, deletes nothing, and
checks the ledger again. Doing it twice does no harm: a repair that died is simply started again.
"""

import datetime as dt
import shlex
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from ledger.blobs import STORE_KEY, LocalStore, Store, mend_content, mendable_keys, open_store, store_id, uncached
from ledger.core import Ledger, Problem, Report
from ledger.disk import (
    given_text,
    locks_end_here,
    make_directory,
    mode_of,
    move_file,
    refuse_linked,
    write_file,
)
from ledger.errors import ArgumentError, FormatError, LedgerNotFoundError, StorageError, StoreMismatchError
from ledger.history.upkeep import HistoryMending, mend, plan_mending
from ledger.lookup import history_at, is_history_of, place_named, store_of_remote, unfollowed_store
from ledger.maintenance.given import refuse_other_than_ledger, refuse_other_than_made
from ledger.notices import warn_user
from ledger.records import Content
from ledger.system_errors import raise_if_inconclusive
from ledger.wording import without_secrets

QUARANTINE = "quarantine"
"""The folder of a ledger directory where bad copies are kept."""

_ROUNDS = 4


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where good copies may be: a store, the repository of a history, or both."""

    where: str
    store: Store | None
    git_dir: Path | None


class ContentRepair(msgspec.Struct, frozen=True, kw_only=True):
    """A content that can be made whole: the objects that do so, and a version that has the content."""

    label: str
    content: Content
    keys: tuple[str, ...]


class RepairPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, what of it the source can mend, and the labels of contents that it cannot."""

    source: Source
    problems: tuple[Problem, ...]
    history: HistoryMending
    contents: tuple[ContentRepair, ...]
    hopeless: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could be done."""
        mending = self.history
        return not (mending.fetched or mending.aside or mending.anew or self.contents)

    @property
    def is_enough(self) -> bool:
        """Whether everything that is wrong can be mended, as far as that is known before the repair."""
        beyond_repair = ("history", "commit ", "refs/heads/", STORE_KEY)
        are_mendable = all(each.object and not each.object.startswith(beyond_repair) for each in self.problems)
        return are_mendable and not (self.hopeless or self.history.lost)


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a repair: where bad copies are kept, and what a check says now."""

    quarantine: Path
    report: Report


def find_source(ledger: Ledger, where: str | Path) -> Source:
    """The store, ledger or clone that a path or a store's URL means; raises `LedgerNotFoundError` where neither is.

    The URL may have a password where that of a store may; it is not shown.
    """
    refuse_other_than_ledger(ledger)
    where = given_text(where, "a source of good copies")
    if not where:
        raise ArgumentError("a source of good copies cannot be ''", hint="give a path or a store's URL")
    settings = place_named(where)
    where = without_secrets(where)
    git_dir = history_at(settings)
    url = store_of_remote(ledger.path, settings) if git_dir is not None else settings.url
    distant = unfollowed_store(settings)
    if distant and distant != ledger.workspace.config.store:
        plain = without_secrets(distant)
        command = f"ledger repair --from {shlex.quote(plain)}"
        warn_user(f"the bytes of {where} are not looked at: they are in {plain}; `{command}` looks there")
    store: Store | None = open_store(url) if url else None
    try:
        if store is not None:
            store_id(store)
    except (StoreMismatchError, FormatError, StorageError, ArgumentError) as error:
        if git_dir is None:
            raise_if_inconclusive(error)
            raise LedgerNotFoundError(
                f"neither a store nor a ledger at {where}: {error}",
                hint="give a folder or URL that holds a store.json, a ledger directory, or a bare repository",
                path=where,
            ) from error
        store = None  # its records may help all the same
    if is_history_of(settings, ledger.git_dir):
        raise ArgumentError(f"{where} is this ledger itself", hint="repair it from another one", path=where)
    return Source(where=where, store=store, git_dir=git_dir)


def plan_repair(ledger: Ledger, source: Source) -> RepairPlan:
    """Check the whole ledger, and plan what a source can mend.

    Nothing is changed, except that the ledger's own store is made again, empty, if it was deleted.
    """
    refuse_other_than_ledger(ledger)
    refuse_other_than_made(Source, source, by="find_source")
    ledger.workspace.bring_back_store()
    check = ledger.checking()
    report = check.run_all()
    contents: list[ContentRepair] = []
    hopeless: list[str] = []
    for label, content in check.touched_contents():
        keys = None
        if source.store is not None:
            read = uncached(ledger.workspace.all_stores)
            keys = mendable_keys(source.store, ledger.store, content, check.found.store.keys(), read=read)
        if keys is None:
            hopeless.append(label)
        else:
            contents.append(ContentRepair(label=label, content=content, keys=keys))
    return RepairPlan(
        source=source,
        problems=report.problems,
        history=plan_mending(ledger.workspace.afresh().history, source.git_dir, check.found.git),
        contents=tuple(contents),
        hopeless=tuple(hopeless),
    )


@locks_end_here()
def execute_repair(ledger: Ledger, plan: RepairPlan, *, now: dt.datetime) -> Repaired:
    """Carry out a plan, then check everything again.

    Damage to the history hides what else is wrong: what shows when it is mended is planned and done in further rounds.
    Raises `IntegrityError` where the source has been damaged meanwhile; what was done until then stays. Raises
    `ReadOnlyError` for a ledger that is open at a revision.
    """
    refuse_other_than_ledger(ledger)
    refuse_other_than_made(RepairPlan, plan, by="plan_repair")
    ledger.workspace.refuse_past("repair it")
    quarantine = ledger.path / QUARANTINE / now.strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    for number in range(1, _ROUNDS + 1):
        # Each round has a folder of its own, so that nothing takes the place of what was kept before.
        _execute(ledger, plan, quarantine if number == 1 else quarantine.with_name(f"{quarantine.name}-{number}"))
        report = ledger.verify()
        if report.ok:
            break
        plan = plan_repair(ledger, plan.source)
        if plan.is_empty:
            break
    return Repaired(quarantine=quarantine, report=report)


def _execute(ledger: Ledger, plan: RepairPlan, quarantine: Path) -> None:
    """Mend the history, then the bytes; what was there goes into the quarantine."""
    refuse_linked(ledger.path / QUARANTINE)
    workspace = ledger.workspace.afresh()

    def copy_aside(key: str, data: bytes) -> None:
        target = quarantine / "store" / key
        make_directory(target.parent)
        write_file(target, [data])

    def move_aside(key: str) -> None:
        if isinstance(workspace.store, LocalStore):
            with suppress(FileNotFoundError):
                move_file(workspace.store.root / key, quarantine / "store" / key)

    with workspace.history.undisturbed():
        mend(workspace.history, plan.source.git_dir, plan.history, quarantine / "history")
        for repair in plan.contents:
            assert plan.source.store is not None, "contents are planned from a store"
            for folder in _folders_of(repair.keys):
                if isinstance(workspace.store, LocalStore) and _is_in_the_way(workspace.store.root / folder):
                    move_aside(folder)
            mend_content(
                plan.source.store,
                workspace.store,
                repair.content,
                repair.keys,
                read=uncached(workspace.all_stores),
                label=repair.label,
                copy_aside=copy_aside,
                move_aside=move_aside,
            )


def _folders_of(keys: Iterable[str]) -> set[str]:
    """The folders of a store that objects lie in, with those around them."""
    return {"/".join(key.split("/")[:depth]) for key in keys for depth in range(1, key.count("/") + 1)}


def _is_in_the_way(folder: Path) -> bool:
    """Whether something other than a folder lies there; a link is left alone, as it may lead to a disk that is away."""
    mode = mode_of(folder, follow=False)
    return mode != 0 and not (stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
