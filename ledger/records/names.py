"""The grammar of names, version strings and tags.

One place decides what is allowed (specs/format.md, 8); everything that reads or
writes asks here.
"""

import re
from collections.abc import Mapping
from typing import NewType

from ledger.enums import ArtifactType
from ledger.errors import ArgumentError, ArgumentTypeError, InvalidNameError, InvalidTagError, InvalidVersionError
from ledger.records.numbers import whole_number
from ledger.wording import shown, shown_with_type

Name = NewType("Name", str)
"""A checked artifact name."""

VersionString = NewType("VersionString", str)
"""A checked version string, numeric or custom."""

NAME_LIMIT = 200
VERSION_LIMIT = 100
TAG_LIMIT = 100
ENCODED_NAME_LIMIT = 240
NUMBER_DIGITS = 9
MAX_NUMBER = 10**NUMBER_DIGITS - 1

_SHORTEN = "shorten it, or join fewer parts: on disk each ':' and '/' takes three bytes"
_PARTS = "parts joined by '/' start with an ASCII letter, digit or '_' and go on with those and '.', ':', '-'"
_APART = "no name holds an '@': give the version apart, as version='v2', in the shell --version v2"
_TAGS_HINT = "write tags=['approved', 'v2']"
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
_CUSTOM = re.compile(rf"[A-Za-z0-9_.+-]{{1,{VERSION_LIMIT}}}")
_NUMERIC = re.compile(rf"0|[1-9][0-9]{{0,{NUMBER_DIGITS - 1}}}")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")


def check_name(name: object) -> Name:
    """The name, if it is one; else `InvalidNameError` with what is wrong and the rule."""
    if not isinstance(name, str):
        message = f"an artifact name is a str, got {shown_with_type(name)}"
        raise ArgumentTypeError(message, hint="give the name as a str; a save takes the value first")
    if not 1 <= len(name) <= NAME_LIMIT:
        raise _bad_name(
            name, f"it has {len(name)} characters, 1 to {NAME_LIMIT} are allowed", hint=_SHORTEN if name else ""
        )
    for segment in name.split("/"):
        if not _SEGMENT.fullmatch(segment):
            reason = f"its part {shown(segment)} does not match {_SEGMENT.pattern}"
            raise _bad_name(name, reason, hint=_APART if "@" in segment else _PARTS)
    size = len(encode_name(Name(name)))
    if size > ENCODED_NAME_LIMIT:
        raise _bad_name(name, f"it takes {size} bytes on disk, over {ENCODED_NAME_LIMIT}", hint=_SHORTEN)
    return Name(str.__str__(name))


def _bad_name(name: str, reason: str, *, hint: str) -> InvalidNameError:
    return InvalidNameError(f"invalid artifact name {shown(name)}: {reason}", hint=hint, name=name)


def encode_name(name: Name) -> str:
    """The directory name of an artifact: percent-encoded, safe on every file system (specs/format.md, 3)."""
    encoded = _NOT_PLAIN.sub(lambda match: f"%{ord(match[0]):02X}", name)
    if _RESERVED.fullmatch(encoded):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if encoded.endswith("."):
        encoded = f"{encoded[:-1]}%2E"
    return encoded


def decode_name(encoded: str) -> Name | None:
    """The name that a directory name encodes, or ``None`` if no name encodes to it."""
    decoded = re.sub(r"%([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), encoded)
    try:
        name = check_name(decoded)
    except InvalidNameError:
        return None
    return name if encode_name(name) == encoded else None


def check_version(version: object) -> VersionString:
    """The version string for what a user gave: an int, or a string that is numeric or custom."""
    if isinstance(version, str):
        text = str.__str__(version)
    elif (number := whole_number(version)) is not None:
        text = _digits_of(number)
    else:
        raise ArgumentTypeError(f"a version is an int or a str, got {shown_with_type(version)}")
    if not _CUSTOM.fullmatch(text):
        raise _bad_version(version, f"1 to {VERSION_LIMIT} of ASCII letters, digits, '_', '.', '+' and '-' are allowed")
    return VersionString(text)


def _digits_of(number: int) -> str:
    """The digits of an int; of one so long that Python may refuse to write it, more zeros than a version may have."""
    return f"{number:d}" if abs(number) < 10**VERSION_LIMIT else "0" * (VERSION_LIMIT + 1)


def _bad_version(version: object, reason: str) -> InvalidVersionError:
    given = shown(version) if isinstance(version, str) else "of an int"
    return InvalidVersionError(f"invalid version {given}: {reason}", version=version)


def number_of(version: str) -> int | None:
    """The number a version string stands for, or ``None`` for a custom version."""
    return int(version) if _NUMERIC.fullmatch(version) else None


def check_tags(tags: object) -> tuple[str, ...]:
    """The tags, sorted and without duplicates; ``None`` means none.

    A bare string is refused, because as a list of its letters it would become tags of one letter.
    """
    return check_given_tags(tags) if tags is not None else ()


def check_given_tags(tags: object) -> tuple[str, ...]:
    """As `check_tags`, but ``None`` is refused: for calls that are about nothing but tags."""
    try:
        each = iter(tags)  # type: ignore[call-overload]  # the call is the test: numpy's arrays fail it without dimensions
    except TypeError:
        each = None
    if each is None or isinstance(tags, (str, bytes, Mapping)):
        hint = f"write tags=[{shown(tags)}]" if isinstance(tags, str) else _TAGS_HINT
        raise ArgumentTypeError(f"tags are a list of str, got {shown_with_type(tags)}", hint=hint)
    return tuple(sorted({_check_tag(tag) for tag in each}))


def _check_tag(tag: object) -> str:
    if not isinstance(tag, str):
        raise ArgumentTypeError(f"a tag is a str, got {shown_with_type(tag)}", hint=_TAGS_HINT)
    if not 1 <= len(tag) <= TAG_LIMIT:
        raise InvalidTagError(
            f"invalid tag {shown(tag)}: it has {len(tag)} characters, 1 to {TAG_LIMIT} are allowed", tag=tag
        )
    if not tag.isprintable() or tag.isspace():
        reason = "it holds characters that cannot be printed" if not tag.isprintable() else "it is blank"
        raise InvalidTagError(f"invalid tag {shown(tag)}: {reason}", tag=tag)
    return str.__str__(tag)


def check_type(type: object) -> ArtifactType | None:
    """The artifact type, given as a member or by value; ``None`` leaves it to the materializer."""
    if type is None:
        return None
    known = [member.value for member in ArtifactType]
    if not isinstance(type, str) or type not in known:
        raise ArgumentError(f"unknown artifact type {shown(type)}", hint=f"the types are {', '.join(known)}", type=type)
    return ArtifactType(type)
