"""The turns of those who fold packs, one process at a time (specs/concurrency.md, 2).

What is folded is chosen under the ledger's lock, when no pack belongs to a writer that is still at work. The work is
done under a lock of its own, while others publish.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.disk import HeldLock, LockFile
from ledger.errors import LedgerError
from ledger.history.folds.packing import FoldStep, is_fold_due, next_fold
from ledger.history.folds.staging import StagingArea
from ledger.history.writing.waiting import Queue
from ledger.notices import warn_user

FOLD_LOCK = "fold.lock"
"""The file whose lock is held by whoever folds packs; it lies beside the file of the ledger's lock."""


class Folds:
    """The folds of one history. Threads may share it."""

    def __init__(self, staging: StagingArea, folder: Path, queue: Queue, *, timeout: float) -> None:
        """``folder`` is where the locks are, ``timeout`` how many seconds `hold` waits."""
        self._staging = staging
        self._lock = LockFile(folder / FOLD_LOCK)
        self._queue = queue
        self._timeout = timeout

    def hold(self) -> HeldLock:
        """The lock of those who fold, held; raises `LockTimeoutError`."""
        return self._lock.hold(timeout=self._timeout)

    def choose(self, stack: ExitStack) -> FoldStep | None:
        """The next step towards few packs, if one is due and nobody else is folding.

        The caller holds the ledger's lock. The lock of those who fold is held until ``stack`` ends.
        """
        with _failing_with_a_warning():
            held = self._lock.try_hold() if is_fold_due(self._staging) else None
            if held is not None:
                stack.enter_context(held)
                return next_fold(self._staging)
        return None

    def do(self, step: FoldStep) -> None:
        """Do a step that was chosen; others publish meanwhile."""
        with _failing_with_a_warning():
            step()
            self._queue.remove_dead()


@contextmanager
def _failing_with_a_warning() -> Iterator[None]:
    try:
        yield
    except LedgerError as error:
        # The save is durable already; what failed was making later look-ups cheaper.
        warn_user(f"the history's packs could not be folded: {error}")
