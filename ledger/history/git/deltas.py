"""Deltas: one object's bytes as pieces of another's and what lies between them.

Format: https://git-scm.com/docs/pack-format, "Deltified representation". Pure. The encoder is made
for what a history holds: trees in which a few entries differ, and texts of which some lines do.
It finds what begins and ends alike, then whole lines (or entries of a tree) that both have.
"""

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator

from ledger.history.git.kinds import ID_BYTES

MOST_BYTES = 1 << 28
"""Most bytes of an object that is unpacked: none of a ledger is nearly as large."""

_COPY = 0x80
_OFFSET_BYTES, _SIZE_BYTES = 4, 2
_BITS = tuple(1 << place for place in range(_OFFSET_BYTES + _SIZE_BYTES))
_SHIFTS = tuple(tuple(8 * bit for bit in range(_OFFSET_BYTES) if bits >> bit & 1) for bits in range(1 << _OFFSET_BYTES))
"""By how much each byte that a copy has is shifted; a table, since reading a history is mostly this."""

_SIZE_OF_NOTHING = 0x10000  # what a copy without any size byte copies
_LONGEST_COPY = 0xFFFF
_LONGEST_INSERT = 0x7F
_WORTH_A_COPY = 8
"""Fewest bytes that are copied from elsewhere in the base: to copy fewer takes as much room as to insert them."""

_SHORT = 64  # most bytes that are compared as numbers; more are compared slice by slice

_FEW = 64
"""How many deltas are applied here, which takes as long as importing the compiled code that applies all later ones."""
_asked = itertools.count()

_ENTRIES = re.compile(rb"[0-7]{5,6} [^\0]+\0.{20}", re.DOTALL)

Piece = tuple[int, int] | bytes | bytearray
"""A range of the base (where, how long), or bytes that stand for themselves."""


def encode_delta(base: bytes, target: bytes, *, is_tree: bool = False) -> bytes:
    """The delta that makes ``target`` from ``base``; ``is_tree`` if both are trees of Git."""
    head = _encode_size(len(base)) + _encode_size(len(target))
    pieces = _pieces_of_tree(base, target) if is_tree else _pieces_of_text(base, target)
    return head + b"".join(_encode_piece(piece) for piece in _joined(pieces))


def apply_delta(base: bytes, delta: bytes) -> bytes:
    """What a delta makes of its base; raises ``ValueError`` for one that is not of this base, or no delta at all."""
    try:
        size, at = _decode_size(delta, 0)
        expected, at = _decode_size(delta, at)
        if size != len(base):
            raise ValueError(f"a delta of a base of {size} bytes, got one of {len(base)}")
        compiled = _compiled() if next(_asked) >= _FEW else None
        made = compiled(base, delta) if compiled is not None else None
        return _apply(base, delta, at, expected) if made is None else made
    except IndexError as error:
        raise ValueError("a delta is cut short") from error


def common_prefix(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    length = min(len(one), len(other))
    if length > _SHORT:
        return _alike_until(one, other, 0, length)
    differing = int.from_bytes(one[:length]) ^ int.from_bytes(other[:length])
    return length - (differing.bit_length() + 7) // 8


def _apply(base: bytes, delta: bytes, at: int, expected: int) -> bytes:
    """What the instructions of a delta, from ``at`` on, make of its base; ``ValueError`` says what is wrong in them."""
    parts: list[bytes] = []
    total = 0
    while at < len(delta) and total <= expected:
        code = delta[at]
        at += 1
        if code & _COPY:
            start = length = 0
            for shift in _SHIFTS[code & 0xF]:
                start |= delta[at] << shift
                at += 1
            for shift in _SHIFTS[code >> _OFFSET_BYTES & 0x7]:
                length |= delta[at] << shift
                at += 1
            length = length or _SIZE_OF_NOTHING
            part = base[start : start + length]
            if len(part) != length:
                raise ValueError(f"a delta copies beyond the {len(base)} bytes of its base")
        else:
            part = delta[at : at + code]
            at += code
            if not code or len(part) != code:
                raise ValueError(f"a delta says to insert {code} bytes and has {len(part)}")
        total += len(part)
        parts.append(part)
    if total != expected:
        raise ValueError(f"a delta makes {total} bytes or more, expected {expected}")
    return b"".join(parts)


@functools.cache
def _compiled() -> Callable[[bytes, bytes], bytes | None] | None:
    """Dulwich's compiled form of `_apply`, ten to fifty times as fast; ``None`` where dulwich was built without it.

    The function gives ``None`` for what is no delta. From a nonsense delta it may make as many bytes as that promises,
    which then have another name than was asked for. It makes room for any size, so its caller checks the sizes first.
    """
    try:
        from dulwich._pack import apply_delta as apply
    except ImportError:
        return None
    from dulwich.errors import ApplyDeltaError

    def try_apply(base: bytes, delta: bytes) -> bytes | None:
        try:
            return b"".join(apply(base, delta))
        except ApplyDeltaError:
            return None

    return try_apply


def _pieces_of_tree(base: bytes, target: bytes) -> Iterator[Piece]:
    """The pieces of a tree: mostly it begins and ends like its base, or other ids stand at the same places."""
    start = common_prefix(base, target)
    end = _common_suffix(base[start:], target[start:])
    stop = len(target) - end
    if stop - start > ID_BYTES and len(base) != len(target):
        entries, others = _ENTRIES.findall(base), _ENTRIES.findall(target)
        if (b"".join(entries), b"".join(others)) == (base, target):
            yield from _matched(base, entries, others)
            return
    yield 0, start
    yield from _other_ids(base, target, start, stop) if len(base) == len(target) else [target[start:stop]]
    yield len(base) - end, end


def _pieces_of_text(base: bytes, target: bytes) -> Iterator[Piece]:
    """The pieces of a text: line against line where both have equally many, else by the lines that the base has too."""
    lines, others = base.splitlines(keepends=True), target.splitlines(keepends=True)
    if len(lines) != len(others):
        yield from _matched(base, lines, others)
        return
    place = 0
    for line, other in zip(lines, others, strict=True):
        end = place + len(line)
        yield from [(place, len(line))] if line == other else _gap(base, place, end, other)
        place = end


def _other_ids(base: bytes, target: bytes, at: int, stop: int) -> Iterator[Piece]:
    """The pieces of a tree that is as long as its base, from ``at`` to ``stop``: what differs is taken to be an id."""
    while at < stop:
        yield target[at : min(at + ID_BYTES, stop)]
        at = min(at + ID_BYTES, stop)
        end = _alike_until(base, target, at, stop)
        yield (at, end - at) if end - at >= _WORTH_A_COPY else target[at:end]
        at = end


def _matched(base: bytes, lines: list[bytes], others: list[bytes]) -> Iterator[Piece]:
    """The pieces of a text or tree, by its lines or entries: some are in its base too, others are new."""
    places: dict[bytes, int] = {}
    starts = [0, *itertools.accumulate(map(len, lines))]
    for number, line in enumerate(lines):
        places.setdefault(line, number)
    next_line = 0
    gap: list[bytes] = []
    for other in others:
        if not gap and next_line < len(lines) and lines[next_line] == other:
            number = next_line
        else:
            number = places.get(other, -1) if len(other) >= _WORTH_A_COPY else -1
        if number < 0:
            gap.append(other)
            continue
        yield from _gap(base, starts[next_line], starts[number], b"".join(gap))
        yield starts[number], len(other)
        next_line, gap = number + 1, []
    yield from _gap(base, starts[next_line], len(base), b"".join(gap))


def _gap(base: bytes, start: int, stop: int, gap: bytes) -> Iterator[Piece]:
    """The pieces of bytes that differ from those in their place in the base, from ``start`` to ``stop``, if any."""
    # Of what may be most of the base, only as much is looked at as there are bytes that could be like it.
    prefix = common_prefix(base[start : min(stop, start + len(gap))], gap)
    suffix = _common_suffix(base[max(start + prefix, stop - len(gap)) : stop], gap[prefix:])
    yield start, prefix
    yield gap[prefix : len(gap) - suffix]
    yield stop - suffix, suffix


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces without empty ones, neighbours together."""
    last: Piece = b""
    for piece in pieces:
        if not isinstance(piece, tuple):
            if isinstance(last, bytearray):
                last += piece
                continue
            if not piece:
                continue
        elif not piece[1]:
            continue
        elif isinstance(last, tuple) and sum(last) == piece[0]:
            last = (last[0], last[1] + piece[1])
            continue
        if last:
            yield last
        # Bytes that come one after another join in place: to copy what there is for each would take long.
        last = piece if isinstance(piece, tuple) else bytearray(piece)
    if last:
        yield last


def _encode_piece(piece: Piece) -> bytes:
    if not isinstance(piece, tuple):
        if len(piece) <= _LONGEST_INSERT:
            return bytes((len(piece),)) + piece
        parts = (piece[at : at + _LONGEST_INSERT] for at in range(0, len(piece), _LONGEST_INSERT))
        return b"".join(bytes([len(part)]) + part for part in parts)
    start, length = piece
    if length <= _LONGEST_COPY:
        return _encode_copy(start, length)
    stop = start + length
    return b"".join(_encode_copy(at, min(_LONGEST_COPY, stop - at)) for at in range(start, stop, _LONGEST_COPY))


def _encode_copy(start: int, size: int) -> bytes:
    """The code, whose bits say which bytes of place and size are not 0, and those bytes."""
    numbers = start.to_bytes(_OFFSET_BYTES, "little") + size.to_bytes(_SIZE_BYTES, "little")
    code = _COPY
    for bit, byte in zip(_BITS, numbers, strict=True):
        if byte:
            code |= bit
    return bytes((code,)) + numbers.translate(None, b"\0")


def _encode_size(size: int) -> bytes:
    encoded = bytearray()
    while size >> 7:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)


def _decode_size(delta: bytes, at: int) -> tuple[int, int]:
    """The size that stands in a delta at a place, and the place behind it."""
    size = shift = 0
    while True:
        byte = delta[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if size > MOST_BYTES:
            raise ValueError(f"a delta has a size of over {MOST_BYTES} bytes, more than any object of a ledger")
        if not byte & 0x80:
            return size, at


def _common_suffix(one: bytes, other: bytes) -> int:
    """How many bytes both end with."""
    length = min(len(one), len(other))
    if length > _SHORT:
        return _alike_until(one[: -length - 1 : -1], other[: -length - 1 : -1], 0, length)
    differing = int.from_bytes(one[len(one) - length :]) ^ int.from_bytes(other[len(other) - length :])
    return ((differing & -differing).bit_length() - 1) // 8 if differing else length


def _alike_until(one: bytes, other: bytes, at: int, stop: int) -> int:
    """Where two first differ from ``at`` on; ``stop`` if they do not. Comparing slices runs at the speed of memory."""
    size = _SHORT
    while at < stop and one[at : at + size] == other[at : at + size]:
        at += size
        size *= 4
    least, most = min(at, stop), min(at + size, stop)
    while least < most:
        middle = (least + most) // 2
        if one[least : middle + 1] == other[least : middle + 1]:
            least = middle + 1
        else:
            most = middle
    return least
