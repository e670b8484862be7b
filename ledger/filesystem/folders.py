"""The files of one version as folders.

Pure. A content lists files by their whole paths; here they can be listed folder by folder, and links
followed. A link leads nowhere but to a file of the same content, whatever its target says.
"""

from collections.abc import Callable, Sequence

from ledger.errors import PathNotFoundError
from ledger.records import FileEntry

_MOST_LINKS = 40  # as many as Linux follows before it calls them a loop


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
        """Where a path lies: links on the way to it are followed, and it is not if it is one itself."""
        folder, _, name = path.rpartition("/")
        return f"{self.follow(folder)}/{name}".removeprefix("/")

    def follow(self, path: str) -> str:
        """The path that a path leads to when links are followed; it need not exist.

        Raises `PathNotFoundError` for links that go round in circles.
        """
        reached: list[str] = []
        pending = path.split("/")[::-1]
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                del reached[-1:]
            elif part not in ("", "."):
                reached.append(part)
                here = self._files.get("/".join(reached))
                if here is not None and here.kind == "link":
                    links += 1
                    if links > _MOST_LINKS:
                        raise PathNotFoundError(
                            f"the link {path!r} leads through more than {_MOST_LINKS} links", path=path
                        )
                    reached.pop()
                    pending += self._target_of(here).split("/")[::-1]
        return "/".join(reached)

    def _place(self, path: str) -> None:
        """Note a path in its folder, and the folder in its own."""
        while path:
            folder = path.rpartition("/")[0]
            is_known = folder in self._folders
            self._folders.setdefault(folder, set()).add(path)
            if is_known:
                return
            path = folder
