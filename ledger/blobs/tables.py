"""Tables: what a larger content is made of.

Owns the form of tables (specs/format.md, 5.3) and what must hold before one is
believed: a table comes from a store that others may write, so its digest, counts,
sums and paths are checked before anything is read for it.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from ledger.blobs.codec import TABLE_LIMIT, Encoder, frame_size, open_frame, stored_limit
from ledger.blobs.gathered_puts import GatheredPuts
from ledger.blobs.layout import is_hex, table_key
from ledger.blobs.paths import check_files
from ledger.blobs.sought import Sought
from ledger.blobs.store import Store, checked_reading
from ledger.errors import FormatError, UnsupportedFormatError
from ledger.ids import Digest
from ledger.records import (
    FORMAT,
    SEGMENT_CHUNKS,
    Content,
    FileEntry,
    content_digest,
    decode_compact,
    encode_compact,
    linked_digest,
)

Run = tuple[str, int, int]
"""Pack, number of the first chunk in it, count: consecutive chunks of one pack."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a content, the digests of its segments, and the runs of chunks that are its stream."""

    digest: Digest
    files: tuple[FileEntry, ...]
    runs: tuple[Run, ...]
    segments: tuple[str, ...]
    size: int
    kind: Literal["table"] = "table"
    format: int = FORMAT

    @property
    def chunk_count(self) -> int:
        """How many chunks the stream has."""
        return sum(count for _, _, count in self.runs)


def put_table(store: Store | GatheredPuts, table: Table, encoder: Encoder) -> None:
    """Publish a table under the digest of its content."""
    data = encode_compact(table)
    if len(data) > TABLE_LIMIT:
        raise FormatError(
            f"the table of {len(table.files)} files has {len(data)} bytes, over the limit of {TABLE_LIMIT}",
            hint="save the folder in several parts",
        )
    store.put(table_key(table.digest), [encoder.frame(data)])


def load_table(store: Store, content: Content, *, label: str) -> Table:
    """The checked table of a content that has one; `IntegrityError` where it is missing or is not that content's."""
    return load_table_as_stored(store, content, label=label)[0]


def load_table_as_stored(store: Store, content: Content, *, label: str) -> tuple[Table, bytes]:
    """The checked table of a content, and the very bytes that it was read from, for whoever passes them on."""
    return checked_reading(store, table_key(content.digest), lambda each: _load(each, content, label))


def listed_files(store: Store, content: Content, *, label: str) -> tuple[FileEntry, ...]:
    """The files of a content, from its table if it has one; `IntegrityError` as `load_table`."""
    return load_table(store, content, label=label).files if content.has_table else content.files or ()


def load_runs(store: Store, content: Content, *, label: str) -> tuple[Run, ...]:
    """Where the chunks of a content are said to lie, for whoever compares what lies there with bytes of their own.

    Nothing but the form of the table is checked; `IntegrityError` where it is missing or has another.
    """
    table, sought, _ = _read(store, content, label)
    problem = _runs_problem(table, content)
    if problem is not None:
        raise sought.damaged(problem)
    return table.runs


def table_sought(store: Store, digest: Digest, label: str) -> Sought:
    """What errors say of the table of a content."""
    return Sought(label, "table", digest, store, table_key(digest))


def _load(store: Store, content: Content, label: str) -> tuple[Table, bytes]:
    table, sought, frame = _read(store, content, label)
    try:
        problem = _problem(table, content)
        if problem is None:
            check_files(table.files, where=str(sought))
    except FormatError as error:
        raise sought.damaged(f"is damaged: {str(error).removeprefix(f'{sought}: ')}") from error
    if problem is not None:
        raise sought.damaged(problem)
    return table, frame


def _read(store: Store, content: Content, label: str) -> tuple[Table, Sought, bytes]:
    """The table of a content in its right form, what errors about it name, and its bytes as they are stored."""
    sought = table_sought(store, content.digest, label)
    try:
        frame = store.get(sought.key, 0, stored_limit(TABLE_LIMIT))
    except FileNotFoundError as error:
        raise sought.missing() from error
    size = frame_size(frame, sought)
    if size > TABLE_LIMIT:
        raise sought.damaged(f"declares {size} bytes, over the limit of {TABLE_LIMIT}")
    try:
        return decode_compact(open_frame(frame, size, sought), Table, where=str(sought)), sought, frame
    except UnsupportedFormatError:
        raise
    except FormatError as error:
        raise sought.damaged(f"is damaged: {str(error).removeprefix(f'{sought}: ')}") from error


def put_runs(store: Store, content: Content, runs: Sequence[Run], *, label: str) -> None:
    """Publish a content's table again with other runs of the same chunks; what else it says stays as it is."""
    sought = table_sought(store, content.digest, label)
    store.put(sought.key, [with_runs(store.get(sought.key, 0, stored_limit(TABLE_LIMIT)), runs, sought)])


def with_runs(stored: bytes, runs: Sequence[Run], sought: Sought) -> bytes:
    """A table as it is stored, with other runs of the same chunks; what else it says stays as it is."""
    data = open_frame(stored, frame_size(stored, sought), sought)
    record = decode_compact(data, dict[str, object], where=str(sought))
    return Encoder().frame(encode_compact({**record, "runs": runs}))


def _problem(table: Table, content: Content) -> str | None:
    """What in a table contradicts itself or the manifest, or ``None``."""
    is_linked = content.linked is not None
    found = linked_digest(table.files) if is_linked else content_digest(table.files, table.segments)
    if not found == table.digest == content.digest:
        return f"is of the content {found}, expected {content.digest}"
    total = sum(file.size for file in table.files)
    if not total == table.size == content.size:
        return f"has {total} bytes of files, expected {content.size}"
    if len(table.files) != content.file_count:
        return f"has {len(table.files)} files, expected {content.file_count}"
    return _runs_problem(table, content)


def _runs_problem(table: Table, content: Content) -> str | None:
    for pack, first, count in table.runs:
        if not is_hex(pack) or first < 0 or count < 1:
            return f"holds the impossible run {[pack, first, count]}"
    chunks = table.chunk_count
    # Each chunk has at least a byte; linked data has none.
    least, most = (0, 0) if content.linked is not None else (min(1, content.size), content.size)
    if not least <= chunks <= most or -(-chunks // SEGMENT_CHUNKS) != len(table.segments):
        return f"has {chunks} chunks in {len(table.segments)} segments for {content.size} bytes"
    return None
