"""Folders on the local disk that a process makes for libraries that insist on files, gone when it ends."""

import atexit
import os
import sys
import tempfile
from pathlib import Path

from ledger.disk import TemporaryFolder, remove_folder, storage_errors, temporary_folder


def fresh_folder() -> Path:
    """A new empty folder on the local disk; it lasts as long as the process, or until the caller removes it."""
    with storage_errors(temporary_folder(), "make a folder in"):
        return Path(tempfile.mkdtemp(dir=_scratch().path))


_scratches: dict[int, TemporaryFolder] = {}
"""The folder of each process: a fork still has the entry of its parent."""


def _scratch() -> TemporaryFolder:
    """One folder per process for local files, removed when it ends; another one where somebody has cleaned it away.

    Where it is not removed, as by a process that is killed, and so by the workers of a pool that is terminated, it is
    by the next one that makes its own.
    """
    process = os.getpid()
    folder = _scratches.get(process)
    if folder is None or not os.path.isdir(folder.path):
        folder = _scratches[process] = TemporaryFolder()
        atexit.register(_remove_scratch, folder, process)
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None and sys.modules["multiprocessing.process"].parent_process() is not None:
            # In a process of `multiprocessing` that was forked no exit handlers are called.
            multiprocessing.Finalize(None, _remove_scratch, args=(folder, process), exitpriority=-1)
    return folder


def _remove_scratch(folder: TemporaryFolder, process: int) -> None:
    # A forked child inherits the registration, not the folder.
    if os.getpid() == process:
        remove_folder(folder.path)
