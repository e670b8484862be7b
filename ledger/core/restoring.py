"""The files of a version as a file or a folder of the user's.

A version that is one file becomes that file. Any other one, also a link or a folder with one file, becomes a folder
that appears when it is complete. Visualizations are no part of the value and are left out. Nothing is loaded, so
nothing of the version runs.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from ledger.blobs import ContentReader
from ledger.core.links import top_of
from ledger.disk import absolute, folder_beside, given_path, is_folder, name_first, settle_files, storage_errors
from ledger.errors import ArgumentError, IntegrityError, PathNotFoundError, SourceNotFoundError, TargetExistsError
from ledger.lookup import Part
from ledger.records import FileEntry

_NO_FILES = ("directory", "link")


def restore(
    reader: ContentReader,
    path: str | Path,
    *,
    without: Collection[str],
    is_wrapped: bool,
    has_own_folder: bool,
    overwrite: bool,
) -> Path:
    """Put the files of a content at ``path``, or one file into it if it is a folder; returns what was made.

    ``is_wrapped`` says that all paths begin with the name of the one file or folder that was saved:
    such a folder becomes ``path`` itself. ``has_own_folder`` says that a folder was registered, whose name no path
    begins with and in which there may be one file. Only a file is ever overwritten.
    """
    target = given_path(path, "the path to restore to")
    files = [file for file in reader.files if file.path not in without]
    top = top_of(files) if is_wrapped else ""
    if len(files) == 1 and files[0].kind not in _NO_FILES and "/" not in files[0].path and not has_own_folder:
        return _restore_one(reader, files[0], path, overwrite=overwrite)
    return _restore_folder(reader, files, top, target)


def restore_part(reader: ContentReader, part: Part, path: str | Path, *, overwrite: bool) -> Path:
    """Put one file of a content, or one of its folders, at ``path``; returns what was made."""
    if not part.is_folder:
        return _restore_one(reader, part.files[0], path, overwrite=overwrite)
    try:
        return _restore_folder(reader, part.files, part.path, given_path(path, "the path to restore to"))
    except IntegrityError as error:
        if "link" not in error.facts:
            raise
        raise ArgumentError(
            f"the link {error.facts['link']!r} leads out of {part.path!r}",
            hint="restore all of the version: what the link leads to comes along then",
            path=part.path,
        ) from error


def _restore_folder(reader: ContentReader, files: Sequence[FileEntry], top: str, target: Path) -> Path:
    """Make the folder ``target`` with these files, which all lie below the folder ``top`` of the content."""
    if is_folder(target):
        needs = "1 file needs a folder of its" if len(files) == 1 else f"{len(files)} files need a folder of their"
        raise TargetExistsError(
            f"{target} exists already, and {needs} own",
            hint="choose a path that does not exist yet",
            path=str(target),
        )
    require_folder(absolute(target).parent)
    reader.restore(target, paths=[file.path for file in files if file.path != top], strip=top)
    return target


def _restore_one(reader: ContentReader, file: FileEntry, path: str | Path, *, overwrite: bool) -> Path:
    """Put one file of a content at ``path``, or into it if it is a folder; returns what was made."""
    if file.kind in _NO_FILES:
        raise PathNotFoundError(f"{file.path!r} is a {file.kind} and no file", hint="name a file", path=file.path)
    target = given_path(path, "the path to restore to")
    place = target / Path(file.path).name if is_folder(target) else target
    if os.fspath(path).endswith("/"):
        require_folder(target)
    return _restore_file(reader, file, place, overwrite=overwrite)


def _restore_file(reader: ContentReader, file: FileEntry, target: Path, *, overwrite: bool) -> Path:
    """Write one file beside its place and rename it, so that it appears whole."""
    if os.path.lexists(target) and not (overwrite and can_be_replaced(target)):
        raise target_exists(target)
    parent = absolute(target).parent
    require_folder(parent)
    with storage_errors(target, "write"), folder_beside(parent / target.name) as folder:
        restored = Path(folder, "files")
        reader.restore(restored, paths=[file.path])
        settle_files([restored / file.path], [])  # before the renaming, by which a file that is replaced is lost
        take_name(restored / file.path, target, overwrite=overwrite)
    return target


def take_name(made: str | Path, target: Path, *, overwrite: bool) -> None:
    """Give a file that was made beside a target the target's name; raises plain ``OSError``.

    Without ``overwrite``, what has got that name meanwhile stays: `TargetExistsError`.
    """
    if overwrite:
        os.replace(made, target)
    elif not name_first(made, target):
        raise target_exists(target)


def can_be_replaced(target: Path) -> bool:
    """Whether what is there is a file, or a link to one or to nothing: a device or a folder never goes."""
    return target.is_file() or not target.exists()


def target_exists(target: Path) -> TargetExistsError:
    """The error where something is in the way; only a file can be replaced."""
    replaced = ", or replace what is there: overwrite=True, in the shell --overwrite" if can_be_replaced(target) else ""
    return TargetExistsError(f"{target} exists already", hint=f"choose another path{replaced}", path=str(target))


def require_folder(folder: Path) -> None:
    """Raise `SourceNotFoundError` unless there is a folder to put something into."""
    if not is_folder(folder):
        is_there = os.path.lexists(folder)
        raise SourceNotFoundError(
            f"{folder} is not a folder" if is_there else f"the folder {folder} does not exist",
            hint="name a path below folders" if is_there else "make it first",
            path=str(folder),
        )
