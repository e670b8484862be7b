"""Objects that wait on this machine's disk until they are whole.

For stores that must know an object's key before its first byte, as buckets do: the name of a pack follows from what is
in it. So a pack is collected in a file without a name, which is gone with its process, and is sent from there.
Memory holds only what is on its way, never a whole pack. Local stores have a better way (their own ``stage``), and a
store that takes only whole objects is given what the file holds.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, BinaryIO

from ledger.blobs.stores.store import FETCH_SIZE, StagedObject, Store, size_of
from ledger.disk import storage_errors, temporary_folder, write_parts

_BLOCK_SIZE = 1 << 20


class SpooledObject:
    """An object bound for ``store``, in a file that nobody else sees."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with storage_errors(temporary_folder(), "write a temporary file in"):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it is sent, dropped or forgotten

    def write_at(self, start: int, parts: Sequence[bytes | memoryview]) -> None:
        """Write some parts of the object."""
        with storage_errors(temporary_folder(), "write a temporary file in"):
            write_parts(self._file.fileno(), start, parts)

    def publish(self, key: str) -> None:
        """Send the object to the store."""
        with self._file:
            put_file(self._store, key, self._file)

    def drop(self) -> None:
        """Give up the file."""
        self._file.close()

    def __del__(self) -> None:
        # An object that is forgotten was not published.
        if hasattr(self, "_file"):
            self.drop()


def stage(store: Store) -> StagedObject:
    """A new object without a key, which a store without a ``stage`` of its own is given when it is whole."""
    begin: Callable[[], StagedObject] | None = getattr(store, "stage", None)
    return begin() if begin is not None else SpooledObject(store)


def put_file(store: Store, key: str, file: BinaryIO) -> None:
    """Publish all bytes of a file, held in memory only where the store takes nothing else.

    The position of the file may be another one afterwards.
    """
    send: Callable[[str, BinaryIO], None] | None = getattr(store, "put_file", None)
    if send is not None:
        send(key, file)
    else:
        store.put(key, [whole(file)])


def whole(file: BinaryIO) -> bytes:
    """All bytes of a file."""
    return b"".join(blocks_of(file))


def blocks_of(file: IO[bytes], size: int = _BLOCK_SIZE) -> Iterator[bytes]:
    """The bytes of a file from its beginning, ``size`` at a time."""
    with storage_errors(temporary_folder(), "read a temporary file in"):
        file.seek(0)
        while block := file.read(size):
            yield block


def size_of_file(file: BinaryIO) -> int:
    """The bytes of a file."""
    return os.fstat(file.fileno()).st_size


def holds_file(store: Store, key: str, file: BinaryIO) -> bool | None:
    """Whether an object holds exactly the bytes of a file; ``None`` where there is no object."""
    size = size_of(store, key)
    if size is None:
        return None
    if size != size_of_file(file):
        return False
    start = 0
    for block in blocks_of(file, FETCH_SIZE):
        try:
            if store.get(key, start, len(block)) != block:
                return False
        except FileNotFoundError:
            return None  # it was deleted meanwhile
        start += len(block)
    return True
