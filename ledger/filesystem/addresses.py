"""What a path of the file system means: an artifact, a version, and a path in it.

Pure. A name may hold ``/`` and a path in a version may hold ``@``, so the artifacts that there are decide
(specs/access.md, 1): the name is what stands before the first ``@``, if that is an artifact's name; otherwise it is the
longest beginning of the path that is one. Only names are percent-encoded, because fsspec takes ``::`` for a chain of
file systems, and no name holds a ``%``; a path in a version is taken as it stands.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote

PROTOCOL = "ledger"


class Address(NamedTuple):
    """An artifact, the version that was asked for (``None``: the latest), and a path in it (empty: its top)."""

    name: str
    version: str | None
    path: str


def parse_address(text: str, is_artifact: Callable[[str], bool]) -> Address | None:
    """What a path without protocol means, or ``None`` where no artifact's name begins it."""
    head, mark, rest = text.partition("@")
    if mark and is_artifact(unquote(head)):
        version, _, path = rest.partition("/")
        return Address(unquote(head), version, path)
    segments = text.split("/")
    for count in range(len(segments), 0, -1):
        name = unquote("/".join(segments[:count]))
        if is_artifact(name):
            return Address(name, None, "/".join(segments[count:]))
    return None


def names_below(text: str, names: Iterable[str]) -> list[str]:
    """The paths one step below a path that lead to names of artifacts, each once, in the order of the names."""
    prefix = f"{text}/" if text else ""
    start = unquote(prefix)
    below = (name.removeprefix(start) for name in names if name.startswith(start))
    return list(dict.fromkeys(prefix + quote_name(name.partition("/")[0]) for name in below))


def without_protocol(text: str) -> str:
    """A path as the file system keeps it: without ``ledger://`` and without slashes around it."""
    return text.removeprefix(f"{PROTOCOL}://").strip("/")


def quote_name(name: str) -> str:
    """A name as a part of a URL, quoted: no name holds a ``%``, so that the two cannot be mistaken."""
    return quote(name, safe="/")
