"""Refs as files, loose and packed."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.disk import make_directory, walk
from ledger.errors import IntegrityError, StorageError
from ledger.history import History
from ledger.history.git.branch import read_branch
from ledger.history.git.refs import BRANCH, brought_ref, known_ref, read_ref, write_ref
from ledger.history.git.tips import accepted_tips, read_tips
from ledger.ids import CommitId
from tests.kit.histories import git, publish

A, B, C = (CommitId(letter * 40) for letter in "abc")


def test_a_ref_is_written_while_git_takes_its_empty_folder_away(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `git pack-refs` does with every folder of refs that it has emptied."""
    left = 3

    def take_away(folder: Path) -> None:
        nonlocal left
        make_directory(folder)
        left -= 1
        if left >= 0:
            folder.rmdir()

    monkeypatch.setattr("ledger.history.git.refs.make_directory", take_away)
    write_ref(bare, known_ref("origin"), B)
    assert (B, ["refs"]) == (read_ref(bare, known_ref("origin")), os.listdir(bare))
    left = 1000
    with pytest.raises(StorageError, match=r"cannot write .*origin: No such file"):
        write_ref(bare, brought_ref("origin"), C)
    assert ["refs"] == os.listdir(bare)


def test_a_loose_ref_wins_over_a_packed_one(bare: Path) -> None:
    """A ref is packed when it has no file of its own; other lines of packed-refs are passed over."""
    lines = ["# pack-refs with: peeled fully-peeled sorted ", f"{C} refs/heads/main2", f"{B} {BRANCH}", f"^{C}"]
    (bare / "packed-refs").write_text("\n".join(lines))
    assert A == read_branch(bare)
    (bare / BRANCH).unlink()
    assert B == read_branch(bare)
    assert read_ref(bare, "refs/heads/none") is None


def test_a_ref_that_git_packs_meanwhile_is_not_missed(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git writes it to packed-refs before its file goes, so the files are looked at first."""
    publish(history)
    write_ref(history.git_dir, known_ref("origin"), history.tip())
    expected = accepted_tips(history.git_dir)

    def pack_first(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        git(history, "pack-refs", "--all", "--prune")
        return walk(folder)

    monkeypatch.setattr("ledger.history.git.tips.walk", pack_first)
    assert expected == accepted_tips(history.git_dir)
    assert {BRANCH, known_ref("origin")} == expected.keys()


def test_a_ref_that_was_written_lasts(bare: Path, synced: list[str]) -> None:
    """Its bytes are synced before it has its name, and its folder behind that."""
    write_ref(bare, known_ref("origin"), B)
    staged, folder = synced[-2:]
    assert (True, str(bare / "refs" / "ledger" / "known")) == (staged.startswith(f"{bare}/tmp_ref_"), folder)


def test_a_ref_of_no_text_is_damage(bare: Path) -> None:
    """Bytes that are no UTF-8 are an IntegrityError in a file of its own, and no commit among the packed refs."""
    (bare / BRANCH).write_bytes(b"\xff" * 40 + b"\n")
    with pytest.raises(IntegrityError, match="not a commit"):
        read_branch(bare)
    (bare / BRANCH).unlink()
    (bare / "packed-refs").write_bytes(b"\xff" * 40 + f" {BRANCH}\n".encode())
    with pytest.raises(IntegrityError, match="has lost its branch"):
        read_branch(bare)


def test_packed_refs_that_cannot_be_read_are_an_error(bare: Path) -> None:
    """An unreadable packed-refs is never taken for one without the branch."""
    (bare / BRANCH).unlink()
    (bare / "packed-refs").mkdir()
    with pytest.raises(StorageError, match="packed-refs: Is a directory"):
        read_branch(bare)


@pytest.mark.parametrize("name", ["packed-refs", "refs/tags/v1"])
def test_a_ref_that_cannot_be_read_is_no_ref_that_is_not_there(bare: Path, name: str) -> None:
    """Who asks which commits belong to a history learns that nobody can say."""
    (bare / name).parent.mkdir(exist_ok=True)
    (bare / name).symlink_to(bare / name)
    assert ({BRANCH: A}, [name]) == (read_tips(bare).commits, [unread.name for unread in read_tips(bare).unread])
    with pytest.raises(StorageError, match=f"{name}: Too many levels"):
        accepted_tips(bare)


@pytest.mark.parametrize("name", ["packed-refs", "main"])
def test_a_process_short_of_files_calls_no_ref_damaged(bare: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What it says of itself is raised, and not put down to the file."""
    (bare / "packed-refs").write_text(f"{B} refs/tags/v1\n")
    really = os.open

    def short_of_files(path: str | Path, *given: int) -> int:
        if os.path.basename(path) == name:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return really(path, *given)

    monkeypatch.setattr(os, "open", short_of_files)
    with pytest.raises(StorageError, match=f"{name}: Too many open files"):
        read_tips(bare)


def test_a_lock_is_no_ref(bare: Path) -> None:
    """The commit that a writer at work has put into one is not published yet."""
    (bare / f"{BRANCH}.lock").write_text(f"{B}\n")
    assert {BRANCH: A} == accepted_tips(bare)
