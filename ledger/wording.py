"""How messages show what they are given: on one line, printable, and no longer than a terminal is wide.

The lowest layer: whatever words a message can use it, `ledger.errors` first.
"""

import re

_SHOWN = 80  # characters of a value
_LONGEST = 10_000
"""Most characters of a message: two of the longest paths there are, and what is said about them."""
_LEFT = 500  # characters at either end of a message that is too long
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_USERINFO = re.compile(r"(?:(?<=://)|(?<=http:/)|(?<=https:/))[^/\s]*@")  # a Path of a URL has one slash
_QUERY = re.compile(r"(?<=\S)\?[^\s'\"]*")


def one_line(text: str) -> str:
    """A text without line breaks, control characters or marks that turn the direction of writing: they are escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def bounded(text: str) -> str:
    """A text as it is, or the beginning and the end of one that is too long for a message."""
    return text if len(text) <= _LONGEST else f"{text[:_LEFT]} ... {text[-_LEFT:]}"


class BoundedRepr:
    """Mixed into a class of values that may hold very much: the repr of such a value is `bounded`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return bounded(super().__repr__())


def shown(value: object, *, most: int = _SHOWN) -> str:
    """A value as messages show it: its repr, cut to ``most`` characters, which fit a terminal."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  # what a user's class raises; the message is about something else
        return f"<{type(value).__name__} whose repr fails: {type(error).__name__}>"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def shown_with_type(value: object) -> str:
    """A value of another type than was expected, as messages show it: ``int: 3``."""
    return f"{type(value).__name__}: {shown(value)}"


def counted(number: int, noun: str) -> str:
    """So many of a thing: ``1 version``, ``2 versions``; the noun is given as one of it."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def human_size(size: int) -> str:
    """A number of bytes for people: ``12345`` is ``12.1 KiB``."""
    number, unit = float(size), 0
    while round(number, 1) >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{size} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def without_secrets(text: str) -> str:
    """A text whose URLs have lost user, password and query."""
    return _QUERY.sub("", _USERINFO.sub("", text)) if ":/" in text else text
