"""Compares two versions, and reads no more than that takes: lists of files, perhaps of chunks, then a few bytes.

Of files that the lists leave undecided, only those bytes are read that no chunk shows to be equal. What cannot be read
is named among the problems of the result; everything else is compared all the same.
"""

from collections.abc import Iterable
from typing import IO, Final

from ledger.errors import (
    ConfigError,
    FormatError,
    IntegrityError,
    LedgerError,
    MissingDependencyError,
    StorageError,
    StoreMismatchError,
)
from ledger.lookup.access import Access
from ledger.lookup.differences import VersionDiff, compare_versions, file_count
from ledger.lookup.facts import Facts
from ledger.lookup.file_differences import (
    FilesDiff,
    Listed,
    Stretch,
    at_hand,
    compare_files,
    decided,
    depend_on_chunks,
    open_stretches,
)
from ledger.meters import task

_UNREADABLE: Final = (
    ConfigError,
    FormatError,
    IntegrityError,
    MissingDependencyError,
    StorageError,
    StoreMismatchError,
)
"""The errors of a store, of what it holds, and of what the settings say about it."""

_BLOCK: Final = 1 << 20

Side = tuple[Facts, Access]
"""A version, and how to reach the lists of its files and chunks."""


def compare(old: Side, new: Side) -> VersionDiff:
    """What differs between two versions."""
    problems: list[str] = []
    return compare_versions(old[0], new[0], _files_diff(old, new, problems), problems)


def _files_diff(old: Side, new: Side, problems: list[str]) -> FilesDiff | None:
    """What differs between the files, ``None`` if a list of them cannot be read; adds the reasons to ``problems``."""
    if old[0].manifest.content.digest == new[0].manifest.content.digest:
        return FilesDiff(equal=file_count(old[0]))
    one, other = _listed(old, problems), _listed(new, problems)
    if one is None or other is None:
        return None
    found = compare_files(one, other)
    if depend_on_chunks(found.changes):
        one, other = _with_chunks(one, old, problems), _with_chunks(other, new, problems)
        found = compare_files(one, other)
    undecided = [each.path for each in found.changes if each.change == "undecided"]
    if not undecided:
        return found
    return decided(found, _compared(old, new, list(open_stretches(one, other, undecided)), problems))


def _listed(side: Side, problems: list[str]) -> Listed | None:
    facts, access = side
    try:
        return at_hand(facts.manifest.content, access.files(facts))
    except _UNREADABLE as error:
        _note(error, problems)
        return None


def _with_chunks(listed: Listed, side: Side, problems: list[str]) -> Listed:
    if listed.chunks is not None:
        return listed
    facts, access = side
    try:
        return listed._replace(chunks=access.chunks(facts))
    except _UNREADABLE as error:
        _note(error, problems)
        return listed


def _compared(old: Side, new: Side, stretches: list[tuple[str, list[Stretch]]], problems: list[str]) -> dict[str, bool]:
    """Whether files are equal in their open stretches, by path; those from the first unreadable one on are left out."""
    are_equal: dict[str, bool] = {}
    size = sum(stop - start for _, each in stretches for start, stop in each)
    try:
        with task(f"compare {new[0].claim.label}", 2 * size):
            one, other = (access.reader(facts) for facts, access in (old, new))
            for path, open_ in stretches:
                with one.open(path) as before, other.open(path) as after:
                    are_equal[path] = _are_equal(before, after, open_)
    except _UNREADABLE as error:
        _note(error, problems)
    return are_equal


def _are_equal(one: IO[bytes], other: IO[bytes], stretches: Iterable[Stretch]) -> bool:
    for begin, stop in stretches:
        one.seek(begin)
        other.seek(begin)
        for start in range(begin, stop, _BLOCK):
            size = min(_BLOCK, stop - start)
            if one.read(size) != other.read(size):
                return False
    return True


def _note(error: LedgerError, problems: list[str]) -> None:
    if str(error) not in problems:  # both versions may need one pack
        problems.append(str(error))
