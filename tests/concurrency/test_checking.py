"""A check beside writers finds nothing wrong: what is being written, folded or removed is no damage."""

import contextlib
import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.history.git.soundness import check_pack
from ledger.maintenance import execute_gc, plan_gc
from tests.kit.forking import ended, forks
from tests.kit.ledgers import git, waste


def save_and_waste(_: int, path: Path, saves: int) -> None:
    """Save small and large values, and put some into the store that are never published."""
    ledger = Ledger.open(path)
    for number in range(saves):
        ledger.save({"number": number}, "numbers")
        ledger.save(bytes([number % 256]) * 300_000 + os.fsencode(path), "bytes")
        waste(ledger, f"never published {number}")


@pytest.mark.parametrize("saves", [20, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_a_check_beside_writers_finds_nothing(ledger: Ledger, saves: int) -> None:
    """Two processes save, folding packs as they go, while checks, gc and Git's own repacking run: no problem at all."""
    checks = 0
    with forks(2, save_and_waste, ledger.path, saves) as writers:
        while any(writer.is_alive() for writer in writers):
            fresh = Ledger.open(ledger.path)
            assert () == fresh.verify().problems
            checks += 1
            if checks % 3 == 1:
                execute_gc(fresh, plan_gc(fresh))
            elif checks % 3 == 2:
                git(fresh, "repack", "-d", "-q")
        assert [0, 0] == ended(writers)
    assert checks
    report = Ledger.open(ledger.path).verify()
    assert (4 * saves, ()) == (report.versions, report.problems)


_on_open: list[Callable[[str], None]] = []


@functools.cache
def listen_to_opens() -> None:
    """Call who is in `_on_open` before any file is opened; for good, as Python forgets no such hook."""
    sys.addaudithook(lambda event, told: [act(str(told[0])) for act in _on_open] if event == "open" else None)


@contextlib.contextmanager
def before_each_open(act: Callable[[str], None]) -> Iterator[None]:
    """A block in which something is done before this process opens a file."""
    listen_to_opens()
    _on_open.append(act)
    try:
        yield
    finally:
        _on_open.remove(act)


def test_a_pack_may_go_while_it_is_checked(ledger: Ledger, tmp_path: Path) -> None:
    """Whichever of its files the check opens next: a pack that goes, its index first, is no damage."""
    ledger.save("one", "iris")
    packs = ledger.git_dir / "objects" / "pack"
    stem = next(packs.glob("*.pack")).stem
    for count in range(100):
        base = shutil.copytree(packs, tmp_path / str(count)) / stem
        opened: list[str] = []

        def remove(path: str, base: Path = base, opened: list[str] = opened, count: int = count) -> None:
            if path.startswith(str(base)):
                opened.append(path)
                if len(opened) == count:
                    Path(f"{base}.idx").unlink()
                    Path(f"{base}.pack").unlink()

        with before_each_open(remove):
            assert [] == list(check_pack(base, stem))
        if len(opened) < count:
            break
    assert 5 < count < 100
