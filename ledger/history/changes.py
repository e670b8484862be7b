"""Which versions differ between two commits, and where each stands in the order of all names.

Reads the trees that differ, and of the others only what the order needs. The two commits need not belong to
one history: only what their trees hold counts.

Versions of all names are ordered by their ids, which begin with the time. But clocks differ, and a merge
may give an older id a later position; and no version may come before one that was published before it under the same
name. So the place of a version in the order is the smallest id among itself and all later positions of its name.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ledger.history.git.forms import Entry
from ledger.history.git.objects import Objects
from ledger.history.history import History
from ledger.history.tree import layout
from ledger.history.tree.layout import Claim
from ledger.ids import CommitId, VersionId
from ledger.records import Name

_AFTER_ALL = VersionId("g")
"""Sorts after every id."""

_NOTHING: Mapping[str, Entry] = {}
_Pair = tuple[str, Entry | None, Entry | None]


class ClaimChange(NamedTuple):
    """A version that is not as it was: new, with other records, at another place in the order, or gone."""

    claim: Claim
    order: VersionId | None
    """The id whose place it takes in the order of all versions; ``None`` for a claim that has gone."""

    was_there: bool


def claim_changes(history: History, before: CommitId | None, after: CommitId) -> Iterator[ClaimChange]:
    """What must happen to the versions of ``before`` (``None``: no versions) to make them those of ``after``.

    Raises `IntegrityError` for a tree that cannot be read.
    """
    objects = history.objects
    old = Entry(is_directory=True, id=objects.commit(before).tree) if before is not None else None
    new = Entry(is_directory=True, id=objects.commit(after).tree)
    root = layout.ARTIFACTS[0]
    shards = _differing(objects, _entries(objects, old).get(root), _entries(objects, new).get(root))
    for shard, *pair in shards:
        for folder, old_entry, new_entry in _differing(objects, *pair):
            name = layout.parse_name(folder)
            if name is not None and layout.shard_of(name) == shard:
                yield from _Artifact(objects, name).changes(old_entry, new_entry)


class _Artifact:
    """One artifact while its two lists of versions are compared, from the newest on."""

    def __init__(self, objects: Objects, name: Name) -> None:
        self._objects = objects
        self._name = name
        self._order_before = _AFTER_ALL
        self._order_after = _AFTER_ALL

    def changes(self, before: Entry | None, after: Entry | None) -> Iterator[ClaimChange]:
        """The changes between two folders of the artifact, through both levels of pages (`layout.page_of`)."""
        highs = [pair for pair in self._pairs(before, after) if layout.is_page(pair[0])]
        for (_, *high), is_oldest in self._needed(highs, is_oldest=True):
            for (_, *low), _ in self._needed(self._pairs(*high), is_oldest=is_oldest):
                for pair in self._pairs(*low):
                    yield from self._change(*pair)

    def _change(self, entry: str, before: Entry | None, after: Entry | None) -> Iterator[ClaimChange]:
        if not layout.is_claim(entry):
            return
        claim = layout.parse_claim(self._name, entry)
        if before is not None:
            self._order_before = min(self._order_before, claim.id)
        if after is not None:
            self._order_after = min(self._order_after, claim.id)
        if after is None:
            yield ClaimChange(claim, None, was_there=True)
        elif before != after or self._order_before != self._order_after:
            yield ClaimChange(claim, self._order_after, was_there=before is not None)

    def _needed(self, pairs: list[_Pair], *, is_oldest: bool) -> Iterator[tuple[_Pair, bool]]:
        """The pairs, the newest first, until no older one differs and the order is again what it was before.

        With each comes whether nothing older differs; ``is_oldest`` says so of what is older than all these pairs.
        """
        oldest = max((place for place, (_, before, after) in enumerate(pairs) if before != after), default=-1)
        for place, pair in enumerate(pairs):
            if is_oldest and place > oldest and self._order_before == self._order_after:
                return
            yield pair, is_oldest and place >= oldest

    def _pairs(self, before: Entry | None, after: Entry | None) -> list[_Pair]:
        """The names in two folders, the newest first, with the entry in each."""
        old, new = _entries(self._objects, before), _entries(self._objects, after)
        return [(name, old.get(name), new.get(name)) for name in sorted({*old, *new}, reverse=True)]


def _differing(objects: Objects, before: Entry | None, after: Entry | None) -> Iterator[_Pair]:
    """The names whose entries differ in two folders, in order."""
    if before == after:
        return
    old, new = _entries(objects, before), _entries(objects, after)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _entries(objects: Objects, entry: Entry | None) -> Mapping[str, Entry]:
    return objects.tree(entry.id) if entry is not None and entry.is_directory else _NOTHING
