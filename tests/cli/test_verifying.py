"""Checking and repairing a ledger from the shell."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.history import BRANCH
from tests.cli.conftest import Cli
from tests.cli.test_care import on_a_terminal
from tests.kit.ledgers import damage, grow_old, objects_of, store_of, waste

# Bytes that no version names are made by transactions that nobody commits.
pytestmark = pytest.mark.filterwarnings("ignore:a transaction with .* was never committed")


def chunk_of(ledger: Ledger) -> Path:
    return objects_of(ledger, "chunks")[0]


@pytest.mark.parametrize(
    "words", [("--sample", "100%"), ("--sample", "1"), ("--for", "1h"), ("--for", "600"), ("--deep",)]
)
def test_a_check_of_everything_is_whole(cli: Cli, iris: dict[str, Any], words: tuple[str, ...]) -> None:
    """However it is asked for, a check that got through says that it is whole."""
    found = json.loads(cli("verify", *words, "--json").out)
    assert (True, True, 1, 1) == (found["ok"], found["whole"], found["versions"], found["objects"])


def test_people_are_told_that_a_check_saw_only_a_part(cli: Cli, iris: dict[str, Any]) -> None:
    """The last line says so, and says nothing of parts after a whole check."""
    assert cli("verify", "--sample", "1%").out.endswith(", a part of all: 0 problems\n")
    assert "checked 1 version: 0 problems\n" == cli("verify").out


def test_samples_find_damage_in_turn(cli: Cli, iris: dict[str, Any]) -> None:
    """A tenth at a time, eleven times: one of them exits with 5, whichever it is."""
    damage(chunk_of(Ledger.open()))
    codes = []
    for _ in range(11):
        try:
            cli("verify", "--sample", "10%", code=5)
            codes.append(5)
        except AssertionError:
            codes.append(0)
    assert {0, 5} == set(codes)


@pytest.mark.parametrize(
    "words",
    [("--sample", "0"), ("--sample", "101%"), ("--sample", "x"), ("--for", "0s"), ("--for", "x"), ("--for", "5d")],
)
def test_a_part_that_is_none_is_bad_usage(cli: Cli, iris: dict[str, Any], words: tuple[str, ...]) -> None:
    """No share above the whole, no time below nothing, no words."""
    assert f"Invalid value for '{words[0]}'" in cli("verify", *words, code=2).err


def test_quick_and_deep_exclude_each_other(cli: Cli, iris: dict[str, Any]) -> None:
    """One check is one or the other."""
    assert "exclude each other" in cli("verify", "--quick", "--deep", code=2).err


def test_a_problem_names_all_that_it_touches(cli: Cli, iris: dict[str, Any]) -> None:
    """One damaged chunk of two versions is one problem, with both and the object's key."""
    cli("save", "data.csv", "--name", "iris")
    chunk = chunk_of(Ledger.open())
    damage(chunk)
    [problem] = json.loads(cli("verify", "--json", code=5).out)["problems"]
    assert ("iris@1", ["iris@1", "iris@2"], "corrupt") == (problem["version"], problem["versions"], problem["kind"])
    assert str(chunk).endswith(f"store/{problem['object']}")


def test_a_table_of_problems_names_all_versions_too(cli: Cli, iris: dict[str, Any]) -> None:
    """Who reads the table takes no damaged version for sound; of many, the first ten and how many more."""
    for _ in range(11):
        cli("save", "data.csv", "--name", "iris")
    damage(chunk_of(Ledger.open()))
    ten = ", ".join(f"iris@{number}" for number in range(1, 11))
    assert f"; it touches {ten} and 2 more versions\n" in cli("verify", code=5).out


def test_a_check_that_found_something_says_what_helps(cli: Cli, iris: dict[str, Any]) -> None:
    """Who sees a problem is told of the command that mends it, and nobody else."""
    told = "\n`ledger repair --from SOURCE` fetches good copies, "
    assert told not in cli("verify").out
    damage(chunk_of(Ledger.open()))
    assert told in cli("verify", code=5).out


def test_a_store_that_lost_its_record_is_put_right_as_a_check_says(cli: Cli, iris: dict[str, Any]) -> None:
    """No repair brings it back, and none is proposed: what is, done literally, leaves nothing wrong."""
    record = store_of(Ledger.open()) / "store.json"
    record.write_text("{")
    shown = cli("verify", code=5).out
    assert (True, False) == ("delete that file, and the next save makes it again\n" in shown, "repair --" in shown)
    record.unlink()
    with pytest.warns(UserWarning, match="is made again"):
        Ledger.open().save(1, "next")
    cli("verify")


def test_advice_is_about_the_ledger_that_was_named(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """A command that a check or a repair proposes, run as it is printed, acts on the ledger that was looked at."""
    named = ("--ledger", ".ledger")
    cli(*named, "clone", ".ledger", "clone/.ledger")
    damage(chunk_of(Ledger.open()))
    assert "\n`ledger --ledger .ledger repair --from SOURCE` fetches" in cli(*named, "verify", code=5).out
    assert ", and `ledger --ledger .ledger remote list` shows" in cli(*named, "repair", "--from", "clone", code=5).out


@pytest.mark.parametrize("words", [["verify"], ["verify", "--quick"], ["repair", "--from", "copy"]])
def test_who_has_changed_registered_data_is_told_what_helps(cli: Cli, iris: dict[str, Any], words: list[str]) -> None:
    """No copy mends it: it is put back or registered again, and a repair is named only for other problems."""
    ledger = Ledger.open()
    shutil.copytree(ledger.path, "copy")
    raw = store_of(ledger) / "raw.csv"
    raw.write_text("a,b\n")
    ledger.register(raw, "raw")
    raw.unlink()
    shown = cli(*words, code=5).out
    assert (True, False) == ("\nregistered data was changed or taken away" in shown, "repair --" in shown)
    chunk_of(ledger).unlink()
    assert "fetches good copies" in cli("verify", code=5).out


@pytest.mark.parametrize("words", [["verify"], ["repair", "--from", "copy"]])
def test_who_has_lost_the_branch_is_told_what_helps(cli: Cli, iris: dict[str, Any], words: list[str]) -> None:
    """A copy does not say which commit was its last here: the command is named whose hint does."""
    ledger = Ledger.open()
    shutil.copytree(ledger.path, "copy")
    branch = ledger.path / "history.git" / BRANCH
    branch.rename("last")
    assert "was at only you can say: `ledger status` tells how" in cli(*words, code=5).out
    assert "brings one back" in cli("status", code=5).err
    Path("last").rename(branch)
    assert "was at only you can say" not in cli(*words).out


def test_what_belongs_to_nobody_is_told(cli: Cli, iris: dict[str, Any]) -> None:
    """An orphan is a line, and no problem."""
    waste(Ledger.open())
    assert "1 object of the store that no version needs\n" in cli("verify").out
    assert 1 == len(json.loads(cli("verify", "--json").out)["orphans"])


@pytest.mark.usefixtures("iris")
def test_a_check_on_a_terminal_ends_well() -> None:
    """With a terminal on stderr the bar gets out of the way of what is said."""
    code, shown = on_a_terminal("verify")
    assert (0, True) == (code, "checked 1 version: 0 problems" in shown)


@pytest.fixture
def copy(cli: Cli, iris: dict[str, Any], workdir: Path) -> str:
    """A whole copy of the ledger, as somebody's backup; then the ledger's chunk is damaged."""
    shutil.copytree(".ledger", workdir / "backup")
    damage(chunk_of(Ledger.open()))
    return "backup"


def test_repair_shows_does_and_checks(cli: Cli, copy: str) -> None:
    """The plan first, then what was kept and what is left; afterwards the version is whole, and nothing is to do."""
    shown = cli("repair", "--from", copy).out
    assert f"iris@1: 1 object from {copy}\n" in shown
    assert shown.endswith("repaired; 0 problems left\n")
    cli("get", "iris", "-o", "back")
    assert "nothing is wrong\n" == cli("repair", "--from", copy).out


def test_a_repair_as_json_tells_what_was_wrong_and_what_is_left(cli: Cli, copy: str) -> None:
    """The problems are those of before, and what remains is what the check after it found."""
    found = json.loads(cli("repair", "--from", copy, "--json").out)
    assert (["iris@1"], []) == ([each["version"] for each in found["problems"]], found["remaining"])


def test_a_repair_of_what_is_missing_keeps_nothing(cli: Cli, copy: str) -> None:
    """Where no copy was bad, none is said to be kept."""
    chunk_of(Ledger.open()).unlink()
    assert "bad copies" not in cli("repair", "--from", copy).out


def test_a_dry_run_does_nothing(cli: Cli, copy: str) -> None:
    """It says what would be done, exits with 0 where that would be enough, and changes nothing."""
    found = json.loads(cli("repair", "--from", copy, "--dry-run", "--json").out)
    assert (True, True, None) == (found["ok"], found["dry_run"], found["quarantine"])
    assert ["iris@1"] == [each["version"] for each in found["contents"]]
    assert found["problems"] == found["remaining"]
    cli("verify", code=5)


def test_a_source_without_it_is_not_enough(cli: Cli, copy: str) -> None:
    """What the source does not hold either is hopeless, exit code 5."""
    damage(chunk_of(Ledger.open(copy)))
    found = json.loads(cli("repair", "--from", copy, "--json", code=5).out)
    assert (False, ["iris@1"], []) == (found["ok"], found["hopeless"], found["contents"])
    assert "cannot make it whole" in cli("repair", "--from", copy, "--dry-run", code=5).out


def test_a_clone_of_what_others_saved_is_not_enough(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """A clone lacks the bytes that its remote's store has: repair tells where that is seen, and there they are."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", "hub.git"], check=True)
    cli("remote", "add", "origin", "hub.git")
    cli("sync")
    cli("clone", "hub.git", "clone/.ledger")
    damage(chunk_of(Ledger.open()))
    assert "\nothers may: " in cli("repair", "--from", "clone", code=5).out
    (remote,) = json.loads(cli("remote", "list", "--json").out)
    cli("repair", "--from", remote["store"])


def test_a_lost_branch_is_left_to_a_person(cli: Cli, copy: str, iris: dict[str, Any]) -> None:
    """Repair says that no source mends it, and the hint of every other command how it is done."""
    branch = Ledger.open(copy).git_dir / "refs/heads/main"
    commit = branch.read_text().strip()
    branch.unlink()
    shown = cli("--ledger", copy, "repair", "--from", ".ledger", code=5).out
    assert shown.endswith(".ledger has nothing that mends this\n")
    assert f"`ledger --ledger {copy} git update-ref refs/heads/main COMMIT`" in cli("--ledger", copy, "log", code=5).err
    subprocess.run(["git", f"--git-dir={branch.parents[2]}", "update-ref", "refs/heads/main", commit], check=True)
    cli("--ledger", copy, "verify")


def test_repair_keeps_the_bad_copy(cli: Cli, copy: str) -> None:
    """The quarantine that is named holds the bytes that were bad."""
    bad = chunk_of(Ledger.open()).read_bytes()
    found = json.loads(cli("repair", "--from", copy, "--json").out)
    [kept] = [path for path in Path(found["quarantine"]).rglob("*") if path.is_file()]
    assert bad == kept.read_bytes()


def test_a_source_is_needed(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """Without one that is usage, with one that is nothing that was not found."""
    assert "--from" in cli("repair", code=2).err
    assert "neither a store nor a ledger" in cli("repair", "--from", str(workdir / "nowhere"), code=3).err
    assert "this ledger itself" in cli("repair", "--from", str(workdir), code=2).err


def test_a_ledger_that_is_gone_is_not_made_anew_to_be_repaired(cli: Cli, copy: str) -> None:
    """An empty one would be called sound: the hint says that a copy is put back."""
    shutil.rmtree(".ledger")
    assert "Hint: put a copy of it there, as from a backup" in cli("repair", "--from", copy, code=3).err


def test_gc_shows_and_removes(cli: Cli, iris: dict[str, Any]) -> None:
    """What it removes stands in the plan first; afterwards there is nothing to do."""
    ledger = Ledger.open()
    waste(ledger)
    assert "kept, younger than 14 days: 1 file that nothing names\n" in cli("gc").out
    grow_old(ledger)
    [spare] = json.loads(cli("gc", "--dry-run", "--json").out)["spare"]
    assert f"to be removed: {spare['object']}, " in cli("gc").out
    found = json.loads(cli("gc", "--json").out)
    assert ([], [], 0) == (found["spare"], found["removed"], found["young"])
    assert "there is nothing to do\nremoved 0 files, 0 B; rewrote 0 packs\n" == cli("gc").out
    cli("get", "iris", "-o", "back")


def test_gc_keeps_what_is_young(cli: Cli, iris: dict[str, Any]) -> None:
    """Fewer days than fourteen are no choice."""
    assert "Invalid value for '--days'" in cli("gc", "--days", "13", code=2).err
    cli("gc", "--days", "30")


def test_gc_refuses_a_store_of_others(cli: Cli, workdir: Path) -> None:
    """A store elsewhere takes a word more."""
    cli("init", "--store", "elsewhere")
    assert "--exclusive" in cli("gc", code=2).err
    cli("gc", "--exclusive")
