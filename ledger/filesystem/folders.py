"""The files of one version as folders.

Pure. A content lists files by their whole paths; here they can be listed folder by folder, and links
followed. A link leads nowhere but to a file of the same content, whatever its target says.
"""

from collections.abc import Callable, Sequence

from ledger.blobs import MOST_LINKS, follow_links
from ledger.errors import PathNotFoundError
from ledger.records import FileEntry


class VersionFolders:
    """The files and folders of a content, by path; the top is the empty path.

    ``target_of`` says where a link of it points to, as a path.
    """

    def __init__(self, files: Sequence[FileEntry], target_of: Callable[[FileEntry], str]) -> None:
        self._target_of = target_of
        self._files = {file.path: file for file in files if file.kind != "directory"}
        self._folders: dict[str, set[str]] = {"": set()}
        for file in files:
            if file.kind == "directory":
                self._folders.setdefault(file.path, set())
            self._place(file.path)

    def file(self, path: str) -> FileEntry | None:
        """The file at a path, or ``None`` for a folder and for nothing."""
        return self._files.get(path)

    def children(self, path: str) -> list[str] | None:
        """The paths in a folder, sorted, or ``None`` where there is no folder."""
        found = self._folders.get(path)
        return None if found is None else sorted(found)

    def place(self, path: str) -> str:
        """Where a path lies: links on the way to it are followed, but not the path itself if it is a link."""
        folder, _, name = path.rpartition("/")
        return f"{self.follow(folder)}/{name}".removeprefix("/")

    def follow(self, path: str) -> str:
        """The path that a path leads to when links are followed; it need not exist.

        One with ``..`` behind what is no folder leads nowhere, as on a disk. Raises `PathNotFoundError` for links that
        go round in circles.
        """
        found = follow_links(path, self._target, self._folders.__contains__).path
        if found is None:
            raise PathNotFoundError(f"the link {path!r} leads through more than {MOST_LINKS} links", path=path)
        return found

    def _target(self, path: str) -> str | None:
        """Where the link at a path points to; ``None`` where there is none."""
        found = self._files.get(path)
        return self._target_of(found) if found is not None and found.kind == "link" else None

    def _place(self, path: str) -> None:
        """Note a path in its folder, and the folder in its own."""
        while path:
            folder = path.rpartition("/")[0]
            is_known = folder in self._folders
            self._folders.setdefault(folder, set()).add(path)
            if is_known:
                return
            path = folder
