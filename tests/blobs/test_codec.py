"""How one chunk is stored."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs.chunks import codec
from ledger.blobs.chunks.codec import codec_of, encode_chunk, encode_frame, frame_size, open_chunk, open_frame
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.layout import chunk_key
from ledger.blobs.stores.sought import Sought
from ledger.errors import IntegrityError
from ledger.ids import Digest, digest_of
from tests.kit.contents import noise

SOUGHT = Sought("iris@3", "chunk", digest_of(b"hello!"), FsspecStore("memory://store"), "chunks")
MAGICS = [
    b"\x28\xb5\x2f\xfd",
    b"\x27\xb5\x2f\xfd",
    b"\x1e\xb5\x2f\xfd",
    b"\xfd\x2f\xb5\x1e",
    b"\x50\x2a\x4d\x18",
    b"\x5f\x2a\x4d\x18",
    b"\x1f\x8b",
    b"\xfd7zXZ\x00",
    b"]\x00\x00\x80",
    b"\x04\x22\x4d\x18",
]


@given(st.binary(max_size=3000) | st.sampled_from(MAGICS).flatmap(lambda magic: st.binary().map(magic.__add__)))
def test_every_chunk_comes_back(plain: bytes) -> None:
    """Decoding what was encoded gives the plain bytes."""
    stored = encode_chunk(plain)
    assert open_chunk(stored, len(plain), SOUGHT._replace(digest=digest_of(plain))) == plain


def test_bytes_that_do_not_shrink_stay_plain() -> None:
    """Compression that saves less than 1/8 is not used."""
    plain = noise(90_000) + bytes(10_000)
    assert encode_chunk(plain) == plain


def test_bytes_that_shrink_become_a_frame() -> None:
    """Compression that saves at least 1/8 is used."""
    plain = noise(800) + bytes(200)
    assert (codec_of(encode_chunk(plain)), codec_of(encode_chunk(bytes(100)))) == ("zstd", "none")


@pytest.mark.parametrize(("middle", "expected"), [(bytes(5000), "zstd"), (noise(5000), "none")])
def test_a_sample_decides_for_a_chunk_that_is_not_promising(middle: bytes, expected: str) -> None:
    """Where the neighbours did not shrink, a chunk is tried only if the middle of it shrinks."""
    plain = bytes(30_000) + middle + bytes(30_000)
    assert expected == codec_of(encode_chunk(plain, is_promising=False))
    assert "zstd" == codec_of(encode_chunk(plain))


@pytest.mark.parametrize("magic", MAGICS, ids=bytes.hex)
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_bytes_that_look_compressed_become_a_frame(magic: bytes, size: int) -> None:
    """What the zstd program would decompress is never stored plain."""
    assert codec_of(encode_chunk(magic + noise(size))) == "zstd"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd program")
@pytest.mark.parametrize("plain", [b"a", b"\x1f", *[magic + noise(700) for magic in MAGICS], bytes(5000)])
def test_the_zstd_program_gives_the_plain_bytes(plain: bytes) -> None:
    """`zstd -dcf` undoes the encoding, whatever the bytes begin with."""
    result = subprocess.run(["zstd", "-dcf"], input=encode_chunk(plain), capture_output=True, check=True)
    assert result.stdout == plain


def test_a_frame_of_another_size_is_refused_before_decompression() -> None:
    """A frame that declares a GiB where 100 bytes are expected is not decompressed."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    with pytest.raises(IntegrityError, match="declares 1073741824 bytes, expected 100"):
        open_frame(bomb, 100, SOUGHT)


def test_a_frame_that_holds_more_than_it_declares_is_refused() -> None:
    """A frame whose header was changed to a smaller size never gives more than that."""
    frame = bytearray(zstandard.ZstdCompressor().compress(bytes(100_000)))
    at = frame.index((100_000).to_bytes(4, "little"))
    frame[at : at + 4] = (500).to_bytes(4, "little")
    with pytest.raises(IntegrityError, match="cannot be decompressed"):
        open_frame(bytes(frame), 500, SOUGHT)


def _frames() -> dict[str, bytes]:
    plain = noise(1000)
    whole = zstandard.ZstdCompressor().compress(plain)
    streaming = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    wide = zstandard.ZstdCompressionParameters(window_log=25, write_content_size=True)
    wide_writer = zstandard.ZstdCompressor(compression_params=wide).compressobj(size=40 << 20)
    words = zstandard.ZstdCompressionDict(noise(4000), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    samples: list[bytes | bytearray | memoryview] = [noise(300, seed) * 2 for seed in range(50)]
    trained = zstandard.train_dictionary(2000, samples)
    return {
        "two frames": whole + whole,
        "trailing bytes": whole + b"x",
        "a skippable frame behind": whole + b"\x50\x2a\x4d\x18\x01\x00\x00\x00x",
        "cut short": whole[:-1],
        "no size": streaming.compress(plain) + streaming.flush(),
        "a wide window": wide_writer.compress(bytes(40 << 20)) + wide_writer.flush(),
        "a dictionary": zstandard.ZstdCompressor(dict_data=trained).compress(plain),
        "an unnamed dictionary": zstandard.ZstdCompressor(dict_data=words).compress(noise(4000)[:1000]),
        "no header": whole[:5],
        "nothing": b"",
    }


def test_frames_we_do_not_write_are_refused() -> None:
    """Anything but one complete frame with its size, a small window and no dictionary is an IntegrityError."""
    for name, frame in _frames().items():
        with pytest.raises(IntegrityError):
            print(name, open_frame(frame, 40 << 20 if name == "a wide window" else 1000, SOUGHT)[:1])


def test_our_frames_declare_their_size() -> None:
    """A frame says how many bytes it holds."""
    assert frame_size(encode_frame(bytes(3 << 20)), SOUGHT) == 3 << 20


@pytest.mark.parametrize("stored", [b"hello", b"hello!!", b"Hello!", b""])
def test_other_bytes_are_refused(stored: bytes) -> None:
    """Plain bytes that are not the chunk are an IntegrityError that names it."""
    with pytest.raises(IntegrityError, match=digest_of(b"hello!")):
        open_chunk(stored, 6, SOUGHT)


GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "packs.json").read_text(encoding="utf-8"))["chunk"]


def test_chunk_objects_have_one_form() -> None:
    """A small chunk is stored as it is, under its digest."""
    plain = bytes.fromhex(GOLDEN["plain"])
    assert (chunk_key(digest_of(plain)), encode_chunk(plain).hex()) == (GOLDEN["object"], GOLDEN["bytes"])


def test_old_frames_stay_readable() -> None:
    """A chunk that another release of zstd compressed is read."""
    digest = Digest(f"sha256:{GOLDEN['zstd_plain_sha256']}")
    plain = open_chunk(bytes.fromhex(GOLDEN["zstd_bytes"]), GOLDEN["zstd_plain_size"], SOUGHT._replace(digest=digest))
    assert digest_of(plain) == digest


def test_a_chunk_that_there_is_no_memory_to_compress(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a shortage of memory, as everywhere else, and no error of zstandard's."""

    class Starved:
        def compress(self, _: bytes) -> bytes:
            raise zstandard.ZstdError("cannot compress: Allocation error : not enough memory")

    monkeypatch.setattr(codec._own, "compressor", Starved())
    with pytest.raises(MemoryError, match="not enough memory"):
        encode_frame(b"plain")
