"""Many writers at once: no version is lost, none is doubled, nobody waits for ever."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger import Ledger
from tests.kit.forking import ended, forks
from tests.kit.ledgers import git


def save_ten(process: int, path: Path, said: Path) -> None:
    """Save ten versions to a name that all share, and ten to an own one; write down which the shared ones are."""
    ledger = Ledger.open(path)
    with (said / str(process)).open("w") as file:
        for number in range(10):
            version = ledger.save([process, number], "shared", tags=[str(process)])
            ledger.save(number, f"own-{process}", run_metadata={"shared": version.version})
            assert version.load() == [process, number]
            print(version.version, file=file)


def test_processes_that_save_at_once_number_without_gaps(ledger: Ledger, tmp_path: Path) -> None:
    """Four processes with ten saves each on one name give exactly 1 to 40, every value under its number."""
    (said := tmp_path / "said").mkdir()
    with forks(4, save_ten, ledger.path, said) as processes:
        assert [0] * 4 == ended(processes)
    printed = [[int(line) for line in (said / str(number)).read_text().split()] for number in range(4)]
    assert list(range(1, 41)) == sorted(number for numbers in printed for number in numbers)
    assert all(numbers == sorted(numbers) for numbers in printed)
    assert list(range(1, 41)) == [version.number for version in ledger.versions("shared")]
    assert dict.fromkeys(range(4), 10) == Counter(version.load()[0] for version in ledger.versions("shared"))
    assert "81" == git(ledger, "rev-list", "--count", "main")
    assert ledger.verify().ok


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    """Eight threads save, load, tag and search through one object; nothing is lost."""

    def work(thread: int) -> None:
        for number in range(4):
            version = ledger.save([thread, number], "shared")
            ledger.tag(version, [f"t{thread}"])
            ledger.log_metadata({"thread": thread}, version)
            assert [thread, number] == ledger.get(version.id).load()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, thread) for thread in range(8)]:
            done.result()
    assert list(range(1, 33)) == [version.number for version in ledger.versions("shared")]
    assert [4] * 8 == [len(ledger.search(tag=f"t{thread}", run_metadata={"thread": thread})) for thread in range(8)]
    assert ledger.verify().ok


def test_one_of_many_gets_a_custom_version(ledger: Ledger) -> None:
    """Of eight threads that save the same custom version, one does; the others get `VersionExistsError`."""
    from ledger.errors import VersionExistsError

    def work(thread: int) -> bool:
        try:
            ledger.save(thread, "x", "cat")
        except VersionExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(work, range(8)))
    assert 1 == sum(won)
    assert won.index(True) == ledger.load("x", "cat")


def test_a_reader_sees_one_commit(ledger: Ledger) -> None:
    """While versions of two names are published together, a list never shows one without the other."""
    ledger.save(0, "left")
    ledger.save(0, "right")

    def write() -> None:
        for number in range(10):
            with ledger.transaction() as transaction:
                transaction.save(number, "left")
                transaction.save(number, "right")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        counts = []
        while not writing.done():
            found = ledger.at("HEAD").search()
            counts.append(Counter(version.name for version in found))
        writing.result()
    assert all(count["left"] == count["right"] for count in counts)
