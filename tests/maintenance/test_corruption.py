"""Damage to any file of a ledger is found, or harms nobody."""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.maintenance.corruption import HARMLESS, KINDS, Sound, damage_all, main

LONG = [pytest.mark.slow, pytest.mark.timeout(7200)]


class Choosing(random.Random):
    """A chance that falls on this file."""

    def __init__(self, path: Path) -> None:
        super().__init__(0)
        self._path = path

    def choice(self, seq: Any) -> Any:
        """The file, whatever else there is."""
        return self._path if self._path in seq else super().choice(seq)


@pytest.mark.parametrize("count", [20, pytest.param(10_000, marks=LONG)])
def test_damage_is_found(sound: Sound, count: int) -> None:
    """``verify`` finds it or nothing depends on the file; no load gives a wrong value; the others load."""
    done = list(damage_all(sound, count, seed=count))
    assert [] == [damage for damage in done if damage.failures]
    assert set(KINDS) == {damage.kind for damage in done if damage.found}


def test_each_file_at_the_top_may_be_lost(sound: Sound) -> None:
    """What lies in no folder of the ledger or the history is missed by ``verify``, or is known to be harmless."""
    tops = (sound.ledger_dir, sound.ledger_dir / "history.git")
    files = [path for path in sound.files if path.parent in tops]
    assert {"fold.lock", "ledger-keep", "HEAD"} <= {path.name for path in files}
    done = [sound.damage(KINDS.index("delete"), Choosing(path)) for path in files]
    assert [] == [damage for damage in done if damage.failures]


def test_what_is_harmless_is_in_the_specification() -> None:
    """specs/maintenance.md gives the same reasons for the same files."""
    spec = (Path(__file__).parents[2] / "specs" / "maintenance.md").read_text(encoding="utf-8")
    assert [] == [path for path, why in HARMLESS.items() if f"| `{path}` | {why} |\n" not in spec]


def test_the_program_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The program prints a row for each kind of damage, and exits with 0 if none failed."""
    assert 0 == main(["--count", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert ["damage", *KINDS, "all", "0"] == [line.split()[0] for line in lines]
