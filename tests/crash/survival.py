"""Whether a ledger survived: what it shows, whether Git finds it sound, and whether the next save just works.

The judge looks from a process of its own, so that nothing it opens or remembers outlives it:
a disk can be unmounted afterwards, and it sees only what is on the disk.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ledger import Ledger
from tests.conftest import check_histories
from tests.crash.operations import OPERATIONS, Shown, begin, shown_by, states_of
from tests.crash.others import save_another
from tests.crash.worker import ACKNOWLEDGED, work
from tests.kit.forking import in_a_fork
from tests.kit.git import run_git

PROMPT_SECONDS = 8.0
"""How long the first save after a crash may take on a busy machine; waiting for a lock file to grow old takes 10 s."""


class Verdict(NamedTuple):
    """What is wrong with a ledger after a crash; all three empty if it survived."""

    lost: str = ""
    corrupt: str = ""
    repair: str = ""
    seconds: float = 0.0

    @property
    def survived(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.corrupt or self.repair)


class Template(NamedTuple):
    """A prepared ledger, its commit, and the states that some undisturbed runs of an operation lead it through."""

    operation: str
    path: Path
    commit: str
    states: list[Shown]
    runs: int

    def copy(self, folder: Path) -> Path:
        """A fresh copy of the ledger in a new folder."""
        return Path(shutil.copytree(self.path, folder / ".ledger"))


def make_template(
    operation: str, folder: Path, *, runs: int = 1, lock_timeout: float = 60.0, durability: str = "full"
) -> Template:
    """Prepare a ledger for an operation, and see what happens in a copy of it when nothing goes wrong."""
    folder.mkdir(parents=True)

    def prepare() -> tuple[str, list[Shown]]:
        ledger = Ledger.init(folder / ".ledger")
        begin(ledger)
        OPERATIONS[operation].prepare(ledger)
        config = ledger.path / "config.toml"
        text = config.read_text().replace("lock_timeout = 60.0", f"lock_timeout = {lock_timeout}")
        config.write_text(text.replace('durability = "full"', f'durability = "{durability}"'))
        ledger_dir = Path(shutil.copytree(ledger.path, folder / "undisturbed" / ".ledger"))
        for number in range(OPERATIONS[operation].others * runs):
            save_another(ledger_dir, number % OPERATIONS[operation].others)
        before = Ledger.open(ledger_dir).revision
        answers = [work(operation, ledger_dir) for _ in range(runs)]
        assert [ACKNOWLEDGED] * runs == answers
        return ledger.revision, states_of(Ledger.open(ledger_dir), before)

    commit, states = in_a_fork(prepare)
    return Template(operation, folder / ".ledger", commit, states, runs)


def judge(ledger_dir: Path, template: Template, *, acknowledged: int) -> Verdict:
    """Judge a copy of a template after a crash; ``acknowledged`` runs of the operation had returned."""
    # Each run that returned has led through its share of the states.
    least = acknowledged * (len(template.states) - 1) // template.runs
    return in_a_fork(lambda: _judge(ledger_dir, template, template.states[least:]))


def _judge(ledger_dir: Path, template: Template, allowed: Sequence[Shown]) -> Verdict:
    try:
        ledger = Ledger.open(ledger_dir)
        shown = shown_by(ledger)
    except Exception as error:  # noqa: BLE001  # any failure to read is damage
        return Verdict(corrupt=f"reading: {type(error).__name__}: {error}")
    lost = "" if shown in allowed else _difference(shown, allowed)
    repair, seconds = _save_after(ledger_dir)
    return Verdict(lost, _damage(ledger, template), repair, seconds)


def _save_after(ledger_dir: Path) -> tuple[str, float]:
    began = time.monotonic()
    try:
        ledger = Ledger.open(ledger_dir)
        last = ledger.get("iris").position
        position = ledger.save({"rows": "after"}, "iris").position
    except Exception as error:  # noqa: BLE001  # whatever it is, the user has to do something
        return f"the next save: {type(error).__name__}: {error}", time.monotonic() - began
    seconds = time.monotonic() - began
    if position != last + 1:
        return f"the next save got position {position} after {last}", seconds
    return (f"the next save took {seconds:.1f} s" if seconds > PROMPT_SECONDS else ""), seconds


def _damage(ledger: Ledger, template: Template) -> str:
    """What Git and the ledger's own check find, and whether the history still begins as it did."""
    try:
        check_histories(ledger.path)
    except AssertionError as error:
        return str(error)
    if run_git(ledger.git_dir, "merge-base", "--is-ancestor", template.commit, "main").returncode:
        return f"commit {template.commit} is no ancestor of main any more"
    report = ledger.verify()
    return "" if report.ok else str(report.problems)


def _difference(shown: Shown, allowed: Sequence[Shown]) -> str:
    missing = [row for row in allowed[0] if row not in shown]
    return f"no state of an undisturbed run: missing {missing}, all rows {[row[:5] for row in shown]}"
