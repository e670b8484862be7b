"""Histories without a ledger around them: drafts in one line, real Git beside them, and processes that die."""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ledger.history import UNPLACED, Claim, EventDraft, History, VersionDraft
from ledger.history.tree.drafts import Publication
from ledger.history.writing.publishing import Decision, Published, Publisher
from ledger.ids import VersionId, new_uuid
from ledger.records import VersionString, check_name, check_version, encode
from tests.kit.git import git_says

ROOT = Path(__file__).parents[2]
AUTHOR = "Ada <ada@example.com>"
NOW = dt.datetime(2026, 11, 23, 10, 0, 0, 123456, dt.UTC)


class _UnlockedPublisher(Publisher):
    """One that leaves the ledger's lock alone."""

    def publish_in_turn(self, publication: Publication) -> Published:
        return self.publish_alone(lambda _: publication)

    def publish_alone(self, decide: Decision) -> Published:
        return self._publish(decide, [], holder_died=False)

    def _clear_dead_lock(self, **_: object) -> bool:
        """Nothing: without the ledger's lock, a lock on the branch may be a living writer's."""
        return True


class UnlockedHistory(History):
    """A history whose writers leave the ledger's lock alone, so that the compare-and-swap alone keeps them apart."""

    def __init__(self, git_dir: Path, lock: Path, *, lock_timeout: float = 60.0) -> None:
        super().__init__(git_dir, lock, lock_timeout=lock_timeout)
        self._publisher = _UnlockedPublisher(lock, self.objects, self.staging, self._trees, timeout=lock_timeout)


def new_history(folder: Path) -> History:
    """The history of a new ledger in a folder."""
    return History.create(folder / ".ledger", author=AUTHOR, now=NOW)


def again(history: History) -> History:
    """The same history as a process that has just started would see it."""
    return History.open(history.git_dir.parent)


def unlocked(history: History, *, lock_timeout: float = 60.0) -> UnlockedHistory:
    """The same history for a writer that leaves the ledger's lock alone."""
    return UnlockedHistory(history.git_dir, history.git_dir.parent / "lock", lock_timeout=lock_timeout)


def draft(name: str = "iris", version: object = None, *, size: int = 0) -> VersionDraft:
    """A version to publish, with a manifest that is as large as wanted."""
    id = VersionId(new_uuid(1_795_000_000_000))
    requested: VersionString | None = None if version is None else check_version(version)
    manifest = encode({"id": id, "name": name, "padding": "x" * size})
    return VersionDraft(
        name=check_name(name), id=id, requested=requested, manifest=manifest, trailers=(f"Content: {id}",)
    )


def tag(claim: Claim, *tags: str, verb: str = "tag", **fields: object) -> EventDraft:
    """An event on a version to publish, by default one that puts tags on it."""
    added = {"add": tags} if tags else {}
    return EventDraft(claim=claim, verb=verb, record=encode({"id": UNPLACED, **added, **fields}))


def publish(history: History, *drafts: VersionDraft, seconds: float = 0) -> Published:
    """Publish drafts, by default one of ``iris``, some seconds after the history began."""
    return history.publish(drafts or [draft()], author=AUTHOR, now=NOW + dt.timedelta(seconds=seconds))


def versions_of(history: History, name: str = "iris") -> list[str]:
    """The version strings of an artifact in the order of publication."""
    return [claim.version for claim in history.snapshot().claims(check_name(name))]


def git(history: History, *arguments: str, data: bytes = b"") -> str:
    """What real Git prints about a history; an error if it fails."""
    return git_says(history.git_dir, *arguments, data=data)


def packs_of(history: History) -> list[Path]:
    """The pack files of a history."""
    return sorted((history.git_dir / "objects" / "pack").glob("*.pack"))


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process that runs a program, its output to be read."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=ROOT)


def die_at(step: int, events: frozenset[str], act: Callable[[], object]) -> bool:
    """Run ``act`` in a fork that is killed at the step-th file operation among ``events``; says whether it was."""
    child = os.fork()
    if not child:
        try:
            left = [step]

            def count(event: str, _: object) -> None:
                if event in events:
                    left[0] -= 1
                    if not left[0]:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001  # a fork of the tests never goes on as the tests
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or not os.WEXITSTATUS(status), "the fork failed by itself"
    return os.WIFSIGNALED(status)
