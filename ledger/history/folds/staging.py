"""A fold that takes several saves: where it stands, on the disk, for whichever writer goes on with it.

It lies in ``ledger-fold`` beside the objects: which packs are folded, the new pack as far as it is written, and its
records, durable slice by slice. Nobody reads it but the next slice, so it can be thrown away at any time. That happens
where it no longer fits the packs that are there, as when Git's housekeeping took one of them.

Steps: slice after slice of the entries (`folding`); then the index, a part of all names at a time; then the
finished pack takes the place of the others (`replacing`).
"""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ledger.disk import (
    fresh_name,
    is_link,
    make_directory,
    mode_of,
    patch_file,
    read_file,
    remove_if_there,
    status_of,
    storage_errors,
    write_file,
)
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.history.folds.folding import UNLIMITED, Fold
from ledger.history.folds.new_pack import RECORD_BYTES, Columns, NewPack, split_columns
from ledger.history.folds.old_packs import OldPack, OldPackDamage, fitting, open_old_packs
from ledger.history.folds.replacing import put_in_place
from ledger.history.git.entries import PackDamage
from ledger.history.git.objects import Objects
from ledger.records import decode, encode
from ledger.system_errors import raise_if_inconclusive

DEAD_SECONDS = 60.0
"""What has not been written to for so long is a dead program's: a fold by hand, which a living program moves on every
second, or a file that has no name of its own yet."""

_PLAN, _PACK, _RECORDS, _INDEX = "plan.json", "pack", "records", "index-"

_PARTS = 16
"""Parts that the index of a large pack is made in, by the first half of a name's first byte."""

_PARTS_AT_ONCE = 4
_SMALL = 16384
"""Most objects of a pack whose index is made in one part."""

_MOST_RELATED = 8192
"""Most objects of a pack in which relatives are sought while a save waits."""

_State = tuple[int, int]
"""The size of a file, and when it was written to."""


class FoldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which packs are folded, the newest first. The id tells one fold from the next."""

    id: str
    packs: tuple[str, ...] = msgspec.field(name="sources")
    by_hand: bool
    format: int = 1


class StagedFold:
    """A fold under way, as far as it has come on the disk."""

    def __init__(self, folder: Path, plan: FoldPlan, packs: Sequence[OldPack], records: bytes = b"") -> None:
        self.plan = plan
        self._folder = folder
        self._saved_bytes = len(records)
        self._last_state: tuple[_State | None, _State | None] | None = None
        related = UNLIMITED if plan.by_hand else _MOST_RELATED
        self._fold = Fold(packs, NewPack(folder / _PACK, records), most_related=related)

    @property
    def done(self) -> int:
        """How many entries have been gone through."""
        return len(self._fold.new)

    def fits(self) -> bool:
        """Whether the pack reaches as far as the records say, and these are of the packs that are folded."""
        new = self._fold.new
        if not mode_of(new.path, follow=False):
            return not len(new)  # nothing is written yet
        return new.end <= os.path.getsize(new.path) and self._fold.fits()

    def is_as_left(self) -> bool:
        """Whether nobody else has gone on with this fold since this object did."""
        return self._last_state == self._state()

    def advance(self, objects: Objects, most: int) -> bool:
        """Do the next step, of ``most`` entries or some parts of the index; says whether it was the last.

        Raises `OldPackDamage` for a pack that is damaged, and ``FileNotFoundError`` for one that is gone.
        """
        if not self._fold.is_copied:
            self._copy(most)
            return False
        missing = self._missing_parts()
        for part in missing[:_PARTS_AT_ONCE]:
            columns = self._fold.new.columns(part * 256 // _PARTS, (part + 1) * 256 // _PARTS)
            write_file(self._part(part), columns)
        if missing:
            return False
        put_in_place(objects, self._fold, self._columns())
        return True

    def _copy(self, most: int) -> None:
        self._fold.advance(most, durably=True)
        records = bytes(self._fold.new.records[self._saved_bytes :])
        patch_file(self._folder / _RECORDS, [(self._saved_bytes, records)], durably=True)
        self._saved_bytes += len(records)
        self._last_state = self._state()

    def _state(self) -> tuple[_State | None, _State | None]:
        return _state_of(self._folder / _PACK), _state_of(self._folder / _RECORDS)

    def _part(self, part: int) -> Path:
        return self._folder / f"{_INDEX}{part:02}"

    def _missing_parts(self) -> list[int]:
        if len(self._fold) <= _SMALL:
            return []
        return [part for part in range(_PARTS) if not mode_of(self._part(part))]

    def _columns(self) -> list[Columns]:
        if len(self._fold) <= _SMALL:
            return [self._fold.new.columns()]
        return [split_columns(read_file(self._part(part))) for part in range(_PARTS)]


class StagingArea:
    """The folder of the fold that is under way, and what this process has at hand of it."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.folder = objects.git_dir / "ledger-fold"
        self.fold_at_hand: StagedFold | None = None
        """The fold that this process advanced last, with what it has read for it."""

    def begin(self, stems: Sequence[str], *, by_hand: bool) -> StagedFold | None:
        """Begin to fold packs, in place of any fold that is under way; ``None`` if fewer than two can be folded."""
        self.discard()
        packs = fitting(open_old_packs(self.objects.pack_directory, stems))
        if len(packs) < 2:  # noqa: PLR2004  # one pack is one pack already
            return None
        plan = FoldPlan(id=fresh_name(""), packs=tuple(old.base.name for old in packs), by_hand=by_hand)
        make_directory(self.folder)
        write_file(self.folder / _PLAN, [encode(plan)])
        return StagedFold(self.folder, plan, packs)

    def is_under_way(self) -> bool:
        """Whether there is the plan of a fold, whatever it says."""
        return bool(mode_of(self.folder / _PLAN))

    def plan_under_way(self) -> FoldPlan | None:
        """What is being folded, or ``None``."""
        path = self.folder / _PLAN
        try:
            plan = decode(read_file(path), FoldPlan, where=str(path))
        except FileNotFoundError:
            return None
        except (FormatError, StorageError) as error:
            raise_if_inconclusive(error)
            plan = None  # another version of this program wrote it, a power cut spoilt it, or it is no file
        if plan is None or is_link(self.folder):
            self.discard()
            return None
        return plan

    def resume(self, plan: FoldPlan) -> StagedFold | None:
        """Take up the fold that is under way; ``None``, and it is thrown away, if what is there does not fit.

        The process that made the last slice still has at hand what it read for it.
        """
        # `advance` sets it again if the next step goes well: after one that fails, only the disk can be relied on.
        at_hand, self.fold_at_hand = self.fold_at_hand, None
        if at_hand is not None and at_hand.plan == plan and at_hand.is_as_left():
            return at_hand
        try:
            records = _read_if_there(self.folder / _RECORDS)
            records = records[: len(records) - len(records) % RECORD_BYTES]
            packs = [OldPack(self.objects.pack_directory / stem) for stem in plan.packs]
            fold = StagedFold(self.folder, plan, packs, records)
            if fold.fits():
                return fold
        except (FileNotFoundError, PackDamage, StorageError) as error:
            raise_if_inconclusive(error)
        self.discard()
        return None

    def is_current(self, fold: StagedFold) -> bool:
        """Whether a fold is still the one that is under way."""
        plan = self.plan_under_way()
        return plan is not None and plan.id == fold.plan.id

    def advance(self, fold: StagedFold, most: int) -> StagedFold | None:
        """Do the next step, of ``most`` entries or some parts of the index; returns the fold to go on with, if any.

        If one of its packs is damaged, that is a new fold without that pack; if one is gone, there is none.
        """
        try:
            if not fold.advance(self.objects, most):
                self.fold_at_hand = fold
                return fold
        except OldPackDamage as damage:
            sound = [stem for stem in fold.plan.packs if stem != damage.pack.base.name]
            return self.begin(sound, by_hand=fold.plan.by_hand)
        except FileNotFoundError:
            pass  # Git's housekeeping took a pack: nothing is lost but work.
        except IntegrityError:
            self.discard()
            raise
        self.discard()
        return None

    def has_died(self) -> bool:
        """Whether the program of a fold by hand has died: nothing has moved in it for long."""
        with storage_errors(self.folder, "read"):
            moved = max((entry.stat().st_mtime for entry in os.scandir(self.folder)), default=0.0)
        return abs(time.time() - moved) > DEAD_SECONDS

    def discard(self) -> None:
        """Throw away what there is of a fold: the plan first, without which the rest is nothing.

        In the place of the folder there may be a link to one that is not ours to empty: then only the link goes.
        """
        self.fold_at_hand = None
        if is_link(self.folder):
            remove_if_there(self.folder)
            return
        remove_if_there(self.folder / _PLAN)
        with storage_errors(self.folder, "list"), contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                remove_if_there(self.folder / name)


def _state_of(path: Path) -> _State | None:
    """What tells whether a file was written to, or ``None`` where there is none."""
    status = status_of(path)
    return (status.st_size, status.st_mtime_ns) if status is not None else None


def _read_if_there(path: Path) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError:
        return b""
