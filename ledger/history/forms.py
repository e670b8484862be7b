"""What Git objects say: ids, trees and commits, encoded, searched and decoded.

Pure. Format: https://git-scm.com/docs/git-cat-file and gitformat-pack; of trees and commits only what a history of
this format holds is accepted, and of a commit only what the history needs is kept.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple, NewType

from ledger.history.entries import WHOLE_KINDS
from ledger.ids import CommitId

ObjectId = NewType("ObjectId", str)
"""A Git object's id: 40 hex digits."""

KINDS = WHOLE_KINDS
COMMIT, TREE, BLOB = 1, 2, 3


_DIRECTORY, _FILE = b"40000", b"100644"
_TREE_ENTRY = re.compile(rb"(40000|100644) ([^\0]+)\0(.{20})", re.DOTALL)
_WHOLE_TREE = re.compile(rb"(?:(?:40000|100644) [^\0]+\0.{20})*", re.DOTALL)
_ID = re.compile(r"[0-9a-f]{40}")


class Entry(NamedTuple):
    """One line of a tree."""

    is_directory: bool
    id: ObjectId


class Commit(NamedTuple):
    """What the history needs of a commit."""

    id: CommitId
    tree: ObjectId
    parents: tuple[CommitId, ...]
    author: str
    time: int
    message: str


def object_id(kind: int, data: bytes) -> ObjectId:
    """The id of an object: SHA-1 over its kind, length and bytes."""
    return ObjectId(hashlib.sha1(b"%s %d\0" % (KINDS[kind], len(data)) + data, usedforsecurity=False).hexdigest())


def encode_tree(entries: dict[str, Entry]) -> bytes:
    """The bytes of a tree, in Git's order: directories sort as if they ended in a slash."""
    lines = [
        (f"{name}/" if entry.is_directory else name, _head_of(name, entry), entry.id) for name, entry in entries.items()
    ]
    lines.sort()
    return b"".join(head + bytes.fromhex(id) for _, head, id in lines)


def patch_tree(data: bytes, changed: Mapping[str, Entry]) -> bytes | None:
    """A tree with other objects in the place of some names; ``None`` if one is not there, or was of another kind."""
    for name, entry in changed.items():
        found = find_in_tree(data, name)
        if found is None or found[1].is_directory != entry.is_directory:
            return None
        at = found[0] + len(_head_of(name, entry))
        data = data[:at] + bytes.fromhex(entry.id) + data[at + 20 :]
    return data


def _head_of(name: str, entry: Entry) -> bytes:
    return b"%s %s\0" % (_DIRECTORY if entry.is_directory else _FILE, name.encode())


def decode_tree(data: bytes) -> dict[str, Entry]:
    """The entries of a tree in its order; raises ``ValueError`` for anything but files and directories."""
    check_tree(data)
    return {
        name.decode(): Entry(mode == _DIRECTORY, ObjectId(id.hex())) for mode, name, id in _TREE_ENTRY.findall(data)
    }


def names_in_tree(data: bytes) -> list[str]:
    """The names in a tree in its order; raises ``ValueError`` as `decode_tree` does."""
    check_tree(data)
    return [name.decode() for _, name, _ in _TREE_ENTRY.findall(data)]


def find_in_tree(data: bytes, name: str) -> tuple[int, Entry] | None:
    """Where a name's entry begins in a tree, and the entry; raises ``ValueError`` as `decode_tree` does.

    A tree of hundreds of entries is searched at the speed of memory, not decoded.
    """
    for mode in (_DIRECTORY, _FILE):
        head = b"%s %s\0" % (mode, name.encode())
        at = data.find(head)
        while at >= 0:
            # Bytes that look like it may be part of an id: an entry has whole entries before it.
            if _WHOLE_TREE.fullmatch(data, 0, at):
                id = data[at + len(head) : at + len(head) + 20]
                return at, Entry(mode == _DIRECTORY, ObjectId(id.hex()))
            at = data.find(head, at + 1)
    check_tree(data)
    return None


def check_tree(data: bytes) -> None:
    """Raise ``ValueError`` unless a tree holds files and directories and nothing else."""
    if _WHOLE_TREE.fullmatch(data):
        return
    at = 0
    while at < len(data):
        end = data.index(b"\0", at)
        mode, _, name = data[at:end].decode().partition(" ")
        if mode.encode() not in (_DIRECTORY, _FILE):
            message = f"{name!r} has mode {mode}"
            raise ValueError(message)
        at = end + 21
    message = "an entry is cut short"
    raise ValueError(message)


def decode_commit(id: CommitId, data: bytes) -> Commit:
    """The parts of a commit that matter here; raises ``ValueError`` where they are not what Git writes."""
    head, _, message = data.decode(errors="replace").partition("\n\n")
    tree, author, time = "", "", 0
    parents: list[CommitId] = []
    for line in head.split("\n"):
        word, _, value = line.partition(" ")
        if word == "tree":
            tree = value
        elif word == "parent":
            parents.append(CommitId(value))
        elif word == "author":
            author = value.rpartition(">")[0] + ">"
        elif word == "committer":
            time = int(value.rsplit(" ", 2)[1])
    if not all(map(_ID.fullmatch, (tree, *parents))):
        message = f"tree {tree!r} or a parent is no id"
        raise ValueError(message)
    return Commit(id, ObjectId(tree), tuple(parents), author, time, message)
