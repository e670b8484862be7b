"""Packs and indexes are what real Git writes and reads."""

import resource
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.history import History
from ledger.history.git.entries import PackDamage, encode_entry, read_head
from ledger.history.git.forms import ObjectId, object_id
from ledger.history.git.packfile import PackFile, count_in_index, encode_index, encode_pack, map_file
from tests.kit.git import git_says
from tests.kit.histories import draft, git, packs_of, publish

OBJECTS = st.lists(st.tuples(st.sampled_from([2, 3]), st.binary(max_size=40)), min_size=1, max_size=30)


def encoded(objects: list[tuple[int, bytes]]) -> tuple[bytes, bytes, bytes]:
    return encode_pack({bytes.fromhex(object_id(kind, data)): encode_entry(kind, data) for kind, data in objects})


def write(base: Path, objects: list[tuple[int, bytes]]) -> PackFile:
    _, pack, index = encoded(objects)
    base.with_suffix(".pack").write_bytes(pack)
    base.with_suffix(".idx").write_bytes(index)
    return PackFile(str(base))


@given(st.sampled_from([1, 2, 3, 4]), st.binary(max_size=300) | st.integers(0, 70_000).map(bytes))
def test_the_header_of_an_entry_is_read_back(kind: int, data: bytes) -> None:
    """Kind and size of an object of any size are in front of its bytes."""
    found, size, at, base = read_head(encode_entry(kind, data), 0)
    assert (kind, len(data), None) == (found, size, base)
    assert 1 <= at <= 3


@given(OBJECTS)
def test_every_object_of_a_pack_is_found(
    tmp_path_factory: pytest.TempPathFactory, objects: list[tuple[int, bytes]]
) -> None:
    """What was put into a pack is read from it, and nothing else is."""
    base = tmp_path_factory.mktemp("packs") / "pack"
    pack = write(base, objects)
    names = {bytes.fromhex(object_id(kind, data)): (kind, data) for kind, data in objects}
    assert names == {name: pack.read(name) for name in pack.names()}
    assert sorted(names) == list(pack.names()) == sorted(name for _, name in pack.places())
    assert sorted(names) == [name for first in range(256) for name in pack.names_beginning(first)]
    assert pack.read(bytes(20)) is None
    assert pack.read(b"\xff" * 20) is None
    assert len(names) == count_in_index(base.with_suffix(".idx").stat().st_size)
    shutil.rmtree(base.parent)


def test_names_that_are_no_chance_are_found(tmp_path: Path) -> None:
    """However close together somebody chose them, every name of a large index is found, and no other."""
    names = [start + number.to_bytes(17) for start in (b"\x07\0\0", b"\x07\xff\xff") for number in range(500)]
    (tmp_path / "pack.idx").write_bytes(encode_index([(name, at, 0) for at, name in enumerate(names)], bytes(20)))
    pack = PackFile(str(tmp_path / "pack"))
    assert list(range(1000)) == [pack.find(name) for name in names]
    assert {None} == {pack.find(b"\x07" + second + bytes([9] * 18)) for second in (b"\0", b"\x80", b"\xff")}


def test_an_index_leads_to_places_beyond_2_gib(tmp_path: Path) -> None:
    """We find there what Git finds: a history with large packs may lose their indexes as well."""
    places = [12, (1 << 31) - 1, 1 << 31, 5 << 31, 1 << 40]
    listed = [(bytes([number]) * 20, place, number) for number, place in enumerate(places)]
    (tmp_path / "large.idx").write_bytes(encode_index(reversed(listed), bytes(20)))
    assert places == [PackFile(str(tmp_path / "large")).find(name) for name, _, _ in listed]
    lines = git_says(tmp_path, "show-index", data=(tmp_path / "large.idx").read_bytes()).splitlines()
    assert [f"{place} {name.hex()} ({crc:08x})" for name, place, crc in listed] == lines


@pytest.mark.parametrize("count", [1, 2, 300])
def test_the_index_is_the_one_that_git_makes(tmp_path: Path, history: History, count: int) -> None:
    """`git index-pack` of the pack gives the same index byte for byte, and `git verify-pack` is content."""
    objects = [(3, f"object {number}".encode() * (number % 50)) for number in range(count)]
    write(tmp_path / "pack", objects)
    git(history, "index-pack", "-o", str(tmp_path / "git.idx"), str(tmp_path / "pack.pack"))
    assert (tmp_path / "git.idx").read_bytes() == (tmp_path / "pack.idx").read_bytes()
    git(history, "verify-pack", str(tmp_path / "pack.idx"))


def test_the_packs_of_saves_are_the_ones_that_git_would_index(history: History, tmp_path: Path) -> None:
    """Every pack in a history, folded ones included, has the index that Git gives it."""
    for _ in range(20):
        publish(history, draft("iris", size=3000))
    for pack in packs_of(history):
        git(history, "index-pack", "-o", str(tmp_path / "git.idx"), str(pack))
        assert (tmp_path / "git.idx").read_bytes() == pack.with_suffix(".idx").read_bytes()


def test_deltas_of_real_git_are_resolved(history: History) -> None:
    """Objects that `git repack` stored as differences, by offset or by name, are read like any other."""
    for number in range(10):
        publish(history, draft("iris", size=2000 + number))
    for by_offset in ("true", "false"):
        git(history, "-c", f"repack.useDeltaBaseOffset={by_offset}", "repack", "-a", "-d", "-f", "--depth=10")
        (path,) = packs_of(history)
        kinds = [read_head(path.read_bytes(), offset)[0] for offset, _ in PackFile(str(path.with_suffix(""))).places()]
        assert (6 if by_offset == "true" else 7) in kinds
        pack = PackFile(str(path.with_suffix("")))
        for name in pack.names():
            found = pack.read(name)
            assert found is not None
            assert ObjectId(name.hex()) == object_id(*found)


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_a_pack_that_is_gone_is_not_there(tmp_path: Path, suffix: str) -> None:
    """A file that vanished is FileNotFoundError, so that the object is sought elsewhere."""
    pack = write(tmp_path / "pack", [(3, b"x")])
    (tmp_path / "pack").with_suffix(suffix).unlink()
    with pytest.raises(FileNotFoundError):
        pack.read(bytes.fromhex(object_id(3, b"x")))


def test_an_open_pack_outlives_its_files(tmp_path: Path) -> None:
    """A reader that has opened a pack reads on when a fold has taken it away."""
    pack = write(tmp_path / "pack", [(3, b"x"), (3, b"y")])
    assert (3, b"x") == pack.read(bytes.fromhex(object_id(3, b"x")))
    for suffix in (".pack", ".idx"):
        (tmp_path / "pack").with_suffix(suffix).unlink()
    assert (3, b"y") == pack.read(bytes.fromhex(object_id(3, b"y")))


@pytest.mark.parametrize(
    ("suffix", "data"),
    [(".idx", b""), (".idx", b"x" * 2000), (".idx", b"\xfftOc\0\0\0\3" + bytes(2000)), (".pack", b"")],
)
def test_a_file_that_is_no_pack_is_damage(tmp_path: Path, suffix: str, data: bytes) -> None:
    """An index of another version, or an empty file, is PackDamage."""
    pack = write(tmp_path / "pack", [(3, b"x")])
    (tmp_path / "pack").with_suffix(suffix).write_bytes(data)
    with pytest.raises(PackDamage, match=suffix):
        pack.read(bytes.fromhex(object_id(3, b"x")))


def test_a_file_that_there_is_no_memory_to_map_is_named(tmp_path: Path) -> None:
    """The system says only that there is none; whoever reads many files wants to know for which."""
    large = tmp_path / "large.pack"
    with large.open("wb") as file:
        file.truncate(1 << 40)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, hard))
    try:
        with pytest.raises(OSError, match="Cannot allocate memory") as caught:
            map_file(str(large))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert str(large) == caught.value.filename
