"""The ledger that functions without a ledger argument use.

Found anew at every call, so that a change of working directory, of ``LEDGER_DIR`` or of the
user that the environment names is followed. The opened ledger is kept, because its caches make the next call fast.
In a step it is always the ledger of the run, whatever directory the body has changed to: what a step
saves is part of the run, whose records name it.
"""

import os
from pathlib import Path

from ledger.core.bodies import running
from ledger.core.creation import create_ledger, refuse_existing_path
from ledger.core.ledger import Ledger
from ledger.core.workspace import user_identity, utc_now
from ledger.disk import storage_errors
from ledger.errors import LedgerExistsError
from ledger.lookup import CONFIG_FILE, find_ledger, is_ledger, none_found, place_for_new
from ledger.notices import write_on_stderr
from ledger.wording import one_line

_State = tuple[Path, int, int, tuple[str | None, ...]]
_open: dict[_State, Ledger] = {}
_KEPT = 16
_USER = ("HOME", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
"""What an open ledger knows of its user: the name in its records, and where the cache is."""


def ledger_for_reading() -> Ledger:
    """The default ledger; raises `LedgerNotFoundError` with the command that makes one."""
    if (current := running()) is not None:
        return current.ledger
    path = find_ledger(os.environ)
    if path is None:
        raise none_found(os.environ)
    return _opened(path)


def ledger_for_writing() -> Ledger:
    """The default ledger; where there is none, one is made, which is said once on stderr.

    Raises `LedgerExistsError` where something else has its place.
    """
    if (current := running()) is not None:
        return current.ledger
    path = find_ledger(os.environ)
    if path is None:
        return _opened(_make())
    if _state_of(path) not in _open and not is_ledger(path):
        refuse_existing_path(path)
    return _opened(path)


def _make() -> Path:
    path = place_for_new(os.environ)
    try:
        create_ledger(path, store=None, author=user_identity(path.parent, os.environ), now=utc_now())
    except LedgerExistsError:
        if not path.is_dir():
            raise
        return path  # another process made it first
    write_on_stderr(one_line(f"ledger: made a new ledger in {path}"))
    return path


def _opened(path: Path) -> Ledger:
    """The ledger at a path, kept open for as long as it is the same one with the same settings and user."""
    key = _state_of(path)
    ledger = _open.get(key)
    if ledger is None:
        if len(_open) >= _KEPT:
            _open.clear()
        ledger = _open[key] = Ledger.open(path)
    return ledger


def _state_of(path: Path) -> _State:
    """What is different if another ledger lies at the path now, or the same one with other settings or another user."""
    with storage_errors(path, "read"):
        try:
            status = os.stat(f"{path}/{CONFIG_FILE}")
        except FileNotFoundError:
            status = os.stat(path)
    return path, status.st_ino, status.st_mtime_ns, tuple(map(os.environ.get, _USER))
