"""How the bytes of one chunk or table are stored: plain, or as one zstd frame.

The only module that imports zstandard. Rules it keeps (specs/format.md, 6):

* stored bytes are a frame exactly if they begin with zstd's magic number;
* plain bytes that the zstd program would take for compressed ones are stored as
  a frame whatever it costs, so that `zstd -dcf` always gives the plain bytes;
* nothing is decompressed before its declared size, window and dictionary have
  been checked, and never into more memory than the size that was expected.
"""

import threading
from typing import TYPE_CHECKING, Final, Literal

from ledger.blobs.stores.sought import Sought
from ledger.ids import Digest, digest_of
from ledger.wording import counted

if TYPE_CHECKING:
    from zstandard import ZstdCompressor, ZstdDecompressor

Codec = Literal["none", "zstd"]

PLAIN_LIMIT: Final = 16 << 20
"""Most plain bytes of a chunk."""

TABLE_LIMIT: Final = 1 << 30
"""Most plain bytes of a table."""

WINDOW_LIMIT: Final = 8 << 20
"""Most bytes of history that a frame may ask its reader to keep."""

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_LEVEL = 1
_WORTH_TRYING = 512  # bytes; below, a frame saves less than a block of any disk
_LEAST_SAVING = 8  # as a fraction, 1/8: less is not worth the time of every reader (specs/decisions/0013)
_SAMPLE_SIZE = 4096  # bytes from the middle of a chunk

# What `zstd -dcf` decompresses besides zstd's own frames: gzip, xz, lzma, lz4, and zstd before 0.8.
_MISTAKABLE = (b"\x1f\x8b", b"\xfd7", b"]\x00", b"\x04\x22\x4d\x18", b"\xfd\x2f\xb5\x1e")
_OLD_ZSTD = (b"\xb5\x2f\xfd", range(0x1E, 0x29))
_SKIPPABLE = (b"\x2a\x4d\x18", range(0x50, 0x60))
_FIRST_BYTES = frozenset({*(start[0] for start in _MISTAKABLE), *_OLD_ZSTD[1], *_SKIPPABLE[1]})


class _Own(threading.local):
    """What each thread has for itself: making one of these costs as much as a chunk that it works on."""

    compressor: "ZstdCompressor | None" = None
    decompressor: "ZstdDecompressor | None" = None


_own = _Own()


def encode_chunk(plain: bytes | memoryview, *, is_promising: bool = True) -> bytes | memoryview:
    """The bytes to store for a chunk: a frame, or the given ones where that saves too little.

    One release of zstd gives the same frame each time. A chunk that does not look promising is compressed only if a
    sample of it shrinks. zstandard is imported at the first one that is worth compressing.
    """
    if _is_mistakable(plain):
        return encode_frame(plain)
    if len(plain) < _WORTH_TRYING:
        return plain
    if not is_promising and len(plain) > 2 * _SAMPLE_SIZE:
        middle = (len(plain) - _SAMPLE_SIZE) // 2
        if not shrinks(plain[middle : middle + _SAMPLE_SIZE]):
            return plain
    frame = encode_frame(plain)
    return frame if _is_worth_it(plain, frame) else plain


def shrinks(plain: bytes | memoryview) -> bool:
    """Whether compressing some bytes saves enough of them."""
    return _is_worth_it(plain, encode_frame(plain))


def encode_frame(plain: bytes | memoryview) -> bytes:
    """One frame around some bytes, whether that saves anything or not."""
    from zstandard import ZstdCompressor, ZstdError

    if _own.compressor is None:
        _own.compressor = ZstdCompressor(level=_LEVEL, write_content_size=True)
    try:
        return _own.compressor.compress(plain)
    except ZstdError as error:  # a frame can be made of any bytes, so only memory can be lacking
        raise MemoryError(str(error)) from error


def codec_of(stored: bytes | memoryview) -> Codec:
    """How stored bytes are to be read."""
    return "zstd" if stored[: len(_MAGIC)] == _MAGIC else "none"


def open_chunk(stored: bytes | memoryview, size: int, sought: Sought) -> bytes | memoryview:
    """The ``size`` plain bytes of the chunk that is sought; `IntegrityError` where something else is stored.

    Bytes that are stored plain are given as they are, in the memory they came in.
    """
    plain = open_frame(stored, size, sought) if codec_of(stored) == "zstd" else stored
    if len(plain) != size:
        raise sought.damaged(f"has {counted(len(plain), 'byte')}, expected {size}", expected=size, found=len(plain))
    found = digest_of(plain)
    if found != sought.digest:
        raise sought.damaged(f"holds {found}, expected {sought.digest}", expected=sought.digest, found=found)
    return plain


def is_plain_chunk(stored: bytes | memoryview, digest: Digest, size: int) -> bool:
    """Whether a chunk is stored plain and is the one of that digest and size."""
    return len(stored) == size and codec_of(stored) == "none" and digest_of(stored) == digest


def stored_limit(size: int) -> int:
    """Most bytes that a chunk of ``size`` plain bytes can take in a store: a frame may be larger than what it holds."""
    return size + size // 128 + 1024


def frame_size(frame: bytes | memoryview, sought: Sought) -> int:
    """The plain size that a frame declares, in bytes; `IntegrityError` for a frame we would not have written."""
    from zstandard import CONTENTSIZE_UNKNOWN, ZstdError, get_frame_parameters

    if codec_of(frame) != "zstd":
        raise sought.damaged("is not a zstd frame")
    try:
        parameters = get_frame_parameters(frame)
    except ZstdError as error:
        raise sought.damaged(f"is not a zstd frame: {error}") from error
    if parameters.content_size == CONTENTSIZE_UNKNOWN:
        raise sought.damaged("is a zstd frame that does not declare its size")
    if parameters.dict_id:
        raise sought.damaged(f"needs the zstd dictionary {parameters.dict_id}, none is allowed")
    if parameters.window_size > WINDOW_LIMIT:
        raise sought.damaged(f"needs a window of {parameters.window_size} bytes, at most {WINDOW_LIMIT} are allowed")
    return int(parameters.content_size)


def open_frame(frame: bytes | memoryview, size: int, sought: Sought) -> bytes:
    """The ``size`` bytes in a frame, which must be the only one and declare that size."""
    from zstandard import ZstdDecompressor, ZstdError

    if _own.decompressor is None:
        _own.decompressor = ZstdDecompressor(max_window_size=WINDOW_LIMIT)
    declared = frame_size(frame, sought)
    if declared != size:
        raise sought.damaged(f"declares {declared} bytes, expected {size}", expected=size, found=declared)
    try:
        # The buffer has exactly the declared size: a frame that holds more is an error there.
        plain = _own.decompressor.decompress(frame, allow_extra_data=False)
    except ZstdError as error:
        raise sought.damaged(f"cannot be decompressed: {error}") from error
    if len(plain) != size:
        raise sought.damaged(f"holds {counted(len(plain), 'byte')}, expected {size}", expected=size, found=len(plain))
    return plain


def _is_worth_it(plain: bytes | memoryview, frame: bytes) -> bool:
    return len(plain) - len(frame) >= len(plain) / _LEAST_SAVING


def _is_mistakable(plain: bytes | memoryview) -> bool:
    """Whether the zstd program would decompress these bytes if they were stored plain."""
    if not plain or plain[0] not in _FIRST_BYTES:
        return False
    start = bytes(plain[:4])
    if start.startswith(_MISTAKABLE):
        return True
    return any(start[1:] == rest and start[0] in first for rest, first in (_OLD_ZSTD, _SKIPPABLE))
