"""A large ledger is built as a small one is: what an operation reads does not grow with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.history.git.forms import ObjectId
from ledger.history.git.objects import Objects
from tests.benchmarks.growth import HOT, build, hot_versions
from tests.kit.ledgers import git

LONG = [pytest.mark.slow, pytest.mark.timeout(1200)]


def reads_of(ledger: Ledger, act: Callable[[Ledger], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many objects an operation reads from the disk in a ledger that has just been opened."""
    read: list[ObjectId] = []
    really = Objects.read

    def count(self: Objects, id: ObjectId, named_by: ObjectId | None = None) -> tuple[int, bytes]:
        read.append(id)
        return really(self, id, named_by)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "read", count)
        act(Ledger.open(ledger.path))
    return len(read)


@pytest.mark.parametrize("versions", [1_000, pytest.param(10_000, marks=LONG)])
def test_what_an_operation_reads_does_not_grow(tmp_path: Path, versions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves and look-ups read as many objects among thousands of versions as among a hundred, from few packs."""
    large, small = (build(tmp_path / str(count) / ".ledger", count, say=lambda _: None) for count in (versions, 100))
    operations: list[Callable[[Ledger], object]] = [
        lambda ledger: ledger.save({"number": 1}, HOT),
        lambda ledger: ledger.load(HOT),
        lambda ledger: ledger.load("name-3"),
        lambda ledger: ledger.load(HOT, 7),
        lambda ledger: ledger.load(HOT, "rc-5"),
        lambda ledger: [each.created_at for each in ledger.search(name=HOT, limit=5)],
    ]
    reads = [tuple(reads_of(ledger, act, monkeypatch) for ledger in (large, small)) for act in operations]
    assert all(in_large <= in_small + 1 for in_large, in_small in reads), reads
    assert max(max(pair) for pair in reads) <= 30
    packs = list((large.git_dir / "objects" / "pack").iterdir())
    assert len(packs) / 2 <= 40
    assert sum(path.stat().st_size for path in packs) / versions <= 1500
    assert hot_versions(versions) + 1 == large.get(HOT).position


def test_the_past_of_a_transaction_is_whole(tmp_path: Path) -> None:
    """Versions that are published in one commit have their numbers and words in the order in which they were saved."""
    ledger = build(tmp_path / ".ledger", 1_000, say=lambda _: None)
    assert "2" == git(ledger, "rev-list", "--count", "main"), "the first commit, and the transaction's"
    versions = ledger.versions(HOT)
    assert [*range(1, len(versions) + 1)] == [each.position for each in versions]
    assert [f"rc-{number}" for number in range(5, len(versions) + 1, 10)] == [
        each.version for each in versions if each.number is None
    ]
