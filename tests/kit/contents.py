"""Contents in one line, for tests."""

import random
from collections.abc import Iterable, Mapping

from ledger.blobs import ContentReader, ContentWriter, Copied, Copier, Store
from ledger.ids import digest_of
from ledger.records import Content, FileEntry, content_digest, segments_of


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that look random and are the same every time."""
    return random.Random(seed).randbytes(size)


def add(writer: ContentWriter, path: str, data: bytes | memoryview) -> None:
    """Write a whole file."""
    with writer.open(path) as file:
        file.write(data)


def save(store: Store, files: Mapping[str, bytes], *, similar: Iterable[Content] = ()) -> Content:
    """The content of some files, saved."""
    writer = ContentWriter(store, similar=similar)
    for path, data in files.items():
        add(writer, path, data)
    return writer.finish()


def forged(store: Store, files: tuple[FileEntry, ...], stream: bytes) -> Content:
    """A content that no writer makes, its digest right."""
    save(store, {"x": stream})
    chunks = ((digest_of(stream), len(stream)),)
    return Content(digest=content_digest(files, segments_of(chunks)), size=len(stream), files=files, chunks=chunks)


def forged_links(store: Store, links: Mapping[str, str]) -> Content:
    """A content of links to wherever one likes, by their paths in order."""
    files = tuple(FileEntry(path=path, size=len(target), kind="link") for path, target in links.items())
    return forged(store, files, "".join(links.values()).encode())


def load(store: Store, content: Content) -> dict[str, bytes]:
    """Every file of a content, read."""
    reader = ContentReader(store, content, label="iris@3")
    return {file.path: reader.read(file.path) for file in reader.files}


def copy_content(source: Store, target: Store, content: Content, *, label: str) -> None:
    """Make a content complete in another store."""
    Copier(target).copy(Copied(source, content, label))
