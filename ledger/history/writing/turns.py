"""How a writer gets its turn: the ledger's lock, or a holder of it that publishes on the writer's behalf.

A writer that finds the lock taken leaves its publication in the queue (`waiting`) and waits until a holder has
published it or the lock is free. Whoever gives up, or takes the lock from a holder that died, first finds out whether
the publication was published after all, so that nothing is published twice.
"""

import time
from contextlib import ExitStack, closing

from ledger.disk import HeldLock, LockFile
from ledger.errors import LockTimeoutError, StorageError
from ledger.history.git.branch import branch_held, clear_dead_lock, confirm_branch, read_branch
from ledger.history.git.objects import Objects
from ledger.history.git.revisions import leads_to
from ledger.history.tree.drafts import Publication
from ledger.history.writing.waiting import Queue, Ticket
from ledger.ids import CommitId

_DOUBT_SECONDS = 1.0
"""How long a writer that gives up waits for the branch, to find out whether it was published."""

_FIRST_LOOK = 0.005
_LONGEST_LOOK = 0.2
"""Seconds after which a waiting writer tries the lock by itself: its holder may have died, and nobody rings."""


class Turns:
    """The turns of the writers of one history. Threads may share it."""

    def __init__(self, objects: Objects, lock: LockFile, queue: Queue, *, timeout: float) -> None:
        """``timeout`` is how many seconds a writer waits."""
        self._git_dir = objects.git_dir
        self._objects = objects
        self._lock = lock
        self._queue = queue
        self._timeout = timeout

    def take(self, publication: Publication) -> HeldLock | CommitId:
        """The ledger's lock, or the commit as which its holder has published this for us."""
        lock = self._lock.try_hold()
        if lock is not None:
            return lock
        since = read_branch(self._git_dir)
        ticket = self._queue.join(publication)
        if ticket is None:
            return self._lock.hold(timeout=self._timeout)
        with closing(ticket):
            try:
                return self._wait_for_turn(ticket, since)
            except (LockTimeoutError, StorageError) as error:
                return self._give_up(ticket, since, error)

    def _wait_for_turn(self, ticket: Ticket, since: CommitId) -> HeldLock | CommitId:
        deadline = time.monotonic() + self._timeout
        pause = _LONGEST_LOOK
        # The lock is tried before the first wait: a holder that let go before the ticket was there has rung for others.
        while (turn := self._try_turn(ticket, since)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._lock.timed_out(self._timeout)
            is_woken = ticket.wait(min(left, pause))
            if ticket.published_as is not None:
                return ticket.published_as
            # When a holder dies, its ropes may go a moment before its lock does: so whoever is woken tries again soon.
            pause = _FIRST_LOOK if is_woken else min(2 * pause, _LONGEST_LOOK)
        return turn

    def _try_turn(self, ticket: Ticket, since: CommitId) -> HeldLock | CommitId | None:
        """The lock if it is free; the commit if a holder that died before it could tell had published this."""
        lock = self._lock.try_hold()
        if lock is None:
            return None
        with ExitStack() as stack:
            stack.enter_context(lock)
            # Nobody else publishes while we hold the lock: what was not published by now will not be.
            commit = self._published_as(ticket, since)
            if commit is None:
                stack.pop_all()
                return lock
            if lock.holder_died:
                clear_dead_lock(self._git_dir, holder_died=True)
        ticket.withdraw()
        self._queue.ring_next()
        return commit

    def _published_as(self, ticket: Ticket, since: CommitId) -> CommitId | None:
        """The commit as which a holder has published a ticket's publication, made durable; ``None`` if none has."""
        commit = ticket.taken_up_as()
        if commit is None or not leads_to(self._objects, read_branch(self._git_dir), commit, since=since):
            return None
        confirm_branch(self._git_dir)
        return commit

    def _give_up(self, ticket: Ticket, since: CommitId, error: LockTimeoutError | StorageError) -> CommitId:
        """Take a publication back and raise an error; returns its commit if it was published at the last moment."""
        ticket.withdraw()
        if ticket.taken_up_as() is None:
            raise error
        try:
            # A holder looks for the ticket while it holds the branch. As we hold it now, no holder is between looking
            # and moving: it has moved the branch, or will find the ticket gone.
            with branch_held(self._git_dir, patience=_DOUBT_SECONDS):
                commit = self._published_as(ticket, since)
        except (FileExistsError, StorageError):
            error.hint = "who holds the lock was about to publish this and may still do so: look before you try again"
            raise error from None
        if commit is None:
            raise error
        return commit
