"""Tables of Arrow as parquet, streamed into a file.

Keeps from Arrow whatever goes wrong with that file. Where pages are cut by content, Arrow takes any error of the file
that it writes to for a fault of its own and ends the process: a full disk would end it, and an interrupt. So it writes
in a thread of its own, which no signal interrupts, to what cannot fail, and the caller's thread passes the bytes on.
"""

import inspect
import io
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import IO, Any

_GROUP_ROWS = 1 << 20  # of a row group, as pyarrow has it
_BLOCK_SIZE = 1 << 20  # bytes at least that are passed on at a time: pages may be small, and many
_MOST_WAITING = 2  # blocks


def write_parquet(table: Any, file: IO[bytes]) -> None:
    """Write an Arrow table so that an edit changes few bytes, where this pyarrow can."""
    written = _Written(table)
    try:
        for block in written.blocks():
            file.write(block)
    finally:
        written.stop()


class _Written(io.RawIOBase):
    """What a thread writes a table to: a few blocks of bytes wait to be taken; once it is stopped, they are dropped."""

    def __init__(self, table: Any) -> None:
        super().__init__()
        self._table = table
        self._waiting: SimpleQueue[bytearray | BaseException | None] = SimpleQueue()
        self._block = bytearray()
        self._room = threading.Semaphore(_MOST_WAITING)
        self._is_over = False
        self._is_bounded = True
        self._thread = threading.Thread(target=self._write_all, name="ledger-parquet")

    def blocks(self) -> Iterator[bytearray]:
        """The bytes of the file, as they are written; raises what writing them raised."""
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is ending and starts no threads any more: what an exit handler saves is saved still.
            self._is_bounded = False
            self._write_all()
        while (block := self._waiting.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
            self._room.release()

    def stop(self) -> None:
        """Wait for the thread, which writes nothing more."""
        self._is_over = True
        self._room.release()
        if self._thread.ident is not None:
            self._thread.join()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._block += view  # a copy: Arrow may use its memory again
        if len(self._block) >= _BLOCK_SIZE:
            self._pass_on()
        return view.nbytes

    def _pass_on(self) -> None:
        block, self._block = self._block, bytearray()
        if self._is_bounded and not self._is_over:
            self._room.acquire()
        if not self._is_over:
            self._waiting.put(block)

    def _write_all(self) -> None:
        try:
            self._write_groups()
            self._pass_on()
        except BaseException as error:  # noqa: BLE001  # raised in the caller's thread
            self._waiting.put(error)
        self._waiting.put(None)

    def _write_groups(self) -> None:
        """Write the table a row group at a time; once it is stopped, no further ones."""
        import pyarrow.parquet as pq

        options: dict[str, Any] = {"compression": "none"}
        if "use_content_defined_chunking" in inspect.signature(pq.write_table).parameters:
            options["use_content_defined_chunking"] = True
        with pq.ParquetWriter(self, self._table.schema, **options) as writer:
            for start in range(0, max(1, self._table.num_rows), _GROUP_ROWS):
                if not self._is_over:
                    writer.write_table(self._table.slice(start, _GROUP_ROWS), row_group_size=_GROUP_ROWS)
