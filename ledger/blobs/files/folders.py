"""What a folder holds, and what of it can be saved.

Looks before anything is read: the whole folder is walked first, and everything that
cannot be saved is reported at once. A symbolic link is kept as a link, and only if it
stays inside the folder on every system it may be restored on.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path

import msgspec

from ledger.blobs.files.links import LEADS_OUT, link_problem
from ledger.blobs.files.paths import are_portable, are_usual, case_collisions, path_problem, portability_problem
from ledger.disk import mode_of, open_folder, refuse_unread_name, storage_errors
from ledger.errors import SourceNotFoundError, UnsupportedFileError
from ledger.records import FileKind
from ledger.system_errors import storage_error

_SHOWN = 20  # problems in a message
_JUDGED_TOGETHER = 256  # paths: where one of them looks unusual, each is judged by itself

# Python compares texts by code points, which gives the order of their UTF-8 bytes.
_order = attrgetter("path")

_KINDS = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


class FolderFile(msgspec.Struct, frozen=True, gc=False):
    """A file of a folder: its path there, what it is, where it lies, how large it was, and as of when.

    It lies under ``name`` in ``folder``, a path of the file system. ``modified`` is the time of its last change, in
    nanoseconds; ``target`` is where a link was seen to point.
    """

    path: str
    kind: FileKind
    folder: str
    name: str
    size: int = 0
    modified: int = 0
    target: str = ""

    @property
    def source(self) -> str:
        """Its path in the file system."""
        return os.path.join(self.folder, self.name)


def scan_folder(folder: Path, *, without: Path | None = None, portable: bool = False) -> list[FolderFile]:
    """Everything in a folder except ``without``, in the order of the UTF-8 bytes of paths; empty folders are kept.

    Raises `SourceNotFoundError` where there is no folder, and `UnsupportedFileError` with
    all devices, fifos, sockets, links that leave the folder and paths no content may hold,
    and with ``portable`` all that Windows or macOS could not hold.
    """
    mode = mode_of(folder)
    if not mode:
        raise SourceNotFoundError(f"no folder {folder} to save", path=str(folder))
    if not stat.S_ISDIR(mode):
        raise UnsupportedFileError(f"{folder} is not a folder", path=str(folder))
    root = os.path.realpath(folder)
    left_out = os.path.realpath(without) if without is not None else ""
    if root == left_out:
        raise UnsupportedFileError(
            f"{folder} is the ledger itself", hint="clone it, or save it in another ledger", path=str(folder)
        )
    files: list[FolderFile] = []
    problems: list[str] = []
    for prefix, place, entries in _walk(root, left_out):
        paths = [prefix + name for name, _ in entries]
        all_usual = are_usual(paths)
        for path, (name, status) in zip(paths, entries, strict=True):
            problem = None if all_usual else path_problem(path)
            if problem is None:
                file, problem = _look_at(path, place, name, status, root)
                files.append(file)
            if problem is not None:
                refuse_unread_name(path, folder)
                problems.append(f"{path!r}: {problem}")
    files.sort(key=_order)
    if portable:
        problems += _not_portable([file.path for file in files])
    refuse(folder, problems)
    return files


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


def is_inside(root: str, path: str) -> bool:
    """Whether a path, all links followed, stays below a folder, whose own path holds no links.

    One that leads over a thousand links, which no system follows, does not.
    """
    try:
        real = os.path.realpath(path)
    except RecursionError:  # up to Python 3.12
        return False
    return real == root or real.startswith(root.rstrip("/") + "/")


def _not_portable(paths: Sequence[str]) -> list[str]:
    """What Windows or macOS could not hold of the paths of a folder."""
    groups = (paths[start : start + _JUDGED_TOGETHER] for start in range(0, len(paths), _JUDGED_TOGETHER))
    suspicious = chain.from_iterable(group for group in groups if not are_portable(group))
    problems = [f"{path!r}: {problem}" for path in suspicious if (problem := portability_problem(path)) is not None]
    pairs = case_collisions(paths)
    problems += [f"{first!r} and {second!r} differ only in case or in their form of Unicode" for first, second in pairs]
    return problems


def _walk(root: str, left_out: str) -> Iterator[tuple[str, str, list[tuple[str, os.stat_result]]]]:
    """For each folder at or below ``root``: how the paths in it begin, where it lies, and what it holds.

    That is files, links and empty folders, each by its name and status. What lies at ``left_out`` is passed over.
    """
    left_out_of, left_out_name = os.path.split(left_out)
    pending = [("", root)]
    while pending:
        prefix, place = pending.pop()
        passed_over = left_out_name if place == left_out_of else None
        folders: list[str] = []
        others: list[tuple[str, os.stat_result]] = []
        with storage_errors(place, "list"), open_folder(place) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name == passed_over:
                    continue
                # Where the file system does not list what its entries are, this asks for each.
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    others.append((entry.name, _status_of(entry, place)))
            status = os.fstat(descriptor)
        pending += [(f"{prefix}{name}/", os.path.join(place, name)) for name in folders]
        if others:
            yield prefix, place, others
        elif not folders and prefix:
            above, name = os.path.split(place)
            yield prefix.removesuffix(f"{name}/"), above, [(name, status)]


def _status_of(entry: os.DirEntry[str], place: str) -> os.stat_result:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        raise storage_error(error, os.path.join(place, entry.name), "read") from error


def _look_at(path: str, place: str, name: str, status: os.stat_result, root: str) -> tuple[FolderFile, str | None]:
    """What lies at a path, and why it cannot be saved, or ``None``."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        kind: FileKind = "executable" if mode & stat.S_IXUSR else "file"
        return FolderFile(path, kind, place, name, status.st_size, status.st_mtime_ns), None
    if stat.S_ISLNK(mode):
        source = os.path.join(place, name)
        with storage_errors(source, "read"):
            target = os.readlink(source)
        file = FolderFile(path, "link", place, name, status.st_size, target=target)
        return file, _problem_of_link(path, source, root, target)
    if stat.S_ISDIR(mode):
        return FolderFile(path, "directory", place, name), None
    problem = f"{_KINDS.get(stat.S_IFMT(mode), 'a special file')} cannot be saved"
    return FolderFile(path, "file", place, name, status.st_size), problem


def _problem_of_link(path: str, source: str, root: str, target: str) -> str | None:
    """Why a link cannot be saved; ``root`` is the folder, whose own path holds no links."""
    problem = link_problem(path, target)
    if problem is not None:
        refuse_unread_name(target, os.path.dirname(source))
    if problem is None and not is_inside(root, source):
        problem = f"a link to {target!r}, {LEADS_OUT}"
    return problem
