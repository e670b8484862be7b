"""Which paths a content may hold.

Two rules. The *structure* of paths (specs/format.md, 5) is checked on writing and on
reading alike, because a path decides where a restored file goes. What is *portable* is
stricter and asked of whole folders when they are saved: a folder that could not be
restored on another system is refused with everything that is wrong with it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from ledger.errors import FormatError
from ledger.records import FileEntry

PATH_LIMIT: Final = 1024
"""Most bytes of a path."""

# These are sought in many paths at once, which is quick: only if one occurs, the rules below judge each path by itself.
_UNUSUAL = ("//", "/./", "/../")
_NOT_PORTABLE = (*'<>:"|?*\\', "./", " /")
_DEVICE = re.compile(r"/(?:con|prn|aux|nul|con(?:in|out)\$|com[0-9]|lpt[0-9])[ ./]")

_RESERVED = re.compile(r"(?i:con|prn|aux|nul|con(?:in|out)\$|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(?:\..*)?")
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def are_usual(paths: Collection[str]) -> bool:
    """Whether the structure of all paths is certainly right; if not, `path_problem` has to judge each."""
    together = f"/{'/'.join(paths)}/"
    is_plain = together.isascii() and together.isprintable() and not any(part in together for part in _UNUSUAL)
    return is_plain and max(map(len, paths)) <= PATH_LIMIT


def are_portable(paths: Collection[str]) -> bool:
    """Whether Windows and macOS can certainly hold each path by itself; if not, `portability_problem` judges each."""
    together = f"/{'/'.join(paths)}/".lower()
    is_plain = together.isascii() and together.isprintable() and not any(part in together for part in _NOT_PORTABLE)
    return is_plain and not _DEVICE.search(together)


def path_problem(path: str) -> str | None:
    """What is wrong with the structure of a path, or ``None``."""
    if are_usual((path,)):
        return None
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if size > PATH_LIMIT:
        return f"it has {size} bytes, at most {PATH_LIMIT} are allowed"
    if "\0" in path:
        return "it holds a NUL"
    bad = next((segment for segment in path.split("/") if segment in ("", ".", "..")), None)
    return None if bad is None else f"a part of it is {bad!r}"


def portability_problem(path: str) -> str | None:
    """Why a path could not be restored on Windows or macOS, or ``None``."""
    for segment in path.split("/"):
        forbidden = _FORBIDDEN.search(segment)
        if forbidden is not None:
            return f"it holds {forbidden[0]!r}"
        if _RESERVED.fullmatch(segment):
            return f"{segment!r} is a reserved device name"
        if segment.endswith((".", " ")):
            return f"{segment!r} ends in a dot or a space"
    return None


def key_problem(path: str) -> str | None:
    """Why no object of a bucket could have a content's path in its key, or ``None``."""
    control = _CONTROL.search(path)
    return f"it holds {control[0]!r}, which no object store takes" if control is not None else None


def case_collisions(paths: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of paths, folders included, that a file system which ignores case takes for one."""
    every = set(paths)
    for folder in {path.rpartition("/")[0] for path in paths}:
        every.update((folder, *parents_of(folder)))
    if "".join(every).isascii() and len(set(map(str.lower, every))) == len(every):
        return []
    seen: dict[str, str] = {}
    folders = {""}
    pairs: dict[tuple[str, str], None] = {}
    for path in paths:
        for part in _new_parts(path, folders):
            folded = part.lower() if part.isascii() else unicodedata.normalize("NFC", part).casefold()
            first = seen.setdefault(folded, part)
            if first != part:
                pairs[first, part] = None
    return list(pairs)


def check_files(files: Sequence[FileEntry], *, where: str) -> None:
    """Refuse files of a content with a bad path, a path twice, or one below another file; raises `FormatError`."""
    paths = {file.path for file in files}
    if len(paths) != len(files):
        [(twice, _)] = Counter(file.path for file in files).most_common(1)
        raise FormatError(f"{where}: the path {twice!r} stands twice", where=where)
    folders = {""}
    all_usual = are_usual(paths)
    for file in files:
        problem = None if all_usual else path_problem(file.path)
        if problem is not None:
            raise FormatError(f"{where}: invalid path {file.path!r}: {problem}", where=where)
        *parents, _ = _new_parts(file.path, folders)
        parent = next((parent for parent in parents if parent in paths), None)
        if parent is not None:
            raise FormatError(f"{where}: the path {file.path!r} lies below the file {parent!r}", where=where)
        if file.size < 0 or (file.kind == "directory" and file.size):
            raise FormatError(f"{where}: {file.path!r} of kind {file.kind} has {file.size} bytes", where=where)


def parents_of(path: str) -> list[str]:
    """The folders above a path, outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _new_parts(path: str, folders: set[str]) -> list[str]:
    """A path behind the folders above it, outermost first; without them if its folder is among those met before."""
    folder = path.rpartition("/")[0]
    if folder in folders:
        return [path]
    folders.add(folder)
    return [*parents_of(path), path]
