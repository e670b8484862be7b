"""Files that are read here and there, and how many of them stay open."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.disk import durability
from ledger.enums import Durability
from ledger.history import History
from ledger.history.git import open_files
from ledger.history.git.open_files import MOST_OPEN, FileBytes, OpenFile, OpenLimit
from ledger.history.git.packfile import PackFile
from tests.kit.descriptors import open_descriptors
from tests.kit.histories import draft, git, new_history, packs_of, publish, start, unlocked, versions_of

MANY = 120
LIMIT = 48
CONTENT = bytes(range(256)) * 64

IN_LITTLE = """
import resource, sys
from pathlib import Path
from ledger.history import History
from ledger.history.upkeep import execute_packing, plan_packing
from ledger.records import check_name
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), hard))
history = History.open(Path(sys.argv[1]))
snapshot = history.snapshot()
print(len([snapshot.manifest(claim) for claim in snapshot.claims(check_name("iris"))]))
print(len(history.objects.ids_with_prefix("ab")))
print(execute_packing(history, plan_packing(history), lambda _: None).packs_after)
print(len([snapshot.manifest(claim) for claim in snapshot.claims(check_name("iris"))]))
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file."""
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(CONTENT)
    return path


@given(st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 9000)), min_size=1, max_size=5))
def test_a_file_is_read_as_its_bytes_are_sliced(path: Path, places: list[tuple[int, int]]) -> None:
    """Wherever and however much is read, one after the other, it is what stands there, up to the file's end."""
    content, file = FileBytes(str(path)), OpenFile(str(path))
    for at, length in places:
        assert CONTENT[at : at + length] == content[at : at + length] == file.read(at, length)
    assert CONTENT[places[0][0] :] == content[places[0][0] :]


def test_a_file_is_closed_when_nobody_holds_it(path: Path) -> None:
    """Its descriptor is free again."""
    before = open_descriptors()
    file = OpenFile(str(path))
    assert 1 == (open_descriptors() - before).total()
    del file
    assert {} == open_descriptors() - before


@pytest.fixture(scope="module")
def scattered(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A history of many packs, as writers without the lock leave it."""
    history = unlocked(new_history(tmp_path_factory.mktemp("scattered")))
    with durability(Durability.RELAXED):
        for number in range(MANY):
            publish(history, draft("iris", f"word-{number}" if number % 7 else None), seconds=number)
    assert len(packs_of(history)) > MANY
    return history


def test_who_opened_a_file_longest_ago_lets_go_of_it(scattered: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many packs are read, no more files are open than the limit says; all can be read again."""
    monkeypatch.setattr(open_files, "PROCESS", OpenLimit(10))
    packs = [PackFile(str(path.with_suffix(""))) for path in packs_of(scattered)]
    before = len(os.listdir("/dev/fd"))
    for _ in range(2):
        for pack in packs:
            assert all(pack.read(name) is not None for name in pack.names())
            assert len(os.listdir("/dev/fd")) <= before + 10


def test_who_opens_more_files_keeps_those_it_has_in_the_count(
    scattered: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packs that are read one after another, then mapped, keep no more files open than the limit says."""
    monkeypatch.setattr(open_files, "PROCESS", OpenLimit(10))
    packs = [PackFile(str(path.with_suffix(""))) for path in packs_of(scattered)[:10]]
    before = len(os.listdir("/dev/fd"))
    for pack in packs:
        pack.read(next(pack.names()))
    for pack in packs:
        pack.content()
    assert len(os.listdir("/dev/fd")) <= before + 10


def test_ledgers_that_were_dropped_keep_few_files_open(scattered: History) -> None:
    """Who opens a ledger again and again runs out of nothing, though the dropped ones are collected later."""
    before = len(os.listdir("/dev/fd"))
    gc.disable()
    try:
        for _ in range(20):
            assert MANY == len(versions_of(History.open(scattered.git_dir.parent)))
        assert len(os.listdir("/dev/fd")) <= before + MOST_OPEN
    finally:
        gc.enable()


def test_many_packs_need_few_descriptors(scattered: History) -> None:
    """Where a process may open fewer files than there are packs, it reads every version, and packs the history."""
    program = start(IN_LITTLE, scattered.git_dir.parent, LIMIT)
    read, found, packs, again = map(int, program.communicate()[0].split())
    assert (MANY, 1, MANY) == (read, packs, again)
    assert found == len(scattered.objects.ids_with_prefix("ab"))
    assert MANY == len(versions_of(History.open(scattered.git_dir.parent)))
    assert git(scattered, "fsck", "--full", "--strict") == ""
