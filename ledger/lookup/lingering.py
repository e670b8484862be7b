"""The end of a program that let another library read a file of a version."""

import atexit
import functools
import sys
import time

_PATIENCE = 0.1  # seconds


@functools.cache
def wait_at_exit() -> None:
    """Have the interpreter, before it ends, wait for the threads of Arrow, if Arrow is loaded.

    They let go of a file and of its file system a moment after a table was read from them. When the interpreter has
    ended they no longer can, and the process would be aborted instead of ending well.
    """
    atexit.register(_wait_for_arrow)


def _wait_for_arrow() -> None:
    if "pyarrow" in sys.modules:
        time.sleep(_PATIENCE)
