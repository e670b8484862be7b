"""What Git objects say: ids, trees and commits, encoded, searched and decoded.

Pure. Format: https://git-scm.com/docs/git-cat-file and gitformat-pack; of trees and commits only what a history of
this format holds is accepted, and of a commit only what the history needs is kept.
"""

import hashlib
import re
from bisect import bisect
from collections.abc import Mapping
from typing import NamedTuple, NewType

from ledger.history.git.deltas import common_prefix
from ledger.history.git.kinds import ID_BYTES, KINDS
from ledger.ids import CommitId

ObjectId = NewType("ObjectId", str)
"""A Git object's id: 40 hex digits."""

NO_NAMES = (b"", b".", b"..", b".git")
"""Names that no entry of a tree has."""

DIRECTORY, _FILE = b"40000", b"100644"
"""The modes of the entries of a tree."""

_TREE_ENTRY = re.compile(rb"(40000|100644) ([^\0]+)\0(.{20})", re.DOTALL)
_TREE_NAME = re.compile(rb"(?:40000|100644) ([^\0]+)\0.{20}", re.DOTALL)
_WHOLE_TREE = re.compile(rb"(?:(?:40000|100644) [^\0]+\0.{20})*", re.DOTALL)
_COMMIT_HEAD = re.compile(
    rb"tree ([0-9a-f]{40})\n((?:parent [0-9a-f]{40}\n)*)"
    rb"author ([^<>\n]*<[^<>\n]*>)[^\n]*\ncommitter [^<>\n]*<[^<>\n]*> ([0-9]+) [^\n]*(?:\n|\Z)"
)
_TAG_HEAD = re.compile(rb"object ([0-9a-f]{40})\ntype (?:commit|tree|blob|tag)\n")
_OBJECT_ID = re.compile(r"[0-9a-f]{40}")


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


def is_object_id(text: str) -> bool:
    """Whether a text is one that an object may have as its id."""
    return _OBJECT_ID.fullmatch(text) is not None


def object_id(kind: int, data: bytes) -> ObjectId:
    """The id of an object: SHA-1 over its kind, length and bytes."""
    return ObjectId(hashlib.sha1(b"%s %d\0" % (KINDS[kind], len(data)) + data, usedforsecurity=False).hexdigest())


def encode_tree(entries: Mapping[str, Entry]) -> bytes:
    """The bytes of a tree, in Git's order."""
    ordered = sorted(entries.items(), key=lambda item: _order_of(item[0].encode(), is_directory=item[1].is_directory))
    return b"".join(_line(name, entry) for name, entry in ordered)


def change_tree(data: bytes, changed: Mapping[str, Entry]) -> bytes:
    """A tree with other entries in the place of some, or new ones; raises ``ValueError`` as `decode_tree` does.

    Mostly one entry is new, and is put between the others as they stand.
    """
    if len(changed) == 1:
        ((name, entry),) = changed.items()
        if b" %s\0" % name.encode() not in data:
            at = _place_in(data, _order_of(name.encode(), is_directory=entry.is_directory))
            return data[:at] + _line(name, entry) + data[at:]
    return encode_tree({**decode_tree(data), **changed})


def put_ids(data: bytes, ids: Mapping[int, ObjectId]) -> bytes:
    """A tree with other ids at some places, which `find_in_tree` gave."""
    for at, id in ids.items():
        data = data[:at] + bytes.fromhex(id) + data[at + ID_BYTES :]
    return data


def decode_tree(data: bytes) -> dict[str, Entry]:
    """The entries of a tree in its order; raises ``ValueError`` for anything but files and directories, each once."""
    return {name.decode(): Entry(mode == DIRECTORY, ObjectId(id.hex())) for name, (mode, id) in _by_name(data).items()}


def raw_entries(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """The mode, name and 20-byte id of each entry of a tree; checks nothing, and passes over what is no entry."""
    return _TREE_ENTRY.findall(data)


def names_in_tree(data: bytes) -> list[str]:
    """The names in a tree in its order; raises ``ValueError`` as `decode_tree` does."""
    _check_tree(data)
    # Decoded together: the byte between the names is in none of them.
    return b"\0".join(_TREE_NAME.findall(data)).decode().split("\0") if data else []


def names_beginning(data: bytes, start: str) -> list[str]:
    """The names in a tree that begin with a text, sought as `find_in_tree` seeks one."""
    wanted = b" " + start.encode()
    found: list[str] = []
    sound = 0  # up to here the bytes are whole entries
    at = data.find(wanted)
    while at >= 0:
        # The text may stand in an id or another name. It begins a name if a mode and whole entries precede it.
        for head in (at - len(DIRECTORY), at - len(_FILE)):
            if head >= sound and data[head:at] in (DIRECTORY, _FILE) and _WHOLE_TREE.fullmatch(data, sound, head):
                found.append(data[at + 1 : data.index(b"\0", at)].decode())
                sound = head
        at = data.find(wanted, at + 1)
    if not found:
        _check_tree(data)
    return found


def find_in_tree(data: bytes, name: str) -> tuple[int, Entry] | None:
    """Where the id of a name's entry is in a tree, and the entry; raises ``ValueError`` as `decode_tree` does.

    A tree of hundreds of entries is searched at the speed of memory, not decoded.
    """
    for is_directory in (True, False):
        head = _head_of(name, is_directory=is_directory)
        at = data.find(head)
        # The bytes may also be part of an id or of another name. They begin an entry if whole entries precede them.
        if at >= 0 and not _WHOLE_TREE.fullmatch(data, 0, at):
            _check_tree(data)
            at = next((found.start() for found in _TREE_ENTRY.finditer(data) if found[0].startswith(head)), -1)
        if at >= 0:
            at += len(head)
            return at, Entry(is_directory, ObjectId(data[at : at + ID_BYTES].hex()))
    _check_tree(data)
    return None


def differing_entries(one: bytes, other: bytes) -> list[tuple[str, Entry | None, Entry | None]]:
    """The names whose entries differ in two trees, with the entry of each; raises ``ValueError`` as `decode_tree` does.

    What both trees begin with is not decoded: mostly one entry of many is new.
    """
    found = _WHOLE_TREE.match(one, 0, common_prefix(one, other))
    shared = found[0] if found is not None else b""
    old, new = _by_name(one[len(shared) :]), _by_name(other[len(shared) :])
    if not (old.keys() | new.keys()).isdisjoint(_TREE_NAME.findall(shared)):
        raise ValueError("a name stands twice in it")
    names = sorted({name for name, _ in old.items() ^ new.items()})
    return [(name.decode(), _entry(old.get(name)), _entry(new.get(name))) for name in names]


def decode_commit(id: CommitId, data: bytes) -> Commit:
    """The parts of a commit that matter here; raises ``ValueError`` where they are not what Git writes.

    They come first and once: what comes after the committer is passed over, as Git does, whatever it is called.
    """
    head = _COMMIT_HEAD.match(data)
    if head is None:
        raise ValueError(f"it begins with {data[:60]!r}, which is not its tree, parents, author and committer")
    tree, parents, author, time = head.groups()
    return Commit(
        id,
        ObjectId(tree.decode()),
        tuple(map(CommitId, parents.decode().split()[1::2])),
        author.decode(errors="replace"),
        int(time),
        data.partition(b"\n\n")[2].decode(errors="replace"),
    )


def decode_tag(data: bytes) -> ObjectId:
    """The object that a tag with a message is about, another tag perhaps; raises ``ValueError`` where it names none."""
    head = _TAG_HEAD.match(data)
    if head is None:
        raise ValueError(f"it begins with {data[:60]!r}, which is not the object that it is about")
    return ObjectId(head[1].decode())


def _order_of(name: bytes, *, is_directory: bool) -> bytes:
    """What entries are sorted by: directories as if they ended in a slash."""
    return name + b"/" if is_directory else name


def _place_in(data: bytes, order: bytes) -> int:
    """Where in a tree an entry begins that is sorted by ``order``."""
    _check_tree(data)
    entries = [*_TREE_ENTRY.finditer(data)]
    at = bisect(entries, order, key=lambda found: _order_of(found[2], is_directory=found[1] == DIRECTORY))
    return entries[at].start() if at < len(entries) else len(data)


def _line(name: str, entry: Entry) -> bytes:
    return _head_of(name, is_directory=entry.is_directory) + bytes.fromhex(entry.id)


def _head_of(name: str, *, is_directory: bool) -> bytes:
    return b"%s %s\0" % (DIRECTORY if is_directory else _FILE, name.encode())


def _by_name(data: bytes) -> dict[bytes, tuple[bytes, bytes]]:
    """The mode and 20-byte id of each name in a tree; raises ``ValueError`` as `decode_tree` does."""
    _check_tree(data)
    found = raw_entries(data)
    entries = {name: (mode, id) for mode, name, id in found}
    if len(entries) != len(found):
        raise ValueError("a name stands twice in it")
    return entries


def _entry(raw: tuple[bytes, bytes] | None) -> Entry | None:
    return None if raw is None else Entry(raw[0] == DIRECTORY, ObjectId(raw[1].hex()))


def _check_tree(data: bytes) -> None:
    """Raise ``ValueError`` unless a tree holds files and directories and nothing else."""
    if _WHOLE_TREE.fullmatch(data):
        return
    at = 0
    while at < len(data):
        end = data.index(b"\0", at)
        mode, _, name = data[at:end].decode().partition(" ")
        if mode.encode() not in (DIRECTORY, _FILE):
            raise ValueError(f"{name!r} has mode {mode}")
        at = end + 1 + ID_BYTES
    raise ValueError("an entry is cut short")
