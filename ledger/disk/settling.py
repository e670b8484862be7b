"""Files that are written without fsync, and how they are made durable before something builds on them."""

import os
from pathlib import Path

from ledger.disk.reading import mode_of
from ledger.disk.syncing import current_durability
from ledger.disk.writing import remove_if_there, write_file
from ledger.enums import Durability


def settle(mark: Path) -> None:
    """Make sure that nothing durable builds on files that are not; called before what was written becomes visible.

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
