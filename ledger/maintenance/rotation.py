"""A check done a part at a time, so that many short runs add up to a whole one.

Decides which part a run does. All pieces stand in one fixed random order (`Piece.key`). A run goes on behind the last
piece that an earlier run finished, and from the end back to the beginning. So each run is a random sample, and runs
that add up to the whole have seen every piece. A piece with a fault is finished once the fault is reported. The
position is kept in the ledger's cache. Without it the next run begins at a random piece: so no piece is left out for
ever where the position can never be kept.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ledger.core import Ledger, Piece, Report
from ledger.disk import SMALL, make_directory, read_file, refuse_linked, write_file
from ledger.errors import ArgumentError, ArgumentTypeError, StorageError
from ledger.maintenance.given import refuse_other_than_ledger
from ledger.notices import warn_user
from ledger.records import check_number
from ledger.wording import shown_with_type

_WINDOW = 64  # pieces between two looks at the clock; objects among them are read on all cores
_FILE = "cache/verify.json"
_KEY_BYTES = 32


class Part(NamedTuple):
    """How much a run is to do: a share of the pieces, or what can be done in some seconds; whichever ends first."""

    share: float = 1.0
    seconds: float = math.inf


def verify_part(
    ledger: Ledger,
    part: Part,
    *,
    deep: bool = True,
    clock: Callable[[], float] = time.monotonic,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Check a part of a ledger, going on where the last such check ended, and report what was found.

    ``on_progress`` is told how many pieces are done, and of how many; there may be time for fewer.
    Raises `ArgumentError` for an invalid share or time, and `ArgumentTypeError` for one that is no number.
    """
    refuse_other_than_ledger(ledger)
    share, seconds = _checked(part)
    deadline = clock() + seconds
    check = ledger.checking(deep=deep)
    every = check.pieces()
    depth = "deep" if deep else "quick"
    behind = _read_positions(ledger.path).get(depth) or os.urandom(_KEY_BYTES).hex()
    chosen = choose(every, behind=behind, share=share)
    done, is_kept = 0, True
    for start in range(0, len(chosen), _WINDOW):
        window = chosen[start : start + _WINDOW]
        for _ in check.run(window):
            done += 1
            on_progress(done, len(chosen))
        if check.found.is_empty:
            is_kept = is_kept and _keep_position(ledger.path, depth, window[-1].key)
        if clock() >= deadline:
            break
    report = check.report(is_whole=done == len(every))
    if is_kept and done and not check.found.is_empty:
        # Not before: faults that an interrupted run found and did not report, the next one must find again.
        _keep_position(ledger.path, depth, chosen[done - 1].key)
    return report


def _checked(part: object) -> Part:
    """A part whose share and time are numbers that mean something."""
    if not isinstance(part, Part):
        raise ArgumentTypeError(f"a part is given as a Part, got {shown_with_type(part)}")
    share, seconds = check_number(part.share, "a share"), check_number(part.seconds, "a time in seconds")
    if not (0 < share <= 1 and seconds > 0):
        raise ArgumentError(
            f"cannot check a share of {share:g} in {seconds:g} s",
            hint="a share lies above 0 and up to 1 (100%), a time is more than nothing",
        )
    return Part(share, seconds)


def choose(pieces: Sequence[Piece], *, behind: str, share: float) -> list[Piece]:
    """The next share of the pieces, at least one: from behind a key on, and past the end from the beginning. Pure."""
    order = sorted(pieces, key=lambda piece: piece.key)
    start = next((place for place, piece in enumerate(order) if piece.key > behind), 0)
    return [*order[start:], *order[:start]][: math.ceil(share * len(order))]


def _read_positions(ledger_dir: Path) -> dict[str, str]:
    """Behind which piece the next check goes on, quick and deep ones apart."""
    try:
        return msgspec.json.decode(read_file(ledger_dir / _FILE, most=SMALL), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, StorageError):
        return {}  # derived: the next check begins anywhere


def _keep_position(ledger_dir: Path, depth: str, key: str) -> bool:
    """Keep how far this check is; returns whether that was possible, and warns if not."""
    path = ledger_dir / _FILE
    positions = {**_read_positions(ledger_dir), depth: key}
    try:
        refuse_linked(path.parent)
        make_directory(path.parent)
        write_file(path, [msgspec.json.encode(positions)])
    except StorageError as error:
        warn_user(f"the next check will begin anywhere: {error}")
        return False
    return True
