"""Registered data, copied from a store to the same place below the root of another one.

Whichever stores they are, only the files that were registered are copied, each checked on the way like everything else.
What was added beside them since belongs to whoever added it; an error tells of it when the version is loaded. What lies
in the target already is compared and never replaced. Where the folder is not there yet all of it appears at once, by
renaming; otherwise it comes file after file, and an attempt uses what the last one copied. An object store keeps no
links, so data with links goes to folders only; executable bits and empty folders are in the list of files, which is
copied too.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ledger.blobs.chunks.file_lists import listed_files
from ledger.blobs.chunks.tables import load_table_as_stored
from ledger.blobs.files.restoring import Restoration, restore_files
from ledger.blobs.registering.file_source import FileSource
from ledger.blobs.registering.linked import linked_source
from ledger.blobs.registering.linked_objects import is_object, object_key, object_paths
from ledger.blobs.stores.layout import table_key
from ledger.blobs.stores.local import LocalStore
from ledger.blobs.stores.spooled import holds_file, put_file
from ledger.blobs.stores.store import Store
from ledger.blobs.stores.workers import in_order
from ledger.disk import (
    folder_beside,
    is_folder,
    make_directory,
    mode_of,
    name_first,
    settle_files,
    storage_errors,
    sync_by_itself,
    sync_directory,
    unnamed_copy,
    walk,
)
from ledger.errors import ArgumentError, IntegrityError
from ledger.records import Content, FileEntry

_AT_ONCE = 4  # objects on their way: most are small, and what each costs is the time of a request


def copy_linked(source: Store, target: Store, content: Content, label: str) -> None:
    """Make registered data complete in ``target``, durably.

    Raises `IntegrityError` where it is not what was registered, or where something else lies in its place, and
    `ArgumentError` where the target cannot hold it.
    """
    copy = _Copy(source, target, content, label)
    if isinstance(target, LocalStore):
        copy.to_folder(target)
    else:
        copy.to_objects()
    # The list comes last, so that wherever it is, the files are as well.
    if content.has_table:
        target.put(table_key(content.digest), [load_table_as_stored(source, content, label=label)[1]])


class _Copy:
    """One registered content on its way from a store to another one."""

    def __init__(self, source: Store, target: Store, content: Content, label: str) -> None:
        self._target = target
        self._content = content
        self._label = label
        self._linked = content.linked or ""
        self._files = listed_files(source, content, label=label)
        self._found = linked_source(source, content, self._files, label=label)

    def to_folder(self, target: LocalStore) -> None:
        """Bring what a folder lacks: all at once where nothing is there."""
        goal = Path(os.path.realpath(target.root), self._linked)
        if not self._found.is_one and mode_of(goal) and not is_folder(goal):
            raise self._is_another("a file is there")
        places = {file.path: goal if self._found.is_one else goal / file.path for file in self._files}
        lacking = [file for file in self._files if not mode_of(places[file.path], follow=False)]
        if len(lacking) < len(self._files):
            self._compare(target, self._files, places)
        taken = self._restore(goal, lacking, places) if lacking else []
        if taken:
            self._compare(target, taken, places)
        # Also what was there already: whoever put it there may have copied it by hand, or died before this.
        brought = {file.path for file in lacking if file not in taken}
        kept = [place for path, place in places.items() if path not in brought]
        folders = {goal.parent, *(place.parent for place in places.values())}
        settle_files([place for place in kept if stat.S_ISREG(mode_of(place, follow=False))], folders)

    def _compare(self, target: LocalStore, files: Iterable[FileEntry], places: Mapping[str, Path]) -> None:
        """Raise `IntegrityError` where something else than was registered lies in the place of a file."""
        try:
            _read_in_place(linked_source(target, self._content, self._files, label=self._label), files, places)
        except IntegrityError as error:
            raise self._is_another(error) from error

    def _restore(self, goal: Path, lacking: Sequence[FileEntry], places: Mapping[str, Path]) -> list[FileEntry]:
        """Bring files to their places; gives those whose places something else has taken meanwhile."""
        make_directory(goal.parent)
        with storage_errors(goal, "write"), folder_beside(goal) as folder:
            copies = Path(folder, "files")
            wanted = [Restoration(file, file.path) for file in lacking]
            restore_files(copies, wanted, self._found.each, label=self._label)
            _make_durable(copies)
            if mode_of(goal) or self._found.is_one:
                return _move(copies, lacking, places)
            os.rename(copies, goal)
            return []

    def to_objects(self) -> None:
        """Put what an object store lacks, file after file."""
        link = next((file.path for file in self._files if file.kind == "link"), None)
        if link is not None:
            raise ArgumentError(
                f"{self._label}: {self._linked!r} was registered in place with the link {link!r}, which cannot go to "
                f"{self._target.url}",
                hint="give the remote a store in a folder; save_artifact(Path(...)) makes versions that any store "
                "holds",
            )
        if not self._found.is_one and is_object(self._target, self._linked):
            raise self._is_another("an object of that key is there")
        there = frozenset(object_paths(self._target, self._linked))
        put = partial(self._put, there)
        for _ in in_order(put, [file for file in self._files if file.kind != "directory"], threads=_AT_ONCE):
            pass  # that they are there is the point

    def _put(self, there: frozenset[str], file: FileEntry) -> None:
        """Put a file where it belongs, by way of an unnamed copy: it is checked to its end before anything is sent."""
        key = object_key(self._linked, file.path, is_one=self._found.is_one)
        with unnamed_copy(self._found.blocks(file)) as copy:
            is_same = holds_file(self._target, key, copy) if file.path in there else None
            if is_same is None:
                self._put_new(key, copy)
            elif not is_same:
                raise self._is_another(f"{key} has other bytes")

    def _put_new(self, key: str, copy: BinaryIO) -> None:
        """Put a file where none was listed; a listing may leave one out, or somebody may have put one there since."""
        try:
            put_file(self._target, key, copy)
        except IntegrityError as error:
            raise self._is_another(error) from error

    def _is_another(self, why: Exception | str) -> IntegrityError:
        return IntegrityError(
            f"{self._label}: {self._linked!r} is another thing in {self._target.url}: {why}",
            hint="if it belongs to no version, give it another place; else go on in a new clone (specs/sharing.md, 3)",
            location=f"{self._target.url}/{self._linked}",
        )


def _read_in_place(there: FileSource, files: Iterable[FileEntry], places: Mapping[str, Path]) -> None:
    """Read each file whose place is taken, from ``there``; raises `IntegrityError` where it is another one."""
    for file in files:
        mode = mode_of(places[file.path], follow=False)
        if not mode:
            continue
        if stat.S_ISDIR(mode) != (file.kind == "directory"):
            what = "a folder" if stat.S_ISDIR(mode) else "no folder"
            raise IntegrityError(f"{file.path!r} is {what} there", path=file.path)
        for _ in there.blocks(file):
            pass  # checking is the point


def _move(copies: Path, files: Iterable[FileEntry], places: Mapping[str, Path]) -> list[FileEntry]:
    """Bring files to their places beside what is there; gives those whose places are taken."""
    taken: list[FileEntry] = []
    for file in files:
        folder = places[file.path].parent
        make_directory(folder)
        if os.path.realpath(folder) != str(folder):
            raise IntegrityError(f"{folder} lies behind a symbolic link", path=file.path, location=str(folder))
        if file.kind == "directory":
            os.rename(copies / file.path, places[file.path])
        elif not name_first(copies / file.path, places[file.path]):
            taken.append(file)
    return taken


def _make_durable(copies: Path) -> None:
    """Sync what was copied into a folder: each file by itself, however many there are, and then their folders."""
    for folder, _, names in walk(copies, topdown=False):
        for name in names:
            if not os.path.islink(os.path.join(folder, name)):
                sync_by_itself(os.path.join(folder, name))
        sync_directory(folder)
