"""Registered data, from a store to the same place below the root of another one.

Whichever stores they are, the files that were registered are copied, each checked on the way like everything else, and
no others: what was added beside them since belongs to whoever added it, and is told by who loads the version. What
lies there already is compared and never replaced. In a folder that is not there yet all of it appears at once, by
renaming, otherwise file after file, and what an attempt left there is used by the next one. An object store keeps no
links, so data with links goes to folders only; executable bits and empty folders are in the list of files, which goes
along.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from ledger.blobs.layout import table_key
from ledger.blobs.linked import LinkedFiles, linked_source
from ledger.blobs.linked_objects import LinkedObjects, is_object, object_key, object_paths
from ledger.blobs.local import LocalStore
from ledger.blobs.reader import ContentReader
from ledger.blobs.restoring import Restoration, restore_files
from ledger.blobs.spooled import holds_file, put_file
from ledger.blobs.store import Store, keep
from ledger.blobs.tables import load_table_as_stored
from ledger.blobs.workers import in_order
from ledger.disk import (
    fresh_name,
    is_folder,
    make_directory,
    mode_of,
    remove_folder,
    storage_errors,
    sync_directory,
    sync_file,
    unnamed_copy,
)
from ledger.errors import ArgumentError, IntegrityError
from ledger.records import Content, FileEntry

_AT_ONCE = 4  # objects on their way: most are small, and what each costs is the time of a request


def copy_linked(source: Store, target: Store, content: Content, label: str) -> None:
    """Make registered data complete in ``target``, durably.

    Raises `IntegrityError` where it is not what was registered, or where something else lies in its place, and
    `ArgumentError` where the target cannot hold it.
    """
    files = ContentReader(source, content, label=label).files
    found = linked_source(source, content, files, label=label)
    if isinstance(target, LocalStore):
        _copy_to_folder(found, target, content, files, label)
    else:
        _copy_to_objects(found, target, content, files, label)
    # Last, so that where the list is, the files are.
    if content.has_table and target.has(table_key(content.digest)):
        keep(target, table_key(content.digest))
    elif content.has_table:
        target.put(table_key(content.digest), [load_table_as_stored(source, content, label=label)[1]])


def _copy_to_folder(
    found: LinkedFiles | LinkedObjects,
    target: LocalStore,
    content: Content,
    files: tuple[FileEntry, ...],
    label: str,
) -> None:
    goal = Path(os.path.realpath(target.root), content.linked or "")
    if not found.is_one and mode_of(goal) and not is_folder(goal):
        raise _is_another(target, content, label, "a file is there")
    places = {file.path: goal if found.is_one else goal / file.path for file in files}
    lacking = [file for file in files if not mode_of(places[file.path], follow=False)]
    if len(lacking) < len(files):
        try:
            _compare(linked_source(target, content, files, label=label), files, places)
        except IntegrityError as error:
            raise _is_another(target, content, label, error) from error
    if lacking:
        make_directory(goal.parent)
        staging = goal.parent / fresh_name()
        with storage_errors(goal, "write"):
            try:
                restore_files(staging, [Restoration(file, file.path) for file in lacking], found.each, label=label)
                _make_durable(staging)
                if mode_of(goal) or found.is_one:
                    _move(staging, lacking, places)
                else:
                    os.rename(staging, goal)
            finally:
                remove_folder(staging)
    for folder in {goal.parent, *(place.parent for place in places.values())}:
        sync_directory(folder)  # also of what is there: whoever put it may have died before this


def _compare(there: LinkedFiles | LinkedObjects, files: Iterable[FileEntry], places: Mapping[str, Path]) -> None:
    """Read what lies in the places of files; raises `IntegrityError` where it is not what was registered."""
    for file in files:
        mode = mode_of(places[file.path], follow=False)
        if stat.S_ISDIR(mode) and file.kind != "directory":
            raise IntegrityError(f"{file.path!r} is a folder there", path=file.path)
        if mode:
            for _ in there.blocks(file):
                pass  # checking is the point


def _move(staging: Path, files: Iterable[FileEntry], places: Mapping[str, Path]) -> None:
    """Bring files to their places beside what is there."""
    for file in files:
        folder = places[file.path].parent
        make_directory(folder)
        if os.path.realpath(folder) != str(folder):
            raise IntegrityError(f"{folder} lies behind a symbolic link", path=file.path, location=str(folder))
        os.rename(staging / file.path, places[file.path])


def _copy_to_objects(
    found: LinkedFiles | LinkedObjects,
    target: Store,
    content: Content,
    files: tuple[FileEntry, ...],
    label: str,
) -> None:
    link = next((file.path for file in files if file.kind == "link"), None)
    if link is not None:
        raise ArgumentError(
            f"{label}: {content.linked!r} was registered in place with the link {link!r}, which cannot go to "
            f"{target.url}",
            hint="give the remote a store in a folder; save_artifact(Path(...)) makes versions that any store holds",
        )
    linked = content.linked or ""
    if not found.is_one and is_object(target, linked):
        raise _is_another(target, content, label, "an object of that key is there")
    there = frozenset(object_paths(target, linked))
    copy = partial(_copy_object, found, target, content, label, there)
    for _ in in_order(copy, [file for file in files if file.kind != "directory"], threads=_AT_ONCE):
        pass  # that they are there is the point


def _copy_object(
    found: LinkedFiles | LinkedObjects,
    target: Store,
    content: Content,
    label: str,
    there: frozenset[str],
    file: FileEntry,
) -> None:
    """Put a file where it belongs, from one without a name: it is checked to its end before anything is sent."""
    key = object_key(content.linked or "", file.path, is_one=found.is_one)
    with unnamed_copy(found.blocks(file)) as copy:
        is_there = holds_file(target, key, copy) if file.path in there else None
        if is_there is None:
            put_file(target, key, copy)
        elif not is_there:
            raise _is_another(target, content, label, f"{key} has other bytes")


def _is_another(target: Store, content: Content, label: str, why: Exception | str) -> IntegrityError:
    return IntegrityError(
        f"{label}: {content.linked!r} is another thing in {target.url}: {why}",
        hint="if it belongs to no version, give it another place; else go on in a new clone (specs/sharing.md, 3)",
        location=f"{target.url}/{content.linked}",
    )


def _make_durable(copies: Path) -> None:
    """Sync what was copied into a folder: files first, their folders behind them."""
    for folder, _, names in os.walk(copies, topdown=False):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                _sync_file(os.path.join(folder, name))
        sync_directory(folder)


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)
