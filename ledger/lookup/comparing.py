"""Reads what is needed to tell two versions apart, and no more: lists of files, then perhaps of chunks.

No file is read, so the bytes of both may be away. What cannot be read is a problem that the result names; the rest is
told all the same.
"""

from typing import Final

from ledger.errors import (
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
from ledger.lookup.file_differences import FilesDiff, Listed, at_hand, compare_files, depend_on_chunks

_UNREADABLE: Final = (FormatError, IntegrityError, MissingDependencyError, StorageError, StoreMismatchError)
"""What is wrong with a store, or with what it holds."""

Side = tuple[Facts, Access]
"""A version, and how to reach the lists of its files and chunks."""


def compare(old: Side, new: Side) -> VersionDiff:
    """What differs between two versions."""
    problems: list[str] = []
    return compare_versions(old[0], new[0], _files_diff(old, new, problems), problems)


def _files_diff(old: Side, new: Side, problems: list[str]) -> FilesDiff | None:
    """What differs between the files; notes what stands in the way."""
    if old[0].manifest.content.digest == new[0].manifest.content.digest:
        return FilesDiff(equal=file_count(old[0]))
    one, other = _listed(old, problems), _listed(new, problems)
    if one is None or other is None:
        return None
    found = compare_files(one, other)
    if depend_on_chunks(found.changes):
        return compare_files(_with_chunks(one, old, problems), _with_chunks(other, new, problems))
    return found


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


def _note(error: LedgerError, problems: list[str]) -> None:
    if str(error) not in problems:  # both versions may need one pack
        problems.append(str(error))
