"""What a folder holds, and what of it can be saved.

Looks before anything is read: the whole folder is walked first, and everything that
cannot be saved is reported at once. A symbolic link is kept as a link, and only if it
stays inside the folder on every system it may be restored on.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.blobs.paths import case_collisions, path_problem, portability_problem
from ledger.disk import mode_of, storage_errors
from ledger.errors import LedgerError, SourceNotFoundError, StorageError, UnsupportedFileError, storage_error
from ledger.records import FileKind

_BLOCK_SIZE = 1 << 20
_SHOWN = 20

_KINDS = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class TreeFile(NamedTuple):
    """A file of a folder: its path there, what it is, its path in the file system, and how large it was."""

    path: str
    kind: FileKind
    source: str
    size: int = 0


def scan_tree(folder: Path) -> list[TreeFile]:
    """Everything in a folder, by the UTF-8 bytes of its path; empty folders are kept.

    Raises `SourceNotFoundError` where there is no folder, and `UnsupportedFileError` with
    all devices, fifos, sockets, links that leave the folder and paths no content may hold.
    """
    mode = mode_of(folder)
    if not mode:
        raise SourceNotFoundError(f"no folder {folder} to save", path=str(folder))
    if not stat.S_ISDIR(mode):
        raise UnsupportedFileError(f"{folder} is not a folder", path=str(folder))
    root = os.path.realpath(folder)
    files: list[TreeFile] = []
    problems: list[str] = []
    for path, source in _walk(root):
        problem = path_problem(path)
        if problem is None:
            with storage_errors(source, "read"):
                status = os.lstat(source)
                kind, problem = _classify(path, source, root, status.st_mode)
            files.append(TreeFile(path, kind, source, 0 if kind == "directory" else status.st_size))
        if problem is not None:
            problems.append(f"{path!r}: {problem}")
    refuse(folder, problems)
    return sorted(files, key=lambda file: file.path.encode())


def check_portable(folder: Path, files: Sequence[TreeFile]) -> None:
    """Refuse files that Windows or macOS could not hold; `UnsupportedFileError` with all of them."""
    problems = [
        f"{file.path!r}: {problem}" for file in files if (problem := portability_problem(file.path)) is not None
    ]
    pairs = case_collisions(file.path for file in files)
    problems += [f"{first!r} and {second!r} differ only in case or in their form of Unicode" for first, second in pairs]
    refuse(folder, problems)


def refuse(folder: Path, problems: Sequence[str]) -> None:
    """Raise `UnsupportedFileError` if there are problems, with the list of them."""
    if not problems:
        return
    shown = "; ".join(problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    raise UnsupportedFileError(
        f"cannot save {folder}: {shown}{more}",
        hint="rename or remove these, or save an archive of the folder",
        path=str(folder),
        problems=tuple(problems),
    )


def read_source(path: str | os.PathLike[str], *, follow: bool) -> Iterator[bytes]:
    """The bytes of a regular file, in blocks; `StorageError` where it changes while it is read.

    ``follow`` says whether the file itself may be a symbolic link.
    """
    # Opening a fifo would wait for its writer without O_NONBLOCK.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    total = 0
    try:
        descriptor = os.open(path, flags)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise UnsupportedFileError(f"{path} is not a regular file", path=str(path))
            # A read that gives less than it was asked for has reached the end: small files need one.
            asked = min(before.st_size + 1, _BLOCK_SIZE)
            while block := os.read(descriptor, asked):
                total += len(block)
                yield block
                if len(block) < asked and total == before.st_size:
                    break
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except LedgerError:
        raise
    except OSError as error:
        raise storage_error(error, path, "read") from error
    if total != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise StorageError(
            f"{path} changed while it was read: {before.st_size} bytes at first, {total} read, {after.st_size} now",
            hint="save it again when nothing writes to it",
            path=str(path),
        )


def link_problem(path: str, target: str) -> str | None:
    """Why the link at ``path`` of a content may not point to ``target``, or ``None``."""
    try:
        target.encode()
    except UnicodeEncodeError:
        return f"a link to {target!r}, which is not valid Unicode"
    if not target or "\0" in target:
        return f"a link to {target!r}"
    if os.path.isabs(target):
        return f"a link to the absolute path {target!r}"
    joined = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return f"a link to {target!r}, outside of the folder" if joined.split("/")[0] == ".." else None


def is_inside(root: str, path: str) -> bool:
    """Whether a path, all links followed, stays below a folder, whose own path holds no links."""
    real = os.path.realpath(path)
    return real == root or real.startswith(root.rstrip("/") + "/")


def _walk(root: str) -> Iterator[tuple[str, str]]:
    """Relative and full path of everything in a folder but the folders that are not empty."""
    pending = [("", root)]
    while pending:
        prefix, folder = pending.pop()
        with storage_errors(folder, "list"), os.scandir(folder) as entries:
            found = list(entries)
        if not found and prefix:
            yield prefix.rstrip("/"), folder
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                pending.append((f"{prefix}{entry.name}/", entry.path))
            else:
                yield prefix + entry.name, entry.path


def _classify(path: str, source: str, root: str, mode: int) -> tuple[FileKind, str | None]:
    """What a file is, and why it cannot be saved."""
    if stat.S_ISREG(mode):
        return "executable" if mode & stat.S_IXUSR else "file", None
    if stat.S_ISDIR(mode):
        return "directory", None
    if not stat.S_ISLNK(mode):
        return "file", f"{_KINDS.get(stat.S_IFMT(mode), 'a special file')} cannot be saved"
    target = os.readlink(source)
    problem = link_problem(path, target)
    if problem is None and not is_inside(root, source):
        problem = f"a link to {target!r}, which leads out of the folder through another link"
    return "link", problem
