"""One object as it stands in a pack: whole, or as a delta against another of the same pack.

Format: https://git-scm.com/docs/pack-format. Pure functions over the bytes of a pack. Whatever those
bytes are, what comes out is an object or `PackDamage`: no header leads out of the pack, no chain of deltas
in a circle, and nothing is unpacked beyond the size that is stated for it.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ledger.history.git.deltas import MOST_BYTES, apply_delta
from ledger.history.git.kinds import ID_BYTES, KINDS, RawObject
from ledger.history.git.open_files import FileBytes
from ledger.history.git.recent_objects import RecentObjects

OFFSET_DELTA, NAME_DELTA = 6, 7
"""Deltas that find their base by its distance, which is what we write, and by its name."""

BASES_BYTES = 16 << 20
"""Bytes of objects that are kept at hand for those that build on them, where all of a pack is read."""

LONGEST_CHAIN = 4096
"""Most deltas from an object to one that is whole; Git itself makes at most one fewer."""

MOST_MADE = 1 << 33
"""Most bytes that the deltas of a chain may make together: a pack of some kilobytes could have any number made."""

MOST_STORED = 1 << 14
"""Most bytes of a new object that is not compressed."""

_STORED = b"\x78\x01\x01"  # the head of a zlib stream, RFC 1950, and that of its only block, RFC 1951
_TOO_SHORT = 48
"""Most bytes of a delta that is not worth compressing: it is mostly an id of a tree, which does not shrink."""

_LONGEST_HEAD = 64
"""More bytes than kind, size and base can take: numbers of over 20 bytes are damage."""

_LEAST_WINDOW, _MOST_WINDOW = 9, 15  # zlib's ``wbits``
_MOST_MEMORY = 8  # zlib's ``memLevel``


class PackDamage(ValueError):  # noqa: N818  # caught where it becomes part of an `IntegrityError`
    """A pack or index that is not what Git's format says."""


class Head(NamedTuple):
    """What comes before the compressed bytes of an entry, which begin at ``at``.

    ``size`` is that of the uncompressed bytes; ``base`` is where the base of a delta is, or its name.
    """

    kind: int
    size: int
    at: int
    base: int | bytes | None


Buffer = bytes | memoryview | FileBytes
"""A pack that is read, mapped or open; slicing costs nothing or little."""


def read_head(pack: Buffer, offset: int) -> Head:
    """The head of the entry at an offset; raises `PackDamage`."""
    data = pack[offset : offset + _LONGEST_HEAD]
    try:
        byte = data[0]
        kind, size, shift, at = byte >> 4 & 7, byte & 15, 4, 1
        while byte & 0x80:
            byte = data[at]
            size |= (byte & 0x7F) << shift
            shift += 7
            at += 1
        if kind in KINDS:
            return Head(kind, size, offset + at, None)
        if kind == OFFSET_DELTA:
            distance, at = _read_distance(data, at)
            if not 0 < distance <= offset:
                raise PackDamage(f"the base of the delta at {offset} is {distance} bytes before it")
            return Head(kind, size, offset + at, offset - distance)
    except IndexError as error:
        raise PackDamage(f"the entry at {offset} is cut short") from error
    if kind == NAME_DELTA:
        return Head(kind, size, offset + at + ID_BYTES, bytes(data[at : at + ID_BYTES]))
    raise PackDamage(f"the entry at {offset} is of kind {kind}, which there is not")


def inflate(pack: Buffer, head: Head) -> bytes:
    """The bytes behind a head: an object, or a delta."""
    if head.size > MOST_BYTES:
        raise PackDamage(f"an entry of {head.size} bytes, larger than any of a ledger")
    # zlib copies whatever follows the stream in the bytes that it is given. So it is given as many as such a stream
    # usually takes, and then as many again as it had, while that is not enough: its blocks may be unusually small.
    stop = head.at + head.size + (head.size >> 6) + 64
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(pack[head.at : stop], head.size or 1)
        while len(data) < head.size and not unpacker.eof and (more := pack[stop : 2 * stop - head.at]):
            data += unpacker.decompress(more, head.size - len(data))
            stop += len(more)
    except zlib.error as error:
        raise PackDamage(f"the entry whose bytes begin at {head.at}: {error}") from error
    if len(data) != head.size:
        raise PackDamage(f"the entry whose bytes begin at {head.at} has {len(data)} of them, expected {head.size}")
    return data


def read_object(
    pack: Buffer,
    offset: int,
    find: Callable[[bytes], int | None],
    bases: RecentObjects | None = None,
    *,
    owner: str = "",
) -> RawObject:
    """The kind and bytes of the object at an offset, its chain of deltas followed; raises `PackDamage`.

    ``find`` says where an object is by its name. ``bases`` keeps the objects that were met by their offsets, and by
    ``owner`` where it serves several packs.
    """
    deltas: list[tuple[int, bytes]] = []
    left = MOST_BYTES
    while True:
        known = bases.get((owner, offset)) if bases is not None else None
        if known is not None:
            kind, data = known
            break
        head = read_head(pack, offset)
        data = inflate(pack, head)
        if head.base is None:
            kind = head.kind
            if bases is not None:
                bases.put((owner, offset), kind, data)
            break
        deltas.append((offset, data))
        left -= len(data)
        if len(deltas) > LONGEST_CHAIN or left < 0:
            raise PackDamage(f"a chain of more than {LONGEST_CHAIN} deltas, or {MOST_BYTES} bytes of them")
        base = head.base if isinstance(head.base, int) else find(head.base)
        if base is None:
            raise PackDamage(f"the base of the delta at {offset} is not in its pack")
        offset = base
    for place, made in _apply_in_turn(data, reversed(deltas)):
        data = made
        if bases is not None:
            bases.put((owner, place), kind, data)
    return kind, data


def encode_entry(kind: int, data: bytes) -> bytes:
    """An object as it stands in a pack: kind and size, then its bytes compressed."""
    return encode_head(kind, len(data)) + _deflate(data)


def encode_new_entry(kind: int, data: bytes) -> bytes:
    """The entry of an object that is going to be folded soon: if small, in a zlib stream that only stores it.

    To compress it would take a good part of a small save, and gain no page of the disk.
    """
    if len(data) > MOST_STORED:
        return encode_entry(kind, data)
    return encode_head(kind, len(data)) + _store(data)


def is_stored(pack: Buffer, head: Head) -> bool:
    """Whether the bytes behind a head are not compressed, as those of `encode_new_entry`."""
    return pack[head.at : head.at + len(_STORED)] == _STORED


def encode_delta_entry(distance: int, delta: bytes) -> bytes:
    """A delta against the object whose entry begins ``distance`` bytes before."""
    stream = _store(delta) if len(delta) <= _TOO_SHORT else _deflate(delta)
    return encode_head(OFFSET_DELTA, len(delta), distance) + stream


def encode_head(kind: int, size: int, distance: int = 0) -> bytes:
    """The head of an entry; ``distance`` is that of an offset delta."""
    head = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    if kind == OFFSET_DELTA:
        groups = [distance & 0x7F]
        while distance := distance >> 7:
            distance -= 1
            groups.append(distance & 0x7F | 0x80)
        head += bytes(reversed(groups))
    return bytes(head)


def _apply_in_turn(data: bytes, deltas: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """The object that each delta makes of the one before, with the offset of its entry; raises `PackDamage`."""
    left = MOST_MADE
    for place, delta in deltas:
        try:
            data = apply_delta(data, delta)
        except ValueError as error:
            raise PackDamage(f"the entry at {place}: {error}") from error
        left -= len(data)
        if left < 0:
            raise PackDamage(f"the entry at {place}: its chain of deltas makes more than {MOST_MADE} bytes")
        yield place, data


def _read_distance(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The distance that stands in an entry's head at a place, and the place behind it."""
    byte = data[at]
    at += 1
    distance = byte & 0x7F
    while byte & 0x80:
        byte = data[at]
        at += 1
        distance = distance + 1 << 7 | byte & 0x7F
    return distance, at


def _store(data: bytes) -> bytes:
    """The bytes as they are, in a zlib stream that only stores them."""
    length = len(data).to_bytes(2, "little") + (len(data) ^ 0xFFFF).to_bytes(2, "little")
    return _STORED + length + data + zlib.adler32(data).to_bytes(4)


def _deflate(data: bytes) -> bytes:
    """The bytes compressed; the window fits them, as clearing one of 32 KiB takes longer than most objects do."""
    bits = len(data).bit_length()
    window = min(max(bits, _LEAST_WINDOW), _MOST_WINDOW)
    packer = zlib.compressobj(1, zlib.DEFLATED, window, min(max(bits - 5, 1), _MOST_MEMORY))
    return packer.compress(data) + packer.flush()
