"""Tables: what a larger content is made of.

Owns the form of tables (specs/format.md, 5.3) and what must hold before one is believed: a table comes from a store
that others may write, so its digest, counts, sums and paths are checked before anything is read for it. Where a
manifest contradicts a sound table, the manifest is wrong: other manifests may name the same content.
"""

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from ledger.blobs.chunks.codec import TABLE_LIMIT, encode_frame, frame_size, open_frame, stored_limit
from ledger.blobs.files.paths import check_files
from ledger.blobs.stores.gathered_puts import GatheredPuts
from ledger.blobs.stores.layout import is_hex, table_key
from ledger.blobs.stores.sought import THE_STORE, Sought
from ledger.blobs.stores.store import Store, checked_reading
from ledger.errors import FormatError, IntegrityError, UnsupportedFormatError
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
from ledger.wording import counted

Run = tuple[str, int, int]
"""Pack, number of the first chunk in it, count: consecutive chunks of one pack."""

_Pack = TypeVar("_Pack", bound=str | int)


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

    @property
    def is_linked(self) -> bool:
        """Whether it lists registered data: each of its files has a digest of its own."""
        return any(file.digest is not None for file in self.files)


def put_table(store: Store | GatheredPuts, table: Table) -> None:
    """Publish a table under the digest of its content."""
    data = encode_compact(table)
    if len(data) > TABLE_LIMIT:
        raise FormatError(
            f"the table of {len(table.files)} files has {len(data)} bytes, over the limit of {TABLE_LIMIT}",
            hint="save the folder in several parts",
        )
    store.put(table_key(table.digest), [encode_frame(data)])


def load_table(store: Store, content: Content, *, label: str) -> Table:
    """The checked table of a content that has one.

    `IntegrityError` where it is missing, damaged, or not what the manifest says.
    """
    return load_table_as_stored(store, content, label=label)[0]


def load_table_as_stored(store: Store, content: Content, *, label: str) -> tuple[Table, bytes]:
    """The checked table of a content, and the very bytes that it was read from, for whoever passes them on."""
    table, stored = read_table(store, content.digest, label=label)
    problem = contradiction(content, table)
    if problem is not None:
        raise IntegrityError(f"{label}: {problem}", label=label, digest=content.digest)
    return table, stored


def read_table(store: Store, digest: Digest, *, label: str) -> tuple[Table, bytes]:
    """The checked table of a digest, whatever manifests say of it, and the bytes that it was read from."""
    return checked_reading(store, table_key(digest), lambda each: _load(each, digest, label))


def contradiction(content: Content, table: Table) -> str | None:
    """Where a manifest contradicts the sound table of its content, in words; ``None`` where they agree."""
    if (content.linked is not None) != table.is_linked:
        what = "stored" if table.is_linked else "registered"
        return f"the manifest says that the content {content.digest} is {what}, its table that it is not"
    said, found = (content.size, content.file_count), (table.size, len(table.files))
    if said != found:
        return (
            f"the manifest says bytes: {said[0]}, files: {said[1]} of the content {content.digest}, "
            f"its table bytes: {found[0]}, files: {found[1]}"
        )
    return None


def load_runs(store: Store, content: Content, *, label: str) -> tuple[Run, ...]:
    """Where the chunks of a content are said to lie, for whoever compares what lies there with bytes of their own.

    Only the form of the table is checked; `IntegrityError` where the table is missing or has another form.
    """
    table, sought, _ = _read(store, content.digest, label)
    problem = _runs_problem(table)
    if problem is not None:
        raise sought.damaged(problem)
    return table.runs


def table_sought(store: Store, digest: Digest, label: str) -> Sought:
    """What errors say of the table of a content."""
    return Sought(label, "table", digest, store, table_key(digest))


def extend_runs(runs: list[tuple[_Pack, int, int]], pack: _Pack, number: int, count: int = 1) -> None:
    """Add the next chunks of a stream, from ``number`` on in a pack, to its runs: to the last one if they follow it."""
    last, first, before = runs[-1] if runs else (None, 0, 0)
    if (pack, number) == (last, first + before):
        runs[-1] = (pack, first, before + count)
    else:
        runs.append((pack, number, count))


def put_runs(store: Store, content: Content, runs: Sequence[Run]) -> None:
    """Publish a content's table again with other runs of the same chunks; what else it says stays as it is."""
    sought = table_sought(store, content.digest, THE_STORE)
    store.put(sought.key, [with_runs(store.get(sought.key, 0, stored_limit(TABLE_LIMIT)), runs, sought)])


def with_runs(stored: bytes, runs: Sequence[Run], sought: Sought) -> bytes:
    """A table as it is stored, with other runs of the same chunks; what else it says stays as it is."""
    data = open_frame(stored, frame_size(stored, sought), sought)
    record = decode_compact(data, dict[str, object], where=str(sought))
    return encode_frame(encode_compact({**record, "runs": runs}))


def _load(store: Store, digest: Digest, label: str) -> tuple[Table, bytes]:
    table, sought, frame = _read(store, digest, label)
    try:
        problem = _problem(table, digest)
        if problem is None:
            check_files(table.files, where=str(sought))
    except FormatError as error:
        raise sought.damaged(f"is damaged: {str(error).removeprefix(f'{sought}: ')}") from error
    if problem is not None:
        raise sought.damaged(problem)
    return table, frame


def _read(store: Store, digest: Digest, label: str) -> tuple[Table, Sought, bytes]:
    """The table of a content, of which only the form is checked; what errors say of it; and its stored bytes."""
    sought = table_sought(store, digest, label)
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
        reason = str(error).removeprefix(f"{sought}: ")
    # Raised outside of the block above: else the frames of its cause would keep all that the table was inflated to.
    raise sought.damaged(f"is damaged: {reason}")


def _problem(table: Table, digest: Digest) -> str | None:
    """What in a table contradicts itself or its name, or ``None``."""
    found = linked_digest(table.files) if table.is_linked else content_digest(table.files, table.segments)
    if not found == table.digest == digest:
        return f"is of the content {found}, expected {digest}"
    total = sum(file.size for file in table.files)
    if total != table.size:
        return f"has {counted(total, 'byte')} of files, expected {table.size}"
    return _runs_problem(table)


def _runs_problem(table: Table) -> str | None:
    for pack, first, count in table.runs:
        if not is_hex(pack) or first < 0 or count < 1:
            return f"holds the impossible run {[pack, first, count]}"
    chunks = table.chunk_count
    # Each chunk has at least a byte; linked data has none.
    least, most = (0, 0) if table.is_linked else (min(1, table.size), table.size)
    if not least <= chunks <= most or -(-chunks // SEGMENT_CHUNKS) != len(table.segments):
        return f"has {chunks} chunks in {len(table.segments)} segments for {table.size} bytes"
    return None
