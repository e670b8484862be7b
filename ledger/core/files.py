"""The files of a value on their way in and out: what materializers work against (`ledger.materializers.Files`).

`SavingFiles` streams into a content that is being written, `LoadingFiles` reads one that is stored; both know how to be
a local folder for libraries that insist on one. A materializer has either, so each answers what only the other can do.
"""

import io
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO

from ledger.blobs import ContentReader, ContentWriter
from ledger.core.scratch import fresh_folder
from ledger.disk import is_folder, remove_folder, storage_errors
from ledger.errors import ArgumentError, IntegrityError


class SavingFiles:
    """Files that join a content as they are written."""

    def __init__(self, writer: ContentWriter, prefix: str = "") -> None:
        self._writer = writer
        self._prefix = prefix
        self._folder: Path | None = None
        self._below: list[SavingFiles] = []

    def open(self, path: str, mode: str = "wb") -> IO[Any]:
        """A stream into the content: bytes with ``"wb"``, UTF-8 text with ``"w"``."""
        if mode not in ("wb", "w"):
            raise ArgumentError(f"file {path!r} is being saved: mode is 'wb' or 'w', got {mode!r}")
        stream = self._writer.open(self._prefix + path)
        return stream if mode == "wb" else io.TextIOWrapper(stream, encoding="utf-8", newline="")

    def folder(self) -> Path:
        """A local folder whose files join the content when the value is saved."""
        if self._folder is None:
            self._folder = fresh_folder()
        return self._folder

    def below(self, prefix: str) -> "SavingFiles":
        """The same content, below a sub folder."""
        child = SavingFiles(self._writer, f"{self._prefix}{prefix}/")
        self._below.append(child)
        return child

    def add(self, path: str, source: Path) -> None:
        """Take a local file or folder into the content, as it is."""
        take = self._writer.add_folder if is_folder(source) else self._writer.add_file
        take(self._prefix + path, source)

    def collect(self) -> None:
        """Take what lies in the local folders into the content."""
        if self._folder is not None:
            with storage_errors(self._folder, "list"):  # the materializer may have put something else in its place
                is_filled = any(self._folder.iterdir())
            # A materializer may ask for a folder only to name a stream after it: then the value has no folder.
            if is_filled:
                self._writer.add_folder(self._prefix.rstrip("/"), self._folder)
        for child in self._below:
            child.collect()

    def clean(self) -> None:
        """Remove the local folders."""
        if self._folder is not None:
            remove_folder(self._folder)
        for child in self._below:
            child.clean()

    # What is of use only while a value is loaded.

    def local(self, path: str) -> BinaryIO:
        """Refuse: what is being saved goes into the store as a stream."""
        raise ArgumentError(f"file {path!r} is being saved, it cannot be read yet")

    def paths(self) -> tuple[str, ...]:
        """No paths: a value that is being saved has no files to read."""
        return ()

    def drop_folder(self) -> None:
        """Do nothing: what lies in the folder joins the content first."""

    def require_trust(self, what: str) -> None:
        """Do nothing: saving runs no code but the caller's own."""


class ContentPaths:
    """The paths of a content, in its order; those with a prefix are found without a look at each of very many."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._places = {path: place for place, path in enumerate(paths)}
        self._sorted = sorted(paths)

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def below(self, prefix: str) -> list[str]:
        """The paths that begin with a prefix, in the order of the content."""
        length = len(prefix)
        first = bisect_left(self._sorted, prefix, key=lambda path: path[:length])
        end = bisect_right(self._sorted, prefix, key=lambda path: path[:length])
        return sorted(self._sorted[first:end], key=self._places.__getitem__)


class LoadingFiles:
    """Files of a stored content, every byte checked."""

    def __init__(
        self,
        reader: ContentReader,
        paths: ContentPaths,
        *,
        ask: Callable[[str], None],
        local_of: Callable[[str], BinaryIO],
        prefix: str = "",
    ) -> None:
        """``paths`` are the files of the value; ``ask`` raises unless running what it names is trusted.

        ``local_of`` gives a file of the content, by its path, as one of the local disk.
        """
        self._reader = reader
        self._all = paths
        self._ask = ask
        self._local_of = local_of
        self._prefix = prefix
        self._folder: Path | None = None

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        """A file of the content: seekable bytes with ``"rb"``, UTF-8 text with ``"r"``."""
        if mode not in ("rb", "r"):
            raise ArgumentError(f"file {path!r} is stored for ever: mode is 'rb' or 'r', got {mode!r}")
        stream = self._reader.open(self._full(path))
        return stream if mode == "rb" else io.TextIOWrapper(stream, encoding="utf-8", newline="")

    def folder(self) -> Path:
        """A local folder with copies of the files; it lasts as long as the process."""
        if self._folder is None:
            self._folder = fresh_folder() / "files"
            self._reader.restore(self._folder, paths=self._all.below(self._prefix), strip=self._prefix)
        return self._folder

    def below(self, prefix: str) -> "LoadingFiles":
        """The same content, below a sub folder."""
        full = f"{self._prefix}{prefix}/"
        return LoadingFiles(self._reader, self._all, ask=self._ask, local_of=self._local_of, prefix=full)

    def local(self, path: str) -> BinaryIO:
        """A file as one of the local disk, from the ledger's cache."""
        return self._local_of(self._full(path))

    def paths(self) -> tuple[str, ...]:
        """The paths of the files, relative to the sub folder."""
        return tuple(path.removeprefix(self._prefix) for path in self._all.below(self._prefix))

    def drop_folder(self) -> None:
        """Remove the local folder, if there is one; what is mapped from its files stays."""
        if self._folder is not None:
            remove_folder(self._folder.parent)
            self._folder = None

    def require_trust(self, what: str) -> None:
        """Raise `UntrustedArtifactError` unless this user trusts the content."""
        self._ask(what)

    # What is of use only while a value is saved.

    def add(self, path: str, source: Path) -> None:
        """Refuse: a stored content takes nothing more."""
        raise ArgumentError(f"file {path!r} is stored for ever, {source} cannot join it")

    def _full(self, path: str) -> str:
        """The path in the content of a file that the value has."""
        full = self._prefix + path
        if full not in self._all:
            raise IntegrityError(
                f"{self._reader.label}: the value has no file {path!r}; it has {', '.join(self.paths()) or 'none'}",
                path=path,
            )
        return full


def local_copy(reader: ContentReader, name: str) -> Path:
    """The path of a copy of registered data, a file or a folder of that name; it lasts as long as the process."""
    folder = fresh_folder()
    if reader.is_one:
        reader.restore(folder / "files")
        return folder / "files" / name
    reader.restore(folder / name)
    return folder / name
