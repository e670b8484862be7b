"""The bar on a terminal, and what an interrupt leaves."""

import errno
import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path
from unittest.mock import Mock

import pytest

from ledger import Ledger, meters, register_artifact
from ledger.cli.bars import PATIENCE, Bar
from ledger.cli.program import run
from ledger.meters import Progress, progress
from tests.kit.terminals import read_terminal

MEBI = 1 << 20
INTERRUPTED = 130
"""How an interrupted program ends."""


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


def test_quick_work_shows_nothing(terminal: Terminal, clock: Clock) -> None:
    """Work that is over within half a second draws no bar, however many pieces there are."""
    bar = Bar(terminal, clock=clock)
    for number in range(5):
        bar.show(Progress(f"save {number}", 5, 10, finished=False))
        clock.now += PATIENCE / 2
        bar.show(Progress(f"save {number}", 10, 10, finished=True))
        clock.now += PATIENCE
    assert "" == terminal.getvalue()


@pytest.mark.parametrize("total", [300 * MEBI, None])
def test_long_work_is_shown_and_wiped(terminal: Terminal, clock: Clock, total: int | None) -> None:
    """After half a second there is what is done, the bytes and the time left; in the end the line is wiped."""
    bar = Bar(terminal, clock=clock)
    bar.show(Progress("save raw", 1 * MEBI, total, finished=False))
    clock.now += PATIENCE
    bar.show(Progress("save raw", 100 * MEBI, total, finished=False))
    drawn = terminal.getvalue()
    bar.show(Progress("save raw", 300 * MEBI, total, finished=True))
    assert "save raw" in drawn
    assert ("100.0/300.0 MiB" if total else "100.0/? MiB") in drawn
    assert terminal.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize("columns", [60, 80])
def test_a_long_name_leaves_room_for_the_figures(
    terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """However long a name is, all is on one line, and only the name and the bar are cut."""
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = Bar(terminal, clock=clock)
    for done in (0, 100 * MEBI):
        bar.show(
            Progress("save training::long_name_of_a_step::long_name_of_an_output", done, 300 * MEBI, finished=False)
        )
        clock.now += PATIENCE
    drawn = terminal.getvalue()
    bar.close()
    assert "\n" not in drawn
    assert "save training::lon" in drawn
    assert "100.0/300.0 MiB" in drawn


def test_a_terminal_that_is_gone_fails_no_work(
    terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar whose terminal was closed meanwhile is drawn no more, and the work goes on."""
    bar = Bar(terminal, clock=clock)
    for done in range(4):
        bar.show(Progress("save raw", done, 10, finished=done == 3))
        clock.now += PATIENCE
        if done == 1:
            monkeypatch.setattr(terminal, "write", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
    bar.show(Progress("save more", 1, 10, finished=False))
    clock.now += PATIENCE
    bar.show(Progress("save more", 2, 10, finished=False))
    bar.close()


IMPATIENT = "from ledger.cli import bars, main; bars.PATIENCE = 0; main()"
"""The program with a bar for work of any length: how fast a machine is decides nothing."""


def run_on_terminal(arguments: list[str], folder: Path) -> tuple[int, str, str]:
    """The program, without patience, with its error output on a terminal: exit code, output, what the terminal got."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *arguments],
        cwd=folder,
        env=environment,
        stderr=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    shown = read_terminal(ours)
    output, _ = process.communicate()
    return process.returncode, output, shown


def test_a_save_is_shown_on_a_terminal(workdir: Path) -> None:
    """The bar goes to the terminal; standard output has the result and nothing else."""
    Ledger.init(workdir / ".ledger")
    (workdir / "large.bin").write_bytes(bytes(4 * MEBI))
    code, output, shown = run_on_terminal(["save", "large.bin", "--name", "large"], workdir)
    assert (0, "large@1") == (code, output.split()[0])
    assert "save large" in shown
    assert "MiB" in shown


def test_pipes_get_no_bar(workdir: Path) -> None:
    """Where standard error is no terminal nothing is said about progress, and nothing that draws is loaded."""
    Ledger.init(workdir / ".ledger")
    (workdir / "large.bin").write_bytes(bytes(4 * MEBI))
    code = (
        "import sys\n"
        "from ledger.cli import bars\n"
        "from ledger.cli.program import run\n"
        "bars.PATIENCE = 0\n"
        "assert run(['save', 'large.bin', '--name', 'large']) == 0\n"
        "assert 'rich' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=workdir, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def interrupted(work: Callable[[], int], *, when: Callable[[Progress], bool]) -> int | None:
    """How a process ended whose work was interrupted as soon as something held of what it tells of its progress.

    It interrupts itself at a moment of its work, and not of the day.
    """

    def strike(at: Progress) -> None:
        if when(at):
            os.kill(os.getpid(), signal.SIGINT)

    def act() -> None:
        meters._INTERVAL = 0  # each piece is told of
        with progress(strike):
            sys.exit(work())

    fork = ForkProcess(target=act)
    fork.start()
    fork.join(100)
    fork.kill()
    return fork.exitcode


def command(*arguments: str) -> Callable[[], int]:
    """What the command line does with these words."""
    return lambda: run(arguments)


def leftovers(folder: Path) -> list[str]:
    return [
        path.name for path in folder.rglob("*") if path.name.startswith(("tmp_", ".")) and path.name != ".gitignore"
    ]


MOMENTS: dict[str, Callable[[Progress], bool]] = {
    "begun": lambda at: at.done > 0,
    "half": lambda at: at.done > (at.total or 0) / 2,
    "over": lambda at: at.finished,
}


@pytest.mark.parametrize("when", MOMENTS)
def test_an_interrupted_save_leaves_nothing(workdir: Path, when: str) -> None:
    """No version is there as long as it is not published, no temporary file, and the next save works."""
    ledger = Ledger.init(workdir / ".ledger")
    large = workdir / "large.bin"
    large.write_bytes(os.urandom(8 * MEBI))
    assert INTERRUPTED == interrupted(command("save", "large.bin", "--name", "large"), when=MOMENTS[when])
    assert [] == ledger.artifacts()
    assert [] == leftovers(ledger.path)
    assert ledger.verify().ok
    assert large.stat().st_size == ledger.save(large, "large").size


@pytest.mark.parametrize("when", MOMENTS)
def test_an_interrupted_get_leaves_nothing(workdir: Path, when: str) -> None:
    """No half file or folder is left where it was to go, nor beside it."""
    data = os.urandom(8 * MEBI)
    (workdir / "large.bin").write_bytes(data)
    Ledger.init(workdir / ".ledger").save(workdir / "large.bin", "large")
    target = workdir / "target"
    target.mkdir()
    assert INTERRUPTED == interrupted(command("get", "large", "-o", str(target / "out.bin")), when=MOMENTS[when])
    written = {"out.bin": data} if when == "over" else {}
    assert written == {path.name: path.read_bytes() for path in target.iterdir()}


def test_an_interrupted_register_leaves_nothing(workdir: Path) -> None:
    """The interrupt does not wait for the rest of a large file; the data is untouched and no version is there."""
    ledger = Ledger.init(workdir / ".ledger")
    inside = ledger.path / "store" / "large.bin"
    with inside.open("wb") as file:
        file.truncate(200 << 30)  # minutes of hashing, more than the test waits for
    before = inside.stat()

    def register() -> int:
        with pytest.raises(KeyboardInterrupt):
            register_artifact(inside, "large")
        return INTERRUPTED

    assert INTERRUPTED == interrupted(register, when=MOMENTS["begun"])
    assert [] == ledger.artifacts()
    assert (before.st_size, before.st_mtime_ns) == (inside.stat().st_size, inside.stat().st_mtime_ns)
    assert [] == leftovers(ledger.path)
