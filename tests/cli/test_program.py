"""The program as a whole: real processes, its help, its exit codes, its ways out."""

import errno
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ledger import Ledger, errors, step
from ledger.cli.collecting import gc
from ledger.cli.errors import EXIT_CODES
from ledger.cli.program import program, run
from ledger.maintenance import GRACE_DAYS
from tests.cli.conftest import PROGRAM, ROOT, Cli, start


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(program))


def help_of(path: tuple[str, ...]) -> str:
    parent = program.make_context("ledger", [], resilient_parsing=True)
    with click.Context(COMMANDS[path], info_name=" ".join(path), parent=parent) as context:
        return COMMANDS[path].get_help(context)


IMPORTED = """
import gc, sys
seen = set()
sys.addaudithook(
    lambda event, about: seen.add(gc.isenabled()) if event == "import" and about[0].startswith("ledger.cli") else None
)
import ledger.__main__
print(seen, gc.isenabled())
"""


def test_nobody_looks_for_garbage_while_the_program_is_imported() -> None:
    """It takes longer than a short command can afford, and is looked for again as soon as all is imported."""
    ran = subprocess.run([sys.executable, "-c", IMPORTED], check=True, capture_output=True, text=True, cwd=ROOT)
    assert "{False} True" == ran.stdout.strip()


def test_a_session(workdir: Path) -> None:
    """Init, save, list, get: what a user types first works in real processes, and says what it should."""
    (workdir / "data.csv").write_text("1")
    made = start("init")
    assert (0, f"made a new ledger in {workdir}/.ledger\n", "") == (made.returncode, made.stdout, made.stderr)
    saved = start("save", "data.csv", "--name", "iris")
    assert (0, "iris@1", "") == (saved.returncode, saved.stdout.split()[0], saved.stderr)
    listed = start("artifact", "list")
    assert ["NAME", "iris"] == [line.split()[0] for line in listed.stdout.splitlines()]
    assert 0 == start("get", "iris", "-o", "back").returncode
    assert "1" == (workdir / "back").read_text()


def test_a_hint_is_about_the_ledger_that_was_named(cli: Cli, workdir: Path) -> None:
    """With ``--ledger`` the command of a hint has it as well, and is run here; one that makes a ledger has not."""
    named = ("--ledger", str(workdir / "my ledger"))
    (workdir / "data.csv").write_text("1")
    cli("init", named[1])
    cli(*named, "save", "data.csv", "--name", "iris")
    failed = cli(*named, "artifact", "version", "show", "iris@7", code=3)
    command = shlex.split(failed.err.splitlines()[-1].split("`")[1])
    assert ("ledger", *named) == tuple(command[:3])
    assert "iris" in cli(*command[1:]).out
    missing = cli("--ledger", str(workdir / "none"), "artifact", "list", code=3)
    assert "`ledger init" in missing.err
    distant = cli("--ledger", "https://ada:canary@host/x", "status", code=2)
    assert "`ledger clone URL`" in distant.err
    assert "canary" not in distant.err


def test_a_warning_is_about_the_ledger_that_was_named(cli: Cli, workdir: Path) -> None:
    """With ``--ledger`` the command that a warning names has it as well."""
    (workdir / "data.csv").write_text("1")
    cli("init", "named")
    shutil.rmtree(workdir / "named/store")
    found = start("--ledger", "named", "save", "data.csv", "--name", "iris")
    assert "was deleted and is made again; `ledger --ledger named verify` says" in found.stderr


@pytest.mark.usefixtures("workdir")
def test_an_error_in_a_real_process() -> None:
    """A failure is two lines on stderr, or one JSON object, an exit code, and never a traceback."""
    failed = start("artifact", "list")
    assert (3, "") == (failed.returncode, failed.stdout)
    first, second = failed.stderr.splitlines()
    assert first.startswith("Error: no ledger at ")
    assert second.startswith("Hint: run `ledger init`")
    failed = start("artifact", "list", "--json")
    said = json.loads(failed.stderr)["error"]
    assert (3, "", {"kind": "ledger-not-found", "message": first[7:], "hint": second[6:]}) == (
        failed.returncode,
        failed.stdout,
        said,
    )


def test_every_example_runs(workdir: Path, cli: Cli) -> None:
    """Each command's help ends with an example, and all of them run as one session."""
    (workdir / "data.csv").write_text("1")
    first = [("init",), ("save",), ("tag",), ("remote", "add"), ("sync",)]
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(workdir / "hub.git")], check=True)
    for path in [*first, *(path for path in COMMANDS if path not in first)]:
        _, title, example = help_of(path).rpartition("Example:\n  ")
        assert title, path
        words = shlex.split(example)
        assert ["ledger", *path] == words[: len(path) + 1]
        if path == ("git",):  # it becomes another program
            assert 0 == start(*words[1:]).returncode
        else:
            cli(*words[1:])
        if path == ("init",):
            step(name="nothing")(lambda: None)()  # a run for the commands that show runs
    assert (workdir / "restored.csv").exists()


@pytest.mark.parametrize(
    ("words", "short"), [(("save", "data.txt", "--name", "data"), "mmap.mmap"), (("verify",), "hashlib.sha256")]
)
def test_too_little_memory_is_told_in_a_line(
    cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], short: str
) -> None:
    """Whether a value is being saved or not, it has a name, and is no fault of the value."""
    (workdir / "data.txt").write_bytes(os.urandom(3 << 20))
    cli("init")
    cli("save", "data.txt", "--name", "first")

    def starve(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) if short == "mmap.mmap" else MemoryError

    monkeypatch.setattr(short, starve)
    done = cli(*words, code=8)
    monkeypatch.undo()
    assert re.search(r"^Error: .*(Cannot allocate memory|no 2 MiB are left).*\nHint: end other programs", done.err)


def test_exit_codes_are_those_of_the_errors() -> None:
    """Every error's exit code has a meaning, in the help and in the specification."""
    classes = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LedgerError)
    ]
    assert {kind.exit_code for kind in classes} | {0, 130} == set(EXIT_CODES)
    spec = (ROOT / "specs" / "command-line.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(program, ["--help"]).output
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in spec
        assert f"  {code:<3}  {meaning}\n" in shown


def test_gc_keeps_as_long_as_maintenance_says() -> None:
    """By default, and at least, the command waits the days for which an object may still be named."""
    (days,) = (parameter for parameter in gc.params if parameter.name == "days")
    assert isinstance(days.type, click.IntRange)
    assert (GRACE_DAYS, GRACE_DAYS) == (days.default, days.type.min)


def test_the_specification_names_everything() -> None:
    """specs/command-line.md has every command with every option of it."""
    spec = (ROOT / "specs" / "command-line.md").read_text(encoding="utf-8")
    for path, command in COMMANDS.items():
        name = f"### `ledger {' '.join(path)}"
        assert name in spec, name
        section = spec.split(name, 1)[1].split("\n### ", 1)[0]
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in section, (name, option)


@pytest.mark.usefixtures("workdir")
def test_help_and_version(cli: Cli) -> None:
    """``--help``, ``-h`` and ``--version`` work without a ledger."""
    assert "ledger 0.1.0\n" == cli("--version").out
    assert cli("--help").out == cli("-h").out
    for path in COMMANDS:
        if path != ("git",):
            assert help_of(path) + "\n" == cli(*path, "-h").out


def test_no_summary_of_a_command_is_cut(cli: Cli) -> None:
    """The lists of commands say of each what it does, in one whole line."""
    groups = {path[:-1] for path in COMMANDS}
    lines = [line for group in sorted(groups) for line in cli(*group, "-h").out.splitlines()]
    assert [] == [line for line in lines if line.endswith("...") and not line.startswith("Usage")]


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"],
        ["--bogus"],
        ["--ledger"],
        ["artifact", "list", "--bogus"],
        ["artifact", "list", "--tag"],
        ["save"],
        ["completion", "sh"],
        ["run", "list", "--status", "cached"],
        ["artifact", "version", "list", "--type", "model"],
    ],
)
def test_bad_usage_exits_with_2(cli: Cli, words: list[str]) -> None:
    """Unknown commands and options, missing arguments and options without theirs are usage errors, as text or JSON."""
    usage, error, hint = cli(*words, code=2).err.splitlines()
    told = json.loads(cli("--json", *words, code=2).err)["error"]
    assert usage.startswith("Usage: ledger ")
    assert error.startswith("Error: ")
    assert ("usage", hint) == (told["kind"], f"Hint: {told['hint']}")
    assert hint.startswith("Hint: run `ledger ")


def test_a_group_without_a_command_shows_what_there_is(cli: Cli) -> None:
    """A person sees the commands of the group; JSON says in a line what is missing."""
    assert "\nCommands:\n" in cli("cache", code=2).err
    told = json.loads(cli("--json", "cache", code=2).err)["error"]
    assert {"kind": "usage", "message": "Missing command.", "hint": "run `ledger cache --help`"} == told


@pytest.mark.parametrize(
    "words",
    [
        ["init", ""],
        ["init", "x", "--store", ""],
        ["--ledger", "", "status"],
        ["get", "iris", "-o", ""],
        ["clone", ""],
        ["clone", "hub.git", "x", "--store", ""],
        ["remote", "add", "hub", "hub.git", "--store", ""],
    ],
)
def test_an_empty_path_is_a_mistake(cli: Cli, workdir: Path, words: list[str]) -> None:
    """It is a variable of the shell's that was never set, and not the folder one is in."""
    assert "the path is empty" in cli(*words, code=2).err
    assert [] == os.listdir(workdir)


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["save", "d.csv", "iris"], "ledger save --name NAME [OPTIONS] PATH"),
        (["get", "iris", "out.csv"], "ledger get -o PATH [OPTIONS] NAME[@VERSION]"),
        (["repair", "backup"], "ledger repair --from SOURCE [OPTIONS]"),
    ],
)
def test_the_usage_names_the_options_that_must_be_given(cli: Cli, words: list[str], usage: str) -> None:
    """Who gives the words without them sees in the first line how they are given."""
    assert f"Usage: {usage}" == cli(*words, code=2).err.splitlines()[0]


def test_a_missing_choice_is_told_in_words(cli: Cli) -> None:
    """What may be chosen is one line, without the marks of a list."""
    assert "Choose from: bash, zsh, fish" in cli("completion", code=2).err


@pytest.mark.parametrize(
    "words",
    [
        ["get", "iris", "-o", "x"],
        ["tag", "iris", "x"],
        ["artifact", "version", "show"],
        ["artifact", "version", "list", "iris"],
        ["log", "iris"],
    ],
)
def test_who_gives_the_version_as_an_option_is_told_where_it_goes(cli: Cli, words: list[str]) -> None:
    """As it is given in Python; a save alone has such an option."""
    assert "the version goes with the name, as NAME@VERSION." in cli(*words, "--version", "1", code=2).err
    assert "as NAME@VERSION" not in cli("status", "--version", "1", code=2).err


@pytest.mark.parametrize("words", [["git", "log", "--json"], ["tag", "iris", "--", "--json"]])
def test_a_word_that_is_no_option_asks_for_no_json(cli: Cli, workdir: Path, words: list[str]) -> None:
    """What is Git's, or stands behind ``--``, is not the option, though it is written like it."""
    assert cli(*words, code=3).err.startswith("Error: no ledger at ")


def test_a_very_long_word_is_not_told_whole(cli: Cli) -> None:
    """A file's content in the place of a word does not fill the screen, in errors of usage as in others."""
    assert len(cli("artifact", "list", "x" * 70_000, code=2).err) < 2000


def test_the_ledger_is_named(cli: Cli, iris: dict[str, Any], workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--ledger`` beats ``LEDGER_DIR``, and a ledger that was named is never made by a save."""
    monkeypatch.setenv("LEDGER_DIR", str(workdir / "other"))
    cli("artifact", "list", code=3)
    assert "iris" in cli("--ledger", ".ledger", "artifact", "list").out
    cli("--ledger", "third", "save", "data.csv", "--name", "x", code=3)
    assert not (workdir / "third").exists()
    cli("--ledger", "third", "init")
    assert (workdir / "third" / "history.git").is_dir()


def test_a_reader_that_leaves_is_no_error(iris: dict[str, Any]) -> None:
    """Output into a closed pipe ends the program without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = start("log", capture_output=False, stdout=pipe, stderr=subprocess.PIPE)
    assert (1, "") == (done.returncode, done.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_an_error(iris: dict[str, Any]) -> None:
    """A full disk behind stdout is an error of the disk, not a traceback, and says that the work may be done."""
    with open("/dev/full", "wb") as full:
        done = start("tag", "iris", "kept", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    said, hint = done.stderr.splitlines()
    assert (8, "Error: cannot write the output: No space left on device") == (done.returncode, said)
    assert "may be done all the same" in hint
    assert "kept" in Ledger.open().get("iris").tags


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
def test_what_cannot_be_said_on_stderr_changes_nothing(workdir: Path, stderr: str) -> None:
    """Notices, warnings and errors that nobody can be told cost no save, no exit code, and are not in the output."""
    (workdir / "x").write_text("x")
    for words, code in (
        ("--json save x --name x --tag a", 0),
        ("--json tag x a", 0),  # it has that tag already, which is a warning
        ("--json artifact show nope", 3),
        ("--json nope", 2),
        ("artifact", 2),  # which is told all that it can do
    ):
        shell = f"exec {shlex.join(PROGRAM)} {words} {stderr}"
        done = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, text=True, check=False)
        assert code == done.returncode
        assert code or json.loads(done.stdout)["tags"] == ["a"]


def test_stdout_may_be_closed(iris: dict[str, Any]) -> None:
    """Without an output nothing is printed, by Git neither, and failures keep their codes."""
    for words, code in (("log", 0), ("git log", 0), ("artifact show nope", 3)):
        shell = f"exec {shlex.join(PROGRAM)} {words} >&-"
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
        assert (code, False) == (done.returncode, "Traceback" in done.stderr), done.stderr


def test_any_encoding_will_do(iris: dict[str, Any], cli: Cli) -> None:
    """What the output's encoding lacks is escaped, not a failure."""
    cli("tag", "iris", "数")
    done = start("artifact", "show", "iris", environment={"PYTHONIOENCODING": "latin-1"})
    assert (0, True) == (done.returncode, "\\u6570" in done.stdout)


def test_a_name_that_the_locale_lacks_is_an_error(iris: dict[str, Any], cli: Cli, workdir: Path) -> None:
    """Where file names are ASCII, a file of another name is not restored, which is said; nothing is left."""
    (workdir / "größe.csv").write_text("x")
    cli("save", "größe.csv", "--name", "size")
    before = sorted(workdir.iterdir())
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = start("get", "size", "-o", "found.csv", environment=environment)
    said, hint = done.stderr.splitlines()
    assert (8, True) == (done.returncode, said.startswith("Error: cannot write "))
    assert "Hint: set a locale of UTF-8, or PYTHONUTF8=1" == hint
    assert before == sorted(workdir.iterdir())


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_word_that_the_locale_lacks_is_told_with_the_way_to_give_it(
    iris: dict[str, Any], workdir: Path, encoding: str
) -> None:
    """Its bytes were no text to Python; where the locale is of UTF-8, they are none to anybody."""
    environment = {"LC_ALL": "C", "PYTHONUTF8": str(int(encoding == "utf-8")), "PYTHONCOERCECLOCALE": "0"}
    word = os.fsdecode("größe".encode("latin-1" if encoding == "utf-8" else "utf-8"))
    done = start("tag", "iris", word, environment=environment)
    error, hint = done.stderr.splitlines()
    assert (2, True) == (done.returncode, "characters that cannot be printed" in error)
    told = "; words and file names are ascii here: set a locale of UTF-8, or PYTHONUTF8=1"
    assert hint.endswith(told) is (encoding == "ascii")


def test_an_interrupt_is_silent(iris: dict[str, Any], workdir: Path) -> None:
    """Ctrl-C ends the program with 130, without a traceback, and nothing is saved."""
    (workdir / "new.csv").write_text("new")
    chunks = workdir / ".ledger" / "store" / "chunks"
    before = len(list(chunks.glob("*/*")))
    with open(workdir / ".ledger" / "lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        words = [*PROGRAM, "save", "new.csv", "--name", "iris"]
        with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while len(list(chunks.glob("*/*"))) == before:  # its bytes are there, then it waits for the lock
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            said = process.communicate()[1]
    # Interrupted inside an exec, as when a dataclass is being made, Python ends by the signal itself: 130 for a shell.
    assert process.returncode in (130, -signal.SIGINT)
    assert "" == said.strip()
    assert ["1"] == [version.version for version in Ledger.open().versions("iris")]


STRUCK = """
import runpy, sys
class Struck:
    def find_spec(self, name, *_):
        if name == "ledger.cli.care":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Struck())
runpy.run_module("ledger", run_name="__main__")
"""


def test_an_interrupt_is_silent_while_the_program_is_loaded() -> None:
    """Loading takes longest of a short command, so it is where Ctrl-C often strikes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", STRUCK], env=environment, capture_output=True, text=True, check=False)
    assert (130, "") == (done.returncode, done.stderr)


STRUCK_IN_A_CLASS = """
import runpy, sys
class Struck:
    def __set_name__(self, *_):
        raise KeyboardInterrupt
class Finder:
    def find_spec(self, name, *_):
        if name == module:
            type("Loaded", (), {"field": Struck()})
module = sys.argv.pop()
sys.meta_path.insert(0, Finder())
runpy.run_module("ledger", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["ledger.cli.care", "ledger.api"])
def test_an_interrupt_is_silent_while_a_class_is_made(module: str, workdir: Path) -> None:
    """Python 3.11 makes a `RuntimeError` of an interrupt there, as the program or a command is loaded."""
    (workdir / "new.csv").write_text("new")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", STRUCK_IN_A_CLASS, "save", "new.csv", "--name", "new", module]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert (130, "") == (done.returncode, done.stderr.strip())


def test_a_second_interrupt_is_silent_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C pressed again while the first one is being told ends the program in the same way."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ledger.cli.session.Session.reader", interrupt)
    monkeypatch.setattr("click.core.echo", interrupt)
    assert 130 == run(["log"])


def test_causes_that_go_in_a_circle_end_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' code may raise an error from itself: it is no interrupt, and nobody seeks one for ever."""
    first, second = errors.StorageError("cannot read it"), ValueError()
    first.__cause__, second.__cause__ = second, first

    def fail(*_: object, **__: object) -> None:
        raise first

    monkeypatch.setattr("ledger.cli.session.Session.reader", fail)
    assert 8 == run(["log"])


def test_looking_imports_nothing_heavy(iris: dict[str, Any]) -> None:
    """Listing artifacts into a pipe imports no library of values, of stores or of terminals."""
    heavy = {
        "ledger.core",
        "ledger.blobs",
        "rich",
        "fsspec",
        "zstandard",
        "pyfastcdc",
        "numpy",
        "pandas",
        "pyarrow",
        "cloudpickle",
        "urllib3",
    }
    code = "import sys; from ledger.cli.program import run; run(['artifact', 'list']); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set() == heavy & set(done.stdout.splitlines()[-1].split())
