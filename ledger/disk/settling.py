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
"""Files that are synced one after another: of many more, writing all that the system holds back takes less time."""


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
    """Make a file durable that is about to be relied on, and its name.

    Whoever put it there may write without fsync and have published nothing yet, or have died before its folder was
    synced.
    """
    settle_files([path], [os.path.dirname(path) or "."])


def settle_files(files: Iterable[str | os.PathLike[str]], folders: Iterable[str | os.PathLike[str]]) -> None:
    """Make files durable that are about to be relied on, and the names in some folders."""
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
    """Make the bytes of a file durable; only ``fsync`` says of a file that was just written whether some were lost."""
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
