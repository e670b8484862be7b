"""Writes without fsync, and the first one with it that builds on them."""

import os
from pathlib import Path

from ledger.disk.reading import mode_of
from ledger.disk.syncing import current_durability
from ledger.disk.writing import remove_if_there, write_file
from ledger.enums import Durability


def settle(mark: Path) -> None:
    """See to it that nothing durable builds on what is not; called before what was written here is shown to anybody.

    Who writes without fsync leaves the file ``mark``. Who finds it and writes with fsync has the system write
    whatever it still holds back, of all programs, and takes the file away.
    """
    is_marked = bool(mode_of(mark))
    if current_durability() is not Durability.FULL:
        if not is_marked:
            write_file(mark, [])
    elif is_marked:
        os.sync()
        remove_if_there(mark)
