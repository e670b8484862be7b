"""The documents say what the code does."""

import re
import shlex
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from random import Random

import click
import pytest

from ledger import Ledger
from ledger.cli.program import program
from ledger.enums import ArtifactType, SaveType, TrustClass, VisualizationType
from ledger.lookup import Config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FORMAT = (ROOT / "specs" / "format.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "specs" / "architecture.md").read_text(encoding="utf-8")
PARTS = [path.parent.name for path in (ROOT / "ledger").glob("*/__init__.py")]
TEST_COMMAND = "python -m pytest -n auto"
MOST_CHARACTERS = 120


def test_the_readme_has_two_one_line_commands() -> None:
    """One line installs and runs an example that is there, one installs and passes the tests."""
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]
    run, test = commands
    (example,) = re.findall(r"\.venv/bin/python (examples/\S+)", run)
    assert (ROOT / example).exists()
    assert test.endswith(f".venv/bin/{TEST_COMMAND}")


def test_ci_runs_the_tests_as_the_readme_says() -> None:
    """The gate runs the very command that the README names."""
    assert f"\n{TEST_COMMAND}\n" in (ROOT / ".ci" / "run").read_text()


def test_prose_is_wrapped() -> None:
    """No line of a document has more than 120 characters, but for tables, headings and what is shown as it is."""
    long = []
    for path in [*ROOT.glob("*.md"), *(ROOT / "specs").rglob("*.md")]:
        prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"))
        lines = (line for line in prose.splitlines() if not line.lstrip().startswith(("|", "#")))
        long += [f"{path.name}: {line}" for line in lines if len(line) > MOST_CHARACTERS]
    assert [] == long


def test_the_oldest_releases_are_those_that_are_admitted() -> None:
    """tests/oldest.txt has a release of the lower bound of every library that the tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    (own,) = (each for each in extras["test"] if each.startswith("ledger["))
    needed = [*project["dependencies"], *extras["test"]]
    needed += [each for name in own.removeprefix("ledger[").rstrip("]").split(",") for each in extras[name]]
    bounds = dict(re.findall(r"(?m)^([\w-]+)(?:\[\w+\])?[>=]=([\d.]+)", "\n".join(needed)))
    oldest = dict(re.findall(r"(?m)^([\w-]+)==(.+)$", (ROOT / "tests" / "oldest.txt").read_text()))
    assert [] == [name for name, least in bounds.items() if not f"{oldest.get(name)}.".startswith(f"{least}.")]


def test_the_format_has_every_word_that_a_manifest_may_hold() -> None:
    """Who writes a ledger without this program finds in specs/format.md which types, and the like, there are."""
    words = [*ArtifactType, *SaveType, *TrustClass, *VisualizationType]
    assert [] == [word for word in words if f"`{word}`" not in FORMAT]


@pytest.mark.skipif(not all(map(shutil.which, ("git", "jq", "zstd"))), reason="needs git, jq and zstd")
def test_a_larger_content_is_read_without_us_as_the_format_says(ledger: Ledger) -> None:
    """The script of specs/format.md, 7 gives the stream of a content with a table, also of one that shares chunks."""
    first = Random(7).randbytes(1_500_000)
    (ledger.path.parent / "value").write_bytes(first)
    ledger.save(ledger.path.parent / "value", "first")
    (ledger.path.parent / "value").write_bytes(second := first[:700_000] + b"between" + first[700_000:])
    saved = ledger.save(ledger.path.parent / "value", "second")
    (script,) = re.findall(r"(?s)```bash\n(.*?)```", FORMAT)
    digest = saved.digest.removeprefix("sha256:")
    subprocess.run(["bash", "-ec", f"digest={digest}\n{script}"], cwd=ledger.path, check=True, timeout=60)
    assert second == (ledger.path / "stream").read_bytes()


def test_nothing_taken_away_is_seen_without_us_as_the_format_says(ledger: Ledger) -> None:
    """The line of specs/format.md, 7 prints nothing of a sound history, and the commit that edits or removes."""
    for name in ("one", "two"):
        ledger.save(1, name)
    (line,) = re.findall(r"(?m)^(git .* --diff-filter=.*? main) ", FORMAT)
    git = ["git", f"--git-dir={ledger.path}/history.git", "-c", "user.name=x", "-c", "user.email=x@y"]
    assert subprocess.check_output(shlex.split(line), cwd=ledger.path) == b""
    tree = subprocess.check_output([*git, "rev-parse", "main~1^{tree}"], text=True).strip()
    commit = subprocess.check_output([*git, "commit-tree", tree, "-p", "main", "-m", "less"], text=True).strip()
    subprocess.run([*git, "update-ref", "refs/heads/main", commit], check=True)
    assert b"less" in subprocess.check_output(shlex.split(line), cwd=ledger.path)
    subprocess.run([*git, "update-ref", "refs/heads/main", "main~1"], check=True)


def test_the_format_has_every_setting() -> None:
    """specs/format.md has a row for each setting of `config.toml`."""
    assert [] == [setting for setting in Config.__struct_fields__ if f"| `{setting}` |" not in FORMAT]


def test_a_command_that_is_named_in_the_code_can_be_run() -> None:
    """What hints and messages quote as a command exists, and has every option that it asks for."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "ledger").rglob("*.py")]
    quoted = {found for text in texts for found in re.findall(r"`ledger ([a-z][^`]*)`", text)}
    assert len(quoted) > 20
    assert {} == {told: missing for told in sorted(quoted) if (missing := _lacking(told.split()))}


def _lacking(words: list[str]) -> list[str]:
    """What a command line lacks to be run: a command that there is, or options that this one needs."""
    command: click.Command = program
    for word in words:
        if not isinstance(command, click.Group):
            break
        if word not in command.commands:
            return [word]
        command = command.commands[word]
    options = [each for each in command.params if isinstance(each, click.Option) and each.required]
    return [option.opts[-1] for option in options if not {*option.opts} & {*words}]


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link in a document is a file."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "specs").rglob("*.md")]
    links = (
        (path, target)
        for path in documents
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    )
    dead = [f"{path.relative_to(ROOT)}: {target}" for path, target in links if not (path.parent / target).exists()]
    assert [] == dead


def test_decisions_are_numbered_without_gaps() -> None:
    """specs/decisions holds 0001, 0002 and so on."""
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "specs" / "decisions").glob("*.md"))
    assert list(range(1, len(numbers) + 1)) == numbers


def test_every_package_is_in_the_architecture() -> None:
    """specs/architecture.md names each part of the house."""
    assert [] == [part for part in PARTS if not re.search(rf"^{part}\b", ARCHITECTURE, re.MULTILINE)]


def test_the_architecture_names_what_is_there() -> None:
    """What stands behind a part's name and a dot is a module of that part, or a name that the part gives."""
    named = re.findall(rf"`({'|'.join(PARTS)})\.(\w+)", ARCHITECTURE)
    gone = [
        f"{part}.{name}"
        for part, name in named
        if not (ROOT / "ledger" / part / f"{name}.py").exists() and not hasattr(import_module(f"ledger.{part}"), name)
    ]
    assert ([], True) == (gone, len(named) > len(PARTS))
