"""Publications that wait for the ledger's lock, where whoever holds it finds them.

Owns the folder ``.ledger/queue`` (specs/concurrency.md, 2). A writer that waits has two files there:

    <ticket>        its publication, and below it a line for each commit as which a holder was about to publish it
    <ticket>.bell   the bell that it listens to; if nobody listens, the writer is dead

A writer takes its publication back by removing the file. A holder looks once more whether the file is there
when nobody else can move the branch any more, and publishes only if it is. A bell tells the writer that it was
published, or just that it should look: the truth is in the file and in the branch. Nothing here is synced: after a
power cut nobody waits. Decides nothing about publishing.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from ledger.disk import (
    MODE,
    close_anyway,
    current_durability,
    make_directory,
    names_in,
    refuse_linked,
    remove_if_there,
    storage_errors,
    write_all,
)
from ledger.errors import FormatError, LedgerError, StorageError
from ledger.history.tree.drafts import Publication
from ledger.history.writing.bells import Bell, take_rope
from ledger.ids import CommitId
from ledger.records import decode_compact, encode_compact

MOST_AT_ONCE = 64
"""Most publications that one holder takes up."""

MOST_BYTES = 256 << 10
"""Largest publication that waits here; a larger one waits for the lock itself."""

_BELL = ".bell"
_TICKET = re.compile(r"([0-9]{20})-[0-9a-f]{16}")
_COMMIT = re.compile(rb"[0-9a-f]{40}")
_NEXT = b"next"
_DEAD_SECONDS = 60.0
"""The age from which on a bell without a listener is a dead writer's, and no longer one that is being made."""


class Ticket:
    """A publication in the queue, as its writer holds it until `close`."""

    def __init__(self, folder: Path, data: bytes) -> None:
        name = f"{time.time_ns():020d}-{os.urandom(8).hex()}"
        self.published_as: CommitId | None = None
        """The commit as which a holder has published this, durably, as it said."""
        self._path = folder / name
        # The bell first: whoever sees the publication can tell whether its writer lives.
        self._bell = Bell(_bell_of(self._path))
        self._descriptor = -1
        try:
            with storage_errors(self._path, "write"):
                # Always read through this descriptor: once the file is complete, a holder may remove its name.
                self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, MODE)
                write_all(self._descriptor, data)
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float) -> bool:
        """Wait to be woken; says whether that happened. Whoever wakes it may say what it is ``published_as``."""
        heard = self._bell.wait(seconds)
        commit = _COMMIT.search(heard or b"")
        if commit is not None:
            self.published_as = CommitId(commit[0].decode())
        return heard is not None

    def withdraw(self) -> None:
        """Take the publication back: a holder that looks for it from now on does not publish it."""
        remove_if_there(self._path)

    def taken_up_as(self) -> CommitId | None:
        """The commit as which a holder was last about to publish this, or ``None`` if nobody was."""
        with storage_errors(self._path, "read"):
            lines = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0).split(b"\n")[1:]
        commits = [line for line in lines if _COMMIT.fullmatch(line)]
        return CommitId(commits[-1].decode()) if commits else None

    def close(self) -> None:
        """Leave the queue, and close the files."""
        self.withdraw()
        if self._descriptor >= 0:
            close_anyway(self._descriptor)
        self._bell.close()


class Waiter:
    """A publication in the queue, as the holder of the lock sees it."""

    def __init__(self, publication: Publication, path: Path, descriptor: int, rope: int) -> None:
        self.publication = publication
        self._path = path
        self._descriptor = descriptor
        self._rope = rope

    @property
    def is_waiting(self) -> bool:
        """Whether its writer has not taken it back."""
        with storage_errors(self._path, "read"):
            return os.fstat(self._descriptor).st_nlink > 0

    def take_up(self, commit: CommitId) -> None:
        """Note as which commit this is about to be published, in case this process dies before it can `tell`."""
        with storage_errors(self._path, "write"):
            write_all(self._descriptor, f"\n{commit}\n".encode())

    def tell(self, commit: CommitId) -> None:
        """Take this out of the queue, and tell its writer that it is published, durably."""
        remove_if_there(self._path)
        with contextlib.suppress(OSError):  # the writer has died since
            os.write(self._rope, f"{commit}\n".encode())

    def close(self) -> None:
        """Close the files; a writer that was told nothing wakes up."""
        close_anyway(self._descriptor)
        close_anyway(self._rope)


class Queue:
    """The publications that wait for one ledger's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def join(self, publication: Publication) -> Ticket | None:
        """Put a publication into the queue; ``None`` where that cannot be, so that its writer waits for the lock."""
        try:
            data = encode_compact(publication)
            if len(data) > MOST_BYTES:
                return None
            refuse_linked(self._folder)
            make_directory(self._folder)
            return Ticket(self._folder, data)
        except (FormatError, StorageError):
            # Text that is no Unicode, a file system without FIFOs, a full disk: the lock is slower, and as safe.
            return None

    @contextlib.contextmanager
    def waiters(self) -> Iterator[list[Waiter]]:
        """The publications that a holder of the lock may take up, oldest first, for a block of its work."""
        found: list[Waiter] = []
        try:
            for name in self._tickets()[:MOST_AT_ONCE]:
                waiter = self._look_at(self._folder / name)
                if waiter is not None:
                    found.append(waiter)
            yield found
        finally:
            for waiter in found:
                waiter.close()

    def ring_next(self) -> None:
        """Wake the writer that has waited longest; to be called once the lock is free."""
        # If nobody hears it, nothing is lost: writers also look by themselves now and then.
        for name in self._tickets():
            if self._ring(name):
                return

    def remove_dead(self) -> None:
        """Remove what dead writers left."""
        for name in self._names():
            match = _TICKET.fullmatch(name.removesuffix(_BELL))
            if match is None or time.time() - int(match[1]) / 1e9 < _DEAD_SECONDS:
                continue
            ticket = self._folder / match[0]
            try:
                rope = take_rope(_bell_of(ticket))
            except StorageError:
                continue  # another user's, who may live
            if rope is not None:
                close_anyway(rope)
            else:
                _remove(ticket)

    def _ring(self, ticket: str) -> bool:
        """Wake one writer; says whether somebody listened whom this user may wake."""
        try:
            rope = take_rope(_bell_of(self._folder / ticket))
        except StorageError:
            return False
        if rope is None:
            return False
        with contextlib.suppress(OSError):
            os.write(rope, _NEXT)
        close_anyway(rope)
        return True

    def _tickets(self) -> list[str]:
        return list(filter(_TICKET.fullmatch, self._names()))

    def _names(self) -> list[str]:
        try:
            return names_in(self._folder)
        except StorageError:
            return []  # such as another user's folder: whoever waits there gets the lock in time

    def _look_at(self, ticket: Path) -> Waiter | None:
        """A publication that can be taken up, or ``None``: then its writer, if it lives, gets the lock in time."""
        with contextlib.ExitStack() as opened:
            try:
                rope = take_rope(_bell_of(ticket))
                if rope is None:
                    _remove(ticket)
                    return None
                opened.callback(close_anyway, rope)
                with storage_errors(ticket, "open"):
                    descriptor = os.open(ticket, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
                    opened.callback(close_anyway, descriptor)
                    data = os.pread(descriptor, min(os.fstat(descriptor).st_size, MOST_BYTES), 0)
                # This fails where a commit stands below the publication: a holder that is gone has taken it up. Whether
                # it was published only its writer may judge, when nobody else can publish it.
                publication = decode_compact(data, Publication, where=str(ticket))
            except LedgerError:
                return None
            if publication.durability is not current_durability():
                return None
            opened.pop_all()
        return Waiter(publication, ticket, descriptor, rope)


def _bell_of(ticket: Path) -> Path:
    """Where the bell of a publication's writer is."""
    return ticket.with_name(f"{ticket.name}{_BELL}")


def _remove(ticket: Path) -> None:
    """Remove the publication of a writer that died, and its bell."""
    remove_if_there(ticket)
    remove_if_there(_bell_of(ticket))
