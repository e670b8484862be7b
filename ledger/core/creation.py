"""Making a ledger: whole, or not at all.

Everything is made in a folder beside the target and renamed into place, so that two
processes that make the same ledger at once end up with one, and a crash leaves none.
"""

import contextlib
import datetime as dt
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ledger.blobs import LocalStore, create_store, is_within, open_store, store_id
from ledger.disk import (
    folder_beside,
    is_folder,
    make_directory,
    status_of,
    storage_errors,
    sync_directory,
    write_file,
)
from ledger.errors import ArgumentError, LedgerExistsError
from ledger.history import FOLD_LOCK, LOCK, History, Remote
from ledger.history.sharing import clone_history
from ledger.lookup import (
    DEFAULT_STORE,
    LEDGER_DIRECTORY,
    Config,
    RemoteConfig,
    given_store,
    hint_of_repository,
    write_config,
)

_LOCKS = (LOCK, FOLD_LOCK)
"""Made with the ledger. Otherwise whoever takes them first would own them, such as root for a backup."""


def create_ledger(path: Path, *, store: str | None, author: str, now: dt.datetime) -> None:
    """Make a ledger at ``path``; raises `LedgerExistsError` if something is there that is not an empty folder."""
    refuse_existing_path(path)
    if store is not None:
        _refuse_inside(path, store)
    _create(path, store, {}, lambda folder: History.create(folder, author=author, now=now))


def create_clone(path: Path, *, remote: Remote, settings: RemoteConfig) -> None:
    """Make a ledger at ``path`` that holds a remote's history, with a store of its own.

    Raises `LedgerExistsError` if something is in the way, and what fetching and checking the history raises.
    """
    if settings.store:
        _refuse_inside(path, settings.store)
    _create(path, None, {remote.name: settings}, lambda folder: clone_history(folder, remote))


def _create(
    path: Path, store: str | None, remotes: dict[str, RemoteConfig], make_history: Callable[[Path], object]
) -> None:
    if os.path.islink(path):  # to an empty folder, which is to be the ledger
        path = Path(os.path.realpath(path))
    # Durable when it is renamed: nothing refers to it before.
    with _folder_around(path), storage_errors(path, "make"), folder_beside(path) as folder:
        _take_after(path, folder)
        _fill(Path(folder), store, remotes)
        make_history(Path(folder))
        _move_into_place(Path(folder), path)
    sync_directory(path.parent)


def _refuse_inside(path: Path, store: str) -> None:
    """Raise `ArgumentError` for a store inside the ledger that is to be made, or one whose URL nobody understands.

    A ledger can only take the place of an empty folder; and nobody else would look there for what a remote holds.
    """
    opened = open_store(given_store(store))
    if isinstance(opened, LocalStore) and is_within(opened, path):
        raise ArgumentError(
            f"the store {opened.url} would lie inside the ledger itself, {path}",
            hint="name no store: what is saved in a ledger lies inside it by default",
        )


@contextlib.contextmanager
def _folder_around(path: Path) -> Iterator[None]:
    """A block for which the folder of a path is made, with those above it; if it fails, what was made is removed again.

    Only empty folders are: what somebody else has put there meanwhile stays.
    """
    missing = list(itertools.takewhile(lambda folder: not is_folder(folder), path.parents))
    make_directory(path.parent)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in missing:
                os.rmdir(folder)
        raise


def refuse_existing_path(path: Path) -> None:
    """Raise `LedgerExistsError` where a ledger or something else is in the way."""
    with storage_errors(path, "read"):
        if not os.path.lexists(path) or (is_folder(path) and not any(path.iterdir())):
            return
    what, hint = "something that is not a ledger", "move it out of the way, or choose another path"
    if path.is_dir() and any(path.glob("?*.git")) and not is_folder(path / LEDGER_DIRECTORY):
        what, hint = "a ledger", "open it, or choose another path"
    elif told := hint_of_repository(path):
        hint = told
    elif path.is_dir() and path.name != LEDGER_DIRECTORY:
        hint = f"the ledger directory itself is meant: {path / LEDGER_DIRECTORY}"
    raise LedgerExistsError(f"{path} exists already and is {what}", hint=hint, path=str(path))


def _fill(folder: Path, store: str | None, remotes: dict[str, RemoteConfig]) -> None:
    write_file(folder / ".gitignore", [b"*\n"])
    where = given_store(store) if store is not None else DEFAULT_STORE
    created = create_store(where if store is not None else str(folder / DEFAULT_STORE))
    write_config(folder, Config(store=where, store_id=store_id(created), remotes=remotes))
    make_directory(folder / "cache")
    for name in _LOCKS:
        (folder / name).touch()


def _take_after(path: Path, folder: str) -> None:
    """Give a folder the group and mode of the empty one that it replaces, so that it stays as private or as shared."""
    before = status_of(path)
    if before is not None:
        with contextlib.suppress(PermissionError):  # only a member of a group may give a folder to it
            os.chown(folder, -1, before.st_gid)
        os.chmod(folder, stat.S_IMODE(before.st_mode) | stat.S_IRWXU)


def _move_into_place(staging: Path, path: Path) -> None:
    is_here = is_folder(path) and os.path.samefile(path, os.curdir)
    try:
        os.rename(staging, path)
    except OSError:
        # Somebody else may have made one there meanwhile; any other error is raised as it is.
        refuse_existing_path(path)
        raise
    if is_here:
        os.chdir(path)  # the empty folder that this process worked in is gone
