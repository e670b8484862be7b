"""The queue: publications that wait for the ledger's lock, and what becomes of them."""

import contextlib
import datetime as dt
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from ledger.disk import LockFile, durability
from ledger.enums import Durability
from ledger.errors import FormatError, LockTimeoutError, NameCollisionError, StorageError, VersionExistsError
from ledger.history import UNPLACED, EventDraft, History, RecordDraft
from ledger.history.folds.packing import FOLD_AT
from ledger.history.git.refs import BRANCH
from ledger.history.tree.drafts import Publication
from ledger.history.writing import bells, turns
from ledger.history.writing.bells import Bell, take_rope
from ledger.history.writing.waiting import Queue, Ticket
from ledger.ids import CommitId
from ledger.records import decode_compact, encode, encode_compact, format_time
from tests.kit.descriptors import open_descriptors
from tests.kit.histories import AUTHOR, NOW, again, draft, git, packs_of, publish, versions_of
from tests.kit.waiting import wait_until

Started = list[threading.Thread]

COMMIT = CommitId("0123456789abcdef0123456789abcdef01234567")


@pytest.fixture
def lock(history: History, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ledger's lock; a test that lets go of it rings no bell, and who waits looks often."""
    monkeypatch.setattr(turns, "_LONGEST_LOOK", 0.01)
    return history.git_dir.parent / "lock"


@pytest.fixture
def queue(history: History) -> Path:
    return history.git_dir.parent / "queue"


def in_queue(queue: Path) -> list[str]:
    """The tickets in a queue, in their order."""
    return sorted(path.name for path in queue.glob("*") if not path.suffix)


def queue_up(queue: Path, *acts: Callable[[], object]) -> Started:
    """Start threads one after the other, each once the publication of the one before is in the queue, whole."""

    def written() -> int:
        return sum((queue / name).stat().st_size > 0 for name in in_queue(queue))

    threads = []
    for act in acts:
        before = written()
        threads.append(threading.Thread(target=act))
        threads[-1].start()
        wait_until(lambda count=before: written() > count)  # type: ignore[misc]
    return threads


def join_all(threads: Started) -> None:
    for thread in threads:
        thread.join()


def test_writers_that_wait_are_published_together(history: History, lock: Path, queue: Path) -> None:
    """Whoever gets the lock publishes all: a commit each, with its own author and words, in one pack."""
    acts = [
        partial(history.publish, [draft()], author=f"{name} <{name}@x>", now=NOW, subject=f"by {name}")
        for name in ("ada", "bob", "eve")
    ]
    before = packs_of(history)
    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, *acts)
    join_all(threads)
    assert ["1", "2", "3"] == versions_of(history)
    assert 1 == len(packs_of(history)) - len(before)
    said = git(history, "log", "--format=%an: %s", "-3").splitlines()
    assert {"ada", "bob", "eve"} == {line.split(":")[0] for line in said}
    assert all(line.startswith(f"{line.split(':')[0]}: by {line.split(':')[0]}: save iris@") for line in said)
    assert [] == list(queue.iterdir())


def test_who_has_waited_for_its_turn_has_the_lock_while_it_publishes(
    history: History, lock: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tries the lock at any rename finds it taken."""
    free: list[bool] = []
    rename = os.rename

    def look(source: str, target: str) -> None:
        with LockFile(lock).try_hold() or contextlib.nullcontext() as found:
            free.append(found is not None)
        rename(source, target)

    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, partial(publish, history))
        monkeypatch.setattr(os, "rename", look)
    join_all(threads)
    assert ["1"] == versions_of(history)
    assert {False} == set(free)


def test_a_writer_alone_leaves_the_queue_alone(history: History, queue: Path) -> None:
    """Where the lock is free at the first try, there is no queue, not even its folder."""
    publish(history)
    assert not queue.exists()


def test_each_writer_is_told_its_own_claims(history: History, lock: Path, queue: Path) -> None:
    """What comes back is what the writer's own commit published, in the order of its drafts."""
    found: dict[str, list[str]] = {}

    def save(*names: str) -> None:
        published = publish(history, *(draft(name) for name in names))
        found[names[0]] = [claim.label for claim in published.claims]
        assert published.claims[0].name in git(history, "log", "-1", "--format=%B", published.commit)

    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, partial(save, "a", "b", "a"), partial(save, "c"), partial(save, "d", "d"))
    join_all(threads)
    assert {"a": ["a@1", "b@1", "a@2"], "c": ["c@1"], "d": ["d@1", "d@2"]} == found


def test_what_cannot_be_published_fails_alone_and_as_itself(history: History, lock: Path, queue: Path) -> None:
    """Of four that wait, two cannot have their places: each gets its own error, the others their versions."""
    publish(history, draft("iris", "cat"))
    raised: list[type] = []

    def save(name: str, version: object) -> None:
        try:
            publish(history, draft(name, version))
        except (VersionExistsError, NameCollisionError) as error:
            raised.append(type(error))

    with LockFile(lock).hold(timeout=1):
        acts = [partial(save, *words) for words in (("iris", None), ("iris", "cat"), ("IRIS", None), ("iris", None))]
        threads = queue_up(queue, *acts)
    join_all(threads)
    assert {VersionExistsError, NameCollisionError} == set(raised)
    assert ["cat", "1", "2"] == versions_of(history)


def test_all_kinds_of_drafts_wait(history: History, lock: Path, queue: Path) -> None:
    """Versions, events and other records are placed by another as their writers would have placed them."""
    claim = publish(history).claims[0]
    event = EventDraft(claim=claim, verb="tag", record=encode({"id": UNPLACED, "kind": "tags"}))
    record = RecordDraft(path=("runs", "day", "run", "run.json"), data=b"{}")
    send = partial(history.publish, author=AUTHOR, now=NOW)
    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, partial(send, [draft()]), partial(send, [event, event]), partial(send, [record]))
    join_all(threads)
    events = again(history).snapshot().events(claim)
    assert [encode({"id": id, "kind": "tags"}) for id, _ in events] == [data for _, data in events]
    assert ["{}", 2] == [git(history, "show", "main:runs/day/run/run.json"), len(events)]


def test_a_clock_may_give_datetimes_of_its_own(history: History, lock: Path, queue: Path) -> None:
    """Who saves while a library has stopped the clock, for tests of its own, waits like anybody else."""

    class Stopped(dt.datetime):
        """What such a library puts in the place of `datetime.datetime`."""

    now = Stopped.combine(NOW.date(), NOW.timetz())
    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, partial(history.publish, [draft()], author=AUTHOR, now=now))
    join_all(threads)
    assert ["1"] == versions_of(history)


def test_a_publication_is_plain_data() -> None:
    """What is queued is canonical JSON of exactly its types, and comes back equal; anything else is refused."""
    publication = Publication(drafts=(draft(),), author=AUTHOR, now=format_time(NOW))
    data = encode_compact(publication)
    assert publication == decode_compact(data, Publication, where="here")
    for damaged in (data[:-1], data + b"\n" + b"0" * 40, data.replace(b'"author":"', b'"author":1,"x":"')):
        with pytest.raises(FormatError, match="here"):
            decode_compact(damaged, Publication, where="here")


# -- deaths, stops and withdrawals ------------------------------------------------


@pytest.fixture
def children() -> Iterator[list[int]]:
    """Forks that do not outlive their test."""
    started: list[int] = []
    yield started
    for child in started:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def fork(children: list[int], act: Callable[[], object]) -> Callable[[], object]:
    """A fork that does something once it is told to; returns how to tell it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.read(reading, 1)
            act()
        except BaseException:  # noqa: BLE001  # a fork of the tests never goes on as the tests
            os._exit(1)
        os._exit(0)
    children.append(child)
    return partial(os.write, writing, b"!")


def hold(
    children: list[int], history: History, number: signal.Signals, *, at: str, after: bool = False
) -> Callable[[], None]:
    """A fork that holds the lock to publish ``a``; returns how to let it go on, until a rename brings it a signal."""

    def act() -> None:
        send_itself(signal.SIGSTOP, "listdir", at="queue")
        send_itself(number, "rename", at=at, after=after)
        publish(history, draft("a"))

    fork(children, act)()
    wait_stopped = partial(os.waitpid, children[-1], os.WUNTRACED)
    wait_stopped()

    def go_on() -> None:
        os.kill(children[-1], signal.SIGCONT)
        wait_stopped()

    return go_on


def send_itself(number: signal.Signals, call: str, *, at: str, after: bool = False) -> None:
    """Let this process send itself a signal, once, where it calls something of ``os`` on a path that ends so."""
    really = getattr(os, call)
    left = [number]

    def act(*arguments: object) -> object:
        is_there = str(arguments[-1]).endswith(at) and bool(left)
        if is_there and not after:
            os.kill(os.getpid(), left.pop())
        result = really(*arguments)
        if is_there and after:
            os.kill(os.getpid(), left.pop())
        return result

    setattr(os, call, act)


def test_a_writer_that_died_is_not_published_for(
    history: History, lock: Path, queue: Path, children: list[int]
) -> None:
    """A dead writer's publication is dropped, and its files go."""
    tell = fork(children, partial(publish, history, draft("dead")))
    with LockFile(lock).hold(timeout=10):
        tell()
        wait_until(lambda: bool(in_queue(queue)))
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)
    publish(history)
    assert (["iris"], []) == (again(history).snapshot().artifact_names(), list(queue.iterdir()))


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits only wakes by its bell, or at the end of its patience."""
    monkeypatch.setattr("ledger.history.writing.turns._LONGEST_LOOK", 60)


@pytest.mark.parametrize("after", [False, True])
def test_a_holder_that_dies_leaves_each_writer_to_find_out(
    history: History, queue: Path, children: list[int], nobody_looks: None, *, after: bool
) -> None:
    """Killed right before or after the branch moves, with nobody told: who waits is published once, and knows it."""
    go_on = hold(children, history, signal.SIGKILL, at=BRANCH, after=after)
    threads = queue_up(queue, partial(publish, history, draft("b")), partial(publish, history, draft("c")))
    go_on()
    join_all(threads)
    names = again(history).snapshot().artifact_names()
    assert (["a", "b", "c"] if after else ["b", "c"]) == names
    assert [["1"], ["1"]] == [versions_of(history, "b"), versions_of(history, "c")]
    assert [] == list(queue.iterdir())


def test_who_finds_that_a_dead_holder_has_published_it_makes_that_last(
    history: History, queue: Path, children: list[int], synced: list[str]
) -> None:
    """The holder may have died before the branch was on the disk."""
    go_on = hold(children, history, signal.SIGKILL, at=BRANCH, after=True)
    threads = queue_up(queue, partial(publish, history, draft("b")))
    synced.clear()
    go_on()
    join_all(threads)
    assert [str((history.git_dir / BRANCH).parent)] == synced


def test_who_gives_up_is_not_published_later(history: History, lock: Path, queue: Path) -> None:
    """After a timeout the publication has gone from the queue: whoever comes next publishes only its own."""
    impatient = History.open(history.git_dir.parent, lock_timeout=0.1)
    with LockFile(lock).hold(timeout=1), pytest.raises(LockTimeoutError, match=f"held by pid {os.getpid()} on"):
        publish(impatient, draft("late"))
    publish(history)
    assert (["iris"], []) == (again(history).snapshot().artifact_names(), list(queue.iterdir()))


_SHORTAGE = StorageError("cannot read it: Too many open files")


def test_who_fails_while_it_waits_is_not_published_later(
    history: History, lock: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer without a descriptor left takes its publication back before it says so."""
    raised: list[StorageError] = []

    def fail() -> None:
        with pytest.raises(StorageError) as caught:
            publish(history, draft("failed"))
        raised.append(caught.value)

    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, fail)
        monkeypatch.setattr(LockFile, "try_hold", Mock(side_effect=_SHORTAGE))
        join_all(threads)
    monkeypatch.undo()
    publish(history)
    assert ([_SHORTAGE], ["iris"], []) == (raised, again(history).snapshot().artifact_names(), list(queue.iterdir()))


def test_who_fails_once_it_is_published_is_told_so(
    history: History, lock: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that runs short of descriptors when a holder has published it finds that out, and does not fail."""
    really = Ticket.wait

    def wait(ticket: Ticket, seconds: float) -> bool:
        heard = really(ticket, seconds)
        if ticket.published_as is not None:
            raise _SHORTAGE
        return heard

    monkeypatch.setattr(Ticket, "wait", wait)
    found: list[str] = []
    acts = [lambda: found.extend(claim.label for claim in publish(history, draft("iris")).claims)] * 2
    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, *acts)
    join_all(threads)
    assert (["iris@1", "iris@2"], ["1", "2"]) == (sorted(found), versions_of(history))


def test_what_a_bell_rang_is_heard_where_no_descriptor_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is rung after that is not, and whoever waits looks for itself."""
    bell = Bell(tmp_path / "bell")
    rope = take_rope(tmp_path / "bell")
    assert rope is not None
    os.write(rope, b"next")
    os.close(rope)
    monkeypatch.setattr(bells, "_listen", Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
    assert (b"next", None) == (bell.wait(10), bell.wait(0.01))
    bell.close()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stop", "hint", "names"),
    [
        (".idx", "wait for that process or end it", ["a"]),
        (BRANCH, "may still do so: look before you try again", ["a", "late"]),
    ],
)
def test_a_holder_that_was_stopped_does_not_surprise_who_gave_up(
    history: History,
    queue: Path,
    children: list[int],
    monkeypatch: pytest.MonkeyPatch,
    stop: str,
    hint: str,
    names: list[str],
) -> None:
    """Stopped before it holds the branch, the holder leaves out who gave up; stopped later, the error says so."""
    go_on = hold(children, history, signal.SIGSTOP, at=stop)
    now = [0.0]
    monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(turns, "_DOUBT_SECONDS", 0.1)
    raised: list[LockTimeoutError] = []

    def give_up() -> None:
        with pytest.raises(LockTimeoutError, match=f"held by pid {children[0]} on") as caught:
            publish(again(history), draft("late"))
        raised.append(caught.value)

    threads = queue_up(queue, give_up)
    go_on()
    now[0] = 3600
    join_all(threads)
    assert hint in raised[0].hint
    os.kill(children[0], signal.SIGCONT)
    assert (children[0], 0) == os.waitpid(children[0], 0)
    assert names == again(history).snapshot().artifact_names()


def test_who_has_waited_longest_is_woken(queue: Path) -> None:
    """Whoever lets go of the lock rings one bell: that of the oldest publication which is still in the queue."""
    publication = Publication(drafts=(draft(),), author=AUTHOR, now=format_time(NOW))
    waiting = Queue(queue)
    first, second = waiting.join(publication), waiting.join(publication)
    assert first is not None
    assert second is not None
    with contextlib.closing(second):
        with contextlib.closing(first):
            waiting.ring_next()
            assert (True, False) == (first.wait(0), second.wait(0))
        waiting.ring_next()
        assert second.wait(0)
        assert second.published_as is None


@pytest.mark.parametrize("bell", ["gone", "another user's"])
def test_where_who_has_waited_longest_cannot_be_woken_the_next_is(
    queue: Path, monkeypatch: pytest.MonkeyPatch, bell: str
) -> None:
    """One that died listens to no bell, and that of another user may not be rung by this one."""
    publication = Publication(drafts=(draft(),), author=AUTHOR, now=format_time(NOW))
    first, second = Queue(queue).join(publication), Queue(queue).join(publication)
    assert first is not None
    assert second is not None
    [theirs, _] = sorted(queue.glob("*.bell"))
    really = os.open

    def refuse(path: str | Path, *given: int) -> int:
        if Path(path) == theirs:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return really(path, *given)

    with contextlib.closing(first), contextlib.closing(second):
        if bell == "gone":
            theirs.unlink()
        else:
            monkeypatch.setattr(os, "open", refuse)
        Queue(queue).ring_next()
        assert (False, True) == (first.wait(0), second.wait(0))


def test_leftovers_of_the_dead_go_with_a_fold(history: History, queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a dead writer that a holder had taken up lie about until they are old and packs are folded."""
    queue.mkdir()
    name = f"{time.time_ns():020d}-0123456789abcdef"
    (queue / name).write_text("taken up")
    os.mkfifo(queue / f"{name}.bell")
    (queue / "not ours").write_text("")
    Queue(queue).remove_dead()
    assert 3 == len(list(queue.iterdir()))
    later = time.time() + 100
    monkeypatch.setattr(time, "time", lambda: later)
    while len(packs_of(history)) <= FOLD_AT // 2 or len(list(queue.iterdir())) == 3:
        publish(history)
    assert ["not ours"] == [path.name for path in queue.iterdir()]


def test_where_no_fifo_can_be_made_the_lock_is_waited_for(
    history: History, lock: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without FIFOs costs the queue, not the save."""

    def refuse(path: str, mode: int) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "mkfifo", refuse)
    with LockFile(lock).hold(timeout=1):
        thread = threading.Thread(target=partial(publish, history))
        thread.start()
        time.sleep(0.05)
    thread.join()
    assert (["1"], []) == (versions_of(history), list(queue.iterdir()))


def test_a_queue_that_cannot_be_looked_into_keeps_nobody_from_saving(history: History, lock: Path, queue: Path) -> None:
    """Such as one that another user has made for himself alone: it costs the queue, not the save."""
    queue.symlink_to(queue.name)
    with LockFile(lock).hold(timeout=1):
        thread = threading.Thread(target=partial(publish, history))
        thread.start()
        time.sleep(0.05)
    thread.join()
    assert ["1"] == versions_of(history)


def test_as_which_commit_it_is_published_is_noted_whole(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system takes some bytes at a time, a writer whose holder dies still learns of its commit."""
    really = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: really(descriptor, bytes(data)[:20]))
    waiting = Publication(drafts=(draft(),), author=AUTHOR, now=format_time(NOW))
    ticket = Queue(queue).join(waiting)
    assert ticket is not None
    with contextlib.closing(ticket), Queue(queue).waiters() as waiters:
        waiters[0].take_up(COMMIT)
        assert COMMIT == ticket.taken_up_as()


def test_who_waits_and_who_looks_leave_no_file_open(queue: Path) -> None:
    """Nor is what the writer was told of in the queue any more, even if that writer has not woken yet."""
    before = open_descriptors()
    ticket = Queue(queue).join(Publication(drafts=(draft(),), author=AUTHOR, now=format_time(NOW)))
    assert ticket is not None
    with contextlib.closing(ticket):
        with Queue(queue).waiters() as [waiter]:
            waiter.tell(COMMIT)
        assert [] == in_queue(queue)
    assert {} == open_descriptors() - before


def test_a_holder_publishes_only_what_is_to_be_as_durable(history: History, lock: Path, queue: Path) -> None:
    """A writer that asked for full durability is not published by one that does not sync."""
    queue_of_one = Queue(queue)
    with LockFile(lock).hold(timeout=1):
        threads = queue_up(queue, partial(publish, history))
        with durability(Durability.RELAXED), queue_of_one.waiters() as waiters:
            assert [] == waiters
        with queue_of_one.waiters() as waiters:
            assert [Durability.FULL] == [waiter.publication.durability for waiter in waiters]
    join_all(threads)


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_a_bell_that_is_a_file_is_not_rung(
    history: History, queue: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Whoever made the ledger may have put a link to a file of the user's own there: nothing is written into it."""
    (own := tmp_path / "own").write_bytes(b"precious")
    queue.mkdir()
    ticket = queue / f"{time.time_ns():020d}-{'0' * 16}"
    ticket.write_bytes(b"{}")
    plant(queue / f"{ticket.name}.bell", own)
    publish(history, draft())
    assert b"precious" == own.read_bytes()
    assert [] == in_queue(queue)


def test_nobody_waits_behind_a_link(tmp_path: Path) -> None:
    """A ledger may come from anybody: what a link in the queue's place leads to is the user's own."""
    (own := tmp_path / "own").mkdir()
    (folder := tmp_path / "queue").symlink_to(own)
    publication = Publication(drafts=(), author=AUTHOR, now=format_time(NOW), subject="", durability=Durability.FULL)
    assert Queue(folder).join(publication) is None
    assert [] == list(own.iterdir())
