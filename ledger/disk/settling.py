"""Files that are written without fsync, and how they are made durable before something builds on them."""

import os
from collections.abc import Iterable
from pathlib import Path

from ledger.disk.reading import mode_of, open_regular, storage_errors
from ledger.disk.removing import remove_if_there
from ledger.disk.syncing import current_durability, sync_directory, sync_file
from ledger.disk.writing import write_file
from ledger.enums import Durability

_MOST_BY_THEMSELVES = 64
"""Most files that are synced one by one: for more, it is quicker to write all that the system holds back."""


def settle(mark: Path) -> None:
    """Make durable what others wrote without fsync, before something visible is built on it.

    A writer without fsync leaves the file ``mark``. A writer with fsync that finds it calls ``sync``, which makes every
    file of every program durable, and removes the mark.
    """
    is_marked = bool(mode_of(mark))
    if current_durability() is not Durability.FULL:
        if not is_marked:
            write_file(mark, [])
    elif is_marked:
        os.sync()
        remove_if_there(mark)


def settle_file(path: str | os.PathLike[str]) -> None:
    """Make a file and its name durable, before something relies on it.

    Whoever put it there may have died before its folder was synced, or may write without fsync and have published
    nothing yet, and so have left no mark (`settle`).
    """
    settle_files([path], [os.path.dirname(path) or "."])


def settle_files(files: Iterable[str | os.PathLike[str]], folders: Iterable[str | os.PathLike[str]]) -> None:
    """Make files durable, before something relies on them, and the names in some folders."""
    if current_durability() is not Durability.FULL:
        return
    each = list(files)
    if len(each) > _MOST_BY_THEMSELVES:
        settle_everything()
        return
    for path in each:
        sync_by_itself(path)
    for folder in folders:
        sync_directory(folder)


def sync_by_itself(path: str | os.PathLike[str]) -> None:
    """Make the bytes of a file durable; unlike ``sync``, this ``fsync`` says whether any that were written are lost."""
    with storage_errors(path, "sync"):
        descriptor, _ = open_regular(path)
        try:
            sync_file(descriptor)
        finally:
            os.close(descriptor)


def settle_everything() -> None:
    """Make every file of every program durable."""
    if current_durability() is Durability.FULL:
        os.sync()
