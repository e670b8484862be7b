"""What a word that is no command is told."""

import pytest

from ledger.cli.suggesting import ABSENT, ELSEWHERE
from tests.cli.conftest import Cli
from tests.cli.test_program import COMMANDS


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("clear", "`ledger cache clear`"),
        ("version", "`ledger artifact version`"),
        ("show", "`ledger artifact show`, `ledger artifact version show`, `ledger run show`, `ledger cache show`"),
    ],
)
def test_a_command_of_a_group_is_found_without_it(cli: Cli, word: str, places: str) -> None:
    """Who leaves out the group is told which groups have such a command."""
    assert f"Error: No such command {word!r}. Did you mean {places}?" in cli(word, "iris", code=2).err
    assert "Did you mean `" not in cli("nowhere", code=2).err


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("push", "`ledger sync`"),
        ("download", "`ledger get`"),
        ("checkout", "`ledger get`"),
        ("add", "`ledger save`, `ledger remote add`"),
        ("search", "`ledger artifact version list`"),
        ("lineage", "`ledger run show`, `ledger run list --using`"),
        ("metrics", "`ledger run list --show`, `ledger artifact version list --show`"),
        ("models", "`ledger artifact list`"),
        ("pipeline", "`ledger run list`"),
        ("promote", "`ledger tag --exclusive`"),
    ],
)
def test_the_words_of_other_programs_lead_on(cli: Cli, word: str, places: str) -> None:
    """Who types a command of Git, DVC, MLflow or W&B, or what it is about, is told what it is called here."""
    assert f"Error: No such command {word!r}. Did you mean {places}?" in cli(word, "iris", code=2).err


@pytest.mark.parametrize("word", ["rm", "delete", "remove"])
def test_who_would_delete_is_told_that_nothing_is(cli: Cli, word: str) -> None:
    """There is no command that deletes a version, and the error says so."""
    assert f"Error: No such command {word!r}: versions are never deleted." in cli(word, "iris@1", code=2).err


@pytest.mark.parametrize("group", [("artifact",), ("artifact", "version")])
def test_the_words_of_other_programs_lead_on_from_artifacts(cli: Cli, group: tuple[str, ...]) -> None:
    """Below the commands that look at artifacts and versions, too."""
    for word in ("delete", "remove"):
        assert f"{word!r}: versions are never deleted." in cli(*group, word, "iris@1", code=2).err
    assert "Did you mean `ledger diff`?" in cli(*group, "diff", "iris@1", code=2).err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ui"], "'ui': there is no server and no page."),
        (["login"], "'login': there is no account."),
        (["config", "list"], "'config': settings are lines of config.toml in the ledger directory"),
        (["repro"], "'repro': a pipeline runs when its Python program does"),
        (["run", "train.py"], "'train.py': a pipeline runs when its Python program does"),
        (["remote", "set-url", "origin", "x"], "'set-url': settings are lines of config.toml in the ledger directory"),
    ],
)
def test_of_what_is_not_here_is_told_what_is_instead(cli: Cli, words: list[str], told: str) -> None:
    """Who types a command for that which there is not here learns so, and not what is spelled like it."""
    assert f"Error: No such command {told}" in cli(*words, code=2).err


@pytest.mark.parametrize(
    ("group", "word", "place"), [("run", "get", "ledger run show"), ("remote", "rm", "ledger remote remove")]
)
def test_a_word_leads_on_within_its_group(cli: Cli, group: str, word: str, place: str) -> None:
    """In a group a word is about what the group is about: no file is restored, and no version deleted."""
    assert f"Error: No such command {word!r}. Did you mean `{place}`?" in cli(group, word, "x", code=2).err


def test_the_commands_here_are_not_called_as_elsewhere() -> None:
    """A word that is explained is no command, and what it is said to be called is one."""
    paths = {" ".join(path) for path in COMMANDS}
    named = {place for places in ELSEWHERE.values() for place in places}
    assert not ({*ELSEWHERE, *ABSENT} & paths)
    assert {place.partition(" --")[0].removeprefix("ledger ") for place in named} <= paths
