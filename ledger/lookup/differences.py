"""What differs between two versions, by their records and the lists of their files. Pure.

Both sides are values: nothing is looked up or read here, and ``problems`` name what could not be read. Swapping the
sides swaps old and new in the result.
"""

import copy
import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from ledger.lookup.facts import Facts, paths_in
from ledger.lookup.file_differences import FileChange, FilesDiff
from ledger.lookup.notebook import as_table, some_rows
from ledger.records import FileEntry, encode_compact, encode_values, parse_time
from ledger.wording import BoundedRepr, human_size

_Key = TypeVar("_Key")


class Change(msgspec.Struct, frozen=True):
    """A value on both sides; ``msgspec.UNSET`` is that of a side that has none."""

    old: Any
    new: Any

    @property
    def is_added(self) -> bool:
        """Whether only the new side has it."""
        return self.old is UNSET

    @property
    def is_removed(self) -> bool:
        """Whether only the old side has it."""
        return self.new is UNSET

    @property
    def difference(self) -> int | float | None:
        """The new number less the old one; ``None`` where one of them is no number, or a float cannot hold it."""
        if not (_is_number(self.old) and _is_number(self.new)):
            return None
        try:
            difference: int | float = self.new - self.old
            return difference if math.isfinite(difference) else None
        except OverflowError:
            return None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The version on one side, and where it comes from: when, by whom, and in which step of which run."""

    label: str
    id: str
    created_at: dt.datetime
    created_by: str
    run: str | None
    step: str | None


class VersionDiff(BoundedRepr, msgspec.Struct, frozen=True, kw_only=True):
    """What differs from an old version to a new one.

    ``has_same_content`` and ``files`` are ``None`` if that cannot be told; ``problems`` say why. ``metadata`` goes by
    the keys that lead to a value through its groups.
    """

    old: Origin
    new: Origin
    has_same_content: bool | None
    properties: Mapping[str, Change]
    metadata: Mapping[tuple[str, ...], Change]
    added_tags: tuple[str, ...]
    removed_tags: tuple[str, ...]
    files: FilesDiff | None
    problems: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the versions are known to be equal in everything."""
        differs = self.properties or self.metadata or self.added_tags or self.removed_tags or self.problems
        return self.has_same_content is True and not differs

    def _repr_html_(self) -> str:
        content = {True: "equal", False: "differs", None: "undecided"}[self.has_same_content]
        return as_table(f"{self.old.label} to {self.new.label}: content {content}", ("", "old", "new"), self._rows())

    def _rows(self) -> Iterator[Sequence[str]]:
        """What differs, each with both sides."""
        for name, change in self.properties.items():
            yield name, _worded(change.old), _worded(change.new)
        yield from some_rows(list(self.metadata.items()), _metadata_row)
        if self.added_tags or self.removed_tags:
            yield "tags", ", ".join(self.removed_tags), ", ".join(self.added_tags)
        if self.files is not None:
            yield from some_rows(self.files.changes, _file_row)
        for problem in self.problems:
            yield "cannot be told", problem, ""


def compare_versions(old: Facts, new: Facts, files: FilesDiff | None, problems: Sequence[str] = ()) -> VersionDiff:
    """What differs between two versions; ``files`` is the same of their files, ``None`` if a list could not be read."""
    return VersionDiff(
        old=_origin(old),
        new=_origin(new),
        has_same_content=_has_same_content(old, new, files),
        properties=_changes(_properties(old), _properties(new)),
        metadata=_changes(dict(paths_in(old.metadata)), dict(paths_in(new.metadata))),
        added_tags=_without(new.tags, old.tags),
        removed_tags=_without(old.tags, new.tags),
        files=files,
        problems=tuple(problems),
    )


def file_count(facts: Facts) -> int:
    """How many files a version has."""
    content = facts.manifest.content
    return content.file_count or len(content.files or ())


def _origin(facts: Facts) -> Origin:
    manifest, producer = facts.manifest, facts.manifest.producer
    return Origin(
        label=facts.claim.label,
        id=facts.claim.id,
        created_at=parse_time(manifest.created_at),
        created_by=manifest.created_by,
        run=producer.run if producer is not None else None,
        step=producer.step if producer is not None else None,
    )


def _properties(facts: Facts) -> dict[str, Any]:
    manifest = facts.manifest
    return {
        "type": manifest.type,
        "data_type": manifest.data_type,
        "materializer": manifest.materializer,
        "trust_class": manifest.trust,
        "save_type": manifest.save_type,
        "digest": manifest.content.digest,
        "size": manifest.content.size,
        "file_count": file_count(facts),
    }


def _has_same_content(old: Facts, new: Facts, files: FilesDiff | None) -> bool | None:
    """Whether files and bytes are equal, ``None`` if that cannot be told.

    Registered and stored data have digests of different kinds, which may differ though the bytes are equal.
    """
    one, other = old.manifest.content, new.manifest.content
    if one.digest == other.digest or (one.linked is None) == (other.linked is None):
        return one.digest == other.digest
    if one.size != other.size or file_count(old) != file_count(new):
        return False
    if files is None:
        return None
    found = {each.change for each in files.changes}
    return None if found == {"undecided"} else not found


def _changes(old: Mapping[_Key, Any], new: Mapping[_Key, Any]) -> dict[_Key, Change]:
    """What differs key by key, in the order of the old side, then of what the new one adds."""
    both = ((key, old.get(key, UNSET), new.get(key, UNSET)) for key in {**old, **new})
    return {key: Change(*copy.deepcopy((one, other))) for key, one, other in both if not _is_same(one, other)}


def _is_same(one: Any, other: Any) -> bool:
    """Whether records hold two values alike: ``1``, ``1.0`` and ``True`` differ, and NaN is one value."""
    if one is UNSET or other is UNSET:
        return one is other
    return encode_compact(encode_values(one)) == encode_compact(encode_values(other))


def _metadata_row(entry: tuple[tuple[str, ...], Change]) -> tuple[str, str, str]:
    path, change = entry
    return f"metadata.{'.'.join(path)}", _worded(change.old), _worded(change.new)


def _file_row(file: FileChange) -> tuple[str, str, str]:
    return f"{file.path} {file.change}", _file_worded(file.old, file.path), _file_worded(file.new, file.path)


def _worded(value: Any) -> str:
    return str(value) if value is not UNSET else ""


def _file_worded(file: FileEntry | None, path: str) -> str:
    """One side of a file: its size, and its path where that is another one."""
    if file is None:
        return ""
    size = human_size(file.size)
    return size if file.path == path else f"{file.path}, {size}"


def _without(tags: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*tags} - {*others}))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
