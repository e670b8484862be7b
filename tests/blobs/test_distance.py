"""A distant store is asked for several things at once."""

import io
import threading
from collections.abc import Sequence

import pytest

from ledger.blobs import (
    ContentReader,
    ContentWriter,
    Copied,
    Copier,
    GatheredPuts,
    absent,
    are_present,
    check_objects,
    look_into,
    needs_of,
)
from ledger.blobs.chunks.recent_indexes import RecentIndexes
from ledger.blobs.chunks.tables import load_runs
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.errors import IntegrityError
from ledger.ids import new_uuid
from tests.kit.contents import copy_content, load, noise, save
from tests.kit.stores import CountingStore

MIB = 1 << 20


class _Appointment:
    """Lets the first callers go on only once there are so many of them."""

    def __init__(self, count: int) -> None:
        self._arrivals = iter(range(count))
        self._barrier = threading.Barrier(count)

    def keep(self) -> None:
        if next(self._arrivals, None) is not None:
            self._barrier.wait(10)


class Meeting:
    """A store in which a call on a pack, or on what ``meeting`` says, waits until others are under way as well."""

    puts_at_once = 2
    gets_at_once = 4

    def __init__(
        self,
        *,
        puts: int = 1,
        gets: int = 1,
        looks: int = 1,
        chunk_gets: int = 1,
        meeting: str = "packs/",
    ) -> None:
        self._meeting = meeting
        self._store = FsspecStore(f"memory://{new_uuid(0)}")
        self._puts = _Appointment(puts)
        self._gets = _Appointment(gets)
        self._chunk_gets = _Appointment(chunk_gets)
        self._looks = _Appointment(looks)
        self._tails = _Appointment(1)

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if key.startswith("packs/"):
            (self._tails if start < 0 else self._gets).keep()
        if key.startswith("chunks/"):
            self._chunk_gets.keep()
        return self._store.get(key, start, length)

    def has(self, key: str) -> bool:
        self._looks.keep()
        return self._store.has(key)

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        if key.startswith(self._meeting):
            self._puts.keep()
        self._store.put(key, parts)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs and requests of a MiB, so that few bytes are many of them."""
    monkeypatch.setattr("ledger.blobs.chunks.packs.PACK_LIMIT", MIB)
    monkeypatch.setattr("ledger.blobs.chunks.stream.FETCH_SIZE", MIB)


def test_packs_are_put_two_at_a_time() -> None:
    """An upload begins while another is under way."""
    store = Meeting(puts=2)
    content = save(store, {"a": noise(4 * MIB - 100_000)})
    assert {"a": noise(4 * MIB - 100_000)} == load(store, content)


def test_parts_are_fetched_four_at_a_time() -> None:
    """Downloads run ahead of the reader."""
    store = Meeting(gets=4)
    content = save(store, {"a": noise(4 * MIB - 100_000)})
    assert {"a": noise(4 * MIB - 100_000)} == load(store, content)


def test_what_lies_before_a_part_is_looked_up_eight_packs_at_a_time() -> None:
    """To read the end of a large content the indexes of the packs before it are asked for together."""
    store = Meeting()
    data = noise(17 * MIB)
    content = save(store, {"a": data})
    store._tails = _Appointment(8)
    with ContentReader(store, content, label="iris@3").open("a") as file:
        file.seek(-5, io.SEEK_END)
        assert data[-5:] == file.read()


def test_a_pack_that_may_not_be_needed_fails_nobody() -> None:
    """An index that is asked for ahead and is missing is an error for whoever needs it, and for nobody else."""
    store = Meeting()
    content = save(store, {"a": noise(2 * MIB)})
    pack, missing = load_runs(store, content, label="iris@3")[0][0], 64 * "0"
    indexes = RecentIndexes(store, label="iris@3")
    assert pack == indexes.get(pack, next_packs=[missing]).pack
    with pytest.raises(IntegrityError, match=missing[2:]):
        indexes.get(missing)


def test_packs_are_copied_two_at_a_time() -> None:
    """A sync to a distant store uploads several packs at once."""
    source, target = Meeting(), Meeting(puts=2)
    content = save(source, {"a": noise(4 * MIB - 100_000)})
    copy_content(source, target, content, label="iris@1")
    assert {"a": noise(4 * MIB - 100_000)} == load(target, content)


def test_what_a_similar_content_lies_in_is_looked_for_many_at_a_time() -> None:
    """Before a large content is stored again in part, sixteen packs of the old one are asked for at once."""
    store = Meeting()
    old = save(store, {"a": noise(17 * MIB)})
    store._looks = _Appointment(16)
    new = save(store, {"a": noise(17 * MIB), "b": b"more"}, similar=[old])
    assert {"a": noise(17 * MIB), "b": b"more"} == load(store, new)


def test_small_contents_are_copied_many_at_a_time() -> None:
    """A sync of many small versions waits for the answers of a distant store together; large ones keep their places."""
    source, target = Meeting(), Meeting(puts=16, meeting="chunks/")
    held = [{"a": noise(size)} for size in [*range(100, 116), 2 * MIB, 200]]
    contents = [save(source, files) for files in held]
    refused: list[Exception] = []
    copied = (Copied(source, content, f"iris@{content.size}") for content in contents)
    Copier(target).copy_all(copied, refused=refused.append)
    assert (held, []) == ([load(target, content) for content in contents], refused)


def test_small_contents_are_put_many_at_a_time() -> None:
    """Contents that are published together wait for the answers of a distant store together."""
    store = Meeting(puts=16, meeting="chunks/")
    gathered = GatheredPuts(store)
    contents = []
    for size in range(100, 116):
        writer = ContentWriter(store, gathered=gathered)
        with writer.open("a") as file:
            file.write(noise(size))
        contents.append(writer.finish())
    assert not any(store.has(key) for content in contents for key in needs_of(store, content).stretches)
    gathered.finish()
    assert [{"a": noise(size)} for size in range(100, 116)] == [load(store, content) for content in contents]


def test_a_content_whose_table_waits_is_not_put_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same value under two names of a transaction goes into a distant store once."""
    put: list[str] = []
    plain = Meeting.put

    def noting(store: Meeting, key: str, parts: Sequence[bytes]) -> None:
        put.append(key)
        plain(store, key, parts)

    monkeypatch.setattr(Meeting, "put", noting)
    store = Meeting()
    gathered = GatheredPuts(store)
    for _ in range(2):
        writer = ContentWriter(store, gathered=gathered)
        with writer.open("a") as file:
            file.write(noise(600_000))
        content = writer.finish()
    gathered.finish()
    assert ["packs", "tables"] == [key.partition("/")[0] for key in put]
    assert {"a": noise(600_000)} == load(store, content)


def test_small_objects_are_checked_many_at_a_time_beside_packs() -> None:
    """One large version does not make the check of many small ones slow."""
    store = Meeting(chunk_gets=16)
    contents = [save(store, {"a": noise(size)}) for size in [2 * MIB, *range(100, 116)]]
    keys = [key for content in contents for key in needs_of(store, content).stretches]
    assert [] == [done.fault for done in check_objects(store, dict.fromkeys(keys)) if done.fault]


def test_the_indexes_of_many_packs_are_asked_for_at_a_time() -> None:
    """A check of small packs does not wait for one index after another."""
    store = Meeting()
    contents = [save(store, {"a": noise(MIB), str(number): noise(number)}) for number in range(1, 17)]
    packs = {key for content in contents for key in needs_of(store, content).stretches if key.startswith("packs/")}
    store._tails = _Appointment(16)
    assert (16, []) == (len(packs), [done.fault for done in check_objects(store, packs) if done.fault])


def test_a_table_is_read_once() -> None:
    """A check needs one table for what it names and for whether that is so."""
    store = CountingStore(FsspecStore(f"memory://{new_uuid(0)}"))
    content = save(store, {"a": noise(MIB)})
    store.gets.clear()
    needs, fault = look_into(store, content, deep=True)
    assert (None, None, [*needs.stretches]) == (needs.fault, fault, store.gets)  # its table, and its pack for the index


def test_many_objects_are_looked_for_at_a_time() -> None:
    """A check of what lies in a distant store does not wait for one answer after another."""
    store = Meeting(looks=16)
    store.put("chunks/3", [b"x"])
    keys = [f"chunks/{number}" for number in range(40)]
    assert [key for key in keys if key != "chunks/3"] == [fault.key for fault in absent(store, keys)]


def test_many_contents_are_looked_for_at_a_time() -> None:
    """A sync that fills a remote's new store finds out what there is to put without waiting for each answer."""
    store = Meeting(looks=16)
    contents = [save(Meeting() if size == 107 else store, {"a": noise(size)}) for size in range(100, 120)]
    assert [size != 107 for size in range(100, 120)] == list(are_present(store, contents))
