"""What `git fsck` finds is found, and what it does not look for: a history that was cut back or edited."""

import errno
import hashlib
import itertools
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import IntegrityError
from ledger.history import History
from ledger.history.git.branch import read_branch
from ledger.history.git.refs import merged_ref, offered_ref, write_ref
from ledger.history.upkeep import (
    all_commits,
    check_commit,
    check_git_file,
    check_indexes,
    check_missed,
    check_nothing_taken_back,
    git_files,
    plan_mending,
    without_index,
)
from ledger.ids import CommitId
from tests.kit.git import run_git, unpack
from tests.kit.histories import again, git, new_history, packs_of, publish


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Three commits after the first, in packs of their own."""
    made = new_history(tmp_path)
    for seconds in range(3):
        publish(made, seconds=seconds)
    return made


def problems(history: History) -> list[str]:
    """Everything that is wrong, by where it is."""
    fresh = again(history)
    without = without_index(fresh)
    found = [fault.where for fault in check_indexes(fresh)]
    found += [fault.where for name in git_files(fresh) for fault in check_git_file(fresh, name)]
    found += [fault.where for id in all_commits(fresh) if (fault := check_commit(fresh, id)) is not None]
    found += [fault.where for fault in check_nothing_taken_back(fresh)]
    return list(dict.fromkeys([*found, *(fault.where for fault in check_missed(fresh, without))]))


def fsck(history: History) -> int:
    return run_git(history.git_dir, "fsck", "--full", "--strict").returncode


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    overwrite(path, bytes(data))


def test_a_sound_history_has_no_faults(history: History) -> None:
    """Whatever Git's own maintenance made of it: packs with deltas, packed refs, bitmaps, a graph of commits, logs."""
    assert [] == problems(history)
    for command in (
        "repack -a -d -q -b",
        "pack-refs --all",
        "commit-graph write --reachable",
        "multi-pack-index write",
    ):
        git(history, *command.split())
    git(history, "update-ref", "-m", "by hand", "refs/heads/other", "main")
    assert (0, []) == (fsck(history), problems(history))


@pytest.mark.parametrize("name", ["info/commit-graph", "pack/multi-pack-index"])
def test_a_derived_file_is_of_its_kind(history: History, name: str) -> None:
    """An index in its place has the checksum that it ends in, and Git cannot read it."""
    git(history, "commit-graph", "write", "--reachable")
    git(history, "multi-pack-index", "write")
    objects = history.git_dir / "objects"
    overwrite(objects / name, next(objects.glob("pack/*.idx")).read_bytes())
    assert fsck(history)
    assert [f"objects/{name}"] == problems(history)


def _tree(history: History, *names: str) -> None:
    """A tree with these entries in this order; those that end in a slash are folders."""
    empty = {kind: git(history, "hash-object", "-w", "-t", kind, "--stdin", data=b"") for kind in ("blob", "tree")}
    tree = b""
    for name in names:
        mode, kind = ("40000", "tree") if name.endswith("/") else ("100644", "blob")
        tree += f"{mode} {name.rstrip('/')}\0".encode() + bytes.fromhex(empty[kind])
    git(history, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=tree)


def test_a_folder_is_in_order_as_if_its_name_ended_in_a_slash(history: History) -> None:
    """So Git sorts a tree, and any other order is a fault."""
    _tree(history, "a.b", "a/", "a0", "b")
    _tree(history, "a", "a.b", "b/")
    assert (0, []) == (fsck(history), problems(history))
    _tree(history, "a/", "a.b", "a0")
    assert fsck(history)
    assert problems(history)


def test_refs_that_name_no_commit_are_sound(history: History) -> None:
    """Tags with a message and tags of these, of a file and of a folder, notes, and a ref to a ref."""
    ada = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for name, of in (("release", "main"), ("again", "release"), ("file", "main:ledger.json"), ("folder", "main:")):
        git(history, *ada, "tag", "-a", "-m", "by hand", name, of)
    git(history, "tag", "plain", "main:ledger.json")
    git(history, "tag", "gr\u00f6\u00dfe\u2028", "main")
    git(history, *ada, "notes", "add", "-m", "by hand", "main")
    git(history, "symbolic-ref", "refs/heads/same", "refs/heads/main")
    assert (0, []) == (fsck(history), problems(history))
    git(history, "pack-refs", "--all")
    assert [] == problems(history)


@pytest.mark.parametrize("ref", ["refs/ledger/known/origin", "refs/heads/main"])
def test_a_ref_that_we_read_names_a_commit_itself(history: History, ref: str) -> None:
    """Where Git would follow a ref to a ref, we read the commit that is published or accepted: there it is damage."""
    git(history, "update-ref", "refs/heads/other", "main")
    git(history, "symbolic-ref", ref, "refs/heads/other")
    assert ref in problems(history)


def test_commits_of_no_ledger_may_go(history: History) -> None:
    """Notes that were dropped, or a branch of pages that a remote has no more: none of it was ever published here."""
    ada = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for text in ("one", "two", "three"):
        git(history, *ada, "notes", "append", "-m", text, "main")
    git(history, "update-ref", "-d", "refs/notes/commits")
    assert [] == problems(history)


def test_notes_may_be_edited(history: History) -> None:
    """What `git notes` says of a commit is no record of a ledger, which only grows."""
    for text in ("one", "two"):
        git(history, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "notes", "append", "-m", text, "main")
    assert (0, []) == (fsck(history), problems(history))


def test_what_a_moved_ref_named_when_it_was_packed_may_be_gone(history: History) -> None:
    """A sync that moves one while `git gc` runs: the file says what it names, and the list is not asked any more."""
    ada = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    before = git(history, *ada, "commit-tree", "-p", "main", "-m", "merge behind origin", "main^{tree}")
    write_ref(history.git_dir, merged_ref("origin"), CommitId(before))
    git(history, "pack-refs", "--all")
    write_ref(history.git_dir, merged_ref("origin"), read_branch(history.git_dir))
    git(history, "prune", "--expire=now")
    assert run_git(history.git_dir, "cat-file", "-e", before).returncode
    assert (0, []) == (fsck(history), problems(history))


def test_a_tag_that_is_lost_is_found(history: History) -> None:
    """What a tag with a message names is a commit that has to be there, and so is the tag."""
    tag = f"object {'1' * 40}\ntype commit\ntag lost\ntagger Ada <ada@example.com> 0 +0000\n\nby hand\n"
    id = git(history, "hash-object", "-w", "-t", "tag", "--literally", "--stdin", data=tag.encode())
    (history.git_dir / "refs" / "tags" / "lost").write_text(f"{id}\n")
    assert [f"object {'1' * 40}"] == problems(history)


def test_a_history_that_is_cut_off_for_git_is_a_fault(history: History) -> None:
    """`git fetch --depth` leaves all that there is, and a list of where to stop, which Git's housekeeping goes by."""
    (history.git_dir / "shallow").write_text(git(history, "rev-parse", "main") + "\n")
    assert ["shallow"] == problems(history)


@pytest.mark.parametrize("pack", [[], ["pack-refs", "--all"]], ids=["loose", "packed"])
def test_what_has_git_show_another_history_is_a_fault(history: History, pack: list[str]) -> None:
    """Replaced objects and grafts, which no reader here heeds: whoever reads the history with plain Git is misled."""
    tip, first = git(history, "rev-parse", "main", "main~1").split()
    git(history, "replace", tip, first)
    if pack:
        git(history, *pack)
    graft = history.git_dir / "info" / "grafts"
    graft.parent.mkdir(exist_ok=True)
    graft.write_text(f"{tip}\n")
    assert ["info/grafts", f"refs/replace/{tip}"] == problems(history)
    graft.unlink()
    git(history, "replace", "-d", tip)
    assert [] == problems(history)


def _damage_pack(history: History) -> None:
    flip(packs_of(history)[0], 40)


def _damage_index(history: History) -> None:
    flip(packs_of(history)[0].with_suffix(".idx"), 1100)


def _damage_loose(history: History) -> None:
    git(history, "hash-object", "-w", "--stdin", data=b"loose")
    [path] = (history.git_dir / "objects").glob("??/*")
    flip(path, 8)


def _lose_index(history: History) -> None:
    packs_of(history)[0].with_suffix(".idx").unlink()


def _lose_pack(history: History) -> None:
    packs_of(history)[0].unlink()


def _point_elsewhere(history: History) -> None:
    (history.git_dir / "HEAD").write_text("ref: nowhere\n")


def _break_config(history: History) -> None:
    (history.git_dir / "config").write_text("[core\n")


def _name_what_is_not_there(history: History) -> None:
    (history.git_dir / "refs" / "heads" / "other").write_text(f"{'1' * 40}\n")


def _write_a_bad_log(history: History) -> None:
    git(history, "update-ref", "-m", "by hand", "refs/heads/other", "main")
    log = history.git_dir / "logs" / "refs" / "heads" / "other"
    log.write_text(log.read_text().replace(git(history, "rev-parse", "main"), "2" * 40))


def _flip_in_packed_refs(history: History) -> None:
    git(history, "pack-refs", "--all")
    packed = history.git_dir / "packed-refs"
    packed.write_text(packed.read_text().replace("# pack-refs with:", "# pack-refs with8"))


def _misname_in_packed_refs(history: History) -> None:
    git(history, "update-ref", "refs/ledger/known/origin", "main")
    git(history, "pack-refs", "--all")
    packed = history.git_dir / "packed-refs"
    packed.write_text(packed.read_text().replace("known/origin", "known/origi~"))


def _comment_in_packed_refs(history: History) -> None:
    git(history, "pack-refs", "--all")
    with (history.git_dir / "packed-refs").open("a") as packed:
        packed.write("# not one of Git's\n")


def _misplace_in_tree(history: History) -> None:
    _tree(history, "b", "a")


def _double_in_tree(history: History) -> None:
    _tree(history, "a", "a")


def _git_in_tree(history: History) -> None:
    _tree(history, ".git")


def _slash_in_tree(history: History) -> None:
    _tree(history, "a/b")


def _more_behind_tree(history: History) -> None:
    blob = git(history, "hash-object", "-w", "--stdin", data=b"")
    data = b"100644 a\0" + bytes.fromhex(blob) + b"100644 b\0"
    git(history, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=data)


def _commit_with_zero(history: History) -> None:
    data = git(history, "cat-file", "commit", "main").encode() + b"\0\n"
    git(history, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", data=data)


def _commit_without_committer(history: History) -> None:
    text = git(history, "cat-file", "commit", "main")
    data = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("committer ")).encode()
    git(history, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", data=data)


def _misname_in_index(history: History) -> None:
    blob = git(history, "hash-object", "-w", "--stdin", data=b"what no commit names")
    stem = git(history, "pack-objects", "-q", str(history.git_dir / "objects" / "pack" / "pack"), data=blob.encode())
    index = history.git_dir / "objects" / "pack" / f"pack-{stem}.idx"
    data = bytearray(index.read_bytes())
    data[1032 + 19] ^= 1
    overwrite(index, bytes(data[:-20]) + hashlib.sha1(data[:-20]).digest())


DAMAGES: list[Callable[[History], None]] = [
    _damage_pack,
    _damage_index,
    _damage_loose,
    _lose_index,
    _lose_pack,
    _point_elsewhere,
    _break_config,
    _name_what_is_not_there,
    _write_a_bad_log,
    _flip_in_packed_refs,
    _misname_in_packed_refs,
    _comment_in_packed_refs,
    _misplace_in_tree,
    _double_in_tree,
    _git_in_tree,
    _slash_in_tree,
    _more_behind_tree,
    _commit_with_zero,
    _commit_without_committer,
    _misname_in_index,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda act: act.__name__.strip("_"))
def test_what_git_finds_is_found(history: History, damage: Callable[[History], None]) -> None:
    """Each of these makes ``git fsck`` fail, and has a fault here."""
    damage(history)
    assert fsck(history)
    assert problems(history)


@pytest.mark.parametrize(
    "stored",
    [
        b"no stream",
        zlib.compress(b"blob 5\0loose")[:-1],
        zlib.compress(b"blob 5\0loose") + b"more",
        zlib.compress(b"blob 6\0loose"),
        zlib.compress(b"blub 5\0loose"),
        zlib.compress(b"blob 5\0other"),
        zlib.compress(b"tree 5\0loose"),
    ],
    ids=["no stream", "cut end", "trailing bytes", "other size", "no kind", "other bytes", "other kind"],
)
def test_every_byte_of_a_loose_object_is_judged(history: History, stored: bytes) -> None:
    """Also those that no reader needs, as long as the bytes of the object are right: Git takes none of these files."""
    id = git(history, "hash-object", "-w", "--stdin", data=b"loose")
    assert [] == problems(history)
    overwrite(history.git_dir / "objects" / id[:2] / id[2:], stored)
    assert (True, [f"objects/{id[:2]}/{id[2:]}"]) == (fsck(history) != 0, problems(history))


def faults_of(history: History, pack: Path) -> list[tuple[str, frozenset[str]]]:
    """Of what kind the faults of a pack itself are, and which objects each takes away."""
    found = list(check_git_file(again(history), f"objects/pack/{pack.stem}"))
    assert {f"objects/pack/{pack.name}"} >= {fault.where for fault in found}
    return [(fault.kind, fault.objects) for fault in found]


def test_every_byte_of_a_pack_is_judged(history: History) -> None:
    """Also those of its head and its checksum, of which no object is the worse; those that are lost are named."""
    pack = packs_of(history)[0]
    sound = pack.read_bytes()
    assert [] == faults_of(history, pack)
    lost: list[frozenset[str]] = []
    for at in range(len(sound)):
        flip(pack, at)
        [(kind, objects)] = faults_of(history, pack)
        assert "corrupt" == kind
        lost.append(objects)
        overwrite(pack, sound)
    named = frozenset(git(history, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split())
    assert {1} == {len(objects) for objects in lost[20:30]}
    assert frozenset().union(*lost) <= named
    assert {frozenset[str]()} == {*lost[8:12], *lost[-20:]}


def test_a_pack_that_cannot_be_read_takes_its_objects_away(history: History) -> None:
    """One that is gone while its index is there is missing; any other is damaged, whatever its index says by then."""
    pack = packs_of(history)[0]
    index = pack.with_suffix(".idx")
    held = frozenset(line.split()[1] for line in git(history, "show-index", data=index.read_bytes()).splitlines())
    pack.unlink()
    assert [("missing", frozenset())] == faults_of(history, pack)
    pack.mkdir()
    assert [("corrupt", held)] == faults_of(history, pack)
    overwrite(index, b"no index")
    assert [("corrupt", frozenset())] == faults_of(history, pack)


def test_a_loose_object_that_cannot_be_read_hides_no_other(history: History) -> None:
    """Each is named, one in whose place a folder is and the damaged one beside it."""
    git(history, "hash-object", "-w", "--stdin", data=b"loose")
    [path] = (history.git_dir / "objects").glob("??/*")
    other = path.with_name("f" * 38)
    path.rename(other)
    path.mkdir()
    folder = path.parent
    found = {(each.where, each.objects) for each in check_git_file(history, f"objects/{folder.name}")}
    assert {(f"objects/{folder.name}/{each}", frozenset([folder.name + each])) for each in os.listdir(folder)} == found


def test_what_is_derived_of_a_pack_is_held_against_its_checksum(history: History) -> None:
    """A reverse index is one of Git's own, of which an older Git sees no damage."""
    git(history, "-c", "pack.writeReverseIndex=true", "repack", "-a", "-d", "-q")
    path = packs_of(history)[0].with_suffix(".rev")
    assert [] == problems(history)
    flip(path, 13)
    assert [f"objects/pack/{path.name}"] == problems(history)


def test_no_flip_in_an_index_raises_anything_foreign(history: History) -> None:
    """Whatever an index of a pack with deltas says, reading through it gives the object or a fault."""
    git(history, "repack", "-a", "-d", "-f", "-q")
    [pack] = packs_of(history)
    index = pack.with_suffix(".idx")
    sound = index.read_bytes()
    for at in (*range(8), *range(1020, len(sound), 29)):
        flip(index, at)
        assert list(check_git_file(again(history), f"objects/pack/{pack.stem}"))
        assert list(check_indexes(again(history)))
        list(all_commits(again(history)))
        overwrite(index, sound)


def test_a_commit_that_takes_away_is_named(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is content with a commit that removes or edits a record; a history only grows."""
    tree = git(history, "rev-parse", "main~1^{tree}")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Eve")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "eve@example.com")
    commit = git(history, "commit-tree", tree, "-p", "main", "-m", "take away")
    git(history, "update-ref", "refs/heads/main", commit)
    fault = check_commit(again(history), CommitId(commit))
    assert fault is not None
    assert "removes artifacts/" in fault.message
    assert 0 == fsck(history)


def test_what_was_refused_is_no_part_of_it(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that a remote offered and that was not accepted is kept as evidence; a check does not judge it again."""
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Eve")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "eve@example.com")
    blob = git(history, "hash-object", "-w", "--stdin", data=b"target")
    tree = git(history, "mktree", data=f"120000 blob {blob}\tlink\n".encode())
    for parent in ("main", "refs/ledger/quarantine/1"):
        commit = git(history, "commit-tree", tree, "-p", parent, "-m", "take away")
        git(history, "update-ref", "refs/ledger/quarantine/1", commit)
    assert (0, []) == (fsck(history), problems(history))


def test_a_branch_that_went_back_is_noticed(history: History) -> None:
    """What was built on was published once: if no ref reaches it any more, somebody moved the branch back."""
    tip, before = git(history, "rev-parse", "main", "main~1").split()
    git(history, "update-ref", "refs/heads/main", "main~2")
    assert [f"commit {before}"] == problems(history)
    assert 0 == fsck(history)
    git(history, "update-ref", "refs/heads/main", tip)
    assert [] == problems(history)


def _went_back_in_loose_files(history: History) -> tuple[str, Path]:
    """Move the branch back by two commits, all in loose files; the one that is lost, and the folder of it alone."""
    for seconds in itertools.count(3):
        unpack(history.git_dir)
        id = git(history, "rev-parse", "main~1")
        folder = history.git_dir / "objects" / id[:2]
        if len(os.listdir(folder)) == 1:
            break
        publish(history, seconds=seconds)  # chance has put another object there
    git(history, "update-ref", "refs/heads/main", "main~2")
    return id, folder


def test_a_lost_publication_is_found_behind_a_link(history: History, tmp_path: Path) -> None:
    """As Git finds objects in a folder that is kept elsewhere, or has all of them there."""
    id, folder = _went_back_in_loose_files(history)
    for place in (folder, history.git_dir / "objects"):
        place.symlink_to(place.rename(tmp_path / f"elsewhere-{place.name}"))
        assert [f"commit {id}"] == problems(history)


@pytest.mark.parametrize("target", ["nowhere", "../HEAD", "{}"])
def test_a_folder_of_objects_behind_a_link_that_leads_to_none_is_a_fault(
    history: History, tmp_path: Path, target: str
) -> None:
    """It is not called empty: a publication that was taken back may be there, and its link stays for whoever mends."""
    _, folder = _went_back_in_loose_files(history)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(target.format(folder.name))
    assert [f"objects/{folder.name}"] == problems(history)
    faults = list(check_git_file(history, f"objects/{folder.name}"))
    assert () == plan_mending(again(history), None, faults).aside
    assert re.search("remove that link, or mount the disk|levels of symbolic links$", faults[0].message)


def test_without_a_folder_of_objects_nothing_is_judged(history: History, tmp_path: Path) -> None:
    """A history that has lost it is refused; one that was opened before lacks its newest commit, and is not empty."""
    opened = again(history)
    (history.git_dir / "objects").rename(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="no folder objects"):
        problems(history)
    tip = read_branch(history.git_dir)
    assert [tip] == list(all_commits(opened))
    fault = check_commit(opened, tip)
    assert fault is not None
    assert "objects" in fault.message


def test_what_a_dead_writer_left_is_no_fault(history: History) -> None:
    """A commit on top of the branch that was never published, or a part of a file, is nothing to worry about."""
    git(history, "update-ref", "refs/heads/main", "main~1")
    (history.git_dir / "objects" / "ab").mkdir()
    (history.git_dir / "objects" / "ab" / "tmp_obj_AbCdEf").write_bytes(b"part")
    assert [] == problems(history)


def test_what_a_push_brought_that_died_is_no_fault(history: History) -> None:
    """Git names what it takes after its pack is there, and marks that until then: a push was killed between the two."""
    git(history, "update-ref", "refs/heads/main", "main~2")
    for pack in packs_of(history):
        pack.with_suffix(".keep").write_text("receive-pack 1234 on elsewhere")
    assert [] == problems(history)


def test_a_pack_that_never_got_its_index_is_no_fault(history: History) -> None:
    """A writer that died between the two left objects that nobody misses: neither Git nor a check minds."""
    blob = git(history, "hash-object", "-w", "--stdin", data=b"never published")
    stem = git(history, "pack-objects", "-q", str(history.git_dir / "objects" / "pack" / "pack"), data=blob.encode())
    (history.git_dir / "objects" / "pack" / f"pack-{stem}.idx").unlink()
    write_ref(history.git_dir, offered_ref("origin"), CommitId("1" * 40))  # a fetch that has not brought it
    assert (0, []) == (fsck(history), problems(history))


def test_an_index_that_comes_while_it_is_looked_at_is_no_fault(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer puts an index in place just after the check has found none: nothing is wrong."""
    opened, missed = os.open, list[str]()

    def not_there_yet(path: str, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(".idx") and path not in missed:
            missed.append(path)
            raise FileNotFoundError(errno.ENOENT, "not there yet", path)
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", not_there_yet)
    assert [] == list(check_indexes(again(history)))
    assert missed


@pytest.mark.parametrize("lost", ["main~1", "main^{tree}", "main:artifacts"])
def test_a_missing_object_is_told_from_a_damaged_one(history: History, lost: str) -> None:
    """The kind of a fault says whether something is gone or wrong, and which object that concerns, for each commit."""
    id = git(history, "rev-parse", lost)
    unpack(history.git_dir)
    path = history.git_dir / "objects" / id[:2] / id[2:]
    for kind, spoil in (("corrupt", flip), ("missing", lambda path, _: path.unlink())):
        spoil(path, 5)
        fresh = again(history)
        faults = [fault for commit in all_commits(fresh) if (fault := check_commit(fresh, commit)) is not None]
        assert {(f"object {id}", kind, frozenset([id]))} == {(each.where, each.kind, each.objects) for each in faults}
