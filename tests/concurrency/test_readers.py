"""Readers beside writers whose saves fold packs: never a version that is missing or half there."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from ledger import Ledger
from tests.concurrency.writer import NAME, ROOT, begin_all, finish

READ = """
import sys
from ledger import Ledger
path, name, total = sys.argv[1], sys.argv[2], int(sys.argv[3])
kept = Ledger.open(path)
looks, most = 0, 0
while most < total:
    for ledger in (kept, Ledger.open(path)):
        versions = ledger.versions(name)
        assert [each.position for each in versions] == list(range(1, len(versions) + 1))
        assert len(versions) >= most, f"{len(versions)} after {most}"
        most = len(versions)
        for each in (versions[0], versions[-1], versions[len(versions) // 2]):
            assert each.load()["text"] == "x" * 200
        looks += 1
print(looks)
"""
"""Look until all versions are there, through a ledger that stays open and through a new one each time."""


@pytest.mark.parametrize("saves", [40, pytest.param(800, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_readers_see_whole_versions_only(
    ledger: Ledger, start: Callable[..., "subprocess.Popen[str]"], saves: int
) -> None:
    """While saves fold packs, a reader sees a dense and growing row of versions, each with its bytes, and no error."""
    ledger.save({"number": -1, "text": "x" * 200}, NAME)
    writers = [start(saves) for _ in range(2)]
    command = [sys.executable, "-W", "error", "-c", READ, str(ledger.path), NAME, str(2 * saves + 1)]
    pipe = subprocess.PIPE
    readers = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) for _ in range(2)]
    begin_all(writers)
    acknowledged = [saved for writer in writers for saved in finish(writer)]
    looks = [reader.communicate() for reader in readers]
    assert ["", ""] == [errors for _, errors in looks]
    print(f"\n{sum(int(seen) for seen, _ in looks)} looks beside {len(acknowledged)} saves, 0 errors")
    assert 2 * saves == len(acknowledged)
