"""Removing what a ledger made and nobody needs: what failed, what is spare, what the dead left behind.

What cannot be removed is never read, so most of this is best effort: the failure that led to it matters more.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from ledger.disk.reading import names_in, storage_errors


def remove_if_there(path: str | os.PathLike[str]) -> bool:
    """Remove a file of ours that nobody needs, if it is there; says whether it is gone."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # it is never read
    return True


def remove_abandoned(folder: str | os.PathLike[str], prefix: str, *, seconds: float) -> None:
    """Remove the files whose names begin with ``prefix`` and that nobody has written to for ``seconds``: none is read.

    A file whose time is that far in the future goes too: the clock has been set back since.
    """
    for path in _beginning_with(folder, prefix):
        with storage_errors(path, "look at"), contextlib.suppress(FileNotFoundError):
            if _is_untouched(path, seconds):
                remove_if_there(path)


def remove_abandoned_folders(folder: str | os.PathLike[str], prefix: str, *, seconds: float) -> None:
    """As `remove_abandoned`, for folders: each goes with all in it, if nobody has written to any of it for so long."""
    for path in _beginning_with(folder, prefix):
        with storage_errors(path, "look at"), contextlib.suppress(FileNotFoundError):
            # A folder that cannot be listed, such as another user's, cannot be emptied either.
            below = (f"{root}/{name}" for root, folders, files in os.walk(path) for name in (*folders, *files))
            if _is_untouched(path, seconds) and all(_is_untouched(each, seconds) for each in below):
                remove_folder(path)


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Remove a folder of ours that nobody needs, with everything in it, as far as possible."""
    import shutil

    # `rmtree` raises an error of closing a folder all the same, which would hide the failure that matters.
    with contextlib.suppress(OSError):
        shutil.rmtree(path, ignore_errors=True)


def _beginning_with(folder: str | os.PathLike[str], prefix: str) -> Iterator[str]:
    return (os.path.join(folder, name) for name in names_in(folder) if name.startswith(prefix))


def _is_untouched(path: str, seconds: float) -> bool:
    return abs(time.time() - os.lstat(path).st_mtime) > seconds
