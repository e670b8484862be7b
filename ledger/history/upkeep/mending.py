"""Good copies of what is damaged or missing in a history, out of another clone's.

Owns which objects are wanted, how they come in, and which files may be moved out of the way for them. An
object is believed by its SHA-1 alone, wherever it comes from; it is made durable as part of a pack before
anything bad goes; what is still good in a bad pack is taken along. Nothing is lost: what goes is kept where the
caller says. The caller lets nobody publish or fold meanwhile.
"""

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from ledger.disk import (
    is_folder,
    is_link,
    link_file,
    link_on_way,
    make_directory,
    mode_of,
    names_in,
    read_file,
    remove_if_there,
    sync_directory,
    write_file,
)
from ledger.errors import IntegrityError, StorageError
from ledger.history.folds.pack_writing import release_pack, write_pack
from ledger.history.folds.replacing import MULTI_PACK_INDEX, remove_multi_pack_index
from ledger.history.git.entries import PackDamage
from ledger.history.git.forms import ObjectId, decode_commit, decode_tag, decode_tree
from ledger.history.git.indexing import can_be_indexed, restore_indexes
from ledger.history.git.kinds import COMMIT, TAG, TREE, RawObject
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import PackFile
from ledger.history.git.refs import BRANCH, PACKED_REFS
from ledger.history.git.repository import PACKS, SHALLOW, write_head
from ledger.history.git.settings import write_settings
from ledger.history.git.soundness import GitFault
from ledger.history.git.tips import read_tips
from ledger.history.history import History
from ledger.ids import CommitId
from ledger.system_errors import raise_if_inconclusive

_PACK_OBJECTS = 10_000  # of a pack that is written from memory
_PACK = f"{PACKS}/pack-"
_WRITTEN = {"HEAD": write_head, "config": write_settings}
_OF_SYNCS = ("refs/ledger/", "refs/remotes/")  # the next sync writes what it needs of them
_LAYERS = (f"{PACKS}/{MULTI_PACK_INDEX}.d/", "objects/info/commit-graphs/")
_DERIVED = (f"{PACKS}/{MULTI_PACK_INDEX}", "objects/info/commit-graph")
_OBJECT_FILE = re.compile(r"objects/(?:pack/pack-[0-9a-f]{40}\.[a-z]+|[0-9a-f]{2}/[0-9a-f]{38})")
_FOLDER = re.compile(r"refs|logs|objects/(?:pack|[0-9a-f]{2})")


class HistoryMending(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done to a history.

    ``fetched`` are objects that the source has, ``kept`` those that only bad files have and that are still good,
    ``lost`` those that are nowhere; ``aside`` are the files to move away afterwards, relative to the repository,
    ``anew`` those to be written, which are the same in every history.
    """

    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    lost: tuple[str, ...]
    aside: tuple[str, ...]
    anew: tuple[str, ...] = ()


def plan_mending(history: History, source: Path | None, faults: Iterable[GitFault]) -> HistoryMending:
    """What a source, another clone's repository, can do about some faults. Nothing is changed."""
    faults = list(faults)
    other = Objects(source) if source is not None else None
    needed = sorted(_unreadable(history, other)) if faults else []
    fetched = tuple(id for id in needed if other is not None and _can_read(other, id))
    lost = tuple(id for id in needed if id not in set(fetched))
    aside = tuple(dict.fromkeys(_bad_files(history.git_dir, faults, lost)))
    kept = tuple(dict.fromkeys(id for name in aside for id in _good_in(history, name)))
    return HistoryMending(
        fetched=fetched,
        kept=kept,
        lost=lost,
        aside=aside,
        anew=tuple(name for name in _WRITTEN if any(fault.where == name for fault in faults)),
    )


def mend(history: History, source: Path | None, plan: HistoryMending, quarantine: Path) -> None:
    """Do what was planned: keep bad files in ``quarantine``, bring in good objects, durably, then drop bad files."""
    _refuse_link_to_nothing(history.objects.pack_directory)
    for name in plan.aside:
        _copy_aside(history.git_dir / name, quarantine / name)
    if PACKS in plan.aside:
        remove_if_there(history.objects.pack_directory)  # it is no folder, and what is good comes into one
    make_directory(history.objects.pack_directory)
    made = _bring_in(history, history.objects, plan.kept)
    if source is not None:
        made |= _bring_in(history, Objects(source), plan.fetched)
    if any(name.startswith(_PACK) for name in plan.aside):
        remove_multi_pack_index(history.objects.pack_directory)
    for name in plan.aside:
        if name == PACKS or (name == PACKED_REFS and not _give_branch_a_file(history)):
            continue
        path = history.git_dir / name
        # A pack that was made again of the good objects of a bad one may hold all that this should have held, and so
        # have its name.
        if path.stem not in made:
            remove_if_there(path)
            sync_directory(path.parent)
    for name in plan.anew:
        _WRITTEN[name](history.git_dir)
    restore_indexes(history.objects.pack_directory)


def _refuse_link_to_nothing(folder: Path) -> None:
    """Refuse to bring objects into a folder whose link leads to none: its disk may be away, with what belongs here."""
    if is_link(folder) and not is_folder(folder):
        raise StorageError(
            f"no object can be brought into {folder}: it is a link that leads to no folder",
            hint="mount the disk that it leads to, or remove the link and repair again",
            path=str(folder),
        )


def _bad_files(git_dir: Path, faults: Iterable[GitFault], lost: Collection[str]) -> Iterator[str]:
    """The files that are there and have to go: those with faults, and refs of syncs whose commit is lost."""
    tips = read_tips(git_dir).commits
    # A history that stays incomplete keeps the list of where it ends: without it Git could read no part of the history.
    kept = {SHALLOW} if lost else set[str]()
    if tips.get(BRANCH) in (None, *lost) and not mode_of(git_dir / BRANCH, follow=False):
        kept.add(PACKED_REFS)  # it holds all that is known of the branch
    names = [name for fault in faults if fault.where not in kept for name in _files_of(git_dir, fault)]
    names += [ref for ref, commit in tips.items() if commit in lost and ref.startswith(_OF_SYNCS)]
    for name in names:
        if mode_of(git_dir / name, follow=False) and not (lost and _is_closed(git_dir, name)):
            yield from _without_links(git_dir, name)


def _is_closed(git_dir: Path, name: str) -> bool:
    """Whether a file of objects, or the pack beside it, does not open: what is nowhere else may be in there."""
    if not _OBJECT_FILE.fullmatch(name):
        return False
    path = (git_dir / name).with_suffix(".pack" if name.startswith(_PACK) else "")
    if not stat.S_ISREG(mode_of(path, follow=False)):
        return False
    try:
        read_file(path, length=1)
    except FileNotFoundError:
        return False
    except StorageError as error:
        raise_if_inconclusive(error)
        return True
    return False


def _without_links(git_dir: Path, name: str) -> Iterator[str]:
    """What has to go of a file: itself, unless it lies behind a link and holds no objects; if it is derived, the link.

    A ledger may come from anybody: what lies behind a link may be the user's own. Objects behind one are the history's.
    """
    link = link_on_way(git_dir, os.path.dirname(name))
    if not link or _OBJECT_FILE.fullmatch(name):
        yield name
    elif link.startswith(_DERIVED):
        yield link


def _give_branch_a_file(history: History) -> bool:
    """Give the branch a file of its own, unless it has one, without moving it; says whether it has one now."""
    if mode_of(history.git_dir / BRANCH):
        return True
    tip = history.tip()
    return history.move_exclusively(tip, expected=tip)


def _copy_aside(path: Path, target: Path) -> None:
    """Copy a file as it is, durably; one that cannot be read gets a second name, or is moved."""
    make_directory(target.parent)
    try:
        write_file(target, [read_file(path)])
    except FileNotFoundError:
        return  # somebody else has taken it away
    except StorageError as error:
        raise_if_inconclusive(error)
        link_file(path, target)  # what of it can be read still is read where it is


def _unreadable(history: History, other: Objects | None) -> Iterator[ObjectId]:
    """Every object that a ref reaches, through the source where need be, and that cannot be read here."""
    waiting = [ObjectId(commit) for commit in read_tips(history.git_dir).commits.values()]
    seen = set(waiting)
    while waiting:
        id = waiting.pop()
        found = _read(history.objects, id)
        if found is None:
            yield id
            found = _read(other, id) if other is not None else None
        for child in _children(id, *found) if found is not None else ():
            if child not in seen:
                seen.add(child)
                waiting.append(child)


def _children(id: ObjectId, kind: int, data: bytes) -> list[ObjectId]:
    try:
        if kind == COMMIT:
            commit = decode_commit(CommitId(id), data)
            return [commit.tree, *map(ObjectId, commit.parents)]
        if kind == TAG:
            return [decode_tag(data)]
        return [entry.id for entry in decode_tree(data).values()] if kind == TREE else []
    except ValueError:
        return []  # it is what its id says, and no other copy would be better


def _files_of(git_dir: Path, fault: GitFault) -> list[str]:
    """The files that a fault is in and that may go once their good objects are elsewhere."""
    name = fault.where
    if name.startswith(_PACK) and name.endswith((".pack", ".idx")):
        stem = Path(name).stem
        if name.endswith(".idx") and can_be_indexed(git_dir / PACKS / stem):
            return [name] if fault.kind == "corrupt" else []  # a lost one has been made again by the reading before
        return sorted(f"{PACKS}/{path.name}" for path in (git_dir / PACKS).glob(f"{stem}.*"))
    if name.startswith(_LAYERS):
        # Each layer builds on the one below: without that it is of no use, and Git complains.
        folder = (git_dir / name).parent
        return [os.path.relpath(folder / each, git_dir) for each in names_in(folder)]
    return [] if _has_to_stay(git_dir, name) else [name]


def _has_to_stay(git_dir: Path, name: str) -> bool:
    """Whether a fault is in no file, or in one that may hold what is nowhere else."""
    if name == BRANCH or name.startswith(("object ", "commit ", "artifacts")):
        return True
    # What good there is in a folder that cannot be listed nobody knows; a link may lead to a folder on another disk.
    mode = mode_of(git_dir / name, follow=False)
    return bool(_FOLDER.fullmatch(name)) and (stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _good_in(history: History, name: str) -> Iterator[str]:
    """The objects of a pack that can still be read, from it or from elsewhere."""
    if name.startswith(_PACK) and name.endswith(".idx"):
        try:
            names = list(PackFile(str((history.git_dir / name).with_suffix(""))).names())
        except (OSError, PackDamage) as error:
            raise_if_inconclusive(error, path=str(history.git_dir / name))
            return
        yield from (found.hex() for found in names if _can_read(history.objects, found.hex()))


def _read(objects: Objects, id: str) -> RawObject | None:
    try:
        return objects.read(ObjectId(id))
    except (IntegrityError, StorageError) as error:
        raise_if_inconclusive(error)
        return None  # whether that matters is the caller's to say


def _can_read(objects: Objects, id: str) -> bool:
    return _read(objects, id) is not None


def _bring_in(history: History, source: Objects, ids: Sequence[str]) -> set[str]:
    """Make objects durable here, each checked as it is read; the names of the packs that hold them."""
    made: set[str] = set()
    for start in range(0, len(ids), _PACK_OBJECTS):
        stem = write_pack(
            history.objects, {id: source.read(id) for id in map(ObjectId, ids[start : start + _PACK_OBJECTS])}
        )
        release_pack(history.objects, stem)
        made.add(stem)
    return made
