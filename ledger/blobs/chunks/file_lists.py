"""Which files a content has, as its manifest or its table lists them.

Others may have written either, so a list is checked before it is given: the files make up what the digest says, and no
path leads out of a folder.
"""

from ledger.blobs.chunks.tables import load_table
from ledger.blobs.files.paths import check_files
from ledger.blobs.stores.store import Store
from ledger.errors import FormatError, IntegrityError
from ledger.records import Content, FileEntry, content_digest, segments_of


def listed_files(store: Store, content: Content, *, label: str) -> tuple[FileEntry, ...]:
    """The files of a content; `IntegrityError` as `load_table` if it has a table, else as `whole_files`."""
    return load_table(store, content, label=label).files if content.has_table else whole_files(content, label=label)


def whole_files(content: Content, *, label: str) -> tuple[FileEntry, ...]:
    """The files of a content that stands whole in its manifest; `IntegrityError` where its parts do not agree."""
    files = content.files or ()
    try:
        check_files(files, where=label)
    except FormatError as error:
        raise IntegrityError(str(error), digest=content.digest) from error
    chunks = content.chunks or ()
    in_chunks, in_files = sum(size for _, size in chunks), sum(file.size for file in files)
    if content.linked is None:
        digest = content_digest(files, segments_of(chunks))
        if digest != content.digest:
            raise IntegrityError(
                f"{label}: the manifest describes the content {digest}, expected {content.digest}",
                digest=content.digest,
                found=digest,
            )
        if not in_chunks == in_files == content.size or len(chunks) > 1:
            raise IntegrityError(
                f"{label}: {len(chunks)} chunks of {in_chunks} bytes and files of {in_files}, expected {content.size}",
                digest=content.digest,
            )
    return files
