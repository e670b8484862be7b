"""What is built on what: by clocks that ran back, in few questions to Git, and where Git has it wrong."""

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import IntegrityError, RemoteError
from ledger.history.sharing.ancestry import commits_between, common_commit, is_ancestor
from ledger.ids import CommitId
from tests.kit.hubs import hub_git, new_hub, push_by_hand
from tests.kit.ledgers import git


@pytest.fixture
def ledger(two_versions: Ledger) -> Ledger:
    return two_versions


def chains(hub: Path, turns: Sequence[int]) -> tuple[list[CommitId], list[CommitId], CommitId]:
    """Two chains of commits on one root, made in turns by a clock that was far ahead for the root, and their merge."""
    lines, made = [], [[1], [1]]

    def commit(mark: int, second: int, *parents: int) -> None:
        lines.append(f"reset refs/heads/main\ncommit refs/heads/main\nmark :{mark}\n")
        lines.append(f"committer Eve <eve@example.com> {second} +0000\ndata 0\n")
        lines.extend(f"{'merge' if place else 'from'} :{parent}\n" for place, parent in enumerate(parents))
        lines.append("\n")

    commit(1, 10**9)
    for mark, turn in enumerate(turns, 2):
        commit(mark, mark, made[turn][-1])
        made[turn].append(mark)
    merge = len(turns) + 2
    commit(merge, merge, made[0][-1], made[1][-1])
    marks = hub / "marks"
    hub_git(hub, "fast-import", "--quiet", "--force", f"--export-marks={marks}", data="".join(lines).encode())
    ids = {int(mark[1:]): CommitId(id) for mark, id in map(str.split, marks.read_text().splitlines())}
    ours, theirs = ([ids[mark] for mark in chain] for chain in made)
    return ours, theirs, ids[merge]


def test_a_clock_that_ran_back_makes_no_old_commit_new(tmp_path: Path) -> None:
    """What a tip adds to a known commit is listed exactly, where Git by itself lists the root of both in some cases."""
    hub, chance, misled = new_hub(tmp_path), random.Random(1), 0
    for _ in range(8):
        ours, theirs, merge = chains(hub, chance.choices([0, 1], weights=[6, 1], k=chance.randrange(20, 45)))
        assert [*theirs[1:], merge] == commits_between(hub, ours[-1], merge)
        assert theirs[1:] == commits_between(hub, ours[-1], theirs[-1])
        misled += ours[0] in hub_git(hub, "rev-list", merge, f"^{ours[-1]}").split()
    assert misled


def test_many_commits_upon_old_ones_are_listed_in_a_few_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git is not asked of each commit that is built upon what is known alone: there may be any number of them."""
    hub = new_hub(tmp_path)
    known = push_by_hand(hub, add={"x": b""}, parents=())
    tree = hub_git(hub, "rev-parse", f"{known}^{{tree}}")
    made = [hub_git(hub, "commit-tree", tree, "-p", known, "-m", str(number)) for number in range(20)]
    tip = hub_git(hub, "commit-tree", tree, *(word for one in made for word in ("-p", one)), "-m", "all")
    asked: list[object] = []
    start = subprocess.Popen.__init__

    def noted(*words: Any, **named: Any) -> None:
        asked.append(words)
        start(*words, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    assert {*made, tip} == {*commits_between(hub, CommitId(known), CommitId(tip))}
    assert len(asked) == 2


def test_where_git_cannot_tell_what_is_built_on_what_that_is_no_answer(ledger: Ledger) -> None:
    """A commit that is lost is damage, and whatever else keeps Git from looking an error with Git's words."""
    tip, lost = CommitId(ledger.revision), CommitId("1" * 40)
    for ask in (is_ancestor, common_commit):
        with pytest.raises(IntegrityError, match=lost):
            ask(ledger.git_dir, lost, tip)
    (ledger.git_dir / "HEAD").unlink()
    for ask in (is_ancestor, common_commit):
        with pytest.raises(RemoteError, match=r"git cannot tell what .* not a git repository"):
            ask(ledger.git_dir, tip, tip)


def test_a_graph_that_lies_misleads_nobody(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """Git's graph of commits is derived: without the parents in it, the remote would look rewritten."""
    other = Ledger.clone(hub, tmp_path / "other")
    for value in ("three", "four"):
        other.save(value, "iris")
    other.sync()
    git(ledger, "fetch", "-q", str(hub), "main:refs/heads/theirs")
    git(ledger, "commit-graph", "write", "--reachable")
    path = ledger.git_dir / "objects" / "info" / "commit-graph"
    data = bytearray(path.read_bytes())
    start = int.from_bytes(data[36:44])  # of the commits, the third part in the table of parts
    assert b"CDAT" == data[32:36]
    for number in range(5):
        data[start + 36 * number + 20 : start + 36 * number + 24] = b"\x70\0\0\0"
    path.chmod(0o644)
    path.write_bytes(data)
    git(ledger, "update-ref", "-d", "refs/heads/theirs")
    assert ("iris@3", "iris@4") == ledger.sync().fetched


def test_a_history_that_is_cut_off_for_git_is_not_synced(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """What Git says of descent there is wrong, and no reason to call the remote rewritten; the hint mends it."""
    other = Ledger.clone(hub, tmp_path / "other")
    other.save("three", "iris")
    other.sync()
    git(ledger, "fetch", "-q", "--depth=1", hub.as_uri(), "main")
    with pytest.raises(IntegrityError, match="is cut off for Git, as `git fetch --depth` leaves it") as caught:
        ledger.sync()
    assert "`ledger git fetch --unshallow URL main`" in caught.value.hint
    git(ledger, "fetch", "-q", "--unshallow", hub.as_uri(), "main")
    assert ("iris@3",) == ledger.sync().fetched
    assert ledger.verify().ok
