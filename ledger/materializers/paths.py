"""Files and folders: a `pathlib.Path` is saved as what lies there.

The file's or folder's own name is the first part of every path in the content, so that
it survives. Regular files stream straight into the content. Links that stay inside the
folder, executable files and empty folders go through the local folder, which knows how
to say so; a link that leaves, a device or a socket is refused.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import MaterializerError, UnsupportedFileError
from ledger.materializers.base import BaseMaterializer

_COPY_SIZE = 1 << 20


class PathMaterializer(BaseMaterializer):
    """A file or a folder tree, copied; loads as the path of a fresh copy."""

    REGISTRY_KEY: ClassVar[str] = "builtin.path/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Path,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, value: Path) -> None:
        """Copy what lies at a path, below its own name."""
        source = Path(os.path.realpath(value))
        name = os.path.basename(os.path.abspath(value))
        if not source.exists():
            raise MaterializerError(f"path {str(value)!r} does not exist, nothing can be saved", path=str(value))
        if not name:
            raise MaterializerError(f"path {str(value)!r} has no name to save it under", path=str(value))
        for path, relative in _members(source, name):
            self._save_member(path, relative, source)

    def load(self, data_type: type | None) -> Path:  # noqa: ARG002
        """The path of a copy in a folder of its own."""
        folder = self.files.folder()
        names = os.listdir(folder)
        if len(names) != 1:
            raise MaterializerError(f"a saved path has one name, found {len(names)}: {sorted(names)[:5]}", names=names)
        return folder / names[0]

    def _save_member(self, path: Path, relative: str, top: Path) -> None:
        mode = path.lstat().st_mode
        target = self.files.folder() / relative if not _is_plain_file(mode) else None
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(mode):
            assert target is not None
            target.symlink_to(_link_inside(path, top))
        elif stat.S_ISDIR(mode):
            assert target is not None
            target.mkdir(exist_ok=True)
        elif target is not None:
            shutil.copy(path, target)
        else:
            with path.open("rb") as source, self.open(relative, "wb") as file:
                shutil.copyfileobj(source, file, _COPY_SIZE)

    def extract_metadata(self, value: Path) -> dict[str, Any]:
        """``file_name``."""
        return {"file_name": os.path.basename(os.path.abspath(value))}


def _members(top: Path, name: str) -> Iterator[tuple[Path, str]]:
    """What there is to save, in one order everywhere: files, links and folders that are empty."""
    if not top.is_dir():
        yield top, _checked(top, name)
        return
    children = sorted(os.listdir(top))
    if not children:
        yield top, _checked(top, name)
    for child in children:
        path = top / child
        if path.is_symlink() or not path.is_dir():
            yield path, _checked(path, f"{name}/{child}")
        else:
            yield from _members(path, f"{name}/{child}")


def _checked(path: Path, relative: str) -> str:
    mode = path.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise UnsupportedFileError(
            f"{path} is a {_kind_of(mode)}, only files, folders and links can be saved", path=str(path)
        )
    try:
        relative.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedFileError(f"the name of {str(path)!r} is not UTF-8", path=str(path)) from error
    return relative


def _is_plain_file(mode: int) -> bool:
    return stat.S_ISREG(mode) and not mode & stat.S_IXUSR


def _kind_of(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "socket"
    return "named pipe" if stat.S_ISFIFO(mode) else "device"


def _link_inside(path: Path, top: Path) -> str:
    """The target of a link that stays inside the saved folder; `UnsupportedFileError` for any other."""
    target = os.readlink(path)
    resolved = os.path.normpath(os.path.join(os.path.realpath(path.parent), target))
    if os.path.isabs(target) or os.path.commonpath([resolved, top]) != str(top):
        raise UnsupportedFileError(
            f"{path} is a link to {target!r}, which leaves the folder {top}",
            hint="copy the target into the folder, or make the link relative",
            path=str(path),
            target=target,
        )
    return target
