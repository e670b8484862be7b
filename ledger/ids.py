"""Identifiers: what they look like, and how new ones are made.

A version, event or run is known by a UUIDv7 for ever; bytes are known by their
SHA-256. Both are plain strings in records, so that `git grep` finds them; the
distinct types here keep the type checker from mixing them up.
"""

import hashlib
import os
import re
import uuid
from typing import NewType

VersionId = NewType("VersionId", str)
"""A version's UUID in its canonical 36-character form."""

EventId = NewType("EventId", str)
"""An event's UUID in its canonical 36-character form; events sort by it."""

CommitId = NewType("CommitId", str)
"""A Git commit of the history: 40 hex digits."""

Digest = NewType("Digest", str)
"""``sha256:`` and 64 hex digits."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_RANDOM_BITS = 74  # of a UUIDv7, in two parts: 12 in the middle and the lowest 62
_RANDOM = (1 << _RANDOM_BITS) - 1
_LOWEST = (1 << 62) - 1
_TIME = (1 << 48) - 1


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """The digest of some bytes."""
    return digest_from_hex(hashlib.sha256(data).hexdigest())


def digest_from_hex(digits: str) -> Digest:
    """The digest with those 64 hex digits."""
    return Digest(f"sha256:{digits}")


def hex_of(digest: Digest) -> str:
    """The 64 hex digits of a digest."""
    return digest.removeprefix("sha256:")


def bytes_of(digest: Digest) -> bytes:
    """The 32 bytes of a digest: its shortest form, for keeping very many in memory."""
    return bytes.fromhex(hex_of(digest))


def is_digest(text: str) -> bool:
    """Whether a text is a well-formed digest."""
    return _DIGEST.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in the canonical form that records use."""
    return _UUID.fullmatch(text) is not None


def undashed(id: str) -> str:
    """The hex digits of a UUID, or of the beginning of one."""
    return id.replace("-", "")


def dashed(digits: str) -> str:
    """A UUID, or the beginning of one, in the form that records use, by its hex digits."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".rstrip("-")


def full_id(text: str) -> str | None:
    """The UUID that a text spells, in any case and with dashes or without, as records have it; else ``None``."""
    id = dashed(undashed(text.lower()))
    return id if is_uuid(id) else None


def new_uuid(time_ms: int, *, after: str | None = None) -> str:
    """A new UUIDv7 (RFC 9562) for a time in milliseconds since 1970.

    A clock before 1970 counts as 1970. The id sorts after ``after`` whatever the clock says, so that a newer event
    never loses to an older one. Where the clock stands still or runs back, the id has the millisecond of ``after`` and
    the next count in 12 of its bits: so it hardly runs ahead of ids that others make later. Its random bits keep apart
    the ids that two clones make after the same event.
    """
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM
    number = _uuid7(max(0, time_ms) & _TIME, random)
    if after is not None:
        previous = uuid.UUID(after)
        if number <= previous.int:
            number = _above(previous, random)
    return str(uuid.UUID(int=number))


def derived_uuid(seed: bytes, *, after: str) -> str:
    """The UUIDv7 that sorts after ``after`` and is derived from it and a seed, without clock or chance.

    Whoever derives an id from the same seed and the same predecessor gets the same one.
    """
    random = int.from_bytes(hashlib.sha256(seed).digest()[:10]) & _RANDOM
    return str(uuid.UUID(int=_following(uuid.UUID(after), random)))


def _uuid7(time_ms: int, random: int) -> int:
    """Lay out 48 bits of time, the version, 12 random bits, the variant and 62 random bits."""
    high, low = random >> 62, random & _LOWEST
    return time_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low


def _above(previous: uuid.UUID, random: int) -> int:
    """A UUIDv7 above another: of its millisecond, where there is room, with the next count in the first random bits."""
    count = ((previous.int >> 64) + 1) & 0xFFF  # wraps round to 0, and is then below the other
    number = _uuid7(previous.int >> 80, count << 62 | (random & _LOWEST))
    return number if number > previous.int else _following(previous, random)


def _following(previous: uuid.UUID, random: int) -> int:
    """A UUIDv7 of the millisecond after another's; where that was the last millisecond there is, the next UUIDv7."""
    number = _uuid7(((previous.int >> 80) + 1) & _TIME, random)
    return number if number > previous.int else _successor(previous)


def _successor(previous: uuid.UUID) -> int:
    """The next UUIDv7 above another, counting in its time and random bits."""
    time_ms = previous.int >> 80
    high = (previous.int >> 64) & 0xFFF
    low = previous.int & _LOWEST
    count = (time_ms << _RANDOM_BITS | high << 62 | low) + 1
    number = _uuid7((count >> _RANDOM_BITS) & _TIME, count & _RANDOM)
    # A UUID of another version, which somebody else made, may still be larger: then take the next millisecond.
    return number if number > previous.int else _uuid7((time_ms + 1) & _TIME, 0)
