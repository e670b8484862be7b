"""What differs between two commits, version by version, whatever the two are."""

import itertools
import random
from pathlib import Path

import msgspec
import pytest

from ledger.history import UNPLACED, Claim, EventDraft, History, VersionDraft, claim_changes
from ledger.history.tree.layout import MANIFEST
from ledger.ids import CommitId, VersionId
from ledger.records import TagsEvent, check_name, encode
from tests.kit.histories import AUTHOR, NOW, draft, git, new_history

Held = dict[Claim, tuple[VersionId, tuple[str, ...]]]
"""For each version the id whose place it takes in the order, and its files."""


def held(history: History, commit: CommitId) -> Held:
    """What a commit holds, by walking through all of it."""
    snapshot = history.snapshot(commit)
    found: Held = {}
    for name in snapshot.artifact_names():
        lowest: VersionId | None = None
        for claim in snapshot.claims(name, newest_first=True):
            lowest = claim.id if lowest is None else min(lowest, claim.id)
            found[claim] = lowest, tuple(snapshot.folders.names(claim.path))
    return found


def apply(history: History, before: CommitId | None, after: CommitId) -> int:
    """Check that the changes lead from one commit to the other, and say no more than they must; returns how many."""
    old = held(history, before) if before is not None else {}
    new = held(history, after)
    changes = list(claim_changes(history, before, after))
    for change in changes:
        assert change.was_there is (change.claim in old)
        assert change.order == (new[change.claim][0] if change.claim in new else None)
        assert old.get(change.claim) != new.get(change.claim)
        old.pop(change.claim, None)
        if change.order is not None:
            old[change.claim] = new[change.claim]
    assert new == old
    return len(changes)


def by_chance(chance: random.Random, name: str) -> VersionDraft:
    """A version by a clock that is a little ahead or behind."""
    made = draft(name)
    moment = 1_795_000_000_000 + chance.randrange(200)
    return msgspec.structs.replace(made, id=VersionId(f"{moment:012x}"[:8] + f"-{moment:012x}"[9:] + made.id[13:]))


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Seven commits: 350 versions of one name and some of others, by clocks that differ; then events on a few."""
    history = new_history(tmp_path)
    chance = random.Random(5)
    for size in (1, 99, 1, 150, 2, 100):
        drafts = [by_chance(chance, chance.choice(("a", "a", "a", "b", "c/d"))) for _ in range(size)]
        history.publish(drafts, author=AUTHOR, now=NOW)
    claims = [claim for claim in history.snapshot().all_claims() if chance.random() < 0.02]
    tagged = encode(TagsEvent(id=UNPLACED, created_at="", created_by="", add=("x",), remove=()))
    events = [EventDraft(claim=claim, verb="tag", record=tagged) for claim in claims]
    history.publish(events, author=AUTHOR, now=NOW)
    return history


def test_changes_lead_from_any_commit_to_any_other(history: History) -> None:
    """Forwards, backwards and from nothing, over many pages: applied to one commit's versions they give the other's."""
    commits = [CommitId(commit) for commit in git(history, "rev-list", "main").split()]
    assert 8 == len(commits)
    for before, after in itertools.product([None, *commits], commits):
        is_same = before == after or (before is None and not held(history, after))
        assert is_same is (apply(history, before, after) == 0)


def test_one_new_version_is_one_change(history: History) -> None:
    """A version that is newer than all is the only change, and takes no other trees than its own to find."""
    before = history.tip()
    newest = msgspec.structs.replace(draft("a"), id=VersionId("ffffffff-ffff-7fff-bfff-ffffffffffff"))
    published = history.publish([newest], author=AUTHOR, now=NOW)
    assert 1 == apply(history, before, published.commit)


def test_an_older_id_moves_what_was_published_before_it(history: History) -> None:
    """A version by a clock far behind changes the order of all before it, and each of them is told of."""
    before = history.tip()
    oldest = msgspec.structs.replace(draft("b"), id=VersionId("00000000-0000-7000-8000-000000000000"))
    published = history.publish([oldest], author=AUTHOR, now=NOW)
    count = len(list(history.snapshot().claims(check_name("b"))))
    assert count == apply(history, before, published.commit)


def test_what_is_no_claim_changes_no_version(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of other kinds among the versions, and folders of other names, are passed over."""
    before = history.tip()
    claim = history.snapshot().latest(check_name("a"))
    assert claim is not None
    blob = git(history, "hash-object", "-w", "--stdin", data=b"x")
    monkeypatch.setenv("GIT_INDEX_FILE", str(history.git_dir / "planted"))
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Eve")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "eve@example.com")
    folder = "/".join(claim.path[:-1])
    planted = (f"{folder}/stray", f"artifacts/zz/a/0000/00/{claim.directory}/{MANIFEST}", "artifacts/%/x")
    git(history, "read-tree", "main")
    for path in planted:
        git(history, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    tree = git(history, "write-tree")
    after = CommitId(git(history, "commit-tree", tree, "-p", "main", "-m", "planted", data=b""))
    assert 0 == apply(history, before, after)
