"""The files of a version as a file or a folder of the user's.

A version whose files are one file becomes that file; any other becomes a folder that
appears when it is complete. What shows a value is no part of it and stays behind.
Nothing is loaded, so nothing of the version runs.
"""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from ledger.blobs import ContentReader
from ledger.disk import fresh_name, storage_errors
from ledger.errors import SourceNotFoundError, TargetExistsError
from ledger.records import FileEntry


def restore(
    reader: ContentReader, path: str | Path, *, without: Collection[str], is_wrapped: bool, overwrite: bool
) -> Path:
    """Put the files of a content at ``path``, or one file into it if it is a folder; returns what was made.

    ``is_wrapped`` says that all paths begin with the name of the one file or folder that was saved:
    such a folder becomes ``path`` itself. Only a file is ever overwritten.
    """
    files = [file for file in reader.files if file.path not in without]
    if len(files) == 1 and files[0].kind != "directory" and "/" not in files[0].path:
        return _restore_file(reader, files[0], path, overwrite=overwrite)
    target = Path(path)
    if target.is_dir():
        raise TargetExistsError(
            f"{target} exists already, and {len(files)} files need a folder of their own",
            hint="choose a path that does not exist yet",
            path=str(target),
        )
    _require_folder(target.absolute().parent)
    top = files[0].path.partition("/")[0] if is_wrapped and files else ""
    reader.restore(target, paths=[file.path for file in files if file.path != top], strip=top)
    return target


def _restore_file(reader: ContentReader, file: FileEntry, path: str | Path, *, overwrite: bool) -> Path:
    """Write one file beside its place and rename it, so that it appears whole."""
    target = Path(path)
    if str(path).endswith("/"):
        _require_folder(target)
    if target.is_dir():
        target /= file.path
    if os.path.lexists(target) and (target.is_dir() or not overwrite):
        raise TargetExistsError(
            f"{target} exists already", hint="choose another path, or allow it to be overwritten", path=str(target)
        )
    parent = target.absolute().parent
    _require_folder(parent)
    staging = parent / fresh_name(f".{target.name[:100]}.")
    try:
        reader.restore(staging, paths=[file.path])
        with storage_errors(target, "write"):
            os.replace(staging / file.path, target)
    finally:
        # Whether it went well or not, what is left here is nobody's.
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise SourceNotFoundError(f"the folder {folder} does not exist", hint="make it first", path=str(folder))
