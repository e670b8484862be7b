"""Whatever the bytes of a pack are, an entry is an object or damage: never a crash, a circle or other bytes."""

import struct
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.history import History
from ledger.history.git import entries
from ledger.history.git.deltas import MOST_BYTES, encode_delta
from ledger.history.git.entries import (
    LONGEST_CHAIN,
    MOST_STORED,
    NAME_DELTA,
    OFFSET_DELTA,
    PackDamage,
    encode_delta_entry,
    encode_entry,
    encode_head,
    encode_new_entry,
    is_stored,
    read_head,
    read_object,
)
from ledger.history.git.forms import object_id
from ledger.history.git.kinds import BLOB
from ledger.history.git.packfile import PackFile, encode_index, seal_pack
from tests.kit.histories import git

BASE = b"a base that is long enough to be copied from"


def nowhere(_: bytes) -> None:
    return None


@given(st.integers(1, 1 << 40), st.integers(0, 1 << 34))
def test_the_head_of_a_delta_is_read_back(distance: int, size: int) -> None:
    """Size and distance of any length are in front of a delta's bytes."""
    before = bytes(0)
    head = encode_head(OFFSET_DELTA, size, distance)

    class Far(bytes):
        """Bytes that begin far into a pack."""

        def __getitem__(self, place: slice) -> bytes:  # type: ignore[override]  # what a head is read by
            return super().__getitem__(slice(place.start - distance, place.stop - distance))

    found = read_head(Far(before + head), distance)
    assert (OFFSET_DELTA, size, distance + len(head), 0) == found


@given(st.binary(max_size=300) | st.integers(MOST_STORED - 1, MOST_STORED + 1).map(bytes))
def test_a_new_entry_is_stored_as_it_is_if_it_is_small(data: bytes) -> None:
    """It reads as any other, for zlib too, and is known not to be compressed; a compressed one is not taken for it."""
    entry = encode_new_entry(BLOB, data)
    head = read_head(entry, 0)
    assert (BLOB, data) == read_object(entry, 0, nowhere)
    assert data == zlib.decompress(entry[head.at :])
    assert (len(data) <= MOST_STORED) == is_stored(entry, head)
    compressed = encode_entry(BLOB, data)
    assert not is_stored(compressed, read_head(compressed, 0))


def chain(count: int) -> tuple[bytes, int]:
    """A pack's entries in which each is a delta of the one before, and where the last one is."""
    links = [encode_entry(BLOB, BASE)]
    at = 0
    for number in range(count):
        delta = encode_delta(BASE + b"x" * number, BASE + b"x" * (number + 1))
        links.append(encode_delta_entry(len(links[-1]), delta))
        at += len(links[-2])
    return b"".join(links), at


@pytest.mark.parametrize("count", [0, 1, 50, LONGEST_CHAIN])
def test_chains_of_deltas_are_followed(count: int) -> None:
    """However long a chain is that Git may make, the object at its end is read."""
    pack, at = chain(count)
    assert (BLOB, BASE + b"x" * count) == read_object(pack, at, nowhere)


def test_a_chain_without_end_is_damage() -> None:
    """A longer one is refused."""
    pack, at = chain(LONGEST_CHAIN + 1)
    with pytest.raises(PackDamage, match="a chain of more than"):
        read_object(pack, at, nowhere)


def test_a_chain_that_makes_too_much_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some bytes can have the same large object made again and again, which would take hours."""
    pack, at = chain(50)
    made = sum(len(BASE) + number for number in range(1, 51))
    monkeypatch.setattr(entries, "MOST_MADE", made)
    assert (BLOB, BASE + b"x" * 50) == read_object(pack, at, nowhere)
    monkeypatch.setattr(entries, "MOST_MADE", made - 1)
    with pytest.raises(PackDamage, match=f"its chain of deltas makes more than {made - 1} bytes"):
        read_object(pack, at, nowhere)


def name_delta(base: bytes, delta: bytes) -> bytes:
    """A delta that finds its base by name."""
    return encode_head(NAME_DELTA, len(delta)) + base + zlib.compress(delta)


def test_deltas_in_a_circle_are_damage(tmp_path: Path) -> None:
    """Two deltas that name each other as bases end in an error of ours that names the pack."""
    one, other = b"\1" * 20, b"\2" * 20
    links = [name_delta(other, encode_delta(BASE, BASE)), name_delta(one, encode_delta(BASE, BASE))]
    pack = seal_pack(links)
    (tmp_path / "pack.pack").write_bytes(pack)
    index = encode_index([(one, 12, 0), (other, 12 + len(links[0]), 0)], pack[-20:])
    (tmp_path / "pack.idx").write_bytes(index)
    with pytest.raises(PackDamage, match=r"pack.pack: a chain of more than"):
        PackFile(str(tmp_path / "pack")).read(one)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (encode_head(OFFSET_DELTA, 5, 1000) + zlib.compress(b"delta"), "1000 bytes before it"),
        (name_delta(b"\7" * 20, b"delta"), "base of the delta at 0 is not in its pack"),
        (encode_head(BLOB, 5) + zlib.compress(b"four"), "has 4 of them, expected 5"),
        (encode_head(BLOB, 3) + zlib.compress(b"four")[:3], "has 0 of them, expected 3"),
        (encode_head(BLOB, MOST_BYTES + 1) + zlib.compress(b"four"), "larger than any"),
        (encode_head(BLOB, 4) + b"no zlib", "incorrect header"),
        (b"\xff" * 9, "cut short"),
        (b"", "cut short"),
        (bytes([5 << 4]), "of kind 5, which there is not"),
    ],
)
def test_an_entry_that_makes_no_sense_is_damage(entry: bytes, reason: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(PackDamage, match=reason):
        read_object(entry, 0, nowhere)


def test_a_delta_of_another_base_is_damage() -> None:
    """Where the base is not the one that a delta was made for, its size or its end tells, or the name does later."""
    whole = encode_entry(BLOB, BASE[:-1])
    with pytest.raises(PackDamage, match=f"base of {len(BASE)} bytes, got one of {len(BASE) - 1}"):
        read_object(whole + encode_delta_entry(len(whole), encode_delta(BASE, BASE + b"x")), len(whole), nowhere)


def test_a_stream_of_many_blocks_is_read() -> None:
    """A stream that is far longer than its bytes, which only strange encoders make, is read all the same."""
    packer = zlib.compressobj()
    stream = b"".join(packer.compress(b"x") + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(300)) + packer.flush()
    assert (BLOB, b"x" * 300) == read_object(encode_head(BLOB, 300) + stream, 0, nowhere)


def test_streams_of_many_blocks_take_as_long_as_they_are() -> None:
    """A remote may send a pack of nothing else: for none of its objects all that follows in the pack is looked at."""
    stream = zlib.compress(b"x")
    entry = encode_head(BLOB, 1) + stream[:2] + b"\0\0\0\xff\xff" * 30 + stream[2:]  # so many blocks of nothing
    pack = entry * 15_000
    before = time.process_time()
    assert {(BLOB, b"x")} == {read_object(pack, at, nowhere) for at in range(0, len(pack), len(entry))}
    assert time.process_time() - before < 2


@given(st.binary(max_size=200), st.integers(0, 20))
def test_nonsense_is_damage_or_an_object(data: bytes, at: int) -> None:
    """Any bytes taken for a pack are refused, or give an object."""
    try:
        kind, found = read_object(data, at, nowhere)
    except PackDamage:
        return
    assert (kind, found) == read_object(encode_entry(kind, found), 0, nowhere)


def test_git_reads_long_distances(history: History, tmp_path: Path) -> None:
    """`git index-pack` finds the object of a delta whose base is far away."""
    between = [encode_entry(BLOB, struct.pack(">I", number) * 4000) for number in range(40)]
    whole = encode_entry(BLOB, BASE)
    distance = len(whole) + sum(map(len, between))
    pack = seal_pack([whole, *between, encode_delta_entry(distance, encode_delta(BASE, BASE + b"end"))])
    (tmp_path / "far.pack").write_bytes(pack)
    git(history, "index-pack", "-o", str(tmp_path / "far.idx"), str(tmp_path / "far.pack"))
    found = PackFile(str(tmp_path / "far")).read(bytes.fromhex(object_id(BLOB, BASE + b"end")))
    assert (BLOB, BASE + b"end") == found
