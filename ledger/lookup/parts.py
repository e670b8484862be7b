"""What a version has at a path, and the message about a path at which it has no file. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ledger.records import FileEntry

_SHOWN: Final = 8
_COMPARED: Final = 10_000
"""How many paths are compared with one that is misspelt: that takes about 0.1 s."""


class Part(NamedTuple):
    """A file of a version, or a folder of it with the files below."""

    path: str
    files: Sequence[FileEntry]
    is_folder: bool

    @property
    def size(self) -> int:
        """The bytes of all its files."""
        return sum(file.size for file in self.files)


def part_at(path: str, files: Mapping[str, FileEntry]) -> Part | None:
    """The file or folder at a path, which may end in a slash if it is a folder's; ``None`` if nothing is there.

    ``files`` are the version's files by path: opening many one after another does not go through all of them each time.
    """
    folder = path.rstrip("/")
    one = files.get(path)
    if one is not None and one.kind != "directory":
        return Part(path, [one], is_folder=False)
    below = [file for file in files.values() if f"{file.path}/".startswith(f"{folder}/")] if folder else []
    return Part(folder, below, is_folder=True) if below else None


def no_file(label: str, path: str, files: Sequence[FileEntry]) -> str:
    """The message that the version ``label`` has no file at a path, and what it has there or near it."""
    missing = f"{label} has no file {path!r}" if path else f"{label} by itself is no file"
    inside = f"{path.rstrip('/')}/"
    if path.strip("/") and any(file.path.startswith(inside) for file in files):
        return f"{missing}: that is a folder"
    kind = next((file.kind for file in files if file.path == path), None)
    if kind is not None:  # no file is there, or it would have been found
        return f"{missing}: that is {'an empty folder' if kind == 'directory' else 'a link that leads nowhere'}"
    known = _nearest_first(path, [file.path for file in files])
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"{missing}; it has {', '.join(known[:_SHOWN]) or 'none'}{more}"


def _nearest_first(path: str, known: list[str]) -> list[str]:
    """The known paths: those of the same file name first, as a folder's own name begins its paths; then like ones."""
    import difflib

    same = [each for each in known if _name_in(each) == _name_in(path)]
    near = [] if same else difflib.get_close_matches(path, known[:_COMPARED], n=3)
    return list(dict.fromkeys([*same, *near, *known]))


def _name_in(path: str) -> str:
    return path.rpartition("/")[2]
