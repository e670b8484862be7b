"""Who may read and write the files of a ledger: whom the user's umask lets.

A group that shares a ledger directory gives it the setgid bit and works with the umask 002, as with a repository of Git
(specs/format.md, 2). What is one user's alone, such as copies to be mapped, says so with a mode of its own.
"""

import os
import stat
from typing import Final

MODE: Final = 0o666
"""The mode of a new file, before the umask takes its bits away."""


def is_private(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and others may not write it."""
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
