"""Damage to any file of a ledger is found, or harms nobody."""

from pathlib import Path

import pytest

from tests.maintenance.corruption import HARMLESS, KINDS, damage_all, main

LONG = [pytest.mark.slow, pytest.mark.timeout(7200)]


@pytest.mark.parametrize("count", [20, pytest.param(10_000, marks=LONG)])
def test_damage_is_found(tmp_path: Path, count: int) -> None:
    """``verify`` finds it or nothing depends on the file; no load gives a wrong value; the others load."""
    done = list(damage_all(tmp_path, count, seed=count))
    assert [] == [damage for damage in done if damage.failures]
    assert set(KINDS) == {damage.kind for damage in done if damage.found}


def test_what_is_harmless_is_in_the_specification() -> None:
    """specs/maintenance.md gives the same reasons for the same files."""
    spec = (Path(__file__).parents[2] / "specs" / "maintenance.md").read_text()
    assert [] == [path for path, why in HARMLESS.items() if f"| `{path}` | {why} |\n" not in spec]


def test_the_program_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The program prints a row for each kind of damage, and exits with 0 if none failed."""
    assert 0 == main(["--count", "6"])
    lines = capsys.readouterr().out.splitlines()
    assert ["damage", *KINDS, "all", "0"] == [line.split()[0] for line in lines]
