"""What registered data has to be, wherever it lies.

Pure, but for telling `ledger.meters` what was read. Registered data belongs to the user, who may change it: then it is
no longer what was registered, and the error names the file. The list of files comes from a manifest or a table that
others may have written, so it is compared with the content's digest before anything is read for it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ledger.blobs.files.paths import path_problem
from ledger.blobs.stores.layout import is_own
from ledger.errors import IntegrityError
from ledger.ids import Digest, digest_from_hex
from ledger.meters import advance
from ledger.records import Content, FileEntry, FileKind, linked_digest
from ledger.wording import counted

CHANGED_IN_PLACE = (
    "registered data was changed or taken away in its place; put it back, add the remote that has it, or register it "
    "again as a new version"
)
"""What to do where it is not known why registered data is no longer what it was."""


class Registered(NamedTuple):
    """Registered data: what its version is called, where it lies, and its files by path."""

    label: str
    location: str
    files: Mapping[str, FileEntry]

    def changed(self, path: str, what: str, hint: str = "") -> IntegrityError:
        """The error for a file that is not what was registered; its digest is the registered one, if there is one."""
        registered = self.files.get(path)
        return IntegrityError(
            f"{self.label}: the file {path!r} {what}, in {self.location}",
            hint=hint or CHANGED_IN_PLACE,
            label=self.label,
            digest=registered.digest if registered is not None else None,
            location=self.location,
            path=path,
        )

    def compare(self, file: FileEntry, size: int, digest: Digest) -> None:
        """Raise `IntegrityError` unless a file has the bytes that were registered."""
        if (size, digest) != (file.size, file.digest):
            expected = f"expected {counted(file.size, 'byte')}, {file.digest}"
            raise self.changed(file.path, f"has {counted(size, 'byte')}, {digest}, {expected}")

    def compare_listing(self, found: Mapping[str, FileKind]) -> None:
        """Raise `IntegrityError` for the first file that is missing, was added, or is of another kind."""
        # What is missing is told first: a folder that is empty only for that reason would count as added.
        for path in sorted(self.files.keys() | found.keys(), key=lambda path: (path in found, path)):
            if path not in found:
                raise self.changed(path, "is missing")
            if path not in self.files:
                raise self.changed(path, "was added")
            if found[path] != self.files[path].kind:
                raise self.changed(path, f"is of kind {found[path]}, expected {self.files[path].kind}")


def registered_of(content: Content, files: tuple[FileEntry, ...], *, label: str, location: str) -> Registered:
    """The registered data of a content; `IntegrityError` where its list of files or its path is not a writer's."""
    found = linked_digest(files)
    if found != content.digest:
        raise IntegrityError(
            f"{label}: the files listed are the content {found}, expected {content.digest}",
            digest=content.digest,
            found=found,
        )
    problem = reserved_problem(content.linked or "")
    if problem is not None:
        raise IntegrityError(f"{label}: invalid path {content.linked!r} in the store: {problem}", location=location)
    return Registered(label, location, {file.path: file for file in files})


def checked_blocks(registered: Registered, file: FileEntry, blocks: Iterable[bytes]) -> Iterator[memoryview]:
    """The bytes of a file as they come; the last block comes only if all of them are those that were registered."""
    size, digest = 0, hashlib.sha256()
    last = memoryview(b"")
    for block in blocks:
        size += len(block)
        digest.update(block)
        advance(len(block))
        yield last
        last = memoryview(block)
    registered.compare(file, size, digest_from_hex(digest.hexdigest()))
    yield last


def reserved_problem(linked: str) -> str | None:
    """Why a path below a store's root cannot be registered data, or ``None``."""
    return path_problem(linked) or ("it is the store's own" if is_own(linked) else None)
