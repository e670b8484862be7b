"""Where a ledger is, and where the first write makes one.

A ledger is sought in this order: an explicit path; ``LEDGER_DIR``; the nearest one in the working directory or above
it. The ledger of a folder is its ``.ledger``, or the folder itself, as ``init PATH`` and ``clone URL PATH`` make one.
Git's own variables play no part. A ledger that was found, not named, may be anybody's: see `_not_planted`.
"""

import itertools
import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from ledger.disk import absolute, given_path, is_file, is_folder, mode_of, storage_errors, working_directory
from ledger.errors import ConfigError, LedgerNotFoundError
from ledger.lookup.config import CONFIG_FILE, read_config

LEDGER_DIRECTORY = ".ledger"
VARIABLE = "LEDGER_DIR"
_EVERYBODYS = stat.S_ISVTX | stat.S_IWOTH


def find_ledger(environment: Mapping[str, str]) -> Path | None:
    """The ledger directory to use, or ``None`` where there is none yet; an empty folder does not count as one."""
    named = environment.get(VARIABLE)
    if named:
        path = absolute(given_path(named, VARIABLE))
        return path if _is_used(path) else None
    start = working_directory()
    for folder in itertools.chain([start], start.parents):
        if _is_used(folder / LEDGER_DIRECTORY):
            return _not_planted(folder / LEDGER_DIRECTORY, folder / LEDGER_DIRECTORY)
        if _is_ledger_itself(folder):
            return _not_planted(folder, folder / CONFIG_FILE)
    return None


def place_for_new(environment: Mapping[str, str]) -> Path:
    """Where a first write makes a ledger: the named place, the root of the Git work tree, or here."""
    named = environment.get(VARIABLE)
    if named:
        return absolute(given_path(named, VARIABLE))
    start = working_directory()
    root = next((folder for folder in (start, *start.parents) if mode_of(folder / ".git")), start)
    return root / LEDGER_DIRECTORY


def none_found(environment: Mapping[str, str]) -> LedgerNotFoundError:
    """The error of a read that was given no ledger, and found none."""
    path = place_for_new(environment)
    if environment.get(VARIABLE):
        return not_found(path)
    hint = f"move {path} out of the way, or set {VARIABLE} to another place" if _is_no_folder(path) else ""
    return LedgerNotFoundError(f"no ledger at {path}, nor above it", hint=hint, path=str(path))


def not_found(path: Path) -> LedgerNotFoundError:
    """The error of a read where there is no ledger, though it was named."""
    return LedgerNotFoundError(f"no ledger at {path}", hint=_how_to_have_one(path), path=str(path))


def _how_to_have_one(path: Path) -> str:
    """What to do where a named path is no ledger: the command that makes one there, or in the folder that it is."""
    inside = path / LEDGER_DIRECTORY
    if is_folder(inside):
        return f"the ledger directory itself is meant: {inside}"
    if hint := hint_of_repository(path):
        return hint
    if _is_used(path):
        return f"run `ledger init {shlex.quote(str(inside))}` to make one in that folder"
    if _is_no_folder(path):
        return "name the directory of a ledger; that is a file"
    return f"run `ledger init {shlex.quote(str(path))}` to make one there"


def hint_of_repository(path: Path) -> str:
    """What to do where a bare repository, such as a remote, is taken for a ledger; empty where a path is none."""
    if is_file(path / "HEAD") and is_folder(path / "objects"):
        return f"that is a Git repository: `ledger clone {shlex.quote(str(path))} PATH` makes a ledger of it"
    return ""


def is_ledger(path: Path) -> bool:
    """Whether a folder is a ledger, be it a damaged one: it has settings or a history.

    A bare repository beside a ``.ledger`` is no history of the folder around both.
    """
    with storage_errors(path, "read"):
        names = os.listdir(path) if is_folder(path) else []
    return CONFIG_FILE in names or (LEDGER_DIRECTORY not in names and any(map(_is_history, names)))


def _not_planted(path: Path, entry: Path) -> Path:
    """The path of a ledger that was found, not named; raises `LedgerNotFoundError` if another user may have planted it.

    ``entry`` is the file or folder by which the ledger was found. In a folder such as ``/tmp``, where everybody may put
    things, it has to belong to this user, to root, or to the owner of that folder.
    """
    with storage_errors(path, "look at"):
        around, owner = os.stat(entry.parent), os.lstat(entry).st_uid
    if around.st_mode & _EVERYBODYS == _EVERYBODYS and owner not in (os.geteuid(), around.st_uid, 0):
        raise LedgerNotFoundError(
            f"no ledger of this user: {path} is of user {owner}, in a folder where everybody may put one",
            hint=f"run `ledger init` to make one here; if that one is meant, set {VARIABLE} to it",
            path=str(path),
        )
    return path


def _is_ledger_itself(folder: Path) -> bool:
    """Whether a folder under any name is a whole ledger; settings or a bare repository alone may be anybody's."""
    if not is_file(folder / CONFIG_FILE):
        return False
    with storage_errors(folder, "read"):
        histories = [name for name in os.listdir(folder) if _is_history(name)]
    return len(histories) == 1 and is_file(folder / histories[0] / "HEAD") and _has_settings(folder)


def _is_history(name: str) -> bool:
    """Whether a ledger's history may have this name; ``.git`` is the repository of a project."""
    return name.endswith(".git") and name != ".git"


def _has_settings(folder: Path) -> bool:
    """Whether the settings in a folder are those of a ledger, and not another program's of the same name."""
    try:
        return bool(read_config(folder).store_id)
    except ConfigError:
        return False


def _is_no_folder(path: Path) -> bool:
    return bool(mode_of(path)) and not is_folder(path)


def _is_used(folder: Path) -> bool:
    """Whether a folder is there and has anything in it."""
    with storage_errors(folder, "read"):
        return is_folder(folder) and bool(os.listdir(folder))
