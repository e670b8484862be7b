"""The links of a version: none leads out of what was saved.

Writers refuse such links, but a version may come from anybody. Whatever hands links out asks here first.
"""

from collections.abc import Sequence

from ledger.blobs import ContentReader
from ledger.errors import IntegrityError
from ledger.materializers import PathMaterializer
from ledger.records import FileEntry, Manifest


def is_wrapped(manifest: Manifest) -> bool:
    """Whether all paths of a version begin with the name of the one file or folder that was saved."""
    return manifest.materializer == PathMaterializer.REGISTRY_KEY and manifest.content.linked is None


def top_of(files: Sequence[FileEntry]) -> str:
    """The file or folder that was saved as a whole, with whose name all paths begin.

    Raises `IntegrityError` where it is a link: beside the user's files it would lead to any of them.
    """
    top = files[0].path.partition("/")[0] if files else ""
    if any(file.path == top and file.kind == "link" for file in files):
        raise IntegrityError(f"{top!r} is a link by itself, which no writer saves", path=top)
    return top


def judge_links(reader: ContentReader, *, is_wrapped: bool) -> None:
    """Read all links and judge them as restoring does; `IntegrityError` at the first bad one."""
    reader.check_links(strip=top_of(reader.files) if is_wrapped else "")
