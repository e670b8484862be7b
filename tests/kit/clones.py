"""Clones of one ledger in memory: trees as dicts, and merging as `ledger sync` does it."""

import itertools
from dataclasses import dataclass, field

from ledger.history.sharing.merging import Merged, merge_trees
from ledger.history.tree.layout import MANIFEST, Claim, TreePath
from ledger.history.tree.placing import allocate
from ledger.history.tree.snapshot import Snapshot
from ledger.ids import Digest, EventId, VersionId, new_uuid
from ledger.records import Content, Manifest, TagsEvent, VersionString, check_name, content_digest, encode

NAME = check_name("iris")
TIME = "2026-11-23T10:00:00.000000Z"
ADA = "Ada <ada@example.com>"
MILLISECONDS = 1_795_000_000_000

_numbers = itertools.count()

Files = dict[TreePath, bytes]


class MemoryTree:
    """Files by path, as `Folders`."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def names(self, path: TreePath, start: str = "") -> list[str]:
        depth = len(path)
        below = {file[depth] for file in self.files if file[:depth] == path and len(file) > depth}
        return sorted(name for name in below if name.startswith(start))

    def read(self, path: TreePath) -> bytes | None:
        return self.files.get(path)


def manifest_bytes(id: VersionId, requested: VersionString | None, name: str = NAME) -> bytes:
    """A manifest of a version without bytes."""
    empty = Content(digest=Digest(content_digest((), ())), size=0, files=(), chunks=())
    return encode(
        Manifest(
            id=id,
            name=name,
            requested_version=requested,
            created_at=TIME,
            created_by=ADA,
            type="DataArtifact",
            save_type="manual",
            materializer="text/1",
            data_type="str",
            trust="data",
            content=empty,
            tags=(),
            metadata={},
            producer=None,
            visualizations=(),
        )
    )


@dataclass
class Clone:
    """One clone: its files, and the commits it is made of."""

    files: Files = field(default_factory=dict)
    commits: frozenset[int] = frozenset()

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(MemoryTree(self.files))

    @property
    def claims(self) -> list[Claim]:
        return list(self.snapshot.claims(NAME))

    def save(self, requested: VersionString | None = None, *, at: int = 0) -> Claim:
        """Save a version; a requested one that exists is saved as an automatic one."""
        if requested is not None and self.snapshot.claim_of(NAME, requested) is not None:
            requested = None
        id = VersionId(new_uuid(MILLISECONDS + at))
        claim = allocate(NAME, id, self.snapshot.latest(NAME), requested)
        self.files[*claim.path, MANIFEST] = manifest_bytes(id, requested)
        if claim.pointer is not None:
            self.files[claim.pointer] = b""
        self._commit()
        return claim

    def tag(self, claim: Claim, tag: str, *, at: int = 0) -> None:
        """Put a tag on a version."""
        id = EventId(new_uuid(MILLISECONDS + at, after=self.snapshot.last_event(claim)))
        event = TagsEvent(id=id, created_at=TIME, created_by=ADA, add=(tag,), remove=())
        self.files[*claim.path, f"{id}.json"] = encode(event)
        self._commit()

    def copy(self) -> "Clone":
        """Another clone of the same."""
        return Clone(dict(self.files), self.commits)

    def sync(self, other: "Clone") -> Merged:
        """Go forward, or merge behind the other, which is the published one; both hold the result."""
        merged = Merged({}, ())
        if other.commits < self.commits:
            other.files = dict(self.files)
        elif not self.commits <= other.commits:
            merged = merge_files(other.files, self.files)
            other.files = {**other.files, **merged.added}
            self._commit()
        self.files = dict(other.files)
        self.commits = other.commits = self.commits | other.commits
        return merged

    def _commit(self) -> None:
        self.commits |= {next(_numbers)}


def merge_files(theirs: Files, ours: Files) -> Merged:
    """What our files add to theirs."""
    return merge_trees(
        MemoryTree(theirs),
        MemoryTree(ours),
        only_ours=[path for path in ours if path not in theirs],
        only_theirs=[path for path in theirs if path not in ours],
    )
