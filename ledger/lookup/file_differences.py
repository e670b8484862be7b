"""What differs between the files of two versions, as far as their lists and chunks tell. Pure.

A file is equal if the same chunks hold it at the same places. It has changed if its size or kind has, or if different
chunks begin at the same place in it and end in it: from a common cut on, equal bytes are cut alike (specs/chunking.md),
except that the last chunk of a stream may go on where others are cut. A file of which neither can be said is undecided,
such as a small one that shares its chunk with others: only its bytes tell whether it differs. `open_stretches` says
which bytes to compare, and `decided` enters the answers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Literal, NamedTuple

import msgspec

from ledger.ids import Digest
from ledger.records import Content, FileEntry
from ledger.wording import BoundedRepr

Chunk = tuple[Digest, int]
"""The digest of a chunk, and its size; the chunks of a content are in the order of its stream."""

Stretch = tuple[int, int]
"""The first byte of a part of a file, and the one behind its last."""

_Placed = tuple[int, Digest, int]  # where a chunk begins, as seen from the beginning of a file, and the chunk
_Held = tuple[FileEntry, tuple[_Placed, ...] | None]  # a file, and the chunks that hold it where they are known

_path = attrgetter("path")


class FileChange(msgspec.Struct, frozen=True):
    """What became of a file: ``old`` is ``None`` for one that was added, ``new`` for one that was removed.

    One that was ``renamed`` is equal under another ``path``; one that is ``undecided`` has kept path, kind and size.
    """

    path: str
    change: Literal["added", "removed", "changed", "renamed", "undecided"]
    old: FileEntry | None
    new: FileEntry | None


class FilesDiff(BoundedRepr, msgspec.Struct, frozen=True, kw_only=True):
    """The files that differ between two versions, by path, and how many are equal."""

    changes: tuple[FileChange, ...] = ()
    equal: int = 0


class Listed(NamedTuple):
    """The files of a content, and its chunks where they are known."""

    content: Content
    files: Sequence[FileEntry]
    chunks: Sequence[Chunk] | None


def at_hand(content: Content, files: Sequence[FileEntry]) -> Listed:
    """A content with the chunks that its manifest names; a registered file with a digest counts as one chunk."""
    if content.linked is None:
        return Listed(content, files, content.chunks)
    chunks = [(file.digest, file.size) for file in files if file.digest is not None and file.size]
    return Listed(content, files, chunks if sum(size for _, size in chunks) == content.size else None)


def depend_on_chunks(changes: Sequence[FileChange]) -> bool:
    """Whether chunks could decide more: of files that are undecided, or that may have been renamed."""
    removed = {(each.old.kind, each.old.size) for each in changes if each.old and not each.new}
    added = {(each.new.kind, each.new.size) for each in changes if each.new and not each.old}
    return bool(removed & added) or any(each.change == "undecided" for each in changes)


def compare_files(old: Listed, new: Listed) -> FilesDiff:
    """What became of the files of a content in a new one with another digest."""
    before, after = ({file.path: file for file in side.files} for side in (old, new))
    chunks, new_chunks = _chunks_by_path(old), _chunks_by_path(new)
    are_cut_alike = (old.content.linked is None) == (new.content.linked is None)
    kept = before.keys() & after.keys()
    changes: list[FileChange] = []
    for path in kept:
        one, other = before[path], after[path]
        held, new_held = chunks.get(path, ()), new_chunks.get(path, ())
        if (one.kind, one.size) != (other.kind, other.size):
            changes.append(FileChange(path, "changed", one, other))
        elif held != new_held or (one.size and not held):
            differ = _differ(held, new_held, one.size, are_cut_alike=are_cut_alike)
            changes.append(FileChange(path, "changed" if differ else "undecided", one, other))
    equal = len(kept) - len(changes)
    if len(changes) == 1 and are_cut_alike and list(before) == list(after):
        # The contents differ somewhere, and everything else is equal.
        changes = [msgspec.structs.replace(changes[0], change="changed")]
    changes += _moves(
        [(file, chunks.get(path)) for path, file in before.items() if path not in kept],
        [(file, new_chunks.get(path)) for path, file in after.items() if path not in kept],
    )
    return FilesDiff(changes=tuple(sorted(changes, key=_path)), equal=equal)


def open_stretches(old: Listed, new: Listed, paths: Iterable[str]) -> Iterator[tuple[str, list[Stretch]]]:
    """The parts of undecided files to compare, by path: what lies between equal chunks at equal places of both."""
    chunks, new_chunks = _chunks_by_path(old), _chunks_by_path(new)
    sizes = {file.path: file.size for file in old.files}
    for path in paths:
        equal = sorted({*chunks.get(path, ())} & {*new_chunks.get(path, ())})
        # The first chunk may begin before the file, the last end behind it: nothing is left there then.
        edges = [0, *(edge for start, _, size in equal for edge in (start, start + size)), sizes[path]]
        yield path, [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]


def decided(found: FilesDiff, are_equal: Mapping[str, bool]) -> FilesDiff:
    """The same differences after some undecided files were compared; ``are_equal`` has the answers by path."""
    changes = tuple(
        msgspec.structs.replace(each, change="changed") if each.path in are_equal else each
        for each in found.changes
        if not are_equal.get(each.path)
    )
    return FilesDiff(changes=changes, equal=found.equal + len(found.changes) - len(changes))


def _moves(removed: Iterable[_Held], added: Iterable[_Held]) -> Iterator[FileChange]:
    """Each removed file with an equal added one, as renamed; the rest as removed or added.

    Among several equal files, pairs are made in the order of their paths.
    """
    sought: dict[object, list[FileEntry]] = {}
    for file, chunks in sorted(added, key=lambda held: held[0].path, reverse=True):
        sought.setdefault((file.kind, file.size, chunks), []).append(file)
    for file, chunks in sorted(removed, key=lambda held: held[0].path):
        equal = sought.get((file.kind, file.size, chunks)) if chunks is not None else None
        if equal:
            new = equal.pop()
            yield FileChange(new.path, "renamed", file, new)
        else:
            yield FileChange(file.path, "removed", file, None)
    yield from (FileChange(file.path, "added", None, file) for files in sought.values() for file in files)


def _differ(one: Sequence[_Placed], other: Sequence[_Placed], file_size: int, *, are_cut_alike: bool) -> bool:
    """Whether chunks show that two files of equal size differ.

    Chunks of different sizes show it only if both end in a cut: in files that are cut alike, before the file's end.
    """
    by_start = {start: (digest, size) for start, digest, size in one}
    for start, digest, size in other:
        known, known_size = by_start.get(start, (digest, size))
        stop = start + max(size, known_size)
        is_inside = stop <= file_size if size == known_size else are_cut_alike and stop < file_size
        if known != digest and start >= 0 and is_inside:
            return True
    return False


def _chunks_by_path(side: Listed) -> Mapping[str, tuple[_Placed, ...]]:
    """The chunks that hold each file, by path; empty files are left out, and all files where no chunks are known."""
    if side.chunks is None:
        return {}
    ends = list(accumulate(size for _, size in side.chunks))
    found: dict[str, tuple[_Placed, ...]] = {}
    start = 0
    for file in side.files:
        stop = start + file.size
        if file.size:
            numbers = range(bisect_right(ends, start), bisect_left(ends, stop) + 1)
            found[file.path] = tuple((ends[n] - side.chunks[n][1] - start, *side.chunks[n]) for n in numbers)
        start = stop
    return found
