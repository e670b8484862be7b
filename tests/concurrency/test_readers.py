"""Readers beside writers whose saves fold packs: never a version that is missing or half there."""

from collections.abc import Callable

import pytest

from ledger import Ledger
from tests.concurrency.writer import NAME, Writer, begin_all
from tests.kit.forking import ended, forks


def look(_: int, kept: Ledger, total: int) -> None:
    """Look until all versions are there, through a ledger that stays open and through a new one each time."""
    most = 0
    while most < total:
        for ledger in (kept, Ledger.open(kept.path)):
            versions = ledger.versions(NAME)
            assert [each.position for each in versions] == list(range(1, len(versions) + 1))
            assert len(versions) >= most, f"{len(versions)} after {most}"
            most = len(versions)
            for each in (versions[0], versions[-1], versions[len(versions) // 2]):
                assert "x" * 200 == each.load()["text"]


@pytest.mark.parametrize("saves", [40, pytest.param(800, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_readers_see_whole_versions_only(ledger: Ledger, start: Callable[..., Writer], saves: int) -> None:
    """While saves fold packs, a reader sees a dense and growing row of versions, each with its bytes, and no error."""
    ledger.save({"number": -1, "text": "x" * 200}, NAME)
    writers = [start(saves) for _ in range(2)]
    with forks(2, look, Ledger.open(ledger.path), 2 * saves + 1) as readers:
        begin_all(writers)
        acknowledged = [saved for writer in writers for saved in writer.finish()]
        assert [0, 0] == ended(readers)
    assert 2 * saves == len(acknowledged)
