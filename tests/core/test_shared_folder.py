"""A ledger directory that several users of a machine share: the umask decides who may do what."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ledger import Ledger
from ledger.history.writing.bells import Bell
from ledger.history.writing.waiting import Queue
from tests.kit.forking import in_a_fork

NOBODY = 65534


@pytest.fixture
def group_umask() -> Iterator[None]:
    """What a user works with who shares files with a group."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def use(path: Path) -> None:
    """Do what makes a file of each kind: small and large contents, a fold, a catalog, a mapped copy."""
    ledger = Ledger.init(path)
    for number in range(12):
        ledger.save(number, "numbers", tags=["few"])
    ledger.save(np.random.default_rng(0).bytes(3_000_000), "noise")
    ledger.save(np.arange(10), "array").load(mmap=True)
    ledger.log_metadata({"seen": True}, on="numbers")
    ledger.verify()


def modes(path: Path) -> dict[Path, int]:
    """The modes of what is there for all users of a ledger directory."""
    return {
        each.relative_to(path): stat.S_IMODE(each.stat().st_mode)
        for each in path.rglob("*")
        if path / "cache" / "mapped" / str(os.geteuid()) not in (each, *each.parents)
    }


@pytest.mark.usefixtures("group_umask")
def test_a_group_may_write_whatever_a_member_made(workdir: Path) -> None:
    """With the umask 002, every file and folder of a ledger can be written by the group."""
    use(workdir / ".ledger")
    found = modes(workdir / ".ledger")
    assert {} == {path: oct(mode) for path, mode in found.items() if not mode & stat.S_IWGRP or mode & stat.S_IWOTH}


def test_what_is_the_users_alone_stays_so(workdir: Path) -> None:
    """With the umask 077, nobody else may do anything."""
    before = os.umask(0o077)
    try:
        use(workdir / ".ledger")
    finally:
        os.umask(before)
    assert {0o700, 0o600} == set(modes(workdir / ".ledger").values())


@pytest.mark.usefixtures("group_umask")
def test_a_mapped_copy_is_the_users_alone(ledger: Ledger) -> None:
    """A copy to be mapped is not the group's to write, and so serves a second time."""
    version = ledger.save(np.arange(1000), "array")
    version.load(mmap=True)
    (copy,) = (ledger.path / "cache" / "mapped").rglob("bytes")
    first = copy.stat().st_ino
    version.load(mmap=True)
    assert [first] == [path.stat().st_ino for path in (ledger.path / "cache" / "mapped").rglob("bytes")]


@pytest.mark.parametrize(("umask", "expected"), [(0o002, (0o775, 0o664, 0o775)), (0o077, (0o700, 0o600, 0o700))])
def test_restored_files_are_as_the_umask_says(
    ledger: Ledger, tmp_path: Path, umask: int, expected: tuple[int, ...]
) -> None:
    """A folder, a file and a program are restored with the modes that Git would give them."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "plain").write_text("x")
    (source / "run").write_text("#!/bin/sh")
    (source / "run").chmod(0o755)
    version = ledger.save(source, "folder")
    before = os.umask(umask)
    try:
        version.restore(tmp_path / "back")
    finally:
        os.umask(before)
    back = tmp_path / "back"
    assert expected == tuple(stat.S_IMODE(path.stat().st_mode) for path in (back, back / "plain", back / "run"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
@pytest.mark.usefixtures("workdir")
def test_a_writer_who_may_not_be_woken_keeps_nobody_asleep() -> None:
    """Where the writer that waited longest is a user whose bell others may not ring, the next one is woken."""
    folder = Path("queue")
    folder.mkdir(mode=0o777)
    closed, open_to_all = (Bell(folder / f"{number:020d}-0123456789abcdef.bell") for number in (1, 2))
    for number, mode in ((1, 0o600), (2, 0o666)):
        (folder / f"{number:020d}-0123456789abcdef").touch()
        (folder / f"{number:020d}-0123456789abcdef.bell").chmod(mode)

    def ring_as_nobody() -> None:
        os.setuid(NOBODY)
        queue = Queue(folder)
        queue.ring_next()
        queue.remove_dead()

    in_a_fork(ring_as_nobody)
    assert (None, b"next") == (closed.wait(0), open_to_all.wait(0))
    closed.close()
    open_to_all.close()
