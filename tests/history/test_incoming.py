"""What a remote offers is judged before anything relies on it; what is refused is kept as evidence."""

import contextlib
import errno
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import (
    AmbiguousIdError,
    ArgumentError,
    FormatError,
    HistoryRewrittenError,
    IntegrityError,
    LedgerError,
    RemoteError,
    StorageError,
    UnsupportedFormatError,
)
from ledger.history.sharing import incoming, transport
from ledger.history.tree.layout import Claim
from ledger.ids import VersionId, new_uuid
from ledger.lookup import write_remote
from ledger.maintenance import execute_repair, find_source, plan_repair
from ledger.records import Name, VersionString
from tests.conftest import check_histories
from tests.kit.clones import MILLISECONDS, manifest_bytes
from tests.kit.histories import NOW
from tests.kit.hubs import hub_git, hub_tip, new_hub, push_by_hand, shared
from tests.kit.ledgers import damage, git, loose_object, manifest_path
from tests.kit.web import served

ROOT = "artifacts/47/iris"
ID = VersionId(new_uuid(MILLISECONDS))
DIGITS = ID.replace("-", "")


def claim(position: int, version: str | None = None, counter: int | None = None) -> str:
    """The directory of a planted version."""
    version = version or str(position)
    return f"{ROOT}/0000/00/{position:08d}~{version}~{counter if counter is not None else position}~{DIGITS}"


@pytest.fixture
def ledger(two_versions: Ledger) -> Ledger:
    return two_versions


def assert_refused(ledger: Ledger, hub: Path, commit: str, kind: type[Exception], message: str) -> None:
    """The error is typed and says what is wrong; the ledger is as it was, and the commit is kept."""
    before = ledger.revision
    known = git(ledger, "rev-parse", "refs/ledger/known/origin")
    with pytest.raises(kind, match=message):
        ledger.sync()
    assert (before, known) == (ledger.revision, git(ledger, "rev-parse", "refs/ledger/known/origin"))
    assert commit == git(ledger, "rev-parse", f"refs/ledger/quarantine/{commit}")
    assert ["one", "two"] == [version.load() for version in ledger.versions("iris")]
    ledger.save("still works", "other")
    with pytest.raises(kind, match=message):
        ledger.sync()
    assert commit == hub_tip(hub)
    check_histories(ledger.path)


MANIFEST = manifest_bytes(ID, None)
EVENT = new_uuid(MILLISECONDS)

PLANTED: dict[str, tuple[dict[str, bytes], str]] = {
    "gap": ({f"{claim(4)}/version.json": MANIFEST}, "position 4 where 3 was due"),
    "taken": ({f"{claim(2)}/version.json": MANIFEST}, "position 2 where 3 was due"),
    "counter": ({f"{claim(3, counter=7)}/version.json": MANIFEST}, "counter 7 where 3 was due"),
    "same version": ({f"{claim(3, '2', 2)}/version.json": MANIFEST}, "another one has the version '2'"),
    "no pointer": ({f"{claim(3, 'cat', 2)}/version.json": manifest_bytes(ID, None)}, "version 'cat' does not find it"),
    "pointer to nowhere": ({f"{ROOT}/names/77/cat~9~{DIGITS}": b""}, "pointer that leads nowhere"),
    "pointer with bytes": ({f"{ROOT}/names/77/cat~9~{DIGITS}": b"x"}, "this is no pointer"),
    "bad record": ({f"{claim(3)}/version.json": b"{}"}, "missing required field"),
    "not JSON": ({f"{claim(3)}/version.json": b"\xff"}, "not JSON"),
    "huge record": ({f"{claim(3)}/version.json": b" " * (1 << 20) + b"{}"}, "over the limit"),
    "other name": ({f"{claim(3)}/version.json": manifest_bytes(ID, None, "rose")}, "manifest of 'rose'"),
    "no manifest": ({f"{claim(3)}/{EVENT}.json": b"{}"}, "missing required field"),
    "stray": ({f"{ROOT}/0000/00/notes/version.json": MANIFEST}, "'notes' is not a claim"),
    "wrong page": ({claim(3).replace("0000/00", "0000/07") + "/version.json": MANIFEST}, "the record belongs at"),
    "wrong shard": ({claim(3).replace("/47/", "/48/") + "/version.json": MANIFEST}, "the record belongs at"),
    "unknown place": ({"bin/run.sh": b"rm -rf /"}, "no record of a ledger has this place"),
    "bad run": ({f"runs/2026-11-23/{ID}/run.json": b'{\n  "kind": "run"\n}'}, "missing required field"),
    "bad cache": ({f"cache/ab/{'ab' * 32}~{ID}.json": b"{}"}, "missing required field"),
    "case": (
        {claim(1).replace("/iris/", "/Iris/") + "/version.json": manifest_bytes(ID, None, "Iris")},
        "beside 'iris'",
    ),
    "id twice": (
        {f"{claim(3)}/version.json": MANIFEST, f"{claim(4)}/version.json": MANIFEST},
        f"another one has the id {ID}",
    ),
    "deep": ({"/".join(["artifacts", *"abcdefghijklmnop"]): b""}, "nest deeper"),
    "long": ({f"runs/{'x' * 4000}/run.json": b""}, r"runs/x{40}\.\.\.: a name of 4000 characters"),
}


def test_the_hint_takes_a_commit_by_hand_back(ledger: Ledger, hub: Path) -> None:
    """A file that somebody has put beside the records, as a web page of the remote offers to, is no dead end."""
    ledger.save("three", "iris")
    ledger.sync()
    push_by_hand(hub, add={"README.md": b"hello"})
    with pytest.raises(FormatError, match=r"README\.md: no record") as caught:
        ledger.sync()
    command = shlex.split(str(caught.value.hint).split("`")[1])
    assert ["ledger", "git"] == command[:2]
    git(ledger, *command[2:])
    ledger.save("four", "iris")
    assert ("iris@4",) == ledger.sync().pushed


def test_planted_files_are_refused(ledger: Ledger, hub: Path) -> None:
    """A file that no ledger would have written there refuses the whole commit, which is named with the path."""
    tip = hub_tip(hub)
    for files, message in PLANTED.values():
        commit = push_by_hand(hub, add=files, parents=(tip,))
        with pytest.raises(FormatError, match=f"commit {commit} is refused: .*{message}"):
            ledger.sync()
        assert (tip, tip) == (ledger.revision, git(ledger, "rev-parse", "refs/ledger/known/origin")), message
    assert_refused(ledger, hub, commit, FormatError, message)


def test_a_well_formed_version_by_hand_is_taken(ledger: Ledger, hub: Path) -> None:
    """Whoever writes what the format says is a writer like any other."""
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    assert ("iris@3",) == ledger.sync().fetched


def test_what_is_no_plain_file_is_refused(ledger: Ledger, hub: Path) -> None:
    """A record has mode 100644: a tree holds no symbolic links, no programs and no commits of another repository."""
    tip = hub_tip(hub)
    for mode in ("120000", "100755", "160000"):
        commit = push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST}, mode=mode, parents=(tip,))
        assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: .*mode {mode}")


def test_a_deleted_record_is_refused(ledger: Ledger, hub: Path) -> None:
    """A fast-forward that takes a published version away is refused, with commit and path."""
    path = manifest_path(ledger.get("iris", 1))
    commit = push_by_hand(hub, remove=(path,))
    assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: it removes {path}")


def test_an_edited_record_is_refused(ledger: Ledger, hub: Path) -> None:
    """A fast-forward that changes a published record is refused, with commit and path."""
    path = manifest_path(ledger.get("iris", 1))
    manifest = json.loads(git(ledger, "show", f"main:{path}"))
    edited = json.dumps({**manifest, "tags": ["best"]}, indent=2, sort_keys=True).encode()
    commit = push_by_hand(hub, add={path: edited})
    assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: it edits {path}")


def test_what_was_added_and_removed_again_is_refused(ledger: Ledger, hub: Path) -> None:
    """Every commit is looked at, not only where they end."""
    path = f"{claim(3)}/version.json"
    push_by_hand(hub, add={path: MANIFEST})
    commit = push_by_hand(hub, remove=(path,))
    assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: it removes {path}")


def test_a_force_push_is_refused(ledger: Ledger, hub: Path) -> None:
    """A branch that does not hold any more what it held stops every sync; the error has both commits."""
    known = hub_tip(hub)
    commit = push_by_hand(hub, add={"x": b""}, parents=("main~1",))
    assert_refused(ledger, hub, commit, HistoryRewrittenError, f"is at {commit}, and was at {known}")


def test_a_branch_moved_back_is_refused(ledger: Ledger, hub: Path) -> None:
    """An old state of the branch is a rewritten history as well."""
    hub_git(hub, "update-ref", "refs/heads/main", "main~1")
    assert_refused(ledger, hub, hub_tip(hub), HistoryRewrittenError, "was rewritten")


def test_a_deleted_branch_is_refused(ledger: Ledger, hub: Path) -> None:
    """A remote that lost its branch is not an empty remote."""
    hub_git(hub, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(HistoryRewrittenError, match="has no branch main, which was at"):
        ledger.sync()


def test_an_empty_repository_takes_the_place_of_another_by_the_hint(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """What was published stays published; a sync then brings all, and the bytes."""
    (tmp_path / "new").mkdir()
    new = new_hub(tmp_path / "new")
    ledger.remove_remote("origin")
    ledger.add_remote("origin", str(new))
    with pytest.raises(HistoryRewrittenError, match="has no branch main") as caught:
        ledger.sync()
    [command] = re.findall(r"^`ledger git (push [^`]+)` restores it, also in a new repository", caught.value.hint)
    git(ledger, *command.split())
    ledger.sync()
    assert hub_tip(hub) == hub_tip(new)
    assert Ledger.clone(new, tmp_path / "clone" / ".ledger").verify().ok


def test_a_page_that_answers_for_a_remote_is_no_lost_branch(ledger: Ledger, tmp_path: Path) -> None:
    """Where a network has people sign in first, Git hears of no branches; the hint says what that may be."""
    page = tmp_path / "web" / "hub.git" / "info" / "refs"
    page.parent.mkdir(parents=True)
    page.write_text("<html>Please sign in</html>")
    with served(tmp_path / "web") as url:
        ledger.remove_remote("origin")
        ledger.add_remote("origin", f"{url}/hub.git", str(tmp_path / "store"))
        with pytest.raises(HistoryRewrittenError, match="has no branch main") as caught:
            ledger.sync()
    assert "and not a page to sign in at" in caught.value.hint


def test_a_bad_file_of_a_web_server_does_not_stop_the_next_sync(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """Git keeps the index of a pack that it has refused, and by itself would use it each time."""
    with served(hub) as url:
        hub_git(hub, "update-server-info")
        clone = Ledger.clone(url, tmp_path / "clone", hub / "ledger-store")
        before = {*hub.glob("objects/pack/*.idx")}
        ledger.save("three", "iris")
        ledger.sync()
        hub_git(hub, "update-server-info")
        [index] = {*hub.glob("objects/pack/*.idx")} - before
        sound = index.read_bytes()
        index.chmod(0o644)
        index.write_bytes(sound[:-21] + bytes([sound[-21] ^ 1]) + sound[-20:])  # the end of the pack's checksum
        with pytest.raises(RemoteError):
            clone.sync()
        index.write_bytes(sound)
        clone.sync()
    assert ledger.revision == clone.revision


def test_another_ledger_is_refused(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """Two ledgers that were made apart share no commit, and are not mixed."""
    other = shared(tmp_path / "b", hub)
    with pytest.raises(ArgumentError, match="holds another ledger"):
        other.sync()


def test_a_merge_that_renumbers_what_was_published_is_refused(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """A merge as ours make them, but with somebody else's versions in front: a rewritten history all the same."""
    early = tmp_path / "early.git"
    hub_git(hub, "init", "-q", "--bare", "-b", "main", str(early))
    hub_git(hub, "push", "-q", str(early), "main~2:refs/heads/main")
    eve, helper = Ledger.clone(early, tmp_path / "eve"), Ledger.clone(hub, tmp_path / "helper")
    eve.save("evil", "iris")
    git(helper, "update-ref", "-d", "refs/ledger/known/origin")
    write_remote(helper.path, "eve", str(eve.path))
    helper.sync("eve")
    assert ["evil", "one", "two"] == [version.load() for version in helper.versions("iris")]
    git(helper, "push", "-q", str(hub), "main")
    assert_refused(ledger, hub, hub_tip(hub), HistoryRewrittenError, "which had artifacts")


def test_a_merge_of_another_tree_is_refused(ledger: Ledger, hub: Path) -> None:
    """A merge commit adds nothing that its parents do not give."""
    tip = hub_tip(hub)
    side = push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    hub_git(hub, "update-ref", "refs/heads/main", tip)
    commit = push_by_hand(hub, parents=(tip, side))
    assert_refused(ledger, hub, commit, FormatError, "merging its parents gives")


def test_a_version_without_a_manifest_is_refused(ledger: Ledger, hub: Path) -> None:
    """An event is a record of its place, and makes no version of a folder that has nothing else."""
    ledger.log_metadata({"k": 1}, "iris")
    ledger.sync()
    [event] = git(ledger, "diff-tree", "-r", "--name-only", "main~1", "main").split()
    data = git(ledger, "cat-file", "blob", f"main:{event}").encode()
    commit = push_by_hand(hub, add={f"{claim(3)}/{event.rpartition('/')[2]}": data})
    assert_refused(ledger, hub, commit, FormatError, "iris@3 at .* has no manifest")


def test_a_merge_of_three_is_refused(ledger: Ledger, hub: Path) -> None:
    """What `git merge` makes of several branches at once, though its tree be right."""
    commit = push_by_hand(hub, parents=("main", "main~1", "main~2"))
    assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: it has 3 parents")


def test_a_second_beginning_is_refused(ledger: Ledger, hub: Path) -> None:
    """A commit that is built on nothing is the first of its history, and no side of a merge."""
    other = hub_git(hub, "commit-tree", "main~2^{tree}", "-m", "by hand")
    commit = push_by_hand(hub, parents=("main", other))
    assert_refused(ledger, hub, commit, FormatError, f"commit {other} is refused: it has 0 parents")


def test_a_merge_by_hand_without_collisions_is_taken(ledger: Ledger, hub: Path) -> None:
    """Plain `git merge` gives the tree that ours gives, as long as nobody claims the same position."""
    tip = hub_tip(hub)
    side = push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    hub_git(hub, "update-ref", "refs/heads/main", tip)
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST}, parents=(tip, side))
    assert ("iris@3",) == ledger.sync().fetched


def commit_by_hand(hub: Path, tree: str, *, time: int = 1_795_000_000, headers: str = "") -> str:
    """Move the hub's branch to a commit of a tree whose lines are written out."""
    person = f"Eve <eve@example.com> {time} +0000"
    text = f"tree {tree}\nparent {hub_tip(hub)}\nauthor {person}\ncommitter {person}\n{headers}\nby hand\n"
    commit = hub_git(hub, "hash-object", "-t", "commit", "-w", "--stdin", data=text.encode())
    hub_git(hub, "update-ref", "refs/heads/main", commit)
    return commit


def tree_with(hub: Path, tree: str, path: str, folder: str) -> str:
    """A tree with a folder at a path; Git's index holds none that is empty."""
    name, _, rest = path.partition("/")
    lines = {line.split("\t")[1]: line for line in hub_git(hub, "ls-tree", tree).splitlines()}
    if rest:
        below = lines[name].split()[2] if name in lines else hub_git(hub, "mktree")
        folder = tree_with(hub, below, rest, folder)
    lines[name] = f"040000 tree {folder}\t{name}"
    return hub_git(hub, "mktree", data="".join(f"{line}\n" for line in lines.values()).encode())


def test_what_was_refused_is_no_damage(ledger: Ledger, hub: Path) -> None:
    """Git takes trees with any mode: a sync refuses them, and the evidence that it keeps is sound for a check."""
    blob, sound = hub_git(hub, "hash-object", "-w", "--stdin"), hub_tip(hub)
    for mode in ("1", "100600", "140000"):
        line = f"{mode} x\0".encode() + bytes.fromhex(blob)
        tree = hub_git(hub, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", data=line)
        commit_by_hand(hub, tree_with(hub, f"{sound}^{{tree}}", "runs", tree))
        with pytest.raises(FormatError, match=f"'x' has mode {mode}"):
            ledger.sync()
        hub_git(hub, "update-ref", "refs/heads/main", sound)
    assert ledger.sync().commit == sound
    assert ledger.verify().ok


def test_an_empty_folder_is_refused(ledger: Ledger, hub: Path) -> None:
    """A folder without files is no record, and one that is named like an artifact but for case would stop its saves."""
    tip, empty = hub_tip(hub), hub_git(hub, "mktree")
    for folder in ("artifacts/47/IRIS", "artifacts/47/rose/0000/00", "junk"):
        hub_git(hub, "update-ref", "refs/heads/main", tip)
        commit = commit_by_hand(hub, tree_with(hub, "main", folder, empty))
        assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: {folder}: an empty folder")
    assert "3" == ledger.save("three", "iris").version


def test_a_bomb_of_folders_without_files_is_refused(ledger: Ledger, hub: Path) -> None:
    """Nine small trees that describe 40 to the 9th folders are not walked to their end."""
    tree = hub_git(hub, "mktree")
    for _ in range(9):
        lines = (f"040000 tree {tree}\t{number:02d}\n" for number in range(40))
        tree = hub_git(hub, "mktree", data="".join(lines).encode())
    commit = commit_by_hand(hub, tree_with(hub, "main", "zz", tree))
    assert_refused(ledger, hub, commit, FormatError, f"commit {commit} is refused: zz(/00){{9}}: an empty folder")


def test_a_commit_is_what_git_takes_it_for(ledger: Ledger, hub: Path) -> None:
    """A second tree or committer behind the first is nobody's: what is saved later goes on from Git's tree."""
    before = hub_tip(hub)
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    trees = [hub_git(hub, "rev-parse", f"{commit}^{{tree}}") for commit in ("main", before)]
    hub_git(hub, "update-ref", "refs/heads/main", before)
    commit_by_hand(hub, trees[0], headers=f"tree {trees[1]}\ncommitter Eve <e@x> {10**40} +0000\n")
    assert ("iris@3",) == ledger.sync().fetched
    assert "4" == ledger.save("four", "iris").version
    check_histories(ledger.path)


def test_a_commit_of_no_time_is_refused(ledger: Ledger, hub: Path) -> None:
    """Git takes any number of seconds; a ledger none that no moment has."""
    commit = commit_by_hand(hub, hub_git(hub, "rev-parse", "main^{tree}"), time=10**12)
    assert_refused(
        ledger, hub, commit, FormatError, f"commit {commit} is refused: its time is {10**12}, behind the end"
    )


@pytest.mark.parametrize("kind", ["blob", "tag"])
def test_a_branch_that_is_no_commit_is_refused(ledger: Ledger, hub: Path, kind: str) -> None:
    """Whatever stands below the branch's name, it is the remote's fault, and no damage here."""
    tip = hub_tip(hub)
    tag = f"object {tip}\ntype commit\ntag x\ntagger Eve <eve@example.com> 1 +0000\n\nby hand\n".encode()
    data = tag if kind == "tag" else b"x"
    (hub / "refs/heads/main").write_text(hub_git(hub, "hash-object", "-t", kind, "-w", "--stdin", data=data))
    with pytest.raises(FormatError, match=f"origin .* has a {kind} on its branch main, [0-9a-f]{{40}}, and no commit"):
        ledger.sync()
    hub_git(hub, "update-ref", "refs/heads/main", tip)
    assert (tip, True) == (ledger.sync().commit, ledger.verify().ok)


def test_a_record_of_a_later_format_is_for_a_later_program(ledger: Ledger, hub: Path) -> None:
    """Nobody is told to take back what a newer program has pushed: the way out is to read it with one."""
    later = MANIFEST.replace(b'"format": 1', b'"format": 2')
    push_by_hand(hub, add={f"{claim(3)}/version.json": later})
    before = ledger.revision
    with pytest.raises(UnsupportedFormatError, match="format 2, this program reads up to format 1") as caught:
        ledger.sync()
    assert "upgrade ledger" in caught.value.hint
    assert "refused" not in str(caught.value)
    assert before == ledger.revision


def test_a_disk_that_fails_here_refuses_nothing(ledger: Ledger, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what was fetched cannot be read, that is said, and nobody is told to take the commit back."""
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    really, before, reads = os.pread, {*ledger.git_dir.glob("objects/pack/*.pack")}, count()
    known = git(ledger, "rev-parse", "refs/ledger/known/origin")

    def fail(descriptor: int, *place: int) -> bytes:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")) in fetched() and next(reads):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(descriptor, *place)

    def fetched() -> set[Path]:
        return {*ledger.git_dir.glob("objects/pack/*.pack")} - before

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", fail)
        with pytest.raises(StorageError, match=r"^cannot read .*pack") as caught:
            ledger.sync()
    assert "push" not in caught.value.hint
    assert not (ledger.git_dir / "refs" / "ledger" / "quarantine").exists()
    assert known == git(ledger, "rev-parse", "refs/ledger/known/origin"), "what was not judged is not accepted"
    assert ("iris@3",) == ledger.sync().fetched


def test_an_unreachable_remote(ledger: Ledger, hub: Path, tmp_path: Path) -> None:
    """Git's own words reach the user, with how a remote is made where nothing is yet, and nothing is changed."""
    hub.rename(tmp_path / "gone.git")
    with pytest.raises(RemoteError, match=r"cannot ask origin .*does not appear to be a git repository") as caught:
        ledger.sync()
    assert f"nothing lies there yet, `git init --bare -b main {hub}` makes" in caught.value.hint


def test_a_bucket_is_no_remote(ledger: Ledger) -> None:
    """Where the URL of a store is given instead of Git's, the error says where it belongs."""
    ledger.add_remote("bucket", "s3://bucket/team")
    with pytest.raises(RemoteError, match=r"transport 's3' not allowed") as caught:
        ledger.sync("bucket")
    assert "the URL of a bucket or other store is given as the remote's store, by --store" in caught.value.hint


def test_a_corrupt_remote(ledger: Ledger, hub: Path) -> None:
    """A remote whose objects are damaged gives an error, and nothing half-fetched is read."""
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    tree = hub_git(hub, "rev-parse", "main^{tree}")
    loose = hub / "objects" / tree[:2] / tree[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"\0" * 10)
    before = ledger.revision
    with pytest.raises((RemoteError, IntegrityError)):
        ledger.sync()
    assert before == ledger.revision
    check_histories(ledger.path)


def test_what_git_itself_refuses_is_not_called_a_matter_of_the_network(ledger: Ledger, hub: Path) -> None:
    """A tree that would be a trap in a work tree does not get here; the hint says how to find it."""
    trap = b"100644 .git\0" + bytes.fromhex(hub_git(hub, "hash-object", "-w", "--stdin", data=b"[core]"))
    tree = hub_git(hub, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", data=trap)
    commit = hub_git(hub, "commit-tree", tree, "-p", "main", "-m", "by hand")
    hub_git(hub, "update-ref", "refs/heads/main", commit)
    with pytest.raises(RemoteError, match=f"object {tree}: hasDotgit") as caught:
        ledger.sync()
    assert "git fsck" in caught.value.hint


LOST = {"a commit": "main~1", "the root": "main^{tree}", "a folder": f"main:{ROOT}"}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_what_is_lost_here_is_no_fault_of_the_remotes(
    ledger: Ledger, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Nobody is told to move a branch by force, nothing is kept as evidence, and the remote brings back what is lost.

    Git takes a commit that is lost for the end of a history, and meets it first where the remote's clock is behind.
    """
    bob = Ledger.clone(hub, tmp_path / "b")
    with monkeypatch.context() as behind:
        behind.setattr(bob.workspace, "now", lambda: NOW)
        bob.save("three", "iris")
    bob.sync()
    id, path = loose_object(ledger, lost)
    path.unlink()
    ledger = Ledger.open(ledger.path)
    with pytest.raises(IntegrityError, match=f"git object {id} of the history cannot be read") as caught:
        ledger.sync()
    assert (IntegrityError, False) == (type(caught.value), "force" in caught.value.hint)
    assert not (ledger.git_dir / "refs/ledger/quarantine").exists()
    execute_repair(ledger, plan_repair(ledger, find_source(ledger, str(hub))), now=ledger.now())
    ledger.sync()
    assert "three" == Ledger.open(ledger.path).load("iris")


def test_damage_here_that_stops_a_fetch_is_not_called_a_matter_of_the_network(ledger: Ledger, hub: Path) -> None:
    """Git minds a damaged object when it joins others with it; the hint says where to look, and how that is mended."""
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    ledger.load("iris")  # what this process has read it need not read again: Git is who meets the damage
    damage(loose_object(ledger, "main")[1])
    with pytest.raises(RemoteError, match="is corrupt") as caught:
        ledger.sync()
    assert caught.value.hint.startswith("run `ledger verify`; where it finds damage here, `ledger repair --from`")


CLONED: dict[str, Callable[[Path], object]] = {
    "planted": lambda hub: push_by_hand(hub, add={f"{claim(9)}/version.json": MANIFEST}),
    "no ledger": lambda hub: push_by_hand(hub, add={"README": b"hello"}, parents=()),
}


@pytest.mark.parametrize("case", CLONED)
def test_a_clone_is_checked_as_a_whole(hub: Path, ledger: Ledger, tmp_path: Path, case: str) -> None:
    """What would be refused by a sync makes no clone either, and leaves nothing behind."""
    CLONED[case](hub)
    with pytest.raises(FormatError, match=r"is refused|holds no ledger"):
        Ledger.clone(hub, tmp_path / "b" / ".ledger")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("is_forced", [False, True])
def test_what_plain_git_has_fetched_is_checked(ledger: Ledger, hub: Path, *, is_forced: bool) -> None:
    """`git fetch` moves Git's own ref of the remote to whatever there is: a sync goes by what was accepted."""
    git(ledger, "remote", "add", "origin", str(hub))
    commit = push_by_hand(hub, add={"x": b""}, parents=("main~1",) if is_forced else ("main",))
    git(ledger, "fetch", "-q", "origin")
    assert commit == git(ledger, "rev-parse", "refs/remotes/origin/main")
    assert ledger.verify().ok
    assert_refused(ledger, hub, commit, HistoryRewrittenError if is_forced else FormatError, commit)


def test_an_id_that_two_artifacts_have_is_nobodys(ledger: Ledger, hub: Path) -> None:
    """Whoever may push can write any id: a look-up by it gives neither, by name all goes on, and a check says so."""
    mine = ledger.get("iris", 1)
    place = Claim(Name("aa"), 1, VersionString("1"), 1, VersionId(str(mine.id)))
    push_by_hand(hub, add={f"{'/'.join(place.path)}/version.json": manifest_bytes(place.id, None, "aa")})
    assert ("aa@1",) == ledger.sync().fetched
    for wanted in (mine.id, str(mine.id)):
        with pytest.raises(AmbiguousIdError, match=f"2 versions have the id {mine.id}: aa@1, iris@1"):
            ledger.get(wanted)
    assert "one" == ledger.load("iris", 1)
    [problem] = ledger.verify(deep=False).problems
    assert "iris@1" == problem.label


def test_leftovers_of_a_killed_sync_are_no_obstacle(ledger: Ledger, hub: Path) -> None:
    """A ref half written, and Git's lock on the one that a sync fetches to, stay where it was killed, until old."""
    folder = "refs/ledger/incoming"
    (ledger.git_dir / folder).mkdir(exist_ok=True)
    locks = [f"{folder}/{name}" for name in ("origin", "origin.lock", "origin-0123456789abcdef.lock")]
    left = [ledger.git_dir / name for name in (*locks, "tmp_ref_1")]
    for path in left:
        path.write_bytes(b"")
        os.utime(path, (0, 0))
    young = ledger.git_dir / "tmp_ref_2"
    young.write_bytes(b"")
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    assert ("iris@3",) == ledger.sync().fetched
    assert [young] == [path for path in (*left, young) if path.exists()]


def test_a_ref_that_git_packs_meanwhile_goes_with_its_sync(
    ledger: Ledger, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's `git pack-refs`, also as a part of `git gc`, runs between the fetch and the check."""

    def fetch(*arguments: Any) -> None:
        transport.fetch(*arguments)
        git(ledger, "pack-refs", "--all")

    monkeypatch.setattr(incoming, "fetch", fetch)
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    assert ("iris@3",) == ledger.sync().fetched
    assert "" == git(ledger, "for-each-ref", "refs/ledger/incoming")


@pytest.mark.parametrize(("link", "own"), [("refs/ledger", "incoming/letter"), ("refs/ledger/incoming", "letter")])
def test_a_linked_folder_of_incoming_refs_is_not_emptied(
    ledger: Ledger, hub: Path, tmp_path: Path, link: str, own: str
) -> None:
    """A ledger may come from anybody: what lies behind a link in the place of the folder is the user's own."""
    letter = tmp_path / "own" / own
    letter.parent.mkdir(parents=True)
    letter.write_text("dear")
    os.utime(letter, (0, 0))
    shutil.rmtree(ledger.git_dir / link, ignore_errors=True)
    (ledger.git_dir / link).symlink_to(tmp_path / "own")
    push_by_hand(hub, add={f"{claim(3)}/version.json": MANIFEST})
    with contextlib.suppress(LedgerError):
        ledger.sync()
    assert letter.is_file()
