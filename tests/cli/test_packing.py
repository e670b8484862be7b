"""Packing the history from the shell."""

import json
from typing import Any

import pytest

from ledger import Ledger, maintenance
from ledger.errors import ReadOnlyError
from tests.cli.conftest import Cli
from tests.kit.ledgers import files_below

SAVES = 5


@pytest.fixture
def saved(iris: dict[str, Any]) -> Ledger:
    """A ledger with some packs."""
    ledger = Ledger.open()
    for number in range(SAVES):
        ledger.save({"number": number}, "numbers")
    return ledger


def test_a_dry_run_shows_the_plan(cli: Cli, saved: Ledger) -> None:
    """``--dry-run`` says what would become of the packs, and touches nothing."""
    before = files_below(saved.git_dir)
    shown = cli("pack", "--dry-run").out.splitlines()
    assert 1 == len(shown)
    assert shown[0].startswith(f"{SAVES + 2} packs of ")
    assert shown[0].endswith(" become one")
    document = json.loads(cli("pack", "--dry-run", "--json").out)
    assert (True, 0, 0, None) == tuple(document[key] for key in ("dry_run", "left", "loose", "done"))
    assert [SAVES + 2] == [group["packs"] for group in document["groups"]]
    assert before == files_below(saved.git_dir)


def test_pack_packs(cli: Cli, saved: Ledger) -> None:
    """``pack`` prints its plan and what came of it; everything is there afterwards, and nothing is left to do."""
    plan, done = cli("pack").out.splitlines()
    assert plan.endswith(" become one")
    assert done.startswith(f"packs: {SAVES + 2} before, 1 now; ")
    assert "checked 6 versions: 0 problems\n" == cli("verify").out
    assert "packs that stay as they are: 1\nnothing to pack\n" == cli("pack").out
    assert json.loads(cli("pack", "--json").out)["done"] is None


def test_pack_as_json(cli: Cli, saved: Ledger) -> None:
    """``pack --json`` is one document: the plan and what was done."""
    document = json.loads(cli("pack", "--json").out)
    assert (SAVES + 2, 1, 0) == tuple(document["done"][key] for key in ("packs_before", "packs_after", "loose"))
    assert document["done"]["bytes_before"] == document["groups"][0]["bytes"]


def test_pack_needs_a_ledger(cli: Cli) -> None:
    """Without a ledger there is nothing to pack: exit code 3."""
    assert cli("pack", code=3).err.startswith("Error: ")


def test_the_past_is_not_packed(saved: Ledger) -> None:
    """A ledger that is open at a revision can only be read."""
    past = saved.at("HEAD~1")
    with pytest.raises(ReadOnlyError, match="open at revision"):
        maintenance.execute_packing(past, maintenance.plan_packing(past))
