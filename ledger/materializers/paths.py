"""Files and folders: a `pathlib.Path` is saved as what lies there.

The file's or folder's own name is the first part of every path in the content, so that
it survives. What of a folder can be saved, and in which order, is decided where files are
taken in (`Files.add`).
"""

import os
from pathlib import Path
from typing import Any, ClassVar

from ledger.disk import absolute, given_path, mode_of
from ledger.enums import ArtifactType
from ledger.errors import MaterializerError, MaterializerTypeError, SourceNotFoundError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.registry import qualified_name


class PathMaterializer(BaseMaterializer):
    """A file or a folder tree, copied; loads as the path of a fresh copy."""

    REGISTRY_KEY: ClassVar[str] = "builtin.path/1"
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Path,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA

    def save(self, value: Path) -> None:
        """Copy what lies at a path, below its own name."""
        if type(value) is not type(Path()):
            # By the last resort the path would be saved, and not what lies there.
            raise MaterializerTypeError(
                f"a path of type {qualified_name(type(value))} is no pathlib.Path itself, and would come back as one",
                hint="save pathlib.Path(value)",
                path=str(value),
            )
        path = absolute(given_path(value, "a path to save"))
        real = Path(os.path.realpath(path))
        source = real if mode_of(real) else Path(path)  # a pipe of the shell's is there, and has no real path
        name = os.path.basename(os.path.abspath(path))
        if not mode_of(source):
            raise SourceNotFoundError(
                f"path {str(value)!r} does not exist, nothing can be saved",
                hint=f"it was sought at {real}",
                path=str(value),
            )
        if not name:
            raise MaterializerError(
                f"path {str(value)!r} has no name to save it under",
                hint="save the files and folders in it, each by its own path",
                path=str(value),
            )
        self.files.add(name, source)

    def load(self, data_type: type | None) -> Path:
        """The path of a copy in a folder of its own."""
        folder = self.files.folder()
        names = os.listdir(folder)
        if len(names) != 1:
            raise MaterializerError(f"a saved path has one name, found {len(names)}: {sorted(names)[:5]}", names=names)
        return folder / names[0]

    def extract_metadata(self, value: Path) -> dict[str, Any]:
        """``file_name``."""
        return {"file_name": os.path.basename(os.path.abspath(value))}
