"""The catalog's file: how it is read, extended, and replaced.

The file is only ever appended to, or replaced as a whole. It needs no lock. Every segment names the place of the
segment that it builds on, so that of two that are appended at once each is right by itself. What a dead writer left at
the end is skipped. What is appended is not synced to disk: the file is derived, every block has a checksum, and where
one fails, the catalog is made again.
"""

import itertools
import os
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.catalog.catalogs import Catalog
from ledger.catalog.lines import CatalogDamage
from ledger.catalog.segments import (
    MAGIC,
    TOKEN_BYTES,
    TRAILER_BYTES,
    ReadAt,
    Segment,
    encode_segment,
    read_trailer,
)
from ledger.disk import (
    add_to_file,
    close_anyway,
    make_directory,
    open_regular,
    refuse_linked,
    remove_abandoned,
    scratch_file,
    stage_file,
)
from ledger.errors import StorageError

RUN_LINES = 50_000
"""Most lines that are held in memory at once."""

_HEAD = b"ledger catalog, format 1\n"
_BODY_AT = len(_HEAD) + TOKEN_BYTES
_RATIO = 4  # a new segment takes in the newest while they have at most so many times its lines
_SPARE_BYTES = 4 << 20  # by how much what nobody needs any more may exceed the rest
_SEARCH_BYTES = 1 << 20
_TEMPORARY = "tmp_catalog_"
_ABANDONED_SECONDS = 3600.0


class LineChange(NamedTuple):
    """A change of the catalog: a line that is new, the key of a line that is no longer true, or both."""

    line: bytes | None
    replaced: bytes | None


class Extension(NamedTuple):
    """A catalog whose newest segment is in memory, and the bytes of that segment."""

    catalog: Catalog
    data: bytes


def read_catalog(path: Path) -> Catalog | None:
    """The catalog in a file, or ``None`` where there is no usable one."""
    try:
        descriptor, status = open_regular(path)
        return _read(_OpenFile(descriptor), status.st_size)
    except (OSError, CatalogDamage):
        return None  # the caller makes another one, or does without


def update_catalog(path: Path, catalog: Catalog | None, changes: Iterable[LineChange], commit: str) -> Catalog | None:
    """The catalog with changes up to a commit, kept in its file; without a catalog, the changes make a first one.

    Where nothing can be written, changes stay in memory only; `RUN_LINES` of them or a first catalog raise
    `StorageError`. If others write the file too, what is returned may be of another commit, or ``None``.
    """
    remaining = iter(changes)
    first = list(itertools.islice(remaining, RUN_LINES))
    if catalog is None or len(first) == RUN_LINES:
        write_catalog(path, catalog, itertools.chain(first, remaining), commit)
        return read_catalog(path)
    try:
        if _is_to_be_rewritten(catalog, len(first)):
            write_catalog(path, catalog, first, commit)
            return read_catalog(path)
        extension = extend(catalog, first, commit)
        add_to_file(path, extension.data)
    except StorageError:
        # Such as in a read-only folder or on a full disk: the catalog is just as right, but only this process has it.
        return overlay(catalog, first, commit)
    return extension.catalog


def overlay(catalog: Catalog, changes: Iterable[LineChange], commit: str) -> Catalog:
    """The catalog with changes that are held in memory only; the rest is read from where it was."""
    lines, replaced = _sorted(changes)
    return _with_segment(catalog, catalog.segments, lines, replaced, commit).catalog


def extend(catalog: Catalog, changes: Iterable[LineChange], commit: str) -> Extension:
    """The catalog with changes as a segment for its file, which takes in the newest while they are not much larger.

    So there are never many segments, and each line is copied few times.
    """
    lines, replaced = _sorted(changes)
    alone = _with_segment(catalog, catalog.segments, lines, replaced, commit)
    taken = _count_to_take([segment.lines for segment in catalog.segments], len(lines))
    if not taken:
        return alone
    kept, merged = catalog.segments[:-taken], catalog.segments[-taken:]
    together = {*replaced, *itertools.chain.from_iterable(segment.replaced for segment in merged)}
    return _with_segment(catalog, kept, alone.catalog.live_lines(newest=taken + 1), sorted(together), commit)


def write_catalog(path: Path, catalog: Catalog | None, changes: Iterable[LineChange], commit: str) -> None:
    """Write a catalog with changes anew; it appears whole or not at all.

    At most `RUN_LINES` changes are in memory: each run of so many becomes a segment of a scratch file, and all are
    merged.
    """
    refuse_linked(path.parent)
    make_directory(path.parent)
    remove_abandoned(path.parent, _TEMPORARY, seconds=_ABANDONED_SECONDS)
    token = os.urandom(TOKEN_BYTES)
    with scratch_file(path.parent) as scratch:
        source = _OpenFile(os.dup(scratch.fileno()))
        segments = list(catalog.segments) if catalog is not None else []
        remaining, end = iter(changes), 0
        while batch := list(itertools.islice(remaining, RUN_LINES)):
            lines, replaced = _sorted(batch)
            run = encode_segment(lines, replaced, commit=commit, token=token, builds_on=0)
            end += sum(scratch.write(piece) for piece in run)
            scratch.flush()
            segments.append(Segment(source, end, read_trailer(source, end, token)))
        whole = Catalog(commit, segments, token=token).live_lines()
        parts = encode_segment(whole, (), commit=commit, token=token, builds_on=_BODY_AT)
        stage_file(path, itertools.chain([_HEAD + token], parts), temporary=_TEMPORARY)


def _sorted(changes: Iterable[LineChange]) -> tuple[list[bytes], list[bytes]]:
    """The new lines and the replaced keys, as a segment holds them."""
    known = list(changes)
    lines = sorted(change.line for change in known if change.line is not None)
    return lines, sorted({change.replaced for change in known if change.replaced is not None})


def _with_segment(
    catalog: Catalog, kept: Sequence[Segment], lines: Iterable[bytes], replaced: Iterable[bytes], commit: str
) -> Extension:
    """A catalog of kept segments and a new one in memory, which builds on the last of them."""
    builds_on = kept[-1].end if kept else _BODY_AT
    data = b"".join(encode_segment(lines, replaced, commit=commit, token=catalog.token, builds_on=builds_on))

    def source(at: int, length: int) -> bytes:
        return data[at : at + length]

    segment = Segment(source, len(data), read_trailer(source, len(data), catalog.token))
    return Extension(Catalog(commit, [*kept, segment], token=catalog.token), data)


def _count_to_take(sizes: Sequence[int], new: int) -> int:
    """How many of the newest segments a new one of ``new`` lines takes in; ``sizes`` are their lines. Pure."""
    total = new
    for taken, size in enumerate(reversed(sizes)):
        if size > _RATIO * total:
            return taken
        total += size
    return len(sizes)


def _is_to_be_rewritten(catalog: Catalog, new: int) -> bool:
    """Whether to write a new file instead of a segment of ``new`` lines. Pure.

    That is due where the segment would be the only one or have too many lines, or too much in the file is dead.
    """
    sizes = [segment.lines for segment in catalog.segments]
    taken = _count_to_take(sizes, new)
    together = new + sum(sizes[len(sizes) - taken :])
    live = sum(segment.end - segment.start for segment in catalog.segments)
    dead = catalog.segments[-1].end - live
    return taken == len(sizes) or together > RUN_LINES or dead > live + _SPARE_BYTES


def _read(source: ReadAt, size: int) -> Catalog:
    """The catalog in a file of some size: its last whole segment, and those that this builds on."""
    head = source(0, _BODY_AT)
    if not head.startswith(_HEAD) or len(head) < _BODY_AT:
        raise CatalogDamage("the file is no catalog of this format")
    token = head[len(_HEAD) :]
    end = _last_end(source, size, token)
    segments: list[Segment] = []
    while end > _BODY_AT:
        segments.append(Segment(source, end, read_trailer(source, end, token)))
        end = segments[-1].builds_on
        if end > segments[-1].start:
            raise CatalogDamage(f"the segment that ends at {segments[-1].end} builds on itself")
    if not segments:
        raise CatalogDamage("the file holds no segment")
    return Catalog(segments[0].commit, segments[::-1], token=token)


def _last_end(source: ReadAt, size: int, token: bytes) -> int:
    """Where the last segment ends that was written whole, mostly at the end of the file; 0 without one."""
    end = size
    while end > _BODY_AT:
        try:
            read_trailer(source, end, token)
        except CatalogDamage:
            end = _possible_end(source, end)
        else:
            return end
    return 0


def _possible_end(source: ReadAt, before: int) -> int:
    """The last offset below ``before`` at which a trailer may end, or 0."""
    limit = before - 1 - TRAILER_BYTES + len(MAGIC)
    while limit > _BODY_AT:
        start = max(_BODY_AT, limit - _SEARCH_BYTES)
        at = source(start, limit - start).rfind(MAGIC)
        if at >= 0:
            return start + at + TRAILER_BYTES
        limit = start + len(MAGIC) - 1 if start > _BODY_AT else 0
    return 0


class _OpenFile:
    """An open file as a `ReadAt`; closed when nobody reads it any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, close_anyway, descriptor)

    def __call__(self, at: int, length: int) -> bytes:
        try:
            return os.pread(self._descriptor, length, at)
        except (OSError, OverflowError) as error:
            raise CatalogDamage(f"cannot be read at {at}: {error}") from error
