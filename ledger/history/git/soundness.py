"""The files that hold Git's objects, read whole and checked against the names and checksums that they should have.

Owns what a pack, an index, a loose file and an object must look like, as Git itself would check it. A writer may be
at work, or may have died: a pack that has no index yet, or none any more, is no fault by itself.
"""

import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.disk import is_folder, mode_of, names_in, open_regular, read_file
from ledger.enums import FaultKind
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.history.git.deltas import MOST_BYTES
from ledger.history.git.entries import BASES_BYTES, PackDamage
from ledger.history.git.forms import NO_NAMES, is_object_id, object_id
from ledger.history.git.indexing import is_sound
from ledger.history.git.kinds import COMMIT, KINDS, TREE
from ledger.history.git.packfile import TRAILER, PackFile
from ledger.history.git.recent_objects import RecentObjects
from ledger.system_errors import raise_if_inconclusive, storage_error
from ledger.wording import counted

_BLOCK = 1 << 20
_SHOWN = 3
_PERSON = rb"[^<>\n\0]* <[^<>\n\0]*> (?:0|[1-9][0-9]*) [+-][0-9]{4}\n"
_COMMIT_HEAD = re.compile(rb"tree [0-9a-f]{40}\n(?:parent [0-9a-f]{40}\n)*author " + _PERSON + rb"committer " + _PERSON)
_ENTRY = re.compile(rb"([1-7][0-7]*) ([^\0]+)\0.{20}", re.DOTALL)
_TREE = re.compile(rb"(?:[1-7][0-7]* [^\0]+\0.{20})*", re.DOTALL)
_FILE_TYPE, _DIRECTORY = 0o170000, 0o040000
_DERIVED = (".rev", ".bitmap", ".mtimes")
_HEADS = {
    "commit-graph": b"CGPH",
    ".graph": b"CGPH",
    "multi-pack-index": b"MIDX",
    ".midx": b"MIDX",
    ".rev": b"RIDX",
    ".bitmap": b"BITM",
    ".mtimes": b"MTME",
}
"""How Git's derived files begin, by their suffix, or by their name where they have none."""


class GitFault(NamedTuple):
    """What is wrong with a file or object of the history; ``objects`` are the ids that cannot be read from it."""

    where: str
    kind: FaultKind
    message: str
    objects: frozenset[str] = frozenset()


def unreadable(where: str, error: IntegrityError | FormatError | StorageError) -> GitFault:
    """The fault of what could not be read, with the object that it failed at."""
    raise_if_inconclusive(error)
    source = error if "digest" in error.facts or not isinstance(error.__cause__, IntegrityError) else error.__cause__
    id = source.facts.get("digest")
    kind: FaultKind = "missing" if source.facts.get("is_missing") else "corrupt"
    return GitFault(f"object {id}" if id else where, kind, f"{where}: {error}", frozenset([str(id)] if id else ()))


def check_index(base: Path, name: str) -> GitFault | None:
    """What is wrong with the index of a pack; one that is not there is no fault as long as nobody misses it."""
    try:
        if is_sound(base) is not False:
            return None
    except StorageError as error:
        raise_if_inconclusive(error)
        return GitFault(f"{name}.idx", "corrupt", str(error))
    what = "is not the index of its pack; it is made again when an object is missed"
    return GitFault(f"{name}.idx", "corrupt", f"{base}.idx {what}")


def check_pack(base: Path, name: str) -> Iterator[GitFault]:
    """What is wrong with a pack, its index, what else is derived from it, or an object in it."""
    try:
        size, is_whole = _hash(f"{base}.pack")
    except FileNotFoundError:
        yield from _without_pack(base, name)
        return
    except StorageError as error:
        raise_if_inconclusive(error)
        yield GitFault(f"{name}.pack", "corrupt", str(error), _listed(base))
        return
    if size < TRAILER or not is_whole:
        yield GitFault(f"{name}.pack", "corrupt", f"{base}.pack has another checksum than it ends in", _listed(base))
        return
    bad_index = check_index(base, name)
    if bad_index is not None:
        yield bad_index
        return
    for suffix in _DERIVED:
        yield from check_trailer(base.with_name(f"{base.name}{suffix}"), f"{name}{suffix}")
    if not os.path.exists(f"{base}.idx"):
        return  # without an index nobody finds its objects, or it is being removed at this moment
    try:
        bad = dict(_damaged(base))
    except FileNotFoundError:
        yield from _without_pack(base, name)
        return
    if bad:
        shown = "; ".join(list(bad.values())[:_SHOWN])
        yield GitFault(
            f"{name}.pack",
            "corrupt",
            f"{base}.pack holds {counted(len(bad), 'damaged object')}: {shown}",
            frozenset(bad),
        )


def check_folder(folder: Path, name: str, *, of: str) -> GitFault | None:
    """The fault if something else is in the place of a folder; ``of`` says which files belong in it."""
    mode = mode_of(folder, follow=False)
    if not mode or is_folder(folder):
        return None
    way_out = "; remove that link, or mount the disk that it leads to" if stat.S_ISLNK(mode) else ""
    message = f"{folder} is no folder, so that which {of} belong there nobody can tell{way_out}"
    return GitFault(name, "corrupt", message)


def check_loose(folder: Path, name: str) -> Iterator[GitFault]:
    """What is wrong with the loose objects of a folder."""
    no_folder = check_folder(folder, name, of="loose objects")
    if no_folder is not None:
        yield no_folder
        return
    for file in names_in(folder):
        id = folder.name + file
        if not is_object_id(id):
            continue  # a temporary file of Git's
        try:
            problem = _loose_problem(id, read_file(folder / file))
        except FileNotFoundError:
            continue  # packed at this moment
        except StorageError as error:
            raise_if_inconclusive(error)
            problem = str(error)
        if problem:
            message = f"{folder / file}: loose object {problem}"
            yield GitFault(f"{name}/{file}", "corrupt", message, frozenset([id]))


def check_trailer(path: Path, name: str) -> Iterator[GitFault]:
    """What is wrong with a file of Git's that ends in a checksum over the rest, or with each such file in a folder.

    Its head is looked at, too: the checksum of such a file is right also where it lies in the place of another.
    """
    if is_folder(path):
        for each in names_in(path):
            yield from check_trailer(path / each, f"{name}/{each}")
        return
    if path.name in ("commit-graph-chain", "multi-pack-index-chain"):
        return
    try:
        size, is_whole = _hash(str(path))
        head = _HEADS.get(path.suffix or path.name, b"")
        is_alike = read_file(path, length=len(head)) == head
    except FileNotFoundError:
        return
    if size < TRAILER or not is_whole:
        yield GitFault(
            name, "corrupt", f"{path} has another checksum than it ends in; it is derived and may be deleted"
        )
    elif not is_alike:
        yield GitFault(name, "corrupt", f"{path} does not begin with {head.decode()}; it is derived and may be deleted")


def _without_pack(base: Path, name: str) -> Iterator[GitFault]:
    """What is wrong where there is no pack: nothing if it went at this moment, its index first."""
    if os.path.exists(f"{base}.idx"):
        yield GitFault(f"{name}.pack", "missing", f"{base}.pack is missing, its index is there")


def _listed(base: Path) -> frozenset[str]:
    """The objects that a damaged pack should hold, as far as its index tells, and that cannot be read from it."""
    try:
        return frozenset(id for id, _ in _damaged(base))
    except (OSError, ValueError) as error:
        raise_if_inconclusive(error, path=f"{base}.pack")
        return frozenset()


def _damaged(base: Path) -> Iterator[tuple[str, str]]:
    """The objects of a pack that cannot be read, and why; raises ``FileNotFoundError`` for a pack that went."""
    pack = PackFile(str(base))
    bases = RecentObjects(BASES_BYTES)
    for name in pack.names():
        try:
            found = pack.read(name, bases)
            problem = _problem(name.hex(), *found) if found is not None else "is not where its index says"
        except FileNotFoundError:
            raise
        except (PackDamage, OSError) as error:
            raise_if_inconclusive(error, path=f"{base}.pack")
            problem = str(error)
        if problem:
            yield name.hex(), f"object {name.hex()} {problem}"


def _problem(id: str, kind: int, data: bytes) -> str:
    """What is wrong with an object, by its id and by Git's forms; empty if nothing is."""
    found = object_id(kind, data)
    if found != id:
        return f"holds {found}"
    if kind == TREE and not _is_tree(data):
        return "is no tree as Git writes them"
    if kind == COMMIT and (_COMMIT_HEAD.match(data) is None or b"\0" in data):
        return "is no commit as Git writes them"
    return ""


def _is_tree(data: bytes) -> bool:
    """Whether these are the entries of a tree, in order: any that Git takes, since a remote may have offered them.

    Git takes every mode, and goes by the file type in it alone.
    """
    if not _TREE.fullmatch(data):
        return False
    entries = _ENTRY.findall(data)
    modes, names = {mode for mode, _ in entries}, {name for _, name in entries}
    folders = {mode for mode in modes if int(mode, 8) & _FILE_TYPE == _DIRECTORY}
    order = [name + b"/" if mode in folders else name for mode, name in entries]
    are_names = b"/" not in b"".join(names) and names.isdisjoint(NO_NAMES)
    return are_names and len(names) == len(entries) and order == sorted(order)


def _loose_problem(id: str, packed: bytes) -> str:
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, MOST_BYTES)
    except zlib.error as error:
        return str(error)
    if not unpacker.eof or unpacker.unused_data:
        return "is cut short, or more follows"
    head, _, body = data.partition(b"\0")
    word, _, size = head.partition(b" ")
    kind = next((number for number, known in KINDS.items() if known == word), 0)
    return _problem(id, kind, body) if kind and size == b"%d" % len(body) else "has no head that Git writes"


def _hash(path: str) -> tuple[int, bool]:
    """The size of a file, and whether it ends in the SHA-1 of what is before."""
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        descriptor, status = open_regular(path)
        with open(descriptor, "rb") as file:
            size = status.st_size
            left = size - TRAILER
            while left > 0 and (block := file.read(min(_BLOCK, left))):
                digest.update(block)
                left -= len(block)
            return size, file.read() == digest.digest()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, path, "read") from error
