"""The form of packs."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs import LocalStore
from ledger.blobs.chunks.codec import encode_chunk, encode_frame
from ledger.blobs.chunks.packs import (
    CHUNKS_LIMIT,
    INDEX_LIMIT,
    PACK_LIMIT,
    PackBuilder,
    PackEntry,
    load_index,
    open_entry,
    parse_index,
)
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.layout import pack_key
from ledger.blobs.stores.sought import Sought
from ledger.errors import IntegrityError
from ledger.ids import digest_of
from tests.kit.contents import noise

SOUGHT = Sought("iris@3", "pack", "", FsspecStore("memory://store"), "packs")
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "packs.json").read_text(encoding="utf-8"))


def build(chunks: list[bytes]) -> tuple[str, bytes]:
    """A pack of some chunks: its name and its bytes."""
    builder = PackBuilder()
    for chunk in chunks:
        builder.add(digest_of(chunk), len(chunk), encode_chunk(chunk))
    name, parts = builder.build()
    return name, b"".join(parts)


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=20))
def test_every_chunk_of_a_pack_comes_back(chunks: list[bytes]) -> None:
    """The index of a pack says where each chunk is and what it is."""
    name, data = build(chunks)
    size = int(data[-12:-1])
    index = parse_index(name, data[-32 - size : -32], SOUGHT)
    stored = [data[start:stop] for start, stop in zip(index.offsets, index.offsets[1:], strict=False)]
    assert [
        open_entry(piece, entry, SOUGHT._replace(digest=entry.digest))
        for piece, entry in zip(stored, index.entries, strict=True)
    ] == chunks


def test_packs_have_one_form() -> None:
    """A pack of plain chunks has the golden bytes."""
    golden = GOLDEN["pack"]
    name, data = build([bytes.fromhex(chunk) for chunk in golden["chunks"]])
    assert (name, data.hex()) == (golden["name"], golden["bytes"])


def test_old_packs_stay_readable(store: LocalStore) -> None:
    """A pack that another release of zstd compressed is read."""
    golden = GOLDEN["zstd_pack"]
    data = bytes.fromhex(golden["bytes"])
    store.put(pack_key(golden["name"]), [data])
    index = load_index(store, golden["name"], label="iris@3")
    pieces = [data[start:stop] for start, stop in zip(index.offsets, index.offsets[1:], strict=False)]
    plain = [
        open_entry(piece, entry, SOUGHT._replace(digest=entry.digest))
        for piece, entry in zip(pieces, index.entries, strict=True)
    ]
    assert [len(chunk) for chunk in plain] == golden["plain_sizes"]


def test_a_long_index_is_read_whole(store: LocalStore) -> None:
    """An index larger than the first read is read with a second one."""
    name, data = build([number.to_bytes(4, "big") for number in range(3000)])
    store.put(pack_key(name), [data])
    assert len(load_index(store, name, label="iris@3").entries) == 3000


def test_a_pack_takes_64_mib() -> None:
    """A pack has room until its chunks have 64 MiB, and always for one."""
    builder = PackBuilder()
    assert builder.has_room(PACK_LIMIT + 1)
    builder.add(digest_of(b"x"), 1, b"x")
    assert (builder.has_room(PACK_LIMIT - 1), builder.has_room(PACK_LIMIT)) == (True, False)


def test_a_pack_takes_8192_chunks() -> None:
    """However little its chunks take, a pack has room for no more, as an index that is too long could not be read."""
    builder, frame = PackBuilder(), encode_frame(bytes(256 << 10))
    for _ in range(CHUNKS_LIMIT):
        assert builder.has_room(len(frame))
        builder.add(digest_of(b"zeros"), 256 << 10, frame)
    _, (*_, index, _) = builder.build()
    assert (builder.has_room(len(frame)), len(index) < INDEX_LIMIT) == (False, True)


LINE = f"{'a' * 64} none 5 5\n".encode()


@pytest.mark.parametrize(
    "index",
    [
        b"",
        LINE[:-1],
        LINE + b"\n",
        LINE.replace(b"none", b"lz4"),
        LINE.replace(b" 5 5", b" 05 5"),
        LINE.replace(b" 5 5", b" 0 0"),
        LINE.replace(b" 5 5", b" 5 6"),
        LINE.replace(b" 5 5", b" -5 5"),
        LINE.replace(b" 5 5", b"  5 5"),
        LINE.replace(b"none 5 5", b"zstd 5 999999"),
        LINE.replace(b"none 5 5", b"zstd 16777217 100"),
        LINE.replace(b"a", b"A"),
        LINE.replace(b" 5 5", " 5 \N{ARABIC-INDIC DIGIT FIVE}".encode()),
        LINE.replace(b"\n", b"\r\n"),
    ],
)
def test_an_index_that_breaks_the_format_is_refused(index: bytes) -> None:
    """Lines that no writer makes are an IntegrityError even under their right name."""
    with pytest.raises(IntegrityError):
        parse_index(hashlib.sha256(index).hexdigest(), index, SOUGHT)


def test_the_error_names_the_line_that_breaks_the_form() -> None:
    """Of an index that may have thousands, the first bad line is shown."""
    for bad in ("some line", f"{'a' * 64} none 5 6"):
        index = LINE + f"{bad}\n".encode() + LINE
        with pytest.raises(IntegrityError, match=f"'{bad}'"):
            parse_index(hashlib.sha256(index).hexdigest(), index, SOUGHT)


def test_a_chunk_of_another_codec_than_its_index_says_is_refused() -> None:
    """Even if its plain bytes are right: what is said to be stored plain is read to where it belongs as it is."""
    plain = bytes(4)
    frame = encode_frame(plain)
    for stored, entry in (
        (frame, PackEntry(digest_of(plain), "none", len(plain), len(frame))),
        (plain, PackEntry(digest_of(plain), "zstd", len(plain), len(plain))),
    ):
        with pytest.raises(IntegrityError, match=f"expected {entry.codec}"):
            open_entry(stored, entry, SOUGHT)


def test_an_index_under_another_name_is_refused() -> None:
    """A pack's name is the SHA-256 of its index."""
    with pytest.raises(IntegrityError, match="expected " + "0" * 64):
        parse_index("0" * 64, LINE, SOUGHT)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[-31:],
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data[:-32] + b"ledger-pack-2 index 00000000083\n",
        lambda data: data[:-32] + b"ledger-pack-1 index 99999999999\n",
        lambda data: data[-32:],
    ],
)
def test_a_damaged_pack_is_refused(store: LocalStore, damage: object) -> None:
    """A pack whose end is not what its name says is an IntegrityError."""
    name, data = build([noise(50)])
    store.put(pack_key(name), [damage(data)])  # type: ignore[operator]  # one of the functions above
    with pytest.raises(IntegrityError):
        load_index(store, name, label="iris@3")


def test_an_index_over_the_limit_is_not_read(store: LocalStore) -> None:
    """What a footer says of the length of an index is judged before so many bytes are asked for."""
    name, data = build([noise(50)])
    store.put(pack_key(name), [data[:-32] + b"ledger-pack-1 index %011d\n" % (INDEX_LIMIT + 1)])
    with pytest.raises(IntegrityError, match=f"over the limit of {INDEX_LIMIT}"):
        load_index(store, name, label="iris@3")
