"""Many records, one commit, all or none."""

import os
import pickle
import shutil
import sys
import threading
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.blobs import LocalStore, alone_with
from ledger.core import PendingVersion, Transaction
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    ArtifactNotFoundError,
    InvalidTagError,
    NameCollisionError,
    StorageError,
    VersionExistsError,
    VersionNotFoundError,
)
from ledger.history import History
from ledger.history.writing.turns import Turns
from ledger.materializers import BaseMaterializer
from tests.crash.operations import LARGE
from tests.kit.forking import in_a_fork
from tests.kit.ledgers import git, state_of, store_of


class Named(str, Enum):  # noqa: UP042  # `str()` of a member is not its value
    """Names of artifacts."""

    IRIS = "iris"


def _commits(ledger: Ledger) -> int:
    return int(git(ledger, "rev-list", "--count", "main"))


def test_a_transaction_is_one_commit(ledger: Ledger) -> None:
    """Versions of several artifacts, tags and metadata come with one commit."""
    ledger.save(0, "old")
    before = _commits(ledger)
    with ledger.transaction() as transaction:
        transaction.save(1, "x")
        transaction.save(2, "x")
        transaction.save(3, "y", "cat", tags=["t"])
        transaction.tag("old", ["used"])
        transaction.log_metadata({"used": True}, "old")
    assert before + 1 == _commits(ledger)
    assert ["x@1", "x@2", "y@cat"] == [f"{version.name}@{version.version}" for version in transaction.versions]
    assert [1, 2, 3] == [version.load() for version in transaction.versions]
    assert (("used",), True) == (ledger.get("old").tags, ledger.get("old").metadata["used"])
    assert "save 3 versions" == git(ledger, "log", "-1", "--format=%s")


def test_nothing_shows_before_the_end(ledger: Ledger) -> None:
    """Until the block ends nobody sees a version of it."""
    with ledger.transaction() as transaction:
        transaction.save(1, "x")
        assert [] == ledger.artifacts() == Ledger.open(ledger.path).artifacts()
    assert 1 == ledger.load("x")


def test_an_exception_publishes_nothing(ledger: Ledger) -> None:
    """A block that raises leaves the history as it was, and the exception comes out as it is."""
    ledger.save(0, "x")
    before = git(ledger, "rev-parse", "main")

    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.save(1, "x")
            transaction.tag("x", ["t"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert before == git(ledger, "rev-parse", "main")
    assert (0, ()) == (ledger.load("x"), ledger.get("x").tags)
    assert "2" == ledger.save(1, "x").version


def test_one_refused_save_refuses_all(ledger: Ledger) -> None:
    """Where one version exists already, the others of its transaction are not published either."""
    ledger.save(0, "x", "taken")
    before = git(ledger, "rev-parse", "main")

    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.save(1, "y")
            transaction.save(2, "x", "taken")

    with pytest.raises(VersionExistsError):
        fail()
    assert before == git(ledger, "rev-parse", "main")
    assert ["x"] == [artifact.name for artifact in ledger.artifacts()]


def test_a_version_taken_meanwhile_refuses_all(ledger: Ledger) -> None:
    """Where another writer takes the version before the end, publishing refuses the whole transaction."""

    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.save(1, "y")
            transaction.save(2, "x", "cat")
            Ledger.open(ledger.path).save("theirs", "x", "cat")

    with pytest.raises(VersionExistsError):
        fail()
    assert "theirs" == ledger.load("x", "cat")
    assert ["x"] == [artifact.name for artifact in ledger.artifacts()]


def test_numbers_are_allocated_at_the_end(ledger: Ledger) -> None:
    """A save of somebody else meanwhile takes the next number, ours the one after; nothing is lost."""
    with ledger.transaction() as transaction:
        pending = transaction.save("ours", "x")
        ledger.save("theirs", "x")
    assert ["theirs", "ours"] == [version.load() for version in ledger.versions("x")]
    assert pending.published is not None
    assert "2" == pending.published.version


def test_a_pending_version_can_be_tagged_and_described(ledger: Ledger) -> None:
    """Tags and metadata on a pending version are part of its manifest: no event is needed."""
    with ledger.transaction() as transaction:
        pending = transaction.save(1, "x", tags=["a", "b"], run_metadata={"g": {"a": 1}})
        transaction.tag(pending, ["c"], remove=["a"])
        transaction.log_metadata({"g": {"b": 2}}, pending)
    found = ledger.get("x")
    assert (pending.id, ("b", "c"), {"a": 1, "b": 2}) == (found.id, found.tags, found.metadata["g"])
    assert 1 == len(git(ledger, "ls-tree", "-r", "--name-only", "main", "artifacts").splitlines())


def test_a_pending_version_is_told_in_a_line(ledger: Ledger) -> None:
    """What a save in a transaction returns names its artifact and id, and its version once there is one."""
    with ledger.transaction() as transaction:
        pending = transaction.save(list(range(1000)), "x", tags=["a"], run_metadata={"note": "n" * 1000})
        assert f"<PendingVersion x, not published yet, id={pending.id}>" == repr(pending)
    assert f"<PendingVersion x@1 id={pending.id}>" == repr(pending)


def test_a_pending_version_has_its_number_after_the_commit(ledger: Ledger) -> None:
    """Numbers are given at the commit, and asking before says so; a version that was asked for is known at once."""
    with ledger.transaction() as transaction:
        numbered, named = transaction.save(1, "x"), transaction.save(2, "x", "best")
        with pytest.raises(ArgumentError, match="numbers are given at the commit"):
            _ = numbered.version
        assert "best" == named.version
    assert ("1", "best") == (numbered.version, named.version)


@pytest.mark.parametrize("asked", [("t1", None), ("t1@best", None), ("t1", "best"), (None, None)])
def test_a_name_means_what_was_saved_under_it_just_here(ledger: Ledger, asked: tuple[str | None, str | None]) -> None:
    """It will be the latest, and what is said of it must not be said of an older version; an id means it as well."""
    ledger.save(0, "t1")
    with ledger.transaction() as transaction:
        saved = [transaction.save(number, "t1", version) for number, version in enumerate((None, "best"))]
        transaction.save(1, "t10", "best")
        transaction.tag(asked[0] or saved[-1].id, ["t"], asked[1])
        transaction.log_metadata({"k": 1}, "t1", 1)
    assert [(), (), ("t",)] == [version.tags for version in ledger.versions("t1")]
    assert [1, None, None] == [version.metadata.get("k") for version in ledger.versions("t1")]
    assert () == ledger.get("t10").tags


@pytest.mark.parametrize("text", ["{id}", "{id.hex}", "{id.hex}@one", "{id}@one"])
@pytest.mark.parametrize("in_capitals", [False, True])
def test_an_id_is_known_however_it_is_written(ledger: Ledger, text: str, *, in_capitals: bool) -> None:
    """That of what was saved just here, and that of what somebody published meanwhile."""
    with ledger.transaction() as transaction:
        for saved in (transaction.save(1, "x", "one"), ledger.save(2, "y", "one")):
            written = text.format(id=saved.id)
            transaction.tag(written.upper().replace("ONE", "one") if in_capitals else written, ["t"])
    assert ["x", "y"] == [artifact.name for artifact in ledger.artifacts(tag="t")]


def test_a_name_may_be_a_member_of_an_enumeration(ledger: Ledger) -> None:
    """What was saved under its text just here is found by it, as anywhere else."""
    with ledger.transaction() as transaction:
        transaction.save(1, Named.IRIS)
        transaction.tag(Named.IRIS, ["t"])
    assert ("t",) == ledger.get("iris").tags


def test_a_handle_is_not_taken_for_another_version(ledger: Ledger) -> None:
    """A version that is given beside a handle says the same, or nothing is written."""
    first, _ = ledger.save(1, "x"), ledger.save(2, "x")
    ledger.tag(first, ["kept"], version="1")
    with pytest.raises(VersionNotFoundError, match=r"is x@1, not version '2'"):
        ledger.tag(first, ["t"], version=2)
    with ledger.transaction() as transaction:
        pending = transaction.save(3, "x", "best")
        transaction.tag(pending, ["kept"], "best")
        for given in (pending, pending.id):
            with pytest.raises(ArgumentError, match="of 'x' was saved as version 'best', but version '2' was given"):
                transaction.tag(given, ["t"], 2)
        with pytest.raises(ArgumentError, match="of 'y' was saved without a version, but version '1' was given"):
            transaction.tag(transaction.save(4, "y"), ["t"], 1)
    assert [("kept",), (), ("kept",)] == [version.tags for version in ledger.versions("x")]


def test_a_pending_version_belongs_to_its_transaction(ledger: Ledger) -> None:
    """Until it is published, everything else refuses it."""
    first = ledger.transaction()
    pending = first.save(1, "x")
    with ledger.transaction() as second:
        for tag in (second.tag, ledger.tag, partial(ledger.tag, exclusive=True)):
            with pytest.raises(ArgumentError, match="'x' belongs to another transaction, which has not published it"):
                tag(pending, ["t"])
    first.commit()
    assert () == ledger.get("x").tags


def test_a_pending_version_stands_for_what_it_became(ledger: Ledger) -> None:
    """Once it is published, it is a handle like others for who tags it or logs on it."""
    with ledger.transaction() as first:
        pending = first.save(1, "x")
    with ledger.transaction() as second:
        second.tag(pending, ["second"])
    ledger.tag(pending, ["alone"], exclusive=True)
    ledger.log_metadata({"n": 1}, pending, 1)
    assert (("alone", "second"), 1) == (ledger.get("x").tags, ledger.get("x").metadata["n"])


def test_the_same_version_twice_in_one_transaction_is_refused(ledger: Ledger) -> None:
    """A custom version can be taken once, in one transaction as in two; the block may go on."""
    with ledger.transaction() as transaction:
        transaction.save(1, "x", "cat")
        with pytest.raises(VersionExistsError, match="'cat'"):
            transaction.save(2, "x", "cat")
    assert [1] == [version.load() for version in ledger.versions("x")]


def test_an_automatic_and_a_requested_number_do_not_meet(ledger: Ledger) -> None:
    """A number asked for after an automatic one of the same value is refused as a whole."""

    def fail() -> None:
        with ledger.transaction() as transaction:
            transaction.save(1, "x")
            transaction.save(2, "x", 1)

    with pytest.raises(VersionExistsError):
        fail()
    assert [] == ledger.artifacts()


def test_two_spellings_in_one_transaction_are_refused(ledger: Ledger) -> None:
    """Names that differ only in case cannot be published together; the second save says so, and the block may go on."""
    with ledger.transaction() as transaction:
        transaction.save(1, "Iris")
        with pytest.raises(NameCollisionError, match="from 'Iris', which is in this transaction"):
            transaction.save(2, "iris")
    assert ["Iris"] == [artifact.name for artifact in ledger.artifacts()]


def test_an_empty_transaction_is_no_commit(ledger: Ledger) -> None:
    """A block without a write publishes nothing."""
    before = state_of(ledger)
    with ledger.transaction() as transaction:
        pass
    assert before == state_of(ledger)
    assert () == transaction.versions


@pytest.mark.parametrize("subject", ["two\nlines", "a\0b", "\x1b[31m", "\ud800", b"bytes", None])
def test_a_subject_is_a_printable_line(ledger: Ledger, subject: Any) -> None:
    """Any other is refused before anything is saved: Git would take the commit for damaged, or lose its own subject."""
    with pytest.raises((ArgumentError, ArgumentTypeError), match="a subject is "):
        ledger.transaction(subject=subject)
    with ledger.transaction(subject="größer") as transaction:
        transaction.save(1, "iris")
    assert "größer: save iris@1" == git(ledger, "log", "-1", "--format=%s")


def test_a_transaction_ends_once(ledger: Ledger) -> None:
    """After `commit` nothing can be added and nothing is published again."""
    before = _commits(ledger)
    with ledger.transaction() as transaction:
        transaction.save(1, "x")
        assert ["1"] == [version.version for version in transaction.commit()]
        with pytest.raises(ArgumentError, match="over"):
            transaction.save(2, "x")
        with pytest.raises(ArgumentError, match="over"):
            transaction.commit()
    assert before + 1 == _commits(ledger)
    assert 1 == len(ledger.versions("x"))


def test_what_is_saved_after_a_transaction_is_newer(ledger: Ledger) -> None:
    """Many versions in one transaction are no newer than one that is saved right after it."""
    with ledger.transaction() as transaction:
        for number in range(200):
            transaction.save(number, f"many-{number}")
    after = ledger.save(1, "after")
    assert [after.id] == [version.id for version in ledger.search(limit=1)]


def test_events_apply_in_the_order_of_the_calls(ledger: Ledger) -> None:
    """Within one transaction, too, the later call wins."""
    ledger.save(0, "x")
    with ledger.transaction() as transaction:
        for number in range(5):
            transaction.log_metadata({"n": number}, "x")
        transaction.tag("x", ["t"])
        transaction.tag("x", remove=["t"])
    assert (4, ()) == (ledger.get("x").metadata["n"], ledger.get("x").tags)


def test_a_tag_cannot_come_and_go_at_once(ledger: Ledger) -> None:
    """Adding and removing one tag in one call has no meaning and is refused."""
    ledger.save(0, "x")
    with pytest.raises(InvalidTagError, match="'t'"), ledger.transaction() as transaction:
        transaction.tag("x", ["t"], remove=["t"])


def test_what_is_named_must_be_there(ledger: Ledger) -> None:
    """A name in a transaction means what it saved itself, or what was published when it began."""
    with ledger.transaction() as transaction:
        ledger.save(1, "x")
        with pytest.raises(ArtifactNotFoundError):
            transaction.tag("x", ["t"])


def test_a_handle_or_id_means_its_version_whenever_that_was_published(ledger: Ledger) -> None:
    """Also where somebody published the version after the transaction began."""
    with ledger.transaction() as transaction:
        saved = ledger.save(1, "x")
        transaction.tag(saved, ["handle"])
        transaction.tag(saved.id, ["id"])
        transaction.log_metadata({"n": 1}, str(saved.id))
    assert (("handle", "id"), 1) == (ledger.get("x").tags, ledger.get("x").metadata["n"])


def test_data_is_registered_with_the_rest(ledger: Ledger) -> None:
    """Registered data joins a transaction like saved values."""
    folder = store_of(ledger) / "raw"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    with ledger.transaction() as transaction:
        transaction.register(folder, "raw")
        transaction.save(1, "x")
    assert (folder, 1) == (ledger.load("raw"), ledger.load("x"))


def test_metadata_of_a_pending_version_merges_as_values(ledger: Ledger) -> None:
    """A value that records hold in an encoding of their own merges in a transaction as the value that it is."""
    with ledger.transaction() as transaction:
        pending = transaction.save(1, "one", run_metadata={"a": float("nan"), "b": 10**30})
        transaction.log_metadata({"a": {"x": 1}, "b": {"y": 2}}, pending)
    assert {"a": {"x": 1}, "b": {"y": 2}} == {key: ledger.get("one").metadata[key] for key in "ab"}


@pytest.mark.parametrize("group", [False, True], ids=["alone", "in-a-group"])
def test_logging_a_value_looks_at_no_other(ledger: Ledger, *, group: bool) -> None:
    """However much was logged on a version of the transaction before, one more value costs as many steps."""

    def steps_of(transaction: Transaction, pending: PendingVersion, key: str) -> int:
        steps = 0

        def count(*_: object) -> None:
            nonlocal steps
            steps += 1

        values = {"metrics": {key: 1}} if group else {key: 1}
        sys.setprofile(count)
        try:
            transaction.log_metadata(values, pending)
        finally:
            sys.setprofile(None)
        return steps

    with ledger.transaction() as transaction:
        pending = transaction.save(1, "one")
        steps = [steps_of(transaction, pending, f"key {number}") for number in range(50)]
    assert steps[2] == steps[-1]


def test_threads_may_share_a_transaction(ledger: Ledger, fast_switches: None) -> None:
    """What each of them saves, tags and logs, also on one version, is published, and one version is made once."""
    refused: list[VersionExistsError] = []
    with ledger.transaction() as transaction:
        shared = transaction.save(0, "shared")

        def work(number: int) -> None:
            for count in range(25):
                transaction.tag(shared, [f"{number}.{count}"])
                transaction.log_metadata({f"{number}.{count}": count}, shared)
            transaction.tag(transaction.save(number, "own"), [str(number)])
            try:
                transaction.save(number, "shared", "once")
            except VersionExistsError as error:
                refused.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    keys = {f"{number}.{count}" for number in range(8) for count in range(25)}
    found = ledger.get("shared", 1)
    assert (keys, keys) == (keys & found.metadata.keys(), set(found.tags))
    assert {(str(number),) for number in range(8)} == {version.tags for version in ledger.versions("own")}
    assert (7, ["1", "once"]) == (len(refused), [version.version for version in ledger.versions("shared")])


def test_a_transaction_is_given_to_no_other_process(ledger: Ledger) -> None:
    """Pickling one, as pools of processes do, says what to give them instead."""
    with (
        ledger.transaction() as transaction,
        pytest.raises(ArgumentTypeError, match="belongs to its process") as caught,
    ):
        pickle.dumps(transaction)
    assert caught.value.hint == "give the ledger to the workers, or have them return what is to be saved"


def test_a_fork_publishes_nothing_of_its_parents(ledger: Ledger) -> None:
    """A fork made in the block can neither commit nor add: the parent publishes it all, and each id once."""
    ledger.save("a", "stored")  # so that no file waits for which the two would have to quarrel
    with ledger.transaction() as transaction:
        transaction.save("a", "x")
        for act in (transaction.commit, lambda: transaction.save("b", "y"), lambda: transaction.tag("stored", ["t"])):
            with pytest.raises(AssertionError, match=f"is that of process {os.getpid()}, of which [0-9]+ is a fork"):
                in_a_fork(act)
    assert (["stored", "x"], ()) == (sorted(found.name for found in ledger.artifacts()), ledger.get("stored").tags)
    assert ledger.verify().ok


def test_a_block_that_failed_keeps_gc_away_no_longer(ledger: Ledger) -> None:
    """Also where another thread of it was waiting for gc at that moment, and somebody still has the transaction."""
    store = ledger.store
    assert isinstance(store, LocalStore)
    transaction = ledger.transaction()

    def save() -> None:
        with pytest.raises(ArgumentError, match="is over"):
            transaction.save(1, "x")

    saving = threading.Thread(target=save)

    def fail() -> None:
        with transaction:
            saving.start()
            saving.join(0.2)
            raise KeyError

    with alone_with(store, timeout=10), pytest.raises(KeyError):
        fail()
    saving.join()
    with alone_with(store, timeout=0):
        assert () == transaction.versions


def test_what_a_thread_saves_too_late_is_refused(ledger: Ledger) -> None:
    """A save that is under way in another thread when the transaction is published says that it is in no version."""
    begun, over = threading.Event(), threading.Event()

    class Slow(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, data: object) -> None:
            begun.set()
            over.wait(20)
            with self.open("value", "w") as file:
                file.write(str(data))

    refused: list[ArgumentError] = []

    def work() -> None:
        try:
            transaction.save(1, "late", materializer=Slow)
        except ArgumentError as error:
            refused.append(error)

    with ledger.transaction() as transaction:
        transaction.save("a", "early")
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait(20)
    over.set()
    thread.join()
    assert ["early"] == [found.name for found in ledger.artifacts()]
    assert ["is over, nothing can be added to it"] == [str(error)[-35:] for error in refused]


def test_a_transaction_that_is_forgotten_says_so(ledger: Ledger) -> None:
    """What was saved outside of a `with` block and never committed is lost with a warning, not in silence."""
    forgotten = ledger.transaction()
    forgotten.save(1, "a")
    with pytest.warns(UserWarning, match="a transaction with a was never committed: use it in a `with` block"):
        del forgotten
    assert [] == list(ledger.artifacts())
    for _ in range(2):  # none of these has anything to say
        ledger.transaction()
    with pytest.raises(ZeroDivisionError), ledger.transaction() as ended:
        ended.save(1 // 0, "a")


@pytest.mark.parametrize("publisher", ["the save itself", "the holder of the lock"])
def test_what_was_published_and_cannot_be_read_is_told_as_that(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, publisher: str
) -> None:
    """No descriptor is left for it: whoever tried again, as the error of a full system says, would save it twice."""
    take, publish = Turns.take, History.publish

    def fail(*_: object) -> None:
        raise StorageError("cannot read: Too many open files", hint="try again")

    def take_late(turns: Turns, publication: Any) -> Any:
        monkeypatch.setattr(Turns, "take", take)
        History.publish(ledger.workspace.history, publication.drafts, author="a <a@b>", now=ledger.now())
        monkeypatch.setattr(History, "snapshot", fail)
        return ledger.workspace.history.tip()

    def publish_late(history: History, *arguments: Any, **facts: Any) -> Any:
        published = publish(history, *arguments, **facts)
        monkeypatch.setattr(History, "snapshot", fail)
        return published

    monkeypatch.setattr(
        *((Turns, "take", take_late) if publisher == "the holder of the lock" else (History, "publish", publish_late))
    )
    with pytest.raises(StorageError) as caught:
        ledger.save(1, "x")
    assert "published all the same" in caught.value.hint
    monkeypatch.undo()
    assert 1 == Ledger.open(ledger.path).load("x")


@pytest.mark.parametrize("replaced", [".", "store"])
def test_a_store_that_was_replaced_meanwhile_has_nothing_of_a_transaction(ledger: Ledger, replaced: str) -> None:
    """What was saved before a backup took its place is not there: nothing names it, and the next save just works."""
    place = Path(ledger.path, replaced)
    backup = Path(shutil.copytree(place, ledger.path.parent / "backup"))
    transaction = ledger.transaction()
    transaction.save(LARGE, "weights")
    place.rename(ledger.path.parent / "old")
    backup.rename(place)
    with pytest.raises(StorageError, match="was replaced"):
        transaction.commit()
    assert "1" == ledger.save(LARGE, "weights").version
    assert Ledger.open(ledger.path).verify().ok


def test_a_history_that_is_replaced_while_a_save_publishes_stays_whole(ledger: Ledger) -> None:
    """Its branch never names a commit that only the one before it holds."""
    ledger.save(1, "x")
    backup = Path(shutil.copytree(ledger.path, ledger.path.parent / "backup"))

    def replace(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith("main.lock") and backup.exists():
            ledger.path.rename(ledger.path.parent / "old")
            backup.rename(ledger.path)

    def save() -> None:
        sys.addaudithook(replace)
        with pytest.raises(StorageError, match="was replaced"):
            Ledger.open(ledger.path).tag("x", ["late"])

    in_a_fork(save)
    assert not backup.exists()
    assert Ledger.open(ledger.path).verify().ok
    Ledger.open(ledger.path).tag("x", ["late"])


def test_a_store_that_is_replaced_while_a_save_publishes_is_told(ledger: Ledger) -> None:
    """The version may be published by then, and its bytes lie in the store before: nobody is told that all is well."""
    store = store_of(ledger)
    backup = Path(shutil.copytree(store, ledger.path.parent / "backup"))

    def replace(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith("main.lock") and backup.exists():
            store.rename(ledger.path.parent / "old")
            backup.rename(store)

    def save() -> str:
        sys.addaudithook(replace)
        with pytest.raises(StorageError, match="was replaced") as caught:
            Ledger.open(ledger.path).save(1, "x")
        return caught.value.hint

    assert "it is published all the same" in in_a_fork(save)
