"""Ctrl-C at any line that takes a lock, in a program that goes on, and keeps the interrupt as notebooks do."""

import fcntl
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ledger import Ledger
from tests.crash.operations import OPERATIONS, fill_a_tier
from tests.kit.hubs import new_hub, shared
from tests.kit.ledgers import waste

LOCKING = ("/disk/locks.py", "/disk/holds.py", "/history/turns.py", "/history/folds.py")
"""The files in which locks are taken."""

CALLING = (
    *("hold", "hold_store", "_hold_store", "publish_alone", "publish_in_turn", "_publish_holding"),
    *("enter_context", "_enter_context", "_push_cm_exit"),
)
"""The functions between them and who publishes."""

RELEASING = ("__del__", "let_go", "release")
"""What a test of its own strikes at (tests/test_locks.py): what Ctrl-C meets in ``__del__`` reaches nobody."""


class Striking:
    """A trace function that raises ``KeyboardInterrupt`` at the next line that it has not struck at yet."""

    def __init__(self) -> None:
        self.met = set[tuple[str, int]]()

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        name, function = frame.f_code.co_filename, frame.f_code.co_name
        if function in RELEASING or not (name.endswith(LOCKING) or function in CALLING):
            return None
        if event == "line" and (name, frame.f_lineno) not in self.met:
            self.met.add((name, frame.f_lineno))
            raise KeyboardInterrupt
        return self


def strike_everywhere(ledger: Ledger, act: Callable[[], object], prepare: Callable[[], object]) -> int:
    """Strike at every line of an act that locks, one in each try; returns at how many. No lock stays anywhere."""
    strike, met, held = Striking(), -1, set[str]()
    while met < len(strike.met):
        prepare()
        met = len(strike.met)
        sys.settrace(strike)
        try:
            act()
        except KeyboardInterrupt:  # kept meanwhile, with its frames
            sys.settrace(None)
            held |= {name for name in ("lock", "fold.lock", "store/store.json") if is_locked(ledger.path / name)}
        sys.settrace(None)
    assert set() == held
    return met


def test_no_lock_is_held_while_an_interrupt_is_kept(ledger: Ledger) -> None:
    """Wherever Ctrl-C strikes as a save locks, others save and gc runs meanwhile; numbers stay dense."""
    # So that a fold is due, which has a lock of its own.
    met = strike_everywhere(ledger, lambda: ledger.save({"number": 1}, "iris"), lambda: fill_a_tier(ledger))
    assert met > 60
    numbers = [version.number for version in Ledger.open(ledger.path).versions("iris")]
    assert list(range(1, len(numbers) + 1)) == numbers


@pytest.mark.parametrize(("name", "prepare"), [("gc", waste), ("pack", fill_a_tier)])
def test_no_lock_of_maintenance_is_held_while_an_interrupt_is_kept(
    ledger: Ledger, name: str, prepare: Callable[[Ledger], object]
) -> None:
    """Wherever Ctrl-C strikes as gc or packing locks, others go on meanwhile."""
    assert strike_everywhere(ledger, lambda: OPERATIONS[name].act(ledger), lambda: prepare(ledger)) > 30
    assert ledger.verify().ok


def test_no_lock_of_a_sync_is_held_while_an_interrupt_is_kept(tmp_path: Path) -> None:
    """Wherever Ctrl-C strikes as a sync that merges locks, others go on meanwhile."""
    hub = new_hub(tmp_path)
    ours = shared(tmp_path / "ours", hub)
    ours.save(0, "iris")
    ours.sync()
    theirs = Ledger.clone(str(hub), tmp_path / "theirs" / ".ledger")
    theirs.save(1, "iris")
    theirs.sync()
    ours.save(2, "iris")
    assert strike_everywhere(ours, ours.sync, lambda: None) > 30
    assert [0, 1, 2] == [version.load() for version in ours.versions("iris")]


def is_locked(path: Path) -> bool:
    """Whether somebody has a lock on a file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
