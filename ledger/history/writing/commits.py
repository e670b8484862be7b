"""Commits in the making: their bytes, and chains of them that are not durable yet.

Owns what a commit of the history looks like, and the order of several publications that go into
one pack: each its own commit, upon the one before (specs/concurrency.md, 2). Writes nothing;
whoever makes a chain durable calls `Chain.remember`.
"""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from ledger.history.git.forms import ObjectId
from ledger.history.git.kinds import COMMIT, RawObject
from ledger.history.git.objects import Objects
from ledger.history.tree.drafts import Publication
from ledger.history.tree.layout import Claim
from ledger.history.tree.placing import place_all
from ledger.history.tree.trees import GrowingTree, add_object
from ledger.history.writing.identity import cleaned
from ledger.history.writing.messages import message_for
from ledger.ids import CommitId
from ledger.records import parse_time

TOGETHER = "Together-with"
"""The trailer of a commit that was to be published in one move with its parent: no proof that the parent ever was."""


class Link(NamedTuple):
    """One publication as a commit of a chain: its claims in the order of its drafts, and what it adds."""

    commit: CommitId
    claims: tuple[Claim, ...]
    root: ObjectId
    new: dict[ObjectId, RawObject]


class Chain:
    """Commits upon ``base``, each upon the one before, in memory."""

    def __init__(self, objects: Objects, base: CommitId) -> None:
        self.tip = self._base = base
        self.new: dict[ObjectId, RawObject] = {}
        """Every object that the chain adds, by its id."""
        self._objects = objects
        self._root = objects.commit(base).tree

    def place(self, publication: Publication) -> Link:
        """The commit that a publication is upon the tip; `append` makes it the tip.

        Raises what `place_all` raises where a draft cannot have its place.
        """
        tree = GrowingTree(_Unwritten(self._objects, self.new), self._root)
        now = parse_time(publication.now)
        claims = place_all(publication.drafts, tree, time_ms=int(now.timestamp() * 1000))
        message = message_for(publication.drafts, claims, publication.now, publication.subject)
        if self.tip != self._base:
            message += f"{TOGETHER}: {self.tip}\n"
        new: dict[ObjectId, RawObject] = {}
        root = tree.write(new)
        commit = add_object(new, COMMIT, encode_commit(root, (self.tip,), publication.author, now, message))
        return Link(CommitId(commit), tuple(claims), root, new)

    def append(self, link: Link) -> None:
        """Make a commit that was placed upon the tip the new tip."""
        self.tip, self._root = link.commit, link.root
        self.new |= link.new

    def remember(self) -> None:
        """Keep at hand what the chain adds, once it is durable."""
        self._objects.remember(self.new)


def encode_commit(tree: ObjectId, parents: Sequence[CommitId], author: str, now: dt.datetime, message: str) -> bytes:
    """The bytes of a commit by a person, ``Name <address>``, at a time in UTC."""
    name, address = (cleaned(part) for part in [*author.rsplit(" <", 1), ""][:2])
    person = f"{name or 'unknown'} <{address}> {max(0, int(now.timestamp()))} +0000"
    above = "".join(f"parent {parent}\n" for parent in parents)
    return f"tree {tree}\n{above}author {person}\ncommitter {person}\n\n{message}".encode(errors="replace")


class _Unwritten:
    """The objects of a repository, and those of a chain that are not written to it yet."""

    def __init__(self, objects: Objects, new: dict[ObjectId, RawObject]) -> None:
        self._objects = objects
        self._new = new

    def get(self, id: ObjectId, kind: int, named_by: ObjectId | None = None) -> bytes:
        """The bytes of an object."""
        found = self._new.get(id)
        return found[1] if found is not None and found[0] == kind else self._objects.get(id, kind, named_by)
