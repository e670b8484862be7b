"""The file system itself, as fsspec asks for it.

Looks up what a path means at every call, so that ``ledger://iris/…`` is always the latest version; it keeps only the
folders of versions, which never change. Files come from `ArtifactVersion.open`: seekable, each chunk fetched when it is
touched and checked before it is handed out. Threads may share a file system; a process that is handed one opens the
same ledger for itself.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from fsspec.config import apply_config
from fsspec.spec import AbstractFileSystem

from ledger.core import ArtifactVersion, Ledger, ledger_for_reading
from ledger.disk import absolute, given_path
from ledger.errors import (
    ArgumentTypeError,
    ArtifactNotFoundError,
    PathNotFoundError,
    ReadOnlyError,
)
from ledger.filesystem.addresses import PROTOCOL, Address, names_below, parse_address, without_protocol
from ledger.filesystem.folders import VersionFolders
from ledger.filesystem.opened import OpenedFile
from ledger.lookup import no_file
from ledger.records import FileEntry

Info = dict[str, Any]
"""What fsspec calls the details of a path."""

_KEPT = 64  # versions whose folders are kept


class _OneForEachPlace(type(AbstractFileSystem)):  # type: ignore[misc]  # fsspec has no types
    """Makes the path absolute before fsspec looks among the instances that it keeps for one with equal options."""

    def __call__(cls, ledger_dir: str | os.PathLike[str] | None = None, **options: Any) -> Any:
        if ledger_dir is not None:
            options["ledger_dir"] = ledger_dir
        options = apply_config(cls, options)
        if options.get("ledger_dir") is not None:
            options["ledger_dir"] = os.path.normpath(absolute(given_path(options["ledger_dir"], "ledger_dir")))
        return super().__call__(**options)


class LedgerFileSystem(AbstractFileSystem, metaclass=_OneForEachPlace):  # type: ignore[misc]  # fsspec has no types
    """The versions of a ledger, for reading: the one at ``ledger_dir``, or the default one of the moment."""

    protocol = PROTOCOL

    def __init__(self, ledger_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        """``ledger_dir`` is the ledger directory, as in ``storage_options={"ledger_dir": path}``.

        Other options make no difference: libraries pass what other file systems know. But a misspelt ``ledger_dir``
        is refused, since another ledger would be read. Raises `LedgerNotFoundError` where none is there.
        """
        misspelt = next((option for option in options if option.startswith(PROTOCOL)), None)
        if misspelt is not None:
            raise ArgumentTypeError(
                f"the file system {PROTOCOL}:// has no option {misspelt!r}", hint='write {"ledger_dir": path}'
            )
        super().__init__(**options)
        # At once: libraries take the error of a missing ledger for that of a missing file, and do not show it.
        self._given = Ledger.open(os.fspath(ledger_dir)) if ledger_dir is not None else None
        self._known: dict[tuple[str, str, str], tuple[ArtifactVersion, VersionFolders]] = {}
        self._names: tuple[tuple[str, str], list[str]] | None = None  # of a ledger at a commit

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return without_protocol(os.fspath(path))

    def info(self, path: str, **_: Any) -> Info:
        """What is at a path; raises `PathNotFoundError`."""
        asked = self._strip_protocol(path)
        try:
            return self._info(asked)
        except PathNotFoundError:
            if asked and not self._names_below(asked):
                raise
            return _folder(asked)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002  # fsspec's signature
        """What is in a folder, a version or the ledger; a file lists itself. Raises `PathNotFoundError`."""
        asked = self._strip_protocol(path)
        address = self._address(asked)
        names = {name: _folder(name) for name in self._names_below(asked)}
        found: dict[str, Info] = {}
        if address is not None:
            version, folders = self._folders_of(address)
            children = folders.children(folders.follow(address.path))
            if children is None and not names:
                found[asked] = self._found(asked, version, folders, folders.place(address.path))
            for child in children or ():
                name = f"{asked}/{child.rpartition('/')[2]}"
                with suppress(PathNotFoundError):  # a link that leads nowhere
                    found[name] = self._found(name, version, folders, child)
        elif asked and not names:
            raise self._nothing(asked)
        found |= names
        return list(found.values()) if detail else list(found)

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,  # noqa: FBT001, FBT002  # fsspec's signature
        on_error: Any = "omit",
        *,
        is_below: bool = False,
        **options: Any,
    ) -> Iterator[Any]:
        """A folder and those in it, as fsspec walks. A link to a folder is listed, but not entered.

        It may lead back to where it lies, and what is behind it has a place of its own. Of errors, only an absence is
        omitted.
        """
        if is_below and self.info(path).get("islink"):
            return
        handle = _tell_damage if on_error == "omit" else on_error
        yield from super().walk(path, maxdepth, topdown, handle, is_below=True, **options)

    def du(
        self,
        path: str,
        total: bool = True,  # noqa: FBT001, FBT002  # fsspec's signature
        maxdepth: int | None = None,
        withdirs: bool = False,  # noqa: FBT001, FBT002
        **options: Any,
    ) -> Any:
        """The bytes of the files below a path, or of each, from the listings: fsspec would ask about each file."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **options)
        sizes = {name: (info or self.info(name))["size"] for name, info in found.items()}  # of a file alone it is empty
        return sum(sizes.values()) if total else sizes

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is something at a path; damage is an error and not an absence."""
        return self._type(path) is not None

    def isfile(self, path: str) -> bool:
        """Whether there is a file at a path."""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether there is a version or a folder of one at a path, or names of artifacts begin with it."""
        return self._type(path) == "directory"

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes of a file from ``start`` to ``end``, which count from its end where they are negative."""
        with self._open(path) as file:
            first, stop, _step = slice(start, end).indices(file.size)
            file.seek(first)
            return file.read(max(0, stop - first))

    def created(self, path: str) -> Any:
        """When the version of a path was saved, in UTC."""
        return self.info(path).get("created")

    modified = created

    def _open(self, path: str, mode: str = "rb", block_size: object = None, **_: Any) -> OpenedFile:
        if sorted(mode) != ["b", "r"]:
            raise self._read_only(path)
        asked = self._strip_protocol(path)
        address = self._address(asked)
        if address is None:
            raise self._nothing(asked)
        version, folders = self._folders_of(address)
        goal = folders.follow(address.path)
        file = folders.file(goal)
        if file is None:
            raise _missing_in(version, asked, goal)
        return _opened(version, file, asked, block_size)

    def _refuse(self, path: Any, *_: Any, **__: Any) -> NoReturn:
        raise self._read_only(path)

    def _refuse_put(self, lpath: Any, rpath: Any, *_: Any, **__: Any) -> NoReturn:  # noqa: ARG002  # fsspec's names
        raise self._read_only(rpath)

    def _refuse_copy(self, path1: Any, path2: Any, *_: Any, **__: Any) -> NoReturn:  # noqa: ARG002  # fsspec's names
        raise self._read_only(path2)

    mkdir = makedirs = rmdir = rm = rm_file = _rm = touch = pipe = pipe_file = _refuse
    put = put_file = _refuse_put
    cp_file = copy = mv = _refuse_copy

    def __reduce__(self) -> tuple[Any, ...]:
        # The path goes along, since another process may work in another folder and find another ledger.
        return _made_again, (str(self._ledger().path), dict(self.storage_options))

    def _ledger(self) -> Ledger:
        return self._given or ledger_for_reading()

    def _address(self, asked: str) -> Address | None:
        return parse_address(asked, self._ledger().has_artifact)

    def _folders_of(self, address: Address) -> tuple[ArtifactVersion, VersionFolders]:
        """The version that an address means, and its files."""
        ledger = self._ledger()
        try:
            version = ledger.get(address.name, address.version)
        except ArtifactNotFoundError as error:
            asked = address.name if address.version is None else f"{address.name}@{address.version}"
            raise PathNotFoundError(f"nothing at {PROTOCOL}://{asked}: {error}", hint=error.hint, path=asked) from error
        # The id is not enough: a clone has the same ids and bytes of its own, and a sync may give a version another
        # number.
        key = str(ledger.path), str(version.id), version.version
        kept = self._known.get(key)
        if kept is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            kept = self._known[key] = version, VersionFolders(version.files(), partial(_target, version))
        return kept

    def _info(self, asked: str) -> Info:
        """What is at a path but for names that go on from it."""
        address = self._address(asked)
        if address is None:
            raise self._nothing(asked)
        version, folders = self._folders_of(address)
        if not address.path:
            return _folder(asked) | _facts(version)
        return self._found(asked, version, folders, folders.place(address.path))

    def _found(self, name: str, version: ArtifactVersion, folders: VersionFolders, path: str) -> Info:
        """What is at a path of a version, with links followed; ``name`` is the path by which it was asked for."""
        goal = folders.follow(path)
        file = folders.file(goal)
        if file is None and folders.children(goal) is None:
            raise _missing_in(version, name, path)
        kind = {"type": "file", "size": file.size, "kind": file.kind} if file is not None else {}
        return _folder(name) | kind | {"islink": goal != path} | _facts(version)

    def _names_below(self, asked: str) -> list[str]:
        """What leads on from a path to the names of artifacts: nothing behind an ``@``, which no name holds."""
        if "@" in asked:
            return []
        ledger = self._ledger()
        key = str(ledger.path), ledger.revision
        known = self._names
        if known is None or known[0] != key:
            known = self._names = key, ledger.artifact_names()  # kept, as a walk asks in every folder
        return names_below(asked, known[1])

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except PathNotFoundError:
            return None

    def _nothing(self, asked: str) -> PathNotFoundError:
        return PathNotFoundError(
            f"nothing at {PROTOCOL}://{asked}: no artifact's name begins it, in {self._ledger().path}",
            hint="run `ledger artifact list` to see what there is",
            path=asked,
        )

    def _read_only(self, path: Any) -> ReadOnlyError:
        asked = str(next(iter(path), "")) if isinstance(path, (list, dict)) else str(path)
        return ReadOnlyError(
            f"cannot write {asked}: versions never change",
            hint="save a new version with save_artifact(data, name)",
            path=asked,
        )


def _opened(version: ArtifactVersion, file: FileEntry, path: str, block_size: object) -> OpenedFile:
    """A file of a version, and of no other when it is opened anew elsewhere, whatever ``path`` means by then."""
    return OpenedFile(
        version.open(file.path),
        path=path,
        size=file.size,
        reopen=partial(_opened, version, file, path, block_size),
        block_size=block_size,
    )


def _missing_in(version: ArtifactVersion, asked: str, path: str) -> PathNotFoundError:
    """The error of a path of a version at which there is no file."""
    return PathNotFoundError(
        f"no file {PROTOCOL}://{asked}: {no_file(version.claim.label, path, version.files())}",
        hint=f"run `ledger artifact version show {version.claim.label}` to see its files",
        path=path,
        name=version.name,
        version=version.version,
    )


def _made_again(path: str, options: dict[str, Any]) -> LedgerFileSystem:
    return LedgerFileSystem(**{**options, "ledger_dir": path})


def _tell_damage(error: OSError) -> None:
    """Let a walk omit what is absent, but nothing that is damaged."""
    if not isinstance(error, PathNotFoundError):
        raise error


def _target(version: ArtifactVersion, link: FileEntry) -> str:
    """Where a link of a version points to, as a path of the version."""
    with version.open(link.path) as file:
        return file.read().decode(errors="surrogateescape")


def _folder(name: str) -> Info:
    return {"name": name, "size": 0, "type": "directory"}


def _facts(version: ArtifactVersion) -> Info:
    """What all paths of a version have in common, by which fsspec tells changes."""
    return {"created": version.created_at, "version": version.claim.label, "id": str(version.id)}
