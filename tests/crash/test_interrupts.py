"""Ctrl-C at any line that takes a lock, in a program that goes on, and keeps the interrupt as notebooks do."""

import fcntl
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from ledger import Ledger
from tests.crash.operations import fill_a_tier

LOCKING = ("/disk/locks.py", "/disk/holds.py", "/history/turns.py", "/history/folds.py")
"""The files in which locks are taken."""

CALLING = ("hold", "hold_store", "_hold_store", "_publish_in_turn", "enter_context", "_enter_context", "_push_cm_exit")
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


def test_no_lock_is_held_while_an_interrupt_is_kept(ledger: Ledger) -> None:
    """Wherever Ctrl-C strikes as a save locks, others save and gc runs meanwhile; numbers stay dense."""
    strike, kept, held = Striking(), True, set[str]()
    while kept:
        fill_a_tier(ledger)  # so that a fold is due, which has a lock of its own
        kept = False
        sys.settrace(strike)
        try:
            ledger.save({"number": 1}, "iris")
        except KeyboardInterrupt as interrupt:
            sys.settrace(None)
            kept = interrupt is not None
            held |= {name for name in ("lock", "fold.lock", "store/store.json") if is_locked(ledger.path / name)}
        sys.settrace(None)
    assert (set(), True) == (held, len(strike.met) > 60), len(strike.met)
    numbers = [version.number for version in Ledger.open(ledger.path).versions("iris")]
    assert list(range(1, len(numbers) + 1)) == numbers


def is_locked(path: Path) -> bool:
    """Whether somebody has a lock on a file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
