"""Files of a content as files of a folder.

Everything is written into a fresh folder beside the target, which gets its name when
all of it has been checked: there is never half a restored folder. Links are made last,
so that no file is ever written through one, and looked at again afterwards, because two
harmless links can lead out of a folder together.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.blobs.files.folders import is_inside
from ledger.blobs.files.links import LEADS_OUT, bad_link, check_size, link_target
from ledger.disk import MODE, folder_beside, storage_errors, write_all
from ledger.errors import ArgumentError, StorageError, TargetExistsError
from ledger.records import FileEntry

_EXECUTABLE_MODE = MODE | 0o111
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

Read = Callable[[Sequence[FileEntry]], Iterator[Iterator[memoryview]]]
"""Gives the bytes of each of some files, which are to be taken before those of the next."""


class Restoration(NamedTuple):
    """A file of a content, and where it goes below the target."""

    file: FileEntry
    path: str


def plan_restore(files: Sequence[FileEntry], paths: Sequence[str] | None, strip: str) -> list[Restoration]:
    """Which files go where: those named by ``paths``, without the leading folder ``strip``.

    Raises `ArgumentError` for a path that is not there or does not lie below ``strip``.
    """
    by_path = {file.path: file for file in files}
    missing = [path for path in paths or () if path not in by_path]
    if missing:
        raise ArgumentError(f"no file {missing[0]!r} among the {len(files)} files", path=missing[0])
    chosen = files if paths is None else [by_path[path] for path in dict.fromkeys(paths)]
    lead = f"{strip.rstrip('/')}/" if strip else ""
    outside = next((file.path for file in chosen if not file.path.startswith(lead)), None)
    if outside is not None:
        raise ArgumentError(f"the file {outside!r} does not lie below {strip!r}", path=outside)
    return [Restoration(file, file.path.removeprefix(lead)) for file in chosen]


def split(blocks: Iterator[memoryview], sizes: Iterable[int]) -> Iterator[Iterator[memoryview]]:
    """The bytes of files of these sizes that come one after another; each is to be taken before the next."""
    rest = memoryview(b"")

    def take(size: int) -> Iterator[memoryview]:
        nonlocal rest
        while size:
            rest = rest or next(blocks)
            piece, rest = rest[:size], rest[size:]
            size -= len(piece)
            yield piece

    return map(take, sizes)


def restore_files(target: Path, plan: Sequence[Restoration], read: Read, *, label: str) -> None:
    """Make the folder ``target``, which must not exist, with these files; ``read`` gives the bytes of each."""
    if os.path.lexists(target):
        raise _target_exists(target)
    with storage_errors(target, "write"), folder_beside(target) as staging:
        _fill(staging, plan, read, label)
        try:
            os.rename(staging, target)
        except OSError as error:
            if error.errno in _IN_THE_WAY:  # something got the name meanwhile; only an empty folder is replaced
                raise _target_exists(target) from error
            raise


def _target_exists(target: Path) -> TargetExistsError:
    return TargetExistsError(f"{target} exists already", hint="choose a path that does not exist yet", path=str(target))


def _fill(staging: str, plan: Sequence[Restoration], read: Read, label: str) -> None:
    """Write the files into a folder that is nobody else's yet; links last, so that nothing is written through one."""
    links: list[tuple[str, str]] = []
    folders = {staging}
    for (file, path), blocks in zip(plan, read([file for file, _ in plan]), strict=True):
        full = f"{staging}/{path}"
        folder = full if file.kind == "directory" else full.rpartition("/")[0]
        if folder not in folders:
            os.makedirs(folder, exist_ok=True)
            folders.add(folder)
        if file.kind == "link":
            check_size(path, file.size, label)
            links.append((path, link_target(path, b"".join(blocks), label)))
        elif file.kind != "directory":
            _write(full, blocks, _EXECUTABLE_MODE if file.kind == "executable" else MODE)
    _make_links(staging, links, label)


def _make_links(staging: str, links: Sequence[tuple[str, str]], label: str) -> None:
    """Make the links of a folder that is filled; raises for one that leads out of it by way of others."""
    for path, target in links:
        try:
            os.symlink(target, os.path.join(staging, path))
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise StorageError(
                f"{label}: the link {path!r} cannot be made: {error.strerror}",
                hint="restore it to a file system that holds symbolic links, unlike FAT and exFAT",
                errno=error.errno,
                path=path,
            ) from error
    root = os.path.realpath(staging)
    for path, target in links:
        if not is_inside(root, os.path.join(root, path)):
            raise bad_link(path, f"a link to {target!r}, {LEADS_OUT}", label)


def _write(path: str, blocks: Iterator[memoryview], mode: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        for block in blocks:
            write_all(descriptor, block)
    finally:
        os.close(descriptor)
