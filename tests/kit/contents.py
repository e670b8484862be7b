"""Contents in one line, for tests."""

import random
from collections.abc import Iterable, Mapping

from ledger.blobs import ContentReader, ContentWriter, Store
from ledger.records import Content


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that look random and are the same every time."""
    return random.Random(seed).randbytes(size)


def save(store: Store, files: Mapping[str, bytes], *, similar: Iterable[Content] = ()) -> Content:
    """The content of some files, saved."""
    writer = ContentWriter(store, similar=similar)
    for path, data in files.items():
        writer.add_bytes(path, data)
    return writer.finish()


def load(store: Store, content: Content) -> dict[str, bytes]:
    """Every file of a content, read."""
    reader = ContentReader(store, content, label="iris@3")
    return {file.path: reader.read(file.path) for file in reader.files}
