"""What plain Git or a killed sync has fetched is no damage, and nothing is relied on before it is judged."""

import os
import shutil
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import RemoteError
from tests.kit.hubs import hub_tip
from tests.kit.ledgers import git


@pytest.fixture
def ledger(two_versions: Ledger) -> Ledger:
    return two_versions


def test_what_a_remotes_head_points_to_is_no_damage(ledger: Ledger, hub: Path) -> None:
    """Git keeps a symbolic ref for the HEAD of a remote, from 2.48 on with every fetch: it is no damage."""
    git(ledger, "remote", "add", "origin", str(hub))
    git(ledger, "fetch", "-q", "origin")
    git(ledger, "remote", "set-head", "origin", "main")
    assert (ledger.git_dir / "refs/remotes/origin/HEAD").read_text().startswith("ref: ")
    assert ledger.verify().ok
    ledger.save("two", "iris")
    assert 1 == len(ledger.sync().pushed)
    (ledger.git_dir / "refs/remotes/origin/HEAD").write_text("ref: nowhere\n")
    assert ["refs/remotes/origin/HEAD"] == [problem.object for problem in ledger.verify().problems]


def test_what_a_killed_fetch_brought_is_nobodys_loss(
    ledger: Ledger, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git that dies when all objects are here, and no ref yet, leaves commits that `verify` takes for no damage."""
    other = Ledger.clone(hub, tmp_path / "other")
    for value in ("three", "four"):
        other.save(value, "iris")
    other.sync()
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"""#!/bin/sh
        for word; do shift; set -- "$@" "${{word%:refs/ledger/*}}"; done
        exec {shutil.which("git")} "$@"
    """)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    with pytest.raises(RemoteError):
        ledger.sync()
    monkeypatch.undo()
    assert "commit" == git(ledger, "cat-file", "-t", hub_tip(hub))
    assert [] == list(ledger.verify().problems)
    assert ("iris@3", "iris@4") == ledger.sync().fetched


def test_a_sync_leaves_no_log_of_what_it_fetched(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """The ref that a fetch goes to is gone with it, and nothing is left that would be one file more each time."""
    other = Ledger.clone(hub, tmp_path / "other")
    other.save("three", "iris")
    other.sync()
    ledger.sync()
    assert [] == [path for path in (ledger.git_dir / "logs").rglob("*") if "incoming" in path.parts]
