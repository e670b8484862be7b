"""Who may read and write the files of a ledger: the user's umask decides.

A group that shares a ledger directory gives it the setgid bit and works with the umask 002, as with a repository of Git
(specs/format.md, 2). Files for one user alone, such as copies to be mapped, are made with a mode of their own.
"""

import os
import stat
from typing import Final

MODE: Final = 0o666
"""The mode of a new file, before the umask takes its bits away."""


def is_private(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and others may not write it."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
