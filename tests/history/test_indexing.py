"""Indexes of packs are derived: deleted or damaged, they are made again when they are missed."""

import gc
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import IntegrityError, StorageError
from ledger.history.git import packs
from ledger.history.git.entries import NAME_DELTA, encode_delta_entry, encode_entry, encode_head
from ledger.history.git.forms import ObjectId
from ledger.history.git.indexing import can_be_indexed, restore_indexes
from ledger.history.git.kinds import BLOB, RawObject
from ledger.history.git.objects import Objects
from ledger.history.git.packfile import seal_pack
from ledger.history.git.soundness import check_index
from tests.kit.descriptors import open_descriptors
from tests.kit.git import run_git


def replace_by_folder(path: Path) -> None:
    """As a mount of a file that is not there makes one."""
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "an empty folder": replace_by_folder,
    "one bit of a name": lambda path: path.write_bytes(flipped(path.read_bytes(), 8 + 1024 + 3)),
}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def packs_of(ledger: Ledger) -> Path:
    return ledger.git_dir / "objects" / "pack"


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_index_is_made_again(ledger: Ledger, kind: str) -> None:
    """With every index deleted or damaged, the next look-up finds all, and Git is content afterwards."""
    for number in range(5):
        ledger.save(number, "numbers")
    for index in packs_of(ledger).glob("*.idx"):
        DAMAGE[kind](index)
    again = Ledger.open(ledger.path)
    assert [0, 1, 2, 3, 4] == [version.load() for version in again.versions("numbers")]
    assert "6" == again.save(5, "numbers").version


def test_threads_that_miss_an_index_wait_until_it_is_there(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one thread is making again, another one does not take for lost."""
    ledger.save(1, "one")
    tip = ObjectId(ledger.workspace.history.tip())
    for index in packs_of(ledger).glob("*.idx"):
        index.unlink()
    objects = Objects(ledger.git_dir)
    others: list[Future[RawObject]] = []

    def restore_beside_another(folder: Path) -> bool:
        if not others:
            others.append(pool.submit(objects.read, tip))
            wait(others, timeout=0.2)
        return restore_indexes(folder)

    monkeypatch.setattr(packs, "restore_indexes", restore_beside_another)
    with ThreadPoolExecutor() as pool:
        assert objects.read(tip) == others[0].result()


def test_who_has_a_damaged_pack_open_reads_what_others_put_in_its_place(ledger: Ledger) -> None:
    """A process that met damage before another one mended it finds everything, without being started anew."""
    ledger.save(1, "one")
    path = max(packs_of(ledger).glob("*.pack"), key=os.path.getmtime)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    reader = Ledger.open(ledger.path)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            reader.load("one")
    mended = path.with_name("mended")
    mended.write_bytes(good)
    mended.rename(path)
    assert 1 == reader.load("one")


def test_a_pack_with_a_damaged_entry_under_a_right_checksum_has_no_index(ledger: Ledger, tmp_path: Path) -> None:
    """Whatever the library meets on its way through the pack, it is no error here but of who misses an object."""
    good = max(packs_of(ledger).glob("*.pack"), key=os.path.getmtime).read_bytes()
    for at in range(12, len(good) - 20, 7):
        body = good[:at] + b"\xff" * 12 + good[at + 12 : -20]
        (tmp_path / "bad.pack").write_bytes(body + hashlib.sha1(body, usedforsecurity=False).digest())
        assert not can_be_indexed(tmp_path / "bad")


def test_an_interrupt_while_an_index_is_made_comes_out_as_it_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames hold the bytes of the pack, which cannot be closed then: that hides nothing, keeps nothing open."""
    base = next(packs_of(ledger).glob("*.pack")).with_suffix("")
    gc.collect()  # what an earlier test left in a cycle closes its files here, not below
    before = open_descriptors()

    class Interrupted:
        def decompress(self, *_: object) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(zlib, "decompressobj", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        can_be_indexed(base)
    monkeypatch.undo()
    gc.collect()
    assert {} == open_descriptors() - before
    assert can_be_indexed(base)


def test_a_pack_whose_deltas_have_no_base_or_no_measure_has_no_index(tmp_path: Path) -> None:
    """A thin pack that somebody left, and a delta that makes more than fits any memory, are no errors either."""
    base, vast = encode_entry(BLOB, b"base"), b"\x04" + b"\xff" * 7 + b"\x7f\x90\x04"
    thin = encode_head(NAME_DELTA, 4) + b"\1" * 20 + zlib.compress(b"\x04\x04\x90\x04")
    for entries in ([base, thin], [base, encode_delta_entry(len(base), vast)]):
        (tmp_path / "bad.pack").write_bytes(seal_pack(entries))
        assert not can_be_indexed(tmp_path / "bad")


def test_a_forged_index_is_told_from_one_of_the_pack(ledger: Ledger) -> None:
    """Right checksums do not make an index of what is none, or has no room for what it says it lists."""
    ledger.save(1, "one")
    path = max(packs_of(ledger).glob("*.idx"), key=os.path.getmtime)
    good = path.read_bytes()
    for body in (b"\0" + good[1:-20], good[:-76] + good[-40:-20]):
        path.write_bytes(body + hashlib.sha1(body, usedforsecurity=False).digest())
        assert check_index(path.with_suffix(""), "pack") is not None
        assert 1 == Ledger.open(ledger.path).load("one")
        assert good == path.read_bytes()


def test_packs_with_deltas_get_their_index_back(ledger: Ledger) -> None:
    """What real Git has packed is indexed again too."""
    for number in range(8):
        ledger.save({"number": number, "text": "x" * 500}, "numbers")
    assert 0 == run_git(ledger.git_dir, "repack", "-a", "-d", "-f", "--depth=10").returncode
    (index,) = packs_of(ledger).glob("*.idx")
    before = index.read_bytes()
    index.unlink()
    assert 7 == Ledger.open(ledger.path).load("numbers")["number"]
    assert before == index.read_bytes()


def test_a_damaged_pack_is_left_alone(ledger: Ledger) -> None:
    """Where the pack itself is cut short there is nothing to index: the object is reported, the file stays."""
    ledger.save(1, "one")
    for pack in packs_of(ledger).glob("*.pack"):
        (pack.with_suffix(".idx")).unlink()
        pack.write_bytes(pack.read_bytes()[:-25])
    kept = {path.name: path.read_bytes() for path in packs_of(ledger).iterdir()}
    with pytest.raises(IntegrityError, match="it is nowhere"):
        Ledger.open(ledger.path).load("one")
    assert kept == {path.name: path.read_bytes() for path in packs_of(ledger).iterdir()}
    shutil.rmtree(ledger.path)  # it cannot pass the check that every ledger of a test must


def test_sound_indexes_are_not_written_again(ledger: Ledger) -> None:
    """Nothing is written while all is well."""
    ledger.save(1, "one")
    assert restore_indexes(packs_of(ledger)) is False


def test_a_folder_in_the_place_of_an_index_is_named(tmp_path: Path) -> None:
    """As it is called: whoever has to take it away looks for that."""
    ledger = Ledger.init(tmp_path / ".ledger")
    ledger.save("one", "iris")
    for index in (ledger.git_dir / "objects" / "pack").glob("*.idx"):
        index.unlink()
        index.mkdir()
        (index / "note.txt").write_text("somebody's own")
    with pytest.raises(StorageError, match=r"\.idx: Is a directory"):
        Ledger.open(ledger.path).load("iris")
