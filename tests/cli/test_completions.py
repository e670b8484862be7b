"""What the shell is offered for a word that is typed half."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger import Ledger, save_artifact
from ledger.cli.program import program
from ledger.cli.session import Session
from tests.cli.conftest import PROGRAM, ROOT, Cli, start
from tests.kit.git import git_says, unpack
from tests.kit.ledgers import forge, plant


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.filterwarnings("ignore")
def test_completion_is_printed(cli: Cli, shell: str) -> None:
    """The script for each shell asks the program by its variable."""
    outcome = cli("completion", shell)
    assert "_LEDGER_COMPLETE" in outcome.out


def complete(*, words: str, **environment: str) -> str:
    """What the program offers for the last of some words, and whatever else it says."""
    asked = {"_LEDGER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    answer = CliRunner().invoke(program, prog_name="ledger", obj=Session(), env={**asked, **environment})
    return answer.output.strip()


def test_completion_knows_names(iris: dict[str, Any], workdir: Path) -> None:
    """Completing an argument offers the names of artifacts; without a ledger it offers nothing."""
    assert "plain,iris" == complete(words="ledger artifact show i")
    assert "plain,iris" == complete(words="ledger get ir")
    assert "" == complete(words="ledger log ro")
    assert "" == complete(words="ledger log i", LEDGER_DIR=str(workdir / "nowhere"))


def test_completion_of_a_name_looks_at_no_version(iris: dict[str, Any]) -> None:
    """That would take seconds for ten thousand artifacts; so one whose versions are lost is offered as well."""
    git_dir = Ledger.open().git_dir
    unpack(git_dir)
    folders = git_says(git_dir, "ls-tree", "-r", "-d", "main", "artifacts/").splitlines()
    tree = next(folder.split()[2] for folder in folders if folder.endswith("/iris"))
    lost = git_dir / "objects" / tree[:2] / tree[2:]
    data = lost.read_bytes()
    lost.unlink()
    assert "plain,iris" == complete(words="ledger artifact show i")
    lost.write_bytes(data)


def test_completion_knows_versions(iris: dict[str, Any]) -> None:
    """After the ``@`` of a name come its versions, the newest first."""
    save_artifact(1, "iris", "raw")
    save_artifact(2, "iris")
    lines = [f"plain,iris@{version}" for version in ("2", "raw", "1")]
    assert lines == complete(words="ledger get iris@").split()
    assert lines[1:2] == complete(words="ledger log iris@r").split()
    for words in ("ledger get nothing@", "ledger get @", "ledger artifact show iris@"):
        assert "" == complete(words=words)


def test_completion_knows_what_an_option_or_a_remote_may_be(cli: Cli, iris: dict[str, Any]) -> None:
    """A save is offered the names there are, a sync the remotes, a store paths."""
    cli("remote", "add", "hub", "hub.git")
    assert "plain,iris" == complete(words="ledger save data.csv --name i")
    assert "plain,hub" == complete(words="ledger sync h")
    assert "plain,hub" == complete(words="ledger remote remove h")
    assert "file,d" == complete(words="ledger init x --store d")
    assert "plain,failed" == complete(words="ledger run list --status f")


def test_completion_knows_the_tags_to_take_off(cli: Cli, iris: dict[str, Any]) -> None:
    """Those of the version that is named, wherever the option stands; none where there is no such version."""
    cli("tag", "iris@1", "ripe")
    save_artifact(1, "iris", tags=["other"])
    for words in ("iris@1 --remove r", "iris@1 new --remove raw --remove r", "--remove other iris@1 --remove r"):
        assert ["plain,raw", "plain,ripe"] == complete(words=f"ledger tag {words}").split()
    assert "plain,other" == complete(words="ledger tag iris --remove o")
    for words in ("--remove r", "iris@9 --remove r", "nothing --remove r"):
        assert "" == complete(words=f"ledger tag {words}")


def test_completion_knows_the_tags_to_look_for_or_to_put_on(iris: dict[str, Any]) -> None:
    """Those of newest versions: of the artifact that is named, and of all where none is, or one that is new."""
    save_artifact(1, "iris", tags=["ripe"])
    save_artifact(1, "other", tags=["rough"])
    for words in ("artifact list --tag r", "artifact version list --tag r", "save data.csv --name new --tag r"):
        assert ["plain,raw", "plain,ripe", "plain,rough"] == complete(words=f"ledger {words}").split()
    for words in ("artifact version list iris --tag r", "save data.csv --name iris --tag r", "tag iris@1 new r"):
        assert ["plain,raw", "plain,ripe"] == complete(words=f"ledger {words}").split()


def test_completion_leaves_out_what_is_damaged_without_a_word(iris: dict[str, Any]) -> None:
    """The tags of sound versions and the sound runs are offered, and nothing is printed between the user's words."""
    ledger = Ledger.open()
    forge(ledger, ledger.get("iris"), name="somebody_else")
    plant(ledger, {"runs/2025-11-07/019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21/run.json": b"{}"})
    for words, offered in (("ledger tag iris ", "plain,raw\n"), ("ledger run show ", "\n")):
        asked = {"_LEDGER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = start(environment=asked)
        assert (offered, "") == (done.stdout, done.stderr)


def complete_in_bash(cli: Cli, workdir: Path, *words: str) -> list[str]:
    """What bash is offered for the last word, the words being cut as bash cuts them and joined where they touch."""
    (workdir / "ledger").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {shlex.join(PROGRAM)} "$@"\n')
    (workdir / "ledger").chmod(0o755)
    typed = [word.lstrip() for word in words]
    script = f"""{cli("completion", "bash").out}
    COMP_LINE={shlex.quote("".join(words))} COMP_WORDS=({shlex.join(typed)}) COMP_CWORD={len(words) - 1}
    _ledger_completion ./ledger {shlex.quote(typed[-1].strip(":="))} x
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "" == done.stderr
    return done.stdout.split()


def test_completion_in_bash_knows_whole_words(cli: Cli, workdir: Path) -> None:
    """Bash cuts words at colons and ``=`` too; what it is offered goes on where its last part begins."""
    for name in ("training::load::output", "training::test::output", "other"):
        save_artifact(1, name)
    assert ["load::output", "test::output"] == complete_in_bash(cli, workdir, "ledger", " get", " training", "::")
    assert ["test::output"] == complete_in_bash(cli, workdir, "ledger", "  get", " training", "::", "t")
    assert ["other"] == complete_in_bash(cli, workdir, "ledger", " log", " o")
    assert ["@1"] == complete_in_bash(cli, workdir, "ledger", " log", " other", "@")
    assert ["ModelArtifact"] == complete_in_bash(cli, workdir, "ledger", " save", " x", " --type", "=", "M")
    joined = (" --name", "=", "training", "::", "l")
    assert ["load::output"] == complete_in_bash(cli, workdir, "ledger", " save", " x", *joined)


def test_completion_in_bash_quotes_what_bash_would_cut(cli: Cli, workdir: Path) -> None:
    """A tag of several words is offered as one; as it stands where the user has opened a quote."""
    save_artifact(1, "other", tags=["as it is"])
    for typed, offered in ((" a", r"as\ it\ is"), (' "a', "as it is"), (" 'a", "as it is")):
        assert offered == " ".join(complete_in_bash(cli, workdir, "ledger", " tag", " other", " --remove", typed))


def test_completion_in_bash_escapes_what_would_end_a_quote(cli: Cli, workdir: Path) -> None:
    """What is offered in a quote is the tag that it was, once bash has read it."""
    tag = r"""it's $HOME "q" a\b `id` &"""
    save_artifact(1, "other", tags=[tag])
    for typed in (" i", ' "i', " 'i"):
        quote = typed.strip(" i")
        offered = " ".join(complete_in_bash(cli, workdir, "ledger", " tag", " other", " --remove", typed))
        assert tag == subprocess.check_output(["bash", "-c", f"printf %s {quote}{offered}{quote}"], text=True)
