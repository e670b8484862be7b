"""What this process has open."""

import contextlib
import os
from collections import Counter


def open_descriptors() -> Counter[tuple[int, int]]:
    """What the descriptors of this process lead to, by device and inode, and how many lead there.

    ``open_descriptors() - before`` is what was opened since and is open still. What was open before, such as an idle
    connection of another test, may be closed at any moment.
    """
    found = Counter[tuple[int, int]]()
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # that of the list itself is closed again
            status = os.fstat(int(name))
            found[status.st_dev, status.st_ino] += 1
    return found
