"""Registered data, from a store to the same place below the root of another one.

Whichever stores they are, and checked on the way like everything else. What lies there already is compared and never
replaced: it belongs to somebody. In a folder all of it appears at once, by renaming; in an object store file after
file, and what an attempt left there is used by the next one. An object store keeps no links, so data with links goes
to folders only; executable bits and empty folders are in the list of files, which goes along.
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

from ledger.blobs.layout import table_key
from ledger.blobs.linked import LinkedFiles, linked_source
from ledger.blobs.linked_objects import LinkedObjects, object_key, object_paths
from ledger.blobs.local import LocalStore
from ledger.blobs.restoring import Restoration, restore_files
from ledger.blobs.spooled import holds_file, put_file
from ledger.blobs.store import Store, keep
from ledger.blobs.tables import load_table, load_table_as_stored
from ledger.blobs.workers import in_order
from ledger.disk import (
    fresh_name,
    is_file,
    make_directory,
    mode_of,
    storage_errors,
    sync_directory,
    sync_file,
)
from ledger.errors import ArgumentError, IntegrityError
from ledger.records import Content, FileEntry

_AT_ONCE = 4  # objects on their way: most are small, and what each costs is the time of a request


def copy_linked(source: Store, target: Store, content: Content, label: str) -> None:
    """Make registered data complete in ``target``, durably.

    Raises `IntegrityError` where it is not what was registered, or where something else lies in its place, and
    `ArgumentError` where the target cannot hold it.
    """
    files = load_table(source, content, label=label).files if content.has_table else content.files or ()
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
    if mode_of(goal):
        sync_directory(goal.parent)  # whoever put it there may have died before this
        try:
            linked_source(target, content, files, label=label).check()
        except IntegrityError as error:
            raise _is_another(target, content, label, error) from error
        return
    found.check_listing()
    make_directory(goal.parent)
    staging = goal.parent / fresh_name()
    with storage_errors(goal, "write"):
        try:
            restore_files(staging, [Restoration(file, file.path) for file in files], found.each, label=label)
            made = staging / files[0].path if found.is_one else staging
            _make_durable(made)
            os.rename(made, goal)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    sync_directory(goal.parent)


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
    found.check_listing()
    linked = content.linked or ""
    sent = [file for file in files if file.kind != "directory"]
    there = frozenset(object_paths(target, linked))
    others = there.difference(file.path for file in sent)
    if others:
        raise _is_another(target, content, label, f"{min(others)!r} is there")
    copy = partial(_copy_object, found, target, content, label, there)
    for _ in in_order(copy, sent, threads=_AT_ONCE):
        pass  # that they are there is the point
    try:
        linked_source(target, content, files, label=label).check_listing()
    except IntegrityError as error:
        raise _is_another(target, content, label, error) from error


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
    with storage_errors(tempfile.gettempdir(), "write a temporary file in"):
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # closed below
    with copy:
        for block in found.blocks(file):
            with storage_errors(tempfile.gettempdir(), "write a temporary file in"):
                copy.write(block)
        with storage_errors(tempfile.gettempdir(), "write a temporary file in"):
            copy.flush()
        is_there = holds_file(target, key, copy) if file.path in there else None
        if is_there is None:
            put_file(target, key, copy)
        elif not is_there:
            raise _is_another(target, content, label, f"{key} has other bytes")


def _is_another(target: Store, content: Content, label: str, why: Exception | str) -> IntegrityError:
    return IntegrityError(
        f"{label}: {content.linked!r} is another thing in {target.url}: {why}",
        hint="give what lies there another place; nothing was published",
        location=f"{target.url}/{content.linked}",
    )


def _make_durable(path: Path) -> None:
    """Sync what was copied: files first, their folders behind them."""
    if is_file(path):
        _sync_file(str(path))
    for folder, _, names in os.walk(path, topdown=False):
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
