"""The links of a version: none leads out of what was saved.

Writers refuse links that do, but a version may come from anybody. Whatever hands links out asks here first. So does a
check of the ledger, which would otherwise call sound what cannot be restored.
"""

from collections.abc import Sequence

from ledger.blobs import ContentReader, Store
from ledger.errors import IntegrityError, StorageError
from ledger.materializers import PathMaterializer
from ledger.records import FileEntry, Manifest
from ledger.system_errors import raise_if_inconclusive


def is_wrapped(manifest: Manifest) -> bool:
    """Whether all paths of a version begin with the name of the one file or folder that was saved."""
    return manifest.materializer == PathMaterializer.REGISTRY_KEY and manifest.content.linked is None


def top_of(files: Sequence[FileEntry]) -> str:
    """The file or folder that was saved as a whole, with whose name all paths begin.

    Raises `IntegrityError` where it is a link: beside the user's files it would lead to any of them.
    """
    top = files[0].path.partition("/")[0] if files else ""
    if any(file.path == top and file.kind == "link" for file in files):
        raise IntegrityError(f"{top!r} is a link by itself, which no writer saves", link=top)
    return top


def judge_links(reader: ContentReader, *, is_wrapped: bool) -> None:
    """Read all links and judge them as restoring does; `IntegrityError` at the first bad one."""
    reader.check_links(strip=top_of(reader.files) if is_wrapped else "")


def check_links(store: Store, manifest: Manifest, *, label: str) -> None:
    """Judge the links of a version kept in chunks, as far as they can be read; `IntegrityError` at a bad one."""
    try:
        judge_links(ContentReader(store, manifest.content, label=label), is_wrapped=is_wrapped(manifest))
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        if "link" in error.facts:
            raise
        # An object that is missing or damaged is a fault of its own, which is reported elsewhere.
